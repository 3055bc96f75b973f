"""Sums, softmax and cross-entropy by kernels: as NumPy's, with fewer passes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import microtrain as mt
from microtrain import kernels
from microtrain.kernels import reductions, tier
from microtrain.nn.functional import cross_entropy
from tests.wide import mostly_wide

SHAPES = [(4096, 100), (1000, 3), (7, 5000), (4, 5, 70), (300, 1)]


def both(compute):
    """The same with each tier."""
    found = []
    for name in ("numba", "numpy"):
        with kernels.use(name):
            found.append(compute())
    return found


def close(a, b, dtype, scale=1.0):
    np.testing.assert_allclose(a, b, rtol=30 * np.finfo(dtype).eps, atol=8 * scale * np.finfo(dtype).eps)
    assert a.dtype == b.dtype == dtype and a.shape == b.shape


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("function", "dtype"),
    mostly_wide(
        itertools.product([mt.softmax, mt.log_softmax], [np.float64, np.float32]),
        but=[(mt.softmax, np.float32), (mt.log_softmax, np.float64)],
    ),
)
def test_softmax(function, shape, dtype):
    rng = np.random.default_rng(0)
    data, g = (rng.standard_normal(shape) * 5).astype(dtype), rng.standard_normal(shape).astype(dtype)

    def compute():
        x = mt.tensor(data, requires_grad=True)
        y = function(x, -1)
        y.backward(mt.tensor(g))
        return y.detach().numpy().copy(), x.grad.numpy().copy()

    (y, dx), (other, dother) = both(compute)
    close(y, other, dtype)
    close(dx, dother, dtype, np.abs(g).sum(-1).max())


@pytest.mark.parametrize("dtype", mostly_wide([np.float64, np.float32], but={np.float32}))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(shape, dtype, reduction):
    rng = np.random.default_rng(0)
    data, labels = (rng.standard_normal(shape) * 5).astype(dtype), rng.integers(0, shape[-1], shape[:-1])
    classes_second = np.moveaxis(data, -1, 1) if data.ndim > 2 else data

    def compute():
        x = mt.tensor(classes_second, requires_grad=True)
        loss = cross_entropy(x, mt.tensor(labels), reduction=reduction)
        loss.sum().backward(retain_graph=True)
        first = x.grad.numpy().copy()
        x.grad = None
        loss.sum().backward()  # again: what the forward pass had left is used up
        np.testing.assert_array_equal(x.grad.numpy(), first)
        alone = cross_entropy(x.detach(), mt.tensor(labels), reduction=reduction)  # without the derivative
        close(alone.numpy(), loss.detach().numpy(), dtype)
        return np.asarray(loss.detach().numpy()), first

    (loss, dx), (other, dother) = both(compute)
    close(loss, other, dtype)
    close(dx, dother, dtype)


def test_cross_entropy_scales_and_differentiates_twice(forced):
    rng = np.random.default_rng(0)
    data, labels = rng.standard_normal((50, 6)), rng.integers(0, 6, 50)

    def gradient(x, create_graph):
        return mt.grad([cross_entropy(x, mt.tensor(labels)) * 3], [x], create_graph=create_graph)[0]

    x = mt.tensor(data, requires_grad=True)
    np.testing.assert_allclose(gradient(x, True).detach().numpy(), gradient(x, False).numpy(), rtol=1e-13, atol=1e-16)
    v = mt.tensor(rng.standard_normal((50, 6)))
    (hv,) = mt.grad([(gradient(x, True) * v).sum()], [x])
    h = 1e-6
    up, down = (gradient(mt.tensor(data + s * h * v.numpy(), requires_grad=True), False).numpy() for s in (1, -1))
    np.testing.assert_allclose(hv.numpy(), (up - down) / (2 * h), rtol=1e-6, atol=1e-9)


def test_an_overwritten_input_is_noticed(forced):
    x = mt.tensor(np.ones((50, 6)), requires_grad=True)
    z = x * 1.5
    loss = cross_entropy(z, mt.tensor(np.zeros(50, int)))
    with mt.no_grad():
        z.zero_()
    with pytest.raises(mt.MicrotrainError, match="overwrote"):
        loss.backward()


@pytest.mark.parametrize("row", [[1.0, np.nan, 2], [np.inf, 1, 2], [-np.inf] * 3, [-np.inf, 0, 1], [1e308, -1e308, 0]])
def test_extreme_rows(row):
    x = mt.tensor([row, [0.0, 1, 2]])
    for function in (mt.softmax, mt.log_softmax):
        ours, numpys = both(lambda f=function: f(x, -1).numpy())
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(numpys))
        np.testing.assert_allclose(ours, numpys, rtol=1e-14)
    ours, numpys = both(lambda: cross_entropy(x, mt.tensor([2, 0]), reduction="none").numpy())
    np.testing.assert_allclose(ours, numpys, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("how", ["sum", "mean", "logsumexp"])
@pytest.mark.parametrize("dim", [None, -1, (1, 2), 0, (0, 2)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_sums(how, dim, keepdim, dtype):
    data = np.random.default_rng(0).standard_normal((12, 40, 70)).astype(dtype) + 1
    every = (0, 1, 2) if dim is None else dim

    def compute():
        return np.asarray(getattr(mt.tensor(data), how)(every, keepdim=keepdim).numpy())

    ours, numpys = both(compute)
    close(ours, numpys, dtype)


def test_sums_of_odd_numbers(forced):
    for row in ([np.nan] * 100, [np.inf] * 99 + [1.0], [np.inf, -np.inf] * 50, [-np.inf] * 100, [-0.0] * 100):
        x = np.array(row)
        with np.errstate(all="ignore"):
            assert np.array_equal(reductions.reduction(x, "sum", (0,), False), x.sum(), equal_nan=True)
            expected = np.logaddexp.reduce(x)
            np.testing.assert_allclose(reductions.reduction(x, "logsumexp", (0,), False), expected, rtol=1e-15)
            assert np.array_equal(reductions.reduction(x, "max", (0,), False), x.max(), equal_nan=True)


def test_a_long_sum_is_exact_to_the_last_bits(forced):
    x = np.full(3_000_000, 0.1)
    assert abs(reductions.reduction(x, "sum", (0,), False) - 300_000) < 1e-9
    x = np.full(3_000_000, np.float32(0.1))
    assert abs(reductions.reduction(x, "sum", (0,), False) - 3_000_000 * float(np.float32(0.1))) < 0.13  # 4 ulps


def test_what_is_left_to_numpy(forced):
    x = np.ones((100, 200))
    for other in (x.astype(np.float16), x.astype(int), x.T, x.astype(">f8"), x[:0]):
        assert reductions.reduction(other, "sum", (0, 1), False) is None
        assert reductions.softmax(other, 1) is None
    assert reductions.reduction(x, "sum", (0,), False) is None  # not the last axis
    assert reductions.reduction(x[:, :3].copy(), "sum", (1,), False) is None  # short rows
    assert reductions.softmax(x, 0) is None
    with kernels.use("numpy"):
        assert reductions.reduction(x, "sum", (0, 1), False) is None
    with kernels.use("auto"):
        assert reductions.softmax(x[: tier.LARGE // 200], 1) is None and reductions.softmax(x, 1) is not None
