"""Elementwise operations at zeros, ties, corners, huge and tiny numbers, infinities, NaN: value and slope as PyTorch's.

Where PyTorch's choice is not followed, the case says where and why.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import microtrain as mt

from ..ops.case import Case, Dice, leaf
from ..ops.cases import CASES

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

VALUES = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 6.0, -6.0, 19.9, 20.0, 20.1, 88.0, -88.0, 1e-30, -1e-30, 1e-5,
    1e4, -1e4, 1e30, -1e30, np.inf, -np.inf, np.nan,
]  # fmt: skip
SPECIAL = [case for case in CASES if case.special]


def grid(case: Case, dtype: str) -> list[Any]:
    """Every value, or every pair of values."""
    inputs = len(case.draw(Dice(0)).inputs)
    return [np.array(x, dtype) for x in zip(*itertools.product(VALUES, repeat=inputs), strict=True)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", SPECIAL, ids=repr)
def test_special_values(case: Case, dtype: str) -> None:
    xs = grid(case, dtype)
    ours, theirs = [leaf(x) for x in xs], [torch.tensor(x, requires_grad=True) for x in xs]
    y, z = case.ours(*ours), case.theirs(torch)(*theirs)
    compared = ~case.differs(*xs) if case.differs else np.ones(xs[0].shape, dtype=bool)
    agree(y.detach().numpy(), z, xs, compared, dtype, "value")
    if case.order:
        g = np.ones(xs[0].shape, dtype)
        mine = mt.grad(y, ours, leaf(g).detach(), materialize_grads=True)
        them = torch.autograd.grad(z, theirs, torch.tensor(g), allow_unused=True)
        # y (1 - y): where y is almost 1, its rounding, which kernels may do another way, is all that 1 - y has
        rounding = float(np.finfo(dtype).eps) if repr(case) == "sigmoid" else 0.0
        for k, (a, b) in enumerate(zip(mine, them, strict=True)):
            slope = torch.zeros_like(theirs[k]) if b is None else b
            agree(a.numpy(), slope, xs, compared, dtype, f"slope in input {k}", rounding)


def agree(
    ours: Any, theirs: Any, xs: list[Any], compared: Any, dtype: str, what: str, rounding: float = 0.0
) -> None:  # fmt: skip
    theirs = theirs.detach().numpy(force=True)
    if theirs.dtype.kind != "f":
        np.testing.assert_array_equal(ours[compared], theirs[compared])
        return
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    tiny = 1e-300 if dtype == "float64" else 1e-37  # below it, PyTorch flushes some results to 0
    close = np.isclose(ours, theirs, rtol=tolerance, atol=tiny + rounding, equal_nan=True) | ~compared
    bad = [
        (*(float(x[i]) for x in xs), "ours", float(ours[i]), "theirs", float(theirs[i])) for i in np.flatnonzero(~close)
    ]
    assert not bad, f"{what}: {len(bad)} differ: {bad[:12]}"
