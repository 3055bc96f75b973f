"""Loops over large arrays, which threads share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain.compiler.shared import Shared

pytestmark = pytest.mark.wide  # each compiles a step


def grid(*shape: int) -> Any:
    return mt.randn(*shape, generator=mt.Generator(0))


WIDE, TALL, LONG = (300, 500), (40_000, 3), (150_001,)
STEPS: dict[str, tuple[tuple[int, ...], Callable[[Any, Any], Any]]] = {
    "no sum": (WIDE, lambda x, w: (mt.tanh(x) * w + x).sin()),
    "sum of columns": (WIDE, lambda x, w: (mt.tanh(x) * w).sum(0)),
    "sum of rows": (WIDE, lambda x, w: (mt.tanh(x) * w).sum(1)),
    "columns and all": (WIDE, lambda x, w: (mt.exp(x) * w).sum(0) + (mt.exp(x) * w).sum()),
    "few columns": (TALL, lambda x, w: (mt.tanh(x) * w + x).sum(0)),
    "few columns, largest": (TALL, lambda x, w: (mt.tanh(x) * w + x).amax(0)),
    "smallest of all": (WIDE, lambda x, w: (mt.tanh(x) * w + x).amin()),
    "mean of all": (LONG, lambda x, w: ((mt.tanh(w * x) - x) ** 2).mean()),
    "arguments beyond the fast sine": (LONG, lambda x, w: (mt.sin(1e9 * x) * w + mt.cos(x)).mean()),
    "NaN": (LONG, lambda x, w: (mt.log(x) * w + x).amax()),
    "booleans": (WIDE, lambda x, w: mt.where((x > 0) & (x < w), x * w, x - w)),
    "three axes": ((64, 50, 60), lambda x, w: (mt.tanh(x) * w + x).sum(1)),
    "a transpose": (WIDE, lambda x, w: (mt.tanh(x.T) * w + x.T).sum(0)),
    "a row for all": (WIDE, lambda x, w: (mt.tanh(x) + x[0] * w).sum(0)),
}


def compiled(x: Any, what: Callable[[Any, Any], Any]) -> Any:
    """A step of gradient descent for a weight, compiled."""
    w = mt.tensor(0.7, requires_grad=True, dtype=x.dtype)

    def step(x: Any) -> Any:
        y = what(x, w)
        w.grad = None
        y.sum().backward()
        return y.detach(), w.grad

    run = mt.compile(step)
    for _ in range(3):
        run(x)
    return run


@pytest.mark.parametrize("name", STEPS)
def test_the_values_are_those_of_the_eager_step(name: str) -> None:
    shape, what = STEPS[name]
    x = grid(*shape)
    run = compiled(x, what)
    pieces = [p for form in run._forms.values() for v, _ in form.variants for p in v.emitter.python]
    assert any(isinstance(p, Shared) for p in pieces)
    for found, wanted in zip(run(x), run.step(x), strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["sum of columns", "few columns", "mean of all"])
def test_the_bits_do_not_depend_on_the_threads(name: str) -> None:
    shape, what = STEPS[name]
    x = grid(*shape).float()
    run = compiled(x, what)
    found = []
    before = mt.kernels.get_num_threads()
    try:
        for threads in (1, 2, 5):
            mt.kernels.set_num_threads(threads)
            found.append([y.numpy().tobytes() for y in run(x)])
    finally:
        mt.kernels.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_arrays_may_move_from_call_to_call() -> None:
    run = compiled(grid(*WIDE), STEPS["sum of columns"][1])
    for _ in range(3):
        x = mt.randn(*WIDE)
        np.testing.assert_allclose(run(x)[0].numpy(), run.step(x)[0].numpy(), rtol=1e-11, atol=1e-12)


def test_the_source_is_shown() -> None:
    run = compiled(grid(*WIDE), STEPS["sum of columns"][1])
    assert "shared" in str(run.explain())
    assert "for i0 in range(300):" in str(run.explain())
    assert "range(first, last)" in str(run.explain())


FOLLOWED: dict[str, tuple[tuple[int, ...], tuple[int, ...], Callable[[Any, Any], Any], bool]] = {
    "strips of columns": ((100, 300), (300, 2000), lambda y, w: mt.tanh(y * w) + y, True),
    "strips of columns, added up": ((100, 300), (300, 2000), lambda y, w: (mt.tanh(y * w) + y).sum(0), True),
    "strips of rows": ((2000, 300), (300, 130), lambda y, w: mt.tanh(y * w) + y, True),
    "strips of rows, added up": ((2000, 300), (300, 130), lambda y, w: (mt.tanh(y * w) + y).sum(0), True),
    "neither": ((600, 300), (300, 600), lambda y, w: mt.tanh(y * w) + y, False),
    "another element": ((500, 100), (100, 500), lambda y, w: mt.tanh(y * w) + y.T, False),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_loop_follows_the_tiles_of_a_product(name: str) -> None:
    left, right, what, follows = FOLLOWED[name]
    a, b = grid(*left), mt.randn(*right) / right[0] ** 0.5
    run = compiled(a, lambda a, w: what(a @ b, w))
    pieces = [p for form in run._forms.values() for v, _ in form.variants for p in v.emitter.python]
    assert any(isinstance(p, Shared) and p.product is not None for p in pieces) == follows
    for x in (a, mt.randn(*left)):
        for found, wanted in zip(run(x), run.step(x), strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-10, atol=1e-11)


def test_what_other_tiles_need_is_not_written_over() -> None:
    """The loop's result has the shape of the product's factor, which nobody reads afterwards."""
    b, c = (mt.randn(512, 512) / 512**0.5 for _ in range(2))

    def what(x: Any, w: Any) -> Any:
        a = mt.tanh(x * w)
        return mt.tanh(mt.tanh(a @ b + w) @ c + w)

    for rows in (128, 200):
        x = grid(rows, 512)
        run = compiled(x, what)
        for found, wanted in zip(run(x), run.step(x), strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-10, atol=1e-11)
