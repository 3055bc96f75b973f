"""Every row of the operation table, with its derivative, inside a compiled step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import CompileError

from ..ops.case import Case, flat, leaf
from ..ops.cases import CASES
from ..ops.helpers import examples
from .twins import closeness

REFUSED = {  # what the message says of it
    "allclose": "taken out of the step",
    "masked_select": "a shape that depends on values",
    "nonzero": "a shape that depends on values",
    "where alone": "a shape that depends on values",
}
RANDOM = {"dropout"}
QUICK = {"softmax", "matmul", "cat", "where", "var"}
WIDE = {"tanh", "det", "amax", "norm", "logsumexp"}


def cases() -> list[Any]:
    return [
        pytest.param(
            c, id=c.name, marks=[] if c.name in QUICK else pytest.mark.wide if c.name in WIDE else pytest.mark.slow
        )
        for c in CASES
        if c.name not in RANDOM
    ]


@pytest.mark.parametrize("case", cases())
def test_row(case: Case) -> None:
    drawn = list(examples(case, 6))
    arrays, params = next((d for d in drawn if all(np.size(a) for a in d[0])), drawn[0])
    xs = [leaf(a) for a in arrays]

    def step(*xs: Any) -> Any:
        ys = [y * 1.0 for y in flat(case.ours(*xs, **params))]
        weights = [mt.arange(1.0, y.numel() + 1).reshape(y.shape) / max(1, y.numel()) for y in ys]
        total = sum(((y.double() * w).sum() for y, w in zip(ys, weights, strict=True)), start=mt.ones(2).sum())
        if total.requires_grad:
            total.backward()
        return [*ys, total]

    def run(f: Any) -> list[Any]:
        for x in xs:
            x.grad = None
        found = [np.array(y.detach().numpy()) for y in f(*xs)]
        return found + [None if x.grad is None else np.array(x.grad.numpy()) for x in xs]

    compiled = mt.compile(step)
    if case.name in REFUSED:
        with pytest.raises(CompileError, match=REFUSED[case.name]):
            for _ in range(3):
                run(compiled)
        return
    for _ in range(3):
        found = run(compiled)
    for a, b in zip(run(step), found, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert closeness(a, b) < 1e-11


@pytest.mark.parametrize("row", ["eq", "ne", "lt", "le", "gt", "ge"])
@pytest.mark.wide
def test_integers_that_float64_does_not_hold_are_compared_as_they_are(row: str) -> None:
    beyond = [2**53 - 1, 2**53, 2**53 + 1, 2**62, 2**62 + 1, -(2**53), -(2**53) - 1, 3]
    x, compare = mt.tensor(np.array(beyond)), getattr(mt, row)

    def step(x: Any, y: Any) -> list[Any]:
        others = [y, *beyond, y[0, 0], 2.0**53, True, y.to(mt.uint8), y.double(), mt.full((8,), 2**53 + 1)]
        return [compare(x, other) for other in others] + [compare(other, x) for other in others if other is not True]

    compiled = mt.compile(step)
    for k in range(4):
        y = x.reshape(8, 1) + k
        for found, wanted in zip(compiled(x, y), step(x, y), strict=True):
            assert found.tolist() == wanted.tolist()
