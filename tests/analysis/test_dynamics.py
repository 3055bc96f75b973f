"""Flows, Lyapunov exponents, bifurcations, paths: against closed forms and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

import microtrain as mt
from microtrain import analysis, optim
from microtrain.analysis import problems
from microtrain.errors import ArgumentError, ShapeError

from .examples import spd


def test_gradient_flow_of_a_quadratic_is_an_exponential():
    h = spd(3)
    flow = analysis.gradient_flow(problems.quadratic(h), np.ones(3), t_end=2.0)
    np.testing.assert_allclose(flow.end, expm(-2 * h) @ np.ones(3), atol=1e-7)
    np.testing.assert_allclose(flow(0.7), expm(-0.7 * h) @ np.ones(3), atol=1e-5)
    assert flow([0.1, 0.2]).shape == (2, 3)
    assert (np.diff(flow.values) <= 0).all()
    assert flow.values[0] == pytest.approx(0.5 * h.sum())


def test_events_and_an_early_end():
    crossing = lambda t, x: x[0] - 0.5
    flow = analysis.gradient_flow(problems.quadratic([1.0]), np.ones(1), t_end=5, events=[crossing])
    assert flow.events[0][0] == pytest.approx(np.log(2), abs=1e-6)
    settled = analysis.gradient_flow(problems.quadratic([1.0]), np.ones(1), t_end=100, gtol=1e-3)
    assert settled.times[-1] == pytest.approx(np.log(1000), rel=1e-4) and "event" in settled.reason
    stiff = analysis.gradient_flow(problems.rosenbrock, np.array([-1.0, 1.0]), t_end=200.0, method="LSODA")
    np.testing.assert_allclose(stiff.end, [1, 1], atol=1e-3)


def test_a_flow_that_runs_away():
    with pytest.raises(ArgumentError, match="gave up"):
        analysis.gradient_flow(lambda x: -(x**4).sum(), np.ones(1), t_end=10.0)
    with pytest.raises(ArgumentError, match="finite time"):
        analysis.gradient_flow(problems.double_well, np.ones(1), t_end=np.inf)


def test_a_field_that_is_no_gradient():
    field = problems.rotated_descent(2.0)
    flow = analysis.flow(field, [1.0, 0.0], t_end=1.5)
    np.testing.assert_allclose(flow.end, np.exp(-1.5) * np.array([np.cos(3), np.sin(3)]), atol=1e-7)
    np.testing.assert_allclose(analysis.curl(field, [0.3, 1.0]), [[0, -4], [4, 0]])
    assert analysis.circulation(field, [0.5, 1], radius=0.7) == pytest.approx(4 * np.pi * 0.49)
    gradient = lambda x: x * x
    assert analysis.circulation(gradient, [0.3, 0.2]) == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(analysis.curl(gradient, [0.3, 1.0]), 0)


def test_eulers_error_falls_like_the_step():
    error = analysis.euler_error(problems.strict_saddle, [1.0, 0.3], 2.0, [0.1, 0.05, 0.025])
    np.testing.assert_allclose(error[:-1] / error[1:], 2, rtol=0.1)


def test_lyapunov_exponents_of_a_quadratic_are_its_multipliers():
    h = np.diag([1.0, 3.0, 9.0])
    found = analysis.lyapunov_spectrum(problems.quadratic(h), np.ones(3), lr=0.1, steps=50, burn=0)
    np.testing.assert_allclose(found.exponents, np.log([0.9, 0.7, 0.1]), rtol=1e-9)
    assert not found.chaotic
    np.testing.assert_allclose(analysis.linearised_multipliers(problems.quadratic(h), 0.1, np.ones(3)), [0.1, 0.7, 0.9])
    runaway = analysis.lyapunov_spectrum(problems.double_well, np.array([3.0]), lr=2.0, steps=50, burn=0)
    assert runaway.diverged and not runaway.chaotic


@pytest.mark.wide
def test_three_ways_to_the_same_exponent():
    step = analysis.gd_map(problems.double_well, 1.9, np.zeros(1))
    exact = analysis.lyapunov_spectrum(problems.double_well, np.array([0.3]), lr=1.9, steps=4000)
    x, total = 0.3, 0.0
    for k in range(4100):
        total += np.log(abs(1 - 1.9 * (3 * x * x - 1))) if k >= 100 else 0
        x -= 1.9 * (x**3 - x)
    assert exact.largest == pytest.approx(total / 4000, abs=0.02)
    assert exact.chaotic
    assert analysis.map_lyapunov(step, [0.3], steps=1500).largest == pytest.approx(exact.largest, abs=0.05)
    assert analysis.twin_lyapunov(step, [0.3], steps=3000).largest == pytest.approx(exact.largest, abs=0.05)


def test_known_maps():
    logistic = analysis.map_lyapunov(
        lambda x: 4 * x * (1 - x), [0.3], steps=4000, jacobian=lambda x: np.diag(4 - 8 * x)
    )
    assert logistic.largest == pytest.approx(np.log(2), abs=0.01)

    def henon(x: np.ndarray) -> np.ndarray:
        return np.array([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])

    found = analysis.map_lyapunov(henon, [0.1, 0.1], steps=5000)
    assert found.exponents.sum() == pytest.approx(np.log(0.3), abs=1e-6)
    assert found.largest == pytest.approx(0.419, abs=0.02)


def test_momentum_as_a_map_is_the_optimizer():
    step = analysis.momentum_map(problems.strict_saddle, 0.05, 0.9, np.zeros(2))
    state = np.array([1.0, 0.3, 0, 0])
    x = mt.tensor([1.0, 0.3], requires_grad=True)
    optimizer = optim.SGD([x], lr=0.05, momentum=0.9)
    for _ in range(5):
        state = step(state)
        optimizer.zero_grad()
        problems.strict_saddle(x).backward()
        optimizer.step()
    np.testing.assert_allclose(state[:2], x.detach().numpy(), rtol=1e-12)


@pytest.mark.wide
def test_bifurcation_of_the_double_well():
    rates = np.array([0.5, 0.9, 1.1, 1.2, 1.9, 2.5])
    found = analysis.bifurcation(problems.double_well, [0.3], rates, burn=3000)
    assert found.periods[:4].tolist() == [1, 1, 2, 2]
    assert found.periods[4] == 0 and found.periods[5] == -1 and np.isnan(found.orbits[5]).all()
    np.testing.assert_allclose(found.orbits[0], 1, atol=1e-9)
    assert found.first(2) == 1.1 and found.first(7) is None
    pair = np.unique(found.orbits[2].round(6))
    step = lambda x: x - 1.1 * (x**3 - x)
    np.testing.assert_allclose(sorted(step(pair)), pair, atol=1e-5)
    losses = analysis.bifurcation(problems.double_well, [0.3], rates[:2], burn=500, observe="loss")
    np.testing.assert_allclose(losses.orbits, 0, atol=1e-12)
    with pytest.raises(ShapeError, match="learning rates"):
        analysis.bifurcation(problems.double_well, [0.3], 0.1)


def test_basins_of_two_wells():
    found = analysis.basins(problems.strict_saddle, (-2, 2), (-2, 2), lr=0.1, steps=200, resolution=20)
    assert len(found.minima) == 2
    np.testing.assert_allclose(found.shares, [0.5, 0.5])
    for k in range(2):
        side = np.sign(found.minima[k, 1])
        assert (found.labels == k)[np.sign(found.y) == side].all()
    diverging = analysis.basins(problems.strict_saddle, (-2, 2), (-2, 2), lr=3.0, steps=50, resolution=6)
    assert (diverging.labels == -1).all() and diverging.minima.shape == (0, 2)


def test_descend_from_many_starts_is_gradient_descent():
    starts = np.random.default_rng(0).uniform(-1.5, 1.5, (7, 2))
    ends = analysis.descend(problems.rosenbrock, starts, lr=1e-3, steps=30)
    one = analysis.trace(lambda p: optim.SGD(p, lr=1e-3), problems.rosenbrock, [0.0, 0], steps=30, start=starts[3])
    np.testing.assert_allclose(ends[3], one.end, rtol=1e-10)
    halved = analysis.descend(problems.quadratic([1.0, 1]), starts, lr=lambda k: 0.5, steps=1)
    np.testing.assert_allclose(halved, starts / 2)


def test_paths_and_their_geometry():
    h = np.diag([1.0, 10])
    path = analysis.trace(lambda p: optim.SGD(p, lr=0.15), problems.quadratic(h), np.array([1.0, 1.0]), steps=20)
    np.testing.assert_allclose(path.points, analysis.quadratic_gd(h, [1, 1], [0, 0], 0.15, np.arange(21)), atol=1e-12)
    np.testing.assert_allclose(path.gradient_norms, np.linalg.norm(path.points @ h, axis=1))
    assert path.sign_changes([0, 1]) == 20 and path.sign_changes([1, 0]) == 0
    assert path.iterations_to(0.5) == int(np.flatnonzero(path.losses <= 0.5 * path.losses[0])[0])
    assert path.iterations_to(1e-30) is None
    assert path.arc_length > path.chord > 0 and path.max_deviation > 0
    straight = analysis.Path(np.array([[0.0, 0], [1, 1], [3, 3]]), np.zeros(3), np.zeros(3))
    assert straight.arc_length == pytest.approx(straight.chord) and straight.max_deviation == pytest.approx(0)
    np.testing.assert_allclose(straight.turning_cosines, [1])


def test_trace_runs_every_kind_of_optimizer_and_stops():
    newton = analysis.trace(optim.Newton, problems.quadratic(spd(3)), np.ones(3), steps=3, tol=1e-8)
    assert len(newton.points) == 2 and newton.losses[-1] == pytest.approx(0, abs=1e-20)
    lbfgs = analysis.trace(lambda p: optim.LBFGS(p), problems.rosenbrock, np.zeros(2), steps=5)
    np.testing.assert_allclose(lbfgs.end, [1, 1], atol=1e-3)
    away = analysis.trace(lambda p: optim.SGD(p, lr=10.0), problems.double_well, np.array([3.0]), steps=200)
    assert len(away.points) < 200 and not np.isfinite(away.end).all()
    decayed = analysis.trace(
        lambda p: optim.SGD(p, lr=0.1), problems.quadratic([1.0]), np.ones(1), steps=3,
        scheduler=lambda o: optim.lr_scheduler.ExponentialLR(o, 0.5),
    )  # fmt: skip
    np.testing.assert_allclose(decayed.end, 0.9 * 0.95 * 0.975)
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    batches = analysis.trace(optim.SGD([x], lr=0.1), lambda: (x * x).sum(), x, steps=2, batch_loss=lambda k: x[k] ** 2)
    np.testing.assert_allclose(batches.end, [0.8, 1.6])


def test_closed_forms():
    lr, factor = analysis.optimal_rate(1, 9)
    worst = max(abs(1 - lr * 1), abs(1 - lr * 9))
    assert worst == pytest.approx(factor) == pytest.approx(0.8)
    rate, momentum = analysis.polyak_parameters(1, 100)
    assert rate == pytest.approx(4 / 121) and momentum == pytest.approx((9 / 11) ** 2)
    assert analysis.angle_to_minimum(problems.quadratic([1.0, 1]), [3, 4], [0, 0]) == pytest.approx(0, abs=1e-6)
    angle = analysis.angle_to_minimum(problems.quadratic([[1, 0.9], [0.9, 1]]), [2, 0], [1, -1])
    assert 0 < angle < 180
    degrees, slopes = analysis.directional_slopes(problems.quadratic([1.0, 2]), [1.0, 0.5])
    assert degrees[slopes.argmin()] == pytest.approx(225) and slopes.min() == pytest.approx(-(2**0.5))
    assert analysis.equivalent_lr(0.1, "sum", "mean", 30) == pytest.approx(3)
    np.testing.assert_allclose(analysis.momentum_weights(0.9, 4), [0.729, 0.81, 0.9, 1])
    np.testing.assert_allclose(analysis.momentum_weights(0.9, 3, "ema"), [0.081, 0.09, 0.1])
    np.testing.assert_allclose(analysis.linear_rate_bound(2.0, [0, 1], 1, 4), [2, 1.5])


def test_low_rank():
    m = np.random.default_rng(0).normal(size=(3, 4))
    assert analysis.nuclear_norm(m) == pytest.approx(np.linalg.norm(m, "nuc"))
    a, b = analysis.balanced_factors(m)
    np.testing.assert_allclose(a @ b, m, atol=1e-12)
    np.testing.assert_allclose(a.T @ a, b @ b.T, atol=1e-12)
    truth = np.outer([1.0, 2, -1, 0.5], [1.0, 0, 1, -2])
    sensing = np.random.default_rng(1).normal(size=(13, 16))
    found = analysis.min_nuclear_norm(sensing, sensing @ truth.ravel(), (4, 4))
    np.testing.assert_allclose(sensing @ found.ravel(), sensing @ truth.ravel(), atol=1e-8)
    assert analysis.nuclear_norm(found) <= analysis.nuclear_norm(truth) * (1 + 1e-6)
    w = mt.tensor(np.zeros(5), requires_grad=True)
    x = mt.tensor(np.random.default_rng(2).normal(size=(3, 5)))
    np.testing.assert_allclose(analysis.prediction_jacobian(lambda: x @ w, w), x.numpy())
    assert analysis.solution_dimension(lambda: x @ w, w) == 2


def test_maps_that_run_away_before_anything_is_measured():
    found = analysis.lyapunov_spectrum(lambda v: (v**4).sum(), [3.0], lr=10.0)
    twins = analysis.twin_lyapunov(analysis.gd_map(lambda v: (v**4).sum(), 10.0, [3.0]), [3.0])
    assert found.diverged and twins.diverged and not found.chaotic and found.steps == 0
    with pytest.raises(ArgumentError, match="steps is a number from 0"):
        analysis.trace(optim.SGD, problems.rosenbrock, [1.0, 1.0], steps=-1)
