"""One run replayed for many inputs: the same numbers as real calls, and nothing silently wrong."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.calculus.replay import Replay
from microtrain.errors import DtypeError


def leaf(*shape: int) -> mt.Tensor:
    return mt.tensor(np.random.default_rng(1).normal(size=shape), requires_grad=True)


def real(f: object, inputs: list, values: list) -> np.ndarray:
    replay = Replay(f, inputs)
    replay.batched = False
    return replay(values)


PROGRAMS = {
    "elementwise": lambda x, w: (x.tanh() * 2 + w.sum()).exp().mean(),
    "matrix": lambda x, w: (x @ w).softmax(-1).log().sum(),
    "vector times matrix": lambda x, w: (x[0] @ w).sum() * (w @ w.sum(0)).norm(),
    "shapes": lambda x, w: (x.T.reshape(-1)[2:7].unsqueeze(0) * w.flatten()[:5]).sum(0).cumsum(0).prod(),
    "cat": lambda x, w: mt.cat([x.reshape(-1), w.reshape(-1), mt.ones(2)]).sort()[0].logsumexp(0),
    "indices": lambda x, w: x[mt.tensor([0, 2, 2]), 1].sum() + w[:, mt.tensor([1, 0])].max() + x[-1, -1],
    "separated indices": lambda x, w: (x.unsqueeze(1)[mt.tensor([0, 1]), :, mt.tensor([1, 0])] ** 2).sum() * w.sum(),
    "einsum": lambda x, w: mt.einsum("ij,jk,ik->", x, w, x @ w),
    "labels": lambda x, w: mt.nn.functional.cross_entropy(x @ w, mt.tensor([0, 1, 3, 2])),
    "linear": lambda x, w: mt.nn.functional.linear(x, w.T, w.sum(0)).relu().var(),
    "variance and extremes": lambda x, w: (
        x.std(0).sum() + x.amax(1).sum() + w.min() + x.median() + (x > 0).float().sum()
    ),
    "matrices": lambda x, w: mt.linalg.inv(w[:, :3] @ w[:, :3].T + mt.eye(3)).sum() * mt.linalg.solve(x.T @ x, w).sum(),
    "where": lambda x, w: mt.where(x > 0.1, x * w.sum(), x.clamp(-1, 1)).sum(),
    "broadcast": lambda x, w: (x.unsqueeze(-1) * w).expand(4, 3, 4).permute(2, 0, 1).sum(1).abs().sum(),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_and_gradients_are_those_of_real_calls(name):
    x, w = leaf(4, 3), leaf(3, 4)
    rng = np.random.default_rng(3)
    values = [rng.normal(size=(11, 4, 3)), rng.normal(size=(11, 3, 4))]

    def value():
        return PROGRAMS[name](x, w)

    def slopes():
        return mt.cat([g.reshape(-1) for g in mt.autograd.grad(value(), [x, w], create_graph=True)])

    for f in (value, slopes):
        replay = Replay(f, [x, w])
        found = replay(values)
        assert replay.batched, "it fell back to real calls"
        np.testing.assert_allclose(found, real(f, [x, w], values), rtol=1e-9, atol=1e-12)


def branch(x: mt.Tensor) -> mt.Tensor:
    return x.sum() * 2 if x.sum() > 0 else x.sum() * 3


def looks(x: mt.Tensor) -> mt.Tensor:
    return x.sum() * (2.0 if x.sum().item() > 0 else 3.0)


def as_array(x: mt.Tensor) -> mt.Tensor:
    return (x * mt.tensor(np.sign(x.detach().numpy()))).sum()


def leaks(x: mt.Tensor) -> mt.Tensor:
    return (x * mt.tensor(np.sign(x._data))).sum()


def writes(x: mt.Tensor) -> mt.Tensor:
    y = x * 1
    y[0] = y[1] * 2
    return y.sum()


@pytest.mark.parametrize("f", [branch, looks, as_array, leaks, writes])
def test_what_depends_on_values_is_called_for_real(f):
    x = leaf(3)
    values = np.random.default_rng(0).normal(size=(50, 3))
    replay = Replay(lambda: f(x), [x])
    found = replay([values])
    expected = [f(mt.tensor(v)).item() for v in values]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert not replay.batched


def test_a_gradient_with_a_branch_is_called_for_real():
    """That of the determinant asks whether the matrix is singular."""
    x = leaf(3, 3)
    values = np.random.default_rng(0).normal(size=(9, 3, 3))
    values[4, 0] = values[4, 1]  # singular
    replay = Replay(lambda: mt.autograd.grad(mt.det(x), [x], create_graph=True)[0], [x])
    cofactors = [np.linalg.det(v) * np.linalg.inv(v).T for k, v in enumerate(values) if k != 4]
    np.testing.assert_allclose(np.delete(replay([values]), 4, 0), cofactors, rtol=1e-9)
    assert not replay.batched


def test_a_custom_function_is_called_for_real():
    class Double(mt.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(3)
    replay = Replay(lambda: Double.apply(x).sum(), [x])
    np.testing.assert_allclose(replay([np.ones((8, 3))]), np.full(8, 6.0))


def test_what_the_function_reads_besides_its_inputs_may_change():
    x, data = leaf(2), [mt.tensor([1.0, 2.0])]
    replay = Replay(lambda: (x * data[0]).sum(), [x])
    for _ in range(5):
        np.testing.assert_array_equal(replay([np.ones((6, 2))]), np.full(6, 3.0))
    data[0] = mt.tensor([5.0, 5.0])
    np.testing.assert_array_equal(replay([np.ones((6, 2))]), np.full(6, 10.0))
    frozen = mt.tensor([1.0, 2.0])
    replay = Replay(lambda: (x * frozen).sum(), [x])
    frozen.mul_(3)
    np.testing.assert_array_equal(replay([np.ones((6, 2))]), np.full(6, 9.0))
    assert replay.batched


def test_constants_several_outputs_and_the_wrong_kind():
    x = leaf(2)
    constant, sums = Replay(lambda: (mt.tensor([1.0, 2.0]), x.sum()), [x])([np.ones((6, 2))])
    np.testing.assert_array_equal(constant, np.tile([1.0, 2.0], (6, 1)))
    np.testing.assert_array_equal(sums, np.full(6, 2.0))
    with pytest.raises(DtypeError, match="instead of a tensor"):
        Replay(lambda: 3.0, [x])


def test_the_inputs_are_put_back():
    x = leaf(3)
    before = x.detach().numpy().copy()
    Replay(lambda: branch(x), [x])([np.zeros((9, 3))])
    np.testing.assert_array_equal(x.detach().numpy(), before)


def test_rounding_near_a_minimum_does_not_end_the_batching():
    model, (x, y) = mt.nn.Gabor(), mt.data.gabor_points()
    inputs = list(model.parameters())
    replay = Replay(lambda: mt.stack(mt.grad([((model(x) - y) ** 2).sum()], inputs, create_graph=True)), inputs)
    points = np.random.default_rng(0).uniform((-10, 2.5), (10, 22.5), (1000, 2))
    for _ in range(150):  # gradient descent: at many points there is in the end nothing but rounding
        points -= 0.1 * replay(list(points.T))
    assert np.abs(replay(list(points.T))).min() < 1e-9
    assert replay.batched
