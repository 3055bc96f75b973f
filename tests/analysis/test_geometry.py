"""One point on one line, and two schedules."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis
from microtrain.analysis import problems
from microtrain.errors import ArgumentError

from .examples import mlp, spd


def test_a_report_of_one_point():
    h = spd(4)
    found = analysis.geometry(problems.quadratic(h), np.zeros(4))
    values = np.linalg.eigvalsh(h)
    assert (found.kind, found.negative, found.zero, found.loss, found.gradient_norm) == ("minimum", 0, 0, 0, 0)
    assert (found.lambda_min, found.lambda_max) == pytest.approx((values[0], values[-1]))
    assert found.trace == pytest.approx(np.trace(h)) and found.condition_number == pytest.approx(np.linalg.cond(h))
    saddle = analysis.geometry(problems.strict_saddle, np.zeros(2))
    assert (saddle.kind, saddle.negative, saddle.condition_number) == ("saddle", 1, np.inf)
    flat = analysis.geometry(problems.quadratic([0.0, 1]), np.zeros(2))
    assert (flat.kind, flat.zero, flat.condition_number) == ("degenerate", 1, np.inf)
    model, loss = mlp()
    assert analysis.geometry(loss, model).kind == "not critical"
    assert "44 parameters" in repr(analysis.geometry(loss, model))


def test_local_constants():
    found = analysis.local_constants(problems.quadratic([1.0, 50]), np.zeros(2))
    assert (found.mu, found.lipschitz, found.condition_number) == pytest.approx((1, 50, 50))
    assert found.optimal_rate == pytest.approx(2 / 51)
    saddle = analysis.local_constants(problems.strict_saddle, np.zeros(2))
    assert (saddle.mu, saddle.lipschitz, saddle.mu_nonzero) == pytest.approx((0, 1, 1))


def test_the_plane_of_the_extreme_curvatures():
    h = np.diag([1.0, 2, 3, 40])
    plane = analysis.eigen_plane(problems.quadratic(h), np.zeros(4))
    np.testing.assert_allclose(np.abs(plane.axes), np.eye(4)[[3, 0]], atol=1e-6)
    assert plane.names[0] == "eigenvector of 40"


def test_two_schedules():
    a, b = (lambda t: 0.1 * (1 + np.cos(np.pi * t / 100)) / 2 + 1e-9), (lambda t: 0.1 * 0.01 ** (t / 100))
    found = analysis.compare_schedules(a, b, 100)
    assert len(found.crossings) == 1
    t = found.crossings[0]
    assert a(t) == pytest.approx(b(t), rel=1e-2)
    assert found.sums == pytest.approx((sum(map(a, range(101))), sum(map(b, range(101)))))
    np.testing.assert_allclose(found.relative_slopes[1], np.log(0.01) / 100)
    np.testing.assert_allclose(found.slopes[0].sum() / 3, -0.1 / 100, rtol=0.02)
    assert analysis.compare_schedules(a, a, 10).crossings.size == 0


def test_every_result_can_be_kept_and_drawn_again(tmp_path):
    from microtrain.train import keep, kept

    results = {
        "landscape": analysis.landscape(problems.rosenbrock, np.zeros(2), resolution=5).with_paths(a=np.zeros((3, 2))),
        "portrait": analysis.phase_portrait(problems.strict_saddle, (-1, 1), (-1, 1), starts=[[1.0, 0.1]]),
        "flow": analysis.gradient_flow(problems.strict_saddle, np.ones(2), t_end=1.0),
        "bifurcation": analysis.bifurcation(problems.double_well, [0.3], np.linspace(0.5, 2, 4), burn=9),
        "basins": analysis.basins(problems.strict_saddle, (-1, 1), (-1, 1), lr=0.1, steps=9, resolution=3),
        "spectrum": analysis.spectrum(np.eye(3)),
        "axes": analysis.principal_axes(problems.strict_saddle, np.zeros(2)),
        "lyapunov": analysis.lyapunov_spectrum(problems.double_well, np.array([0.3]), lr=1.9, steps=9),
    }
    pytest.importorskip("matplotlib")
    for name, result in results.items():
        keep(tmp_path, name, result)
    again = kept(tmp_path)
    assert set(again) == set(results)
    for name, result in again.items():
        assert type(result) is type(results[name])
        assert result.plot() is not None and repr(result) == repr(results[name])


def undefined(x):
    return ((x - 5).log() ** 2).sum()


@pytest.mark.parametrize("look", [
    lambda: analysis.spectrum(undefined, np.zeros(3)),
    lambda: analysis.condition_number(undefined, np.zeros(3)),
    lambda: analysis.geometry(undefined, np.zeros(3)),
    lambda: analysis.principal_axes(undefined, np.zeros(2)),
    lambda: analysis.classify(np.full((2, 2), np.nan)),
    lambda: analysis.linearised_multipliers(undefined, 0.1, np.zeros(2)),
    lambda: analysis.curvature_probe(undefined, np.zeros(2)),
    lambda: analysis.chord_probe(undefined, np.zeros(1), sampler=0.1),
    lambda: analysis.lipschitz_secant(undefined, np.zeros(1), sampler=0.1),
    lambda: analysis.strong_convexity(undefined, np.zeros(1), sampler=0.1),
    lambda: analysis.gradient_flow(undefined, np.zeros(2), t_end=1.0),
    lambda: analysis.landscape(undefined, np.zeros(2), resolution=4).plot(),
    lambda: analysis.lyapunov_spectrum(problems.double_well, np.zeros(1), lr=0.1, steps=0),
    lambda: analysis.random_hessians(0),
    lambda: analysis.hessian(lambda a, b: a.sum() + b.sum(), np.zeros(2)),
])  # fmt: skip
def test_where_there_is_no_number_it_says_so(look):
    with pytest.raises(ArgumentError):
        look()


def test_where_there_is_no_number_it_shows_none():
    assert analysis.critical_points(undefined, np.zeros((5, 3))) == []
    assert analysis.lyapunov_spectrum(undefined, np.zeros(2), lr=0.1, steps=3, burn=1).diverged
    assert analysis.basins(undefined, (-1, 1), (-1, 1), lr=0.1, steps=3, resolution=3).minima.shape == (0, 2)
    assert "nan" in repr(analysis.landscape(undefined, np.zeros(2), resolution=4))
    assert not analysis.lanczos(undefined, np.zeros(3)).converged
    assert not analysis.power_iteration(undefined, np.zeros(3)).converged
    partly = analysis.chord_probe(undefined, np.full(1, 6.0), probes=200, sampler=1.0)
    assert partly.probes < 200


def test_one_parameter_twice():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ArgumentError, match="twice"):
        analysis.hessian(lambda: (x * x).sum(), [x, x])
    assert analysis.hvp(problems.rosenbrock, np.zeros(2), np.zeros((0, 2))).shape == (0, 2)
    assert analysis.Objective(problems.rosenbrock, np.zeros(2)).values(np.zeros((0, 2))).shape == (0,)
