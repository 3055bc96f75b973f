"""Eigenvalues, condition numbers, spectra: against numpy.linalg and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse.linalg

import microtrain as mt
from microtrain import analysis
from microtrain.analysis import problems
from microtrain.errors import ArgumentError, ShapeError

from .examples import mlp, spd

RNG = np.random.default_rng(0)


def rotated(values: np.ndarray) -> np.ndarray:
    q = np.linalg.qr(np.random.default_rng(5).normal(size=(len(values), len(values))))[0]
    return (q * values) @ q.T


def test_lanczos_finds_both_ends_of_a_large_spectrum():
    values = np.concatenate([[-3.0, -2.5], np.linspace(0, 1, 196), [4.0, 9.0]])
    h = rotated(values)
    top = analysis.lanczos(h, k=2)
    np.testing.assert_allclose(top.values, [9, 4], rtol=1e-10)
    assert top.converged and top.residuals.max() < 1e-6
    np.testing.assert_allclose(h @ top.vectors, top.vectors * top.values, atol=1e-6)
    np.testing.assert_allclose(analysis.lanczos(h, k=2, which="smallest").values, [-2.5, -3], rtol=1e-10)
    np.testing.assert_allclose(analysis.lanczos(h, k=2, which="both").values, [9, 4, -2.5, -3], rtol=1e-10)
    assert top.products < 100
    assert not analysis.lanczos(rotated(np.linspace(0, 1, 200)), k=5, max_products=20).converged


@pytest.mark.parametrize("h", [np.zeros((5, 5)), np.eye(5), np.diag([1.0, 1, 1, 5, 5]), np.array([[3.0]])])
def test_lanczos_where_the_space_is_exhausted_at_once(h):
    found = analysis.lanczos(h, k=1)
    assert found.converged
    assert found.values[0] == pytest.approx(np.linalg.eigvalsh(h)[-1])


@pytest.mark.parametrize("which", ["largest", "smallest", "both"])
@pytest.mark.parametrize("size", [1, 4, 12, 60])
def test_lanczos_finds_multiple_eigenvalues_of_small_matrices(size, which):
    rng = np.random.default_rng(size)
    q, _ = np.linalg.qr(rng.normal(size=(size, size)))
    values = np.sort(rng.integers(-2, 3, size) * 1.5 if size < 60 else np.r_[[7.0, 7, 3], np.zeros(57)])[::-1]
    k = min(size, 5)
    found = analysis.lanczos((q * values) @ q.T, k=k, which=which)
    ends = {"largest": values[:k], "smallest": values[-k:], "both": np.r_[values[:k], values[-min(k, size - k) :]]}
    wanted = values if which == "both" and 2 * k >= size else ends[which]
    np.testing.assert_allclose(found.values, wanted, atol=1e-7)
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(len(wanted)), atol=1e-7)


def test_a_hessian_is_a_finite_symmetric_matrix():
    lopsided, ragged = np.array([[1.0, 2.0], [0.0, 1.0]]), np.ones((2, 3))
    for look in (analysis.lanczos, analysis.power_iteration, analysis.spectrum, analysis.condition_number,
                 analysis.classify):  # fmt: skip
        with pytest.raises(ArgumentError, match=r"not symmetric: M and its transpose differ by up to 2"):
            look(lopsided)
        with pytest.raises(ShapeError, match=r"square matrix, not an array of shape \(2, 3\)"):
            look(ragged)
        for number in (np.nan, np.inf):
            with pytest.raises(ArgumentError, match="NaN or infinite"):
                look(np.diag([number, 1.0]))
    nearly = np.array([[2.0, 1.0], [1.0 + 1e-5, 2.0]])  # a Hessian from differences of gradients
    assert analysis.lambda_max(nearly) == pytest.approx(3.0, abs=1e-4)


def test_lanczos_where_the_loss_is_not_finite():
    assert np.isnan(analysis.lanczos(lambda w: w.sqrt().sum(), [-1.0, 2.0, 3.0], k=2).values[0])


def test_extreme_eigenvalues_of_a_networks_hessian():
    model, loss = mlp()
    values = np.linalg.eigvalsh(analysis.hessian(loss, model))
    assert analysis.lambda_max(loss, model) == pytest.approx(values[-1], rel=1e-8)
    assert analysis.lambda_min(loss, model) == pytest.approx(values[0], rel=1e-6, abs=1e-10)
    operator = analysis.hessian_operator(loss, model)
    np.testing.assert_allclose(scipy.sparse.linalg.eigsh(operator, 2)[0].max(), values[-1], rtol=1e-8)
    np.testing.assert_allclose(operator @ np.eye(len(values)), analysis.hessian(loss, model), atol=1e-12)


def test_power_iteration_and_its_shift():
    h = rotated(np.array([-4.0, 0.5, 1, 3]))
    found = analysis.power_iteration(h, iters=200, tol=1e-9)
    assert found.converged and found.value == pytest.approx(-4)
    assert analysis.power_iteration(h, iters=300, shift=-4.0, tol=1e-9).value == pytest.approx(3)
    slow = analysis.power_iteration(rotated(np.array([1.0, 0.999])), iters=5, tol=1e-12)
    assert not slow.converged and len(slow.history) == 5 and "not converged" in repr(slow)
    assert analysis.power_iteration(np.zeros((3, 3))).value == 0


def test_a_matrix_may_be_a_tensor():
    h = mt.hessian(problems.rosenbrock, mt.tensor([1.0, 1.0]))
    whole, ends = analysis.spectrum(h), analysis.lanczos(h, k=1)
    np.testing.assert_array_equal(whole.values, analysis.spectrum(h.numpy()).values)
    assert ends.values[0] == pytest.approx(whole.values[-1])
    assert analysis.condition_number(h) == pytest.approx(whole.values[-1] / whole.values[0])


def test_condition_numbers():
    h = spd(5)
    assert analysis.condition_number(h) == pytest.approx(np.linalg.cond(h))
    assert analysis.condition_number(problems.quadratic([1.0, 100]), np.zeros(2)) == pytest.approx(100)
    assert analysis.condition_number(np.diag([1.0, 0])) == np.inf == analysis.condition_number(np.diag([1.0, -1]))
    h = np.diag([1000.0, 1])
    assert analysis.preconditioned_condition_number(h, np.linalg.inv(h)) == pytest.approx(1)
    assert analysis.preconditioned_condition_number(h, [0.001, 1]) == pytest.approx(1)
    a, p = spd(4), spd(3 + 1) + np.eye(4)
    ratio = np.linalg.eigvals(p @ a).real
    assert analysis.preconditioned_condition_number(a, p) == pytest.approx(ratio.max() / ratio.min())
    with pytest.raises(ShapeError, match="square"):
        analysis.condition_number(np.ones((2, 3)))


def test_principal_axes_and_cost():
    axes = analysis.principal_axes(problems.quadratic([[1, 0.9], [0.9, 1]]), np.array([2.0, 3.0]))
    np.testing.assert_allclose(axes.values, [0.1, 1.9])
    np.testing.assert_allclose(np.abs(axes.vectors), np.sqrt(0.5))
    np.testing.assert_array_equal(axes.point, [2, 3])
    cost = analysis.hessian_cost(10**6)
    assert cost.entries == 10**12 and cost.bytes == 8 * 10**12 and cost.distinct == 500_000_500_000
    assert "1,000,000" in repr(cost)


def test_spectrum_and_its_density():
    model, loss = mlp()
    exact = analysis.spectrum(loss, model)
    h = analysis.hessian(loss, model)
    np.testing.assert_allclose(exact.values, np.linalg.eigvalsh(h))
    assert exact.trace == pytest.approx(np.trace(h))
    assert exact.share() == pytest.approx((exact.values < 0).mean())
    h = rotated(np.linspace(1, 5, 150) ** 2)
    density = analysis.spectral_density(h, steps=40, samples=30)
    assert density.weights.sum() == pytest.approx(1)
    assert density.trace == pytest.approx(np.trace(h), rel=0.03)
    assert density.share(9.0) == pytest.approx((np.linalg.eigvalsh(h) < 9).mean(), abs=0.05)
    assert density.values[-1] == pytest.approx(25, rel=1e-3)


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match="largest"):
        analysis.lanczos(np.eye(3), which="middle")
    with pytest.raises(ArgumentError, match="parameters"):
        analysis.lanczos(lambda: mt.tensor(1.0))
    with pytest.raises(ArgumentError):
        analysis.lanczos(np.eye(3), k=0)
    with pytest.raises(ArgumentError, match="there are 3 eigenvalues"):
        analysis.lanczos(np.eye(3), k=4)
