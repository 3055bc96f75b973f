"""Arithmetic at its corners: powers of zero, ties, bounds, remainders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt

inf, nan = np.inf, np.nan


def slopes(f: Any, *values: Any) -> list[list[float]]:
    xs = [mt.tensor(v, requires_grad=True) for v in values]
    return [g.tolist() for g in mt.grad(f(*xs).sum(), xs)]


@pytest.mark.parametrize(
    ("base", "exponent", "value", "in_base", "in_exponent"),
    [
        (0.0, 0.0, 1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 1.0, 0.0),
        (0.0, 2.0, 0.0, 0.0, 0.0),
        (0.0, -1.0, inf, -inf, -inf),
        (2.0, 0.0, 1.0, 0.0, np.log(2)),
        (-2.0, 3.0, -8.0, 12.0, nan),
        (-2.0, 2.0, 4.0, -4.0, nan),
        (-2.0, 0.5, nan, nan, nan),
    ],
)
def test_powers(base: float, exponent: float, value: float, in_base: float, in_exponent: float) -> None:
    a, b = mt.tensor([base], requires_grad=True), mt.tensor([exponent], requires_grad=True)
    y = a**b
    np.testing.assert_equal(y.tolist(), [value])
    np.testing.assert_allclose([g.item() for g in mt.grad(y.sum(), [a, b])], [in_base, in_exponent])


def test_integer_powers_of_negative_numbers_differentiate_often() -> None:
    x = mt.tensor(-2.0, requires_grad=True)
    y, found = x**4, []
    for _ in range(6):
        (y,) = mt.grad(y, [x], create_graph=True)
        found.append(y.item())
    assert found == [-32.0, 48.0, -48.0, 24.0, 0.0, 0.0]


def test_a_power_of_zero_is_constant_to_every_order() -> None:
    """x**0 is 1 for x = 0 too; its second derivative does not divide by x."""
    for exponent in (0, 0.0, mt.tensor([0.0, 0.0, 0.0])):
        x = mt.tensor([0.0, 2.0, inf], requires_grad=True)
        (first,) = mt.grad((x**exponent).sum(), [x], create_graph=True)
        (second,) = mt.grad(first.sum(), [x])
        assert first.tolist() == second.tolist() == [0.0, 0.0, 0.0]


def test_truth_values_are_exponents() -> None:
    """The likelihood of labels: p for those that are true."""
    p, label = mt.tensor([0.25, 0.5, 0.0], requires_grad=True), mt.tensor([True, False, True])
    (slope,) = mt.grad((p**label).sum(), [p], create_graph=True)
    assert (p**label).tolist() == [0.25, 1.0, 0.0]
    assert slope.tolist() == [1.0, 0.0, 1.0]
    assert mt.grad(slope.sum(), [p])[0].tolist() == [0.0, 0.0, 0.0]


def test_lerp_meets_its_ends() -> None:
    start, end = mt.tensor([1e30, 1.0, 0.1]), mt.tensor([1.0, 1e30, 0.7])
    for one in (1, 1.0, mt.tensor(1.0), mt.ones(3)):
        np.testing.assert_array_equal(mt.lerp(start, end, one), end)
        np.testing.assert_array_equal(mt.lerp(start, end, 0 * one), start)
    x = mt.tensor([0.1, 0.2, 0.3])
    x.lerp_(mt.tensor([0.7, 0.8, 0.9]), 1.0)
    assert x.tolist() == [0.7, 0.8, 0.9]


def test_ties_of_minimum_and_maximum_share() -> None:
    assert slopes(mt.maximum, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]) == [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]
    assert slopes(mt.minimum, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0]) == [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]


def test_clamp_at_its_bounds() -> None:
    assert slopes(lambda x: x.clamp(0, 1), [-1.0, 0.0, 0.5, 1.0, 2.0]) == [[0.0, 1.0, 1.0, 1.0, 0.0]]
    x, low, high = [-1.0, 0.0, 2.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]  # the last pair is the wrong way round
    assert mt.clamp(mt.tensor(x), mt.tensor(low), mt.tensor(high)).tolist() == [0.0, 0.0, 1.0]
    assert slopes(mt.clamp, x, low, high) == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("x", [0.0, -0.0])
def test_kinks_at_zero(x: float) -> None:
    assert slopes(mt.abs, [x]) == [[0.0]]
    assert slopes(mt.relu, [x]) == [[0.0]]
    assert slopes(lambda x: mt.leaky_relu(x, 0.1), [x]) == [[0.1]]
    assert slopes(lambda x: mt.elu(x, 0.5), [x]) == [[0.5]]


def test_remainders_have_the_sign_of_pythons() -> None:
    for a in (5.5, -5.5):
        for b in (2.0, -2.0):
            assert (mt.tensor(a) % b).item() == a % b
            assert mt.fmod(mt.tensor(a), b).item() == np.fmod(a, b)
    assert slopes(lambda a, b: a % b, [5.5, 3.0], [2.0, 1e-5])[1] == [-2.0, -(3.0 // 1e-5)]


def test_rounding_to_even() -> None:
    assert mt.round(mt.tensor([0.5, 1.5, 2.5, -0.5])).tolist() == [0.0, 2.0, 2.0, -0.0]
    assert mt.round(mt.tensor([1.25, 0.1 + 0.2]), decimals=1).tolist() == [1.2, 0.3]
    assert mt.round(mt.tensor([1250.0]), decimals=-2).tolist() == [1200.0]


def test_scaled_forms() -> None:
    x = mt.tensor([1.0, 2.0])
    assert x.add(3, alpha=2).tolist() == [7.0, 8.0]
    assert x.sub(mt.tensor([1.0, 1.0]), alpha=2).tolist() == [-1.0, 0.0]
    assert mt.add(1.0, x).tolist() == [2.0, 3.0]
    assert x.addcmul(x, x, value=10).tolist() == [11.0, 42.0]
    assert x.addcdiv(x, x, value=10).tolist() == [11.0, 12.0]


def test_arrays_and_numbers_on_the_left() -> None:
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    a = np.array([3.0, 4.0])
    for y, expected in [
        (a + x, [4.0, 6.0]), (a - x, [2.0, 2.0]), (a * x, [3.0, 8.0]), (a / x, [3.0, 2.0]), (a**x, [3.0, 16.0]),
        (a % x, [0.0, 0.0]), (a // x, [3.0, 2.0]), (a @ x, 11.0), (np.float64(2) * x, [2.0, 4.0]), (2**x, [2.0, 4.0]),
        (np.maximum(a, x), [3.0, 4.0]), (np.exp(x * 0), [1.0, 1.0]),
    ]:  # fmt: skip
        assert isinstance(y, mt.Tensor)
        assert y.requires_grad
        assert y.tolist() == expected
    assert (a > x).tolist() == [True, True]


def test_the_derivatives_of_sinc_at_0() -> None:
    """Those of its series 1 - (pi x)^2/6 + (pi x)^4/120 - ...; close to 0 no digits are lost either."""
    x = mt.tensor([0.0, 1e-9, 0.009, 0.011], requires_grad=True)
    (first,) = mt.autograd.grad(x.sinc().sum(), x, create_graph=True)
    (second,) = mt.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = mt.autograd.grad(second.sum(), x)
    v, p = x.detach().numpy(), np.pi
    series = -(p**2) / 3 * v + p**4 * v**3 / 30 - p**6 * v**5 / 840 + p**8 * v**7 / 45360
    np.testing.assert_allclose(first.detach().numpy(), series, rtol=1e-12)
    np.testing.assert_allclose(second.detach().numpy(), -(p**2) / 3 + p**4 * v**2 / 10 - p**6 * v**4 / 168, rtol=1e-9)
    np.testing.assert_allclose(third.numpy(), p**4 * v / 5 - p**6 * v**3 / 42, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (4, 3), (100, 16)])
def test_where_with_zero_gives_the_same_bits_as_numpys(dtype: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = np.array(rng.choice([np.nan, np.inf, -np.inf, -0.0, 1.5, -2.5], shape), dtype)
    condition = np.array(rng.random(shape) < 0.5)
    for values, chosen in ((x, condition), (x.T, condition.T), (np.asfortranarray(x), condition)):
        first = mt.where(mt.tensor(chosen), mt.tensor(values), 0)
        second = mt.where(mt.tensor(chosen), 0, mt.tensor(values))
        assert first.dtype == second.dtype == x.dtype
        assert first.numpy().tobytes() == np.where(chosen, values, x.dtype.type(0)).tobytes()
        assert second.numpy().tobytes() == np.where(chosen, x.dtype.type(0), values).tobytes()


def test_relu_stops_an_infinite_gradient() -> None:
    x = mt.tensor([-1.0, 0.0, 2.0, np.nan], requires_grad=True)
    mt.relu(x).backward(mt.tensor([np.inf, np.nan, np.inf, 3.0]))
    assert x.grad.tolist() == [0, 0, np.inf, 3]
