"""The small losses have what their descriptions promise."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis
from microtrain.analysis import problems


@pytest.mark.parametrize(
    ("point", "value", "eigenvalues"), [((0, 0), 0.5, (-1, 1)), ((2, 0.5), 0, (0, 4.25)), ((3, 3), 32, (-8, 26))]
)
def test_two_layers(point, value, eigenvalues):
    loss = analysis.objective(problems.two_layers, np.array(point, float))
    assert loss() == pytest.approx(value)
    np.testing.assert_allclose(np.linalg.eigvalsh(loss.hessian()), eigenvalues, atol=1e-12)


def test_two_layers_sums_over_runs():
    runs = np.random.default_rng(0).normal(size=(2, 5))
    together = problems.two_layers(mt.tensor(runs)).item()
    assert together == pytest.approx(sum(problems.two_layers(mt.tensor(run)).item() for run in runs.T))


def test_wavy_has_the_curvature_bound_it_names():
    grid = np.linspace(-10, 10, 4001)[:, None]
    loss = analysis.objective(problems.wavy, np.zeros(1))
    np.testing.assert_allclose(loss.values(grid), grid[:, 0] ** 2 + 10 * np.sin(grid[:, 0]) ** 2)
    bend = loss.hessians(grid).ravel()
    assert np.abs(bend).max() == pytest.approx(22) and bend.min() == pytest.approx(-18, abs=1e-3)


def test_hole_and_saturating_are_pseudoconvex_and_not_convex():
    grid = np.linspace(-5, 5, 101)
    for loss in (problems.hole, problems.saturating):
        assert not len(analysis.pseudoconvex_violations(loss, grid))
        found = analysis.objective(loss, np.zeros(1))
        assert found.hessians(grid[:, None]).min() < -0.03
    assert problems.hole(mt.tensor([0.0, 1e3])).item() == pytest.approx(1)
    assert problems.saturating(mt.tensor([-40.0, 40.0])).item() == pytest.approx(0.5)
