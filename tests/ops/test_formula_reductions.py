"""Reductions of formulas: the same as computing the values first, in value and derivatives, with either tier."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import F, kernels
from microtrain.calculus.gradcheck import gradcheck, gradgradcheck
from microtrain.errors import ArgumentError, MicrotrainError, ShapeError

bump = mt.elementwise("bump", lambda x, scale: F.exp(-x * x) * scale)
square = mt.elementwise("my_square", lambda x: x * x, [lambda g, x, y: g * 2 * y / x])  # asks for its own value
HOW = ["sum", "mean", "max", "logsumexp"]


def plain(y, how, dim, keepdim):
    if how == "max":
        return y.amax(dim, keepdim)
    return getattr(y, how)(tuple(range(y.ndim)) if dim is None else dim, keepdim)


@pytest.mark.parametrize("tier", ["numpy", "numba"])
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2), (1, 2)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_the_same_as_in_two_steps(tier, how, dim, keepdim):
    rng = np.random.default_rng(0)
    data, scales = rng.standard_normal((5, 30, 40)), rng.standard_normal((30, 1))
    found = []
    for compute in (
        lambda x, s: getattr(bump, how)(x, s, dim=dim, keepdim=keepdim),
        lambda x, s: plain(bump(x, s), how, dim, keepdim),
    ):
        with kernels.use(tier):
            x, s = mt.tensor(data, requires_grad=True), mt.tensor(scales, requires_grad=True)
            y = compute(x, s)
            (y * y.detach()).sum().backward()
        found.append((y.detach().numpy(), x.grad.numpy(), s.grad.numpy()))
    for ours, expected in zip(*found, strict=True):
        assert ours.shape == expected.shape
        np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("how", HOW)
def test_derivatives(how):
    x = mt.tensor(np.linspace(0.5, 2, 6).reshape(2, 3), requires_grad=True)
    assert gradcheck(lambda x: getattr(square, how)(x, dim=1), (x,))
    if how != "max":
        assert gradgradcheck(lambda x: getattr(square, how)(x, dim=1), (x,))


def test_ties_share():
    x = mt.tensor([1.0, -1.0, 0.5], requires_grad=True)
    mt.elementwise("again", lambda x: x * x).max(x).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1, -1, 0])


@pytest.mark.parametrize("how", HOW)
def test_an_input_without_a_derivative(how):
    """No gradient flows to it; to the other one it does."""
    scaled = mt.elementwise("scaled", lambda x, scale: x * scale, [lambda g, scale: g * scale, None])
    x, scale = (mt.tensor(np.ones(shape), requires_grad=True) for shape in ((3, 4), (4,)))
    getattr(scaled, how)(x, scale, dim=1).sum().backward()
    assert x.grad.abs().sum() > 0
    assert (scale.grad == 0).all()


def test_large_values_are_not_stored():
    """One pass: the values take no memory."""
    import tracemalloc

    x = mt.tensor(np.linspace(-1, 1, 1_000_000))
    with kernels.use("auto"):
        bump.sum(x, 2.0)  # compiles
        tracemalloc.start()
        bump.sum(x, 2.0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 100_000


def test_mistakes():
    from microtrain.ops.formula_reductions import reduce_formula

    with pytest.raises(ArgumentError, match="no elements"):
        square.max(mt.ones((0, 3)))
    with pytest.raises(ArgumentError, match="reduction 'median'"):
        reduce_formula(square.row, "median", mt.ones(3))
    for how in ("sum", "mean", "max", "logsumexp"):
        reduce = getattr(bump, how)
        for inputs in ((), (mt.ones(2),), (1.0, 2.0, 3.0)):
            with pytest.raises(ArgumentError, match=rf"bump.{how}\(\) takes 2 inputs \(.*\), not {len(inputs)}"):
                reduce(*inputs)
        for size in (3, 50_000):
            with pytest.raises(ShapeError, match=f"{how} of bump: .* do not go together"):
                reduce(mt.ones(size), mt.ones(size + 1))
        with pytest.raises(MicrotrainError):
            reduce("a", None)
        assert isinstance(reduce([1.0, 2.0], 3), mt.Tensor)
