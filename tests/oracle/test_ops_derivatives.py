"""Every operation against PyTorch: value, gradient, and gradient of the gradient, on drawn shapes, strides, values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import microtrain as mt

from ..ops.case import Case, Dice, flat, leaf
from ..ops.cases import CASES

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

TOLERANCE = {"float64": 1e-10, "float32": 1e-4}


class Drawing(Dice):
    """Dice that Hypothesis throws, so that a failing example is made smaller."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def integer(self, low: int, high: int) -> int:
        return int(self.data.draw(st.integers(low, high)))


def check(ours: Any, theirs: Any, tolerance: float, what: str) -> None:
    """Same shape, same kind of dtype, same values (NaN and infinities in the same places)."""
    a, b = np.asarray(ours), theirs.detach().numpy(force=True)
    assert a.shape == b.shape, what
    assert a.dtype.kind == b.dtype.kind, (what, a.dtype, b.dtype)
    if b.dtype.kind == "f":
        assert a.dtype == b.dtype, what
        finite = np.abs(b[np.isfinite(b)])
        scale = max(1.0, finite.max()) if finite.size else 1.0
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale, err_msg=what)
    else:
        np.testing.assert_array_equal(a, b, err_msg=what)


def gradients(ys: list[Any], xs: list[Any], seeds: list[Any], create_graph: bool) -> list[Any]:
    """Ours, with zeros where nothing arrives."""
    return list(mt.grad(ys, xs, seeds, create_graph=create_graph, materialize_grads=True))


def their_gradients(ys: list[Any], xs: list[Any], seeds: list[Any], create_graph: bool) -> list[Any]:
    found = torch.autograd.grad(ys, xs, seeds, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(xs, found, strict=True)]


def compare(case: Case, dice: Dice, dtype: str) -> None:
    drawn = case.draw(dice)
    drawn.lay_out(dice, dtype)
    tolerance = TOLERANCE[dtype] * case.tolerance
    xs = [leaf(x) for x in drawn.inputs]
    theirs = [torch.tensor(np.array(x)) for x in drawn.inputs]
    for t in theirs:
        t.requires_grad_(t.is_floating_point())
    outputs = flat(case.ours(*xs, **drawn.params))
    expected = flat(case.theirs(torch)(*theirs, **drawn.params))
    assert len(outputs) == len(expected)
    for y, z in zip(outputs, expected, strict=True):
        check(y.detach().numpy(), z, tolerance, "value")
    if not case.order:
        return

    ys = [y for y in outputs if y.requires_grad]
    zs = [z for z, y in zip(expected, outputs, strict=True) if y.requires_grad]
    assert all(z.requires_grad == y.requires_grad for z, y in zip(expected, outputs, strict=True))
    leaves, their_leaves = [x for x in xs if x.requires_grad], [t for t in theirs if t.requires_grad]
    if not ys or not leaves:
        return
    rng = dice.rng()

    def random(shapes: list[Any]) -> tuple[list[Any], list[Any]]:
        arrays = [np.asarray(rng.uniform(-1, 1, shape)).astype(dtype) for shape in shapes]
        return [leaf(a) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]

    seeds, their_seeds = random([y.shape for y in ys])
    seeds = [
        g if g.dtype == y.dtype else leaf(np.asarray(g.detach()).astype(y.dtype))
        for g, y in zip(seeds, ys, strict=True)
    ]
    their_seeds = [t.detach().to(z.dtype).requires_grad_() for t, z in zip(their_seeds, zs, strict=True)]
    plain = mt.grad(ys, leaves, [g.detach() for g in seeds], retain_graph=True, materialize_grads=True)
    first = gradients(ys, leaves, seeds, case.order > 1)
    their_first = their_gradients(zs, their_leaves, their_seeds, case.order > 1)
    for k, (g, h) in enumerate(zip(first, their_first, strict=True)):
        check(g.detach().numpy(), h, tolerance, f"gradient of input {k}")
        check(plain[k].numpy(), h, tolerance, f"gradient of input {k}, without create_graph")
        memory = plain[k]._array()
        assert memory.flags.c_contiguous and memory.flags.writeable and not np.shares_memory(memory, leaves[k]._array())
    if case.order < 2:
        return

    seconds, their_seconds = random([g.shape for g in first])
    pairs = [(g, u) for g, u in zip(first, seconds, strict=True) if g.requires_grad]
    their_pairs = [(g, u) for g, u in zip(their_first, their_seconds, strict=True) if g.requires_grad]
    ours = [np.zeros(x.shape) for x in (*leaves, *seeds)]
    expected = [torch.zeros_like(x) for x in (*their_leaves, *their_seeds)]
    if pairs:
        ours = [np.asarray(g.detach()) for g in gradients(*lists(pairs, [*leaves, *seeds]), create_graph=False)]
    if their_pairs:
        expected = their_gradients(*lists(their_pairs, [*their_leaves, *their_seeds]), create_graph=False)
    for k, (g, h) in enumerate(zip(ours, expected, strict=True)):
        check(g.astype(str(h.numpy(force=True).dtype)), h, 10 * tolerance, f"second derivative, {k}")


def lists(pairs: list[tuple[Any, Any]], xs: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    return [g for g, _ in pairs], xs, [u.detach() for _, u in pairs]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_equals_torch(case: Case, dtype: str) -> None:
    @settings(max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def examples(data: Any) -> None:
        compare(case, Drawing(data), dtype)

    examples()
