"""Sharpness and gradient noise against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis
from microtrain.analysis import problems
from microtrain.errors import ArgumentError, ShapeError

from .examples import mlp, spd


def test_of_a_quadratic_at_its_minimum():
    h = spd(5)
    values = np.linalg.eigvalsh(h)
    found = analysis.sharpness(problems.quadratic(h), np.zeros(5), radius=0.1, sigma=0.01, samples=4000)
    assert found.lambda_max == pytest.approx(values[-1], rel=1e-6)
    assert found.trace == pytest.approx(np.trace(h)) and found.trace_error == 0
    assert found.worst == pytest.approx(0.5 * values[-1] * 0.01, rel=1e-6)
    assert found.noise == pytest.approx(0.5 * 1e-4 * np.trace(h), rel=0.05)
    assert found.loss == 0 and "lambda_max" in repr(found)


def test_off_the_minimum_the_gradient_counts_for_the_worst_point():
    assert analysis.worst_in_ball(lambda x: (3 * x).sum(), np.zeros(1), radius=0.1) == pytest.approx(0.3)
    h, at = np.diag([1.0, 4]), np.array([1.0, 1.0])
    angles = np.linspace(0, 2 * np.pi, 20001)
    ring = at + 0.5 * np.stack([np.cos(angles), np.sin(angles)], 1)
    brute = (0.5 * ((ring @ h) * ring).sum(1)).max() - 2.5
    assert analysis.worst_in_ball(problems.quadratic(h), at, radius=0.5) == pytest.approx(brute, rel=1e-4)


def test_the_trace_estimated():
    h = spd(600)
    trace, error = analysis.hessian_trace(problems.quadratic(h), np.zeros(600), samples=60)
    assert error > 0 and abs(trace - np.trace(h)) < 5 * error


def test_flat_volume_of_an_ellipse():
    reach = analysis.flat_volume(problems.quadratic([1.0, 100]), np.zeros(2), level=0.5, directions=4000)
    assert reach.min() == pytest.approx(0.1, rel=1e-3) and reach.max() == pytest.approx(1, rel=0.05)
    assert np.pi * (reach**2).mean() == pytest.approx(np.pi * 0.1, rel=0.05)
    assert (analysis.flat_volume(lambda x: (0 * x).sum(), np.zeros(2), longest=50.0) == 50).all()


def test_rescaling_a_relu_network_changes_sharpness_and_no_prediction():
    rng = np.random.default_rng(0)
    w1, b1, w2 = (mt.tensor(rng.normal(size=s), requires_grad=True) for s in ((8, 2), (8,), (1, 8)))
    x, y = mt.tensor(rng.normal(size=(20, 2))), mt.tensor(rng.normal(size=(20, 1)))

    def predict() -> mt.Tensor:
        return (x @ w1.T + b1).relu() @ w2.T

    def loss() -> mt.Tensor:
        return ((predict() - y) ** 2).mean()

    before, sharp = predict().detach().numpy().copy(), analysis.lambda_max(loss, [w1, b1, w2])
    with mt.no_grad():
        w1.mul_(0.1), b1.mul_(0.1), w2.mul_(10)
    np.testing.assert_allclose(predict().detach().numpy(), before, rtol=1e-12)
    assert analysis.lambda_max(loss, [w1, b1, w2]) > 10 * sharp


def regression() -> tuple[np.ndarray, np.ndarray, mt.Tensor, object]:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    w = mt.tensor([0.5, -1.0, 2.0], requires_grad=True)
    return x, y, w, lambda: 0.5 * (mt.tensor(x) @ w - mt.tensor(y)) ** 2


def test_per_sample_gradients():
    x, y, w, losses = regression()
    residuals = x @ np.array([0.5, -1.0, 2.0]) - y
    np.testing.assert_allclose(analysis.per_sample_gradients(losses, w), residuals[:, None] * x, rtol=1e-12)
    model, loss = mlp()
    data, labels = mt.tensor(np.random.default_rng(9).normal(size=(7, 3))), mt.tensor(np.arange(7) % 4)
    each = analysis.per_sample_gradients(
        lambda: mt.nn.functional.cross_entropy(model(data), labels, reduction="none"), model
    )
    assert each.shape == (7, 44)
    np.testing.assert_allclose(each.mean(0), analysis.Objective(loss, model).gradient(), atol=1e-14)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_the_covariance_is_that_of_all_batches(batch):
    _, _, w, losses = regression()
    every = analysis.all_batch_gradients(losses, w, batch)
    found = analysis.gradient_noise(losses, w, batch)
    np.testing.assert_allclose(every.mean(0), found.mean, rtol=1e-12)
    np.testing.assert_allclose(
        np.cov(every.T, bias=True) if len(every) > 1 else np.zeros((3, 3)), found.covariance, atol=1e-12
    )
    sums = analysis.all_batch_gradients(losses, w, batch, "sum")
    np.testing.assert_allclose(sums.mean(0), found.mean * batch, rtol=1e-12)


def test_with_replacement_and_draws():
    _, _, w, losses = regression()
    one = analysis.gradient_noise(losses, w, 1)
    four = analysis.gradient_noise(losses, w, 4, replace=True, draws=20000, generator=mt.Generator(3))
    np.testing.assert_allclose(four.covariance, one.covariance / 4)
    np.testing.assert_allclose(np.cov(four.draws.T), four.covariance, atol=0.04 * four.trace)
    assert one.critical_batch == pytest.approx(four.critical_batch)
    assert four.signal_to_noise == pytest.approx(4 * one.signal_to_noise)
    again = analysis.gradient_noise(losses, w, 4, replace=True, draws=5, generator=mt.Generator(3))
    np.testing.assert_array_equal(again.draws, four.draws[:5])


def test_given_batches_and_wrong_arguments():
    _, _, w, losses = regression()
    each = analysis.per_sample_gradients(losses, w)
    found = analysis.batch_gradients(losses, w, [[0, 1], [5]])
    np.testing.assert_allclose(found, [each[:2].mean(0), each[5]])
    with pytest.raises(ArgumentError, match="Batches of 9"):
        analysis.gradient_noise(losses, w, 9)
    with pytest.raises(ArgumentError, match="mean"):
        analysis.batch_gradients(losses, w, [[0]], "median")
    with pytest.raises(ShapeError, match="none"):
        analysis.per_sample_gradients(lambda: losses().mean(), w)


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_radius_and_noise_are_positive(size):
    with pytest.raises(ArgumentError, match="positive radius"):
        analysis.sharpness(problems.rosenbrock, [1.0, 1.0], radius=size)
    with pytest.raises(ArgumentError, match="positive standard deviation"):
        analysis.sharpness(problems.rosenbrock, [1.0, 1.0], sigma=size)
