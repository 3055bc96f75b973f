"""Messages name the line of the learner's program, whichever way an operation was called."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import microtrain as mt
from microtrain.engine.sites import Site, call_site, site_of


def here():
    """The number of the line that calls this."""
    return inspect.currentframe().f_back.f_lineno


x = mt.ones(2, 2, requires_grad=True)
CALLS = {
    "operator": lambda: (x * 2, here()),
    "reflected": lambda: (2 * x, here()),
    "method": lambda: (x.exp(), here()),
    "function": lambda: (mt.exp(x), here()),
    "reduction": lambda: (x.sum(axis=0), here()),
    "index": lambda: (x[0], here()),
    "view": lambda: (x.T, here()),
    "several rows": lambda: (mt.cross_entropy(x, mt.tensor([0, 1])), here()),
    "numpy": lambda: (np.exp(x), here()),
    "module": lambda: (mt.nn.Linear(2, 3)(x), here()),
}


@pytest.mark.parametrize("way", CALLS)
def test_the_line_of_the_call(way):
    y, line = CALLS[way]()
    assert (y.grad_fn.site.filename, y.grad_fn.site.lineno) == (__file__, line)
    assert str(y.grad_fn.site).startswith(f"{__file__}:{line}: ")


def test_the_line_of_a_write():
    w = mt.ones(2, requires_grad=True)
    for write in (
        lambda h: (h.add_(1), here()),
        lambda h: (h.__setitem__(0, 1.0), here()),
        lambda h: (h.detach().fill_(1.0), here()),
        lambda h: (h[0].copy_(mt.ones(())), here()),
    ):
        h = w * 2
        y = h * h
        _, line = write(h)
        with pytest.raises(mt.MicrotrainError, match=f"overwritten at: .*:{line}: "):
            y.sum().backward()


def test_code_without_a_source():
    namespace = {"mt": mt}
    exec(compile("y = mt.ones(2, requires_grad=True) * 2", "<nowhere>", "exec"), namespace)
    assert str(namespace["y"].grad_fn.site) == "<nowhere>:1"
    assert namespace["y"].grad_fn.site == Site("<nowhere>", 1, "<module>")


def test_a_stack_that_is_not_deep_enough():
    assert site_of(call_site(10_000)).filename  # falls back to what there is


def test_nodes_say_where_they_were_made():
    y = x * 2
    assert repr(y.grad_fn).startswith("<Node mul float64[2, 2] at ") and "test_sites.py" in repr(y.grad_fn)
    assert y.grad_fn.next_functions == ((x, 0),)
