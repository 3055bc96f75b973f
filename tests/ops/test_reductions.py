"""Reductions, extremes, norms and scans at their corners: nothing, one, equal numbers, ties, NaN, infinities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt

from .helpers import check_derivatives

inf, nan = np.inf, np.nan


def slope(f: Any, x: Any) -> Any:
    """The gradient of the sum of f(x)."""
    x = mt.tensor(x, requires_grad=True)
    return mt.grad(f(x).sum(), [x])[0].tolist()


def test_reductions_of_nothing() -> None:
    x = mt.zeros(0, 3)
    assert x.sum().item() == 0
    assert x.prod().item() == 1
    assert np.isnan(x.mean().item())
    assert np.isnan(x.var().item())
    assert x.mean(1).shape == (0,)
    assert x.sum(0).tolist() == [0.0, 0.0, 0.0]
    assert x.norm().item() == 0
    assert mt.logsumexp(x, 0).tolist() == [-inf] * 3
    assert (x.any().item(), x.all().item()) == (False, True)
    assert x.cumsum(0).shape == x.sort(0)[0].shape == (0, 3)
    assert x.amax(1).shape == (0,)


def test_the_spread_of_one_number_and_of_equal_ones() -> None:
    assert np.isnan(mt.tensor([3.0]).var().item())
    assert mt.tensor([3.0]).var(correction=0).item() == 0
    for value in (0.1, 1e8 + 0.3, -7.7):
        x = mt.full((5,), value, requires_grad=True)
        assert x.var().item() == 0
        assert slope(mt.std, x.tolist()) == [0.0] * 5
    x = mt.tensor(np.array([1e8, 1e8 + 8, 1e8 + 16], np.float32))
    assert x.var().item() == 64


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_the_standard_deviation_of_float32_has_squares_that_fit(size: float) -> None:
    x = mt.tensor([size, size, 0.0], dtype=mt.float32, requires_grad=True)
    y = x.std()
    assert y.dtype == mt.float32 and y.item() == pytest.approx(size / 3**0.5, rel=1e-6)
    y.backward()
    np.testing.assert_allclose(x.grad, np.array([1, 1, -2]) / 12**0.5, rtol=1e-6)


def test_the_spread_of_equal_numbers_twice_differentiated_is_not_nan() -> None:
    x = mt.tensor([2.0, 2.0, 2.0], requires_grad=True)
    for f in (mt.std, mt.norm):
        (g,) = mt.grad(f(x - 2 if f is mt.norm else x), [x], create_graph=True)
        assert mt.grad((g * g).sum(), [x])[0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("p", [1, 2, 3, 1.5, 0.5, inf, -inf])
def test_norms_of_zero(p: float) -> None:
    assert slope(lambda x: mt.norm(x, p), [0.0, 0.0]) == [0.0, 0.0]
    assert mt.norm(mt.zeros(2), p).item() == 0


def test_norms() -> None:
    x = mt.tensor([[3.0, -4.0], [0.0, 0.0]])
    assert mt.norm(x, dim=1).tolist() == [5.0, 0.0]
    assert mt.norm(x, 1).item() == 7
    assert mt.norm(x, 0, 1).tolist() == [2.0, 0.0]
    assert mt.norm(x, inf, keepdim=True).tolist() == [[4.0]]
    assert mt.norm(x, "fro").item() == 5
    assert mt.norm(mt.tensor([3, 4])).item() == 5
    assert slope(mt.norm, [3.0, -4.0]) == [0.6, -0.8]


def test_over_everything_ties_share_and_along_an_axis_the_first_gets_it() -> None:
    x = [[1.0, 3.0, 3.0], [3.0, 0.0, 0.0]]
    for f in (mt.max, mt.amax):
        np.testing.assert_allclose(slope(f, x), [[0, 1 / 3, 1 / 3], [1 / 3, 0, 0]])
    assert slope(lambda x: x.amin(1), x) == [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]
    assert slope(lambda x: x.max(1).values, x) == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert slope(lambda x: x.min(1).values, x) == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert slope(mt.median, [1.0, 2.0, 2.0, 5.0]) == [0.0, 0.5, 0.5, 0.0]
    assert mt.tensor(x).max((0, 1)).item() == 3


def test_nan_wins() -> None:
    x = mt.tensor([[1.0, nan, 2.0], [0.0, 1.0, nan]])
    for f in (mt.max, mt.min, mt.amax, mt.amin, mt.median, mt.sum):
        assert np.isnan(f(x).item())
    assert x.argmax(1).tolist() == x.argmin(1).tolist() == [1, 2]
    assert x.max(1).indices.tolist() == x.median(1).indices.tolist() == [1, 2]
    np.testing.assert_equal(mt.sort(x, 1).values.tolist(), [[1.0, 2.0, nan], [0.0, 1.0, nan]])
    assert mt.sort(x, 1, descending=True).indices.tolist() == [[1, 2, 0], [2, 1, 0]]
    assert slope(mt.max, [1.0, nan, nan]) == [0.0, 0.5, 0.5]


def test_equal_elements_keep_their_order() -> None:
    x = mt.tensor([2.0, 1.0, 2.0, 1.0, -0.0, 0.0])
    assert x.argsort().tolist() == [4, 5, 1, 3, 0, 2]
    assert x.argsort(descending=True).tolist() == [0, 2, 1, 3, 4, 5]
    assert x.topk(3).indices.tolist() == [0, 2, 1]
    assert x.topk(2, largest=False).indices.tolist() == [4, 5]


def test_medians() -> None:
    assert mt.median(mt.tensor([3.0, 1.0, 2.0, 4.0])).item() == 2
    values, indices = mt.median(mt.tensor([[3.0, 1.0, 2.0], [9.0, 7.0, 8.0]]), 1, keepdim=True)
    assert (values.tolist(), indices.tolist()) == ([[2.0], [8.0]], [[2], [2]])


@pytest.mark.parametrize("zeros", [[], [1], [0, 2], [0, 1, 2, 3]])
def test_products_with_zeros(zeros: list[int]) -> None:
    """The first and second derivatives of a product whose factors are 0 are products of the others."""
    x = np.array([2.0, -3.0, 0.5, 4.0])
    x[zeros] = 0
    check_derivatives(mt.prod, [x])
    check_derivatives(lambda x: x.cumprod(0), [x])
    check_derivatives(lambda x: x.reshape(2, 2).prod(1), [x])


def test_products_of_tiny_and_huge_numbers() -> None:
    """Dividing the product by an element would overflow or give 0 / 0 here."""
    assert slope(mt.prod, [1e-200, 1e-200, 1e200]) == pytest.approx([1.0, 1.0, 0.0])
    assert slope(mt.prod, [inf, 2.0, 3.0]) == [6.0, inf, inf]


@pytest.mark.parametrize(
    ("x", "value", "gradient"),
    [
        ([1e4, 1e4 - 1], 1e4 + np.log1p(np.exp(-1)), [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))]),
        ([-1e4, -1e4], -1e4 + np.log(2), [0.5, 0.5]),
        ([-inf, 0.0], 0.0, [0.0, 1.0]),
        ([-inf, -inf], -inf, [0.0, 0.0]),
        ([inf, 0.0], inf, [nan, 0.0]),
        ([nan, 0.0], nan, [nan, nan]),
    ],
)
def test_log_sum_exp(x: list[float], value: float, gradient: list[float]) -> None:
    np.testing.assert_allclose(mt.logsumexp(mt.tensor(x), 0).item(), value, rtol=1e-14)
    np.testing.assert_allclose(slope(lambda x: mt.logsumexp(x, 0, keepdim=True), x), gradient, rtol=1e-12)


def test_mean_of_integers_and_sum_in_another_dtype() -> None:
    assert mt.tensor([1, 2]).mean().item() == 1.5
    assert mt.mean(mt.tensor([1, 2]), dtype="float32").dtype == np.float32
    assert mt.sum(mt.tensor([1, 2]), dtype="float32").dtype == np.float32
    assert mt.cumsum(mt.tensor([True, True]), 0).tolist() == [1, 2]
    assert mt.prod(mt.tensor([2.0, 3.0]), dtype="float32").dtype == np.float32
