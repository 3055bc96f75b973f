"""Errors from NumPy come out as messages with shapes, a reason and a remedy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import microtrain as mt
from microtrain import errors

x = mt.ones(2, 3)
CALLS = {
    "broadcast": (lambda: x + mt.ones(2), errors.ShapeError, r"add\(f64\[2, 3\], f64\[2\]\).*do not go together"),
    "why not": (lambda: x * mt.ones(4, 3), errors.ShapeError, r"lengths must be equal or 1; axis -2 has 2 and 4"),
    "matmul": (lambda: x @ x, errors.ShapeError, r"\(2, 3\) can't be multiplied by one of shape \(2, 3\)"),
    "index": (lambda: x[0, 5], errors.IndexingError, r"getitem\(f64\[2, 3\], index=\(0, 5\)\)"),
    "fancy index": (lambda: x[[0, 1], [0, 7]], errors.IndexingError, "out of bounds"),
    "mask": (lambda: x[mt.tensor([True, False, True])], errors.IndexingError, "index"),
    "dtype": (lambda: x | 1, errors.DtypeError, "bitwise_or"),
    "integer logits": (
        lambda: mt.nn.functional.cross_entropy(x.long(), mt.tensor([0, 1])),
        errors.DtypeError,
        r"the logits have dtype int64.*The logits come first, then the labels",
    ),
    "integer logits, smoothed": (
        lambda: mt.nn.CrossEntropyLoss(label_smoothing=0.1)(x > 0, mt.tensor([0, 1])),
        errors.DtypeError,
        "dtype bool",
    ),
    "bounds": (lambda: mt.tensor([1], dtype=mt.uint8) * 300, errors.ArgumentError, "300"),
    "negative power": (lambda: mt.tensor([2]) ** -2, errors.ArgumentError, "negative integer powers"),
}


@pytest.mark.parametrize("name", CALLS)
def test_messages(name):
    call, error, match = CALLS[name]
    with pytest.raises(error, match=f"(?s){match}") as caught:
        call()
    assert "\n" in str(caught.value) or "is not possible" in str(caught.value)


def test_errors_are_also_the_built_in_ones():
    for call, _, _ in CALLS.values():
        with pytest.raises((ValueError, TypeError, IndexError)):
            call()
        with pytest.raises(RuntimeError):
            call()


def test_errors_survive_pickling():
    with pytest.raises(mt.MicrotrainError) as caught:
        x @ x
    twin = pickle.loads(pickle.dumps(caught.value))
    assert str(twin) == str(caught.value) and type(twin) is errors.ShapeError


def test_the_learners_own_errors_pass():
    def hook(g):
        raise KeyError("mine")

    y = mt.ones(2, requires_grad=True) * 2
    y.register_hook(hook)
    with pytest.raises(KeyError, match="mine"):
        y.sum().backward()
    assert np.geterr()["divide"] == "warn"  # and NumPy's settings are as before
