"""Distributions as points, and the nearest points of sets."""

from __future__ import annotations

import numpy as np
import pytest

from microtrain import analysis
from microtrain.errors import ShapeError


def test_what_is_a_distribution():
    assert analysis.on_simplex([[0.2, 0.8], [1, 0], [0.5, 0.6], [-0.1, 1.1]]).tolist() == [True, True, False, False]


@pytest.mark.parametrize("n", [2, 3, 7])
def test_the_directions_that_keep_the_sum(n):
    basis = analysis.tangent_basis(n)
    np.testing.assert_allclose(basis @ basis.T, np.eye(n - 1), atol=1e-15)
    np.testing.assert_allclose(basis.sum(1), 0, atol=1e-15)


def test_the_triangle():
    np.testing.assert_allclose(analysis.to_triangle(np.full(3, 1 / 3)), [0.5, 0.75**0.5 / 3])
    sides = np.linalg.norm(np.diff(analysis.to_triangle(np.eye(3)), axis=0), axis=1)
    np.testing.assert_allclose(sides, 1)
    with pytest.raises(ShapeError, match="3 outcomes"):
        analysis.to_triangle([0.5, 0.5])
    grid = analysis.triangle_grid(10, margin=0.01)
    assert grid.shape == (66, 3) and analysis.on_simplex(grid).all() and grid.min() == pytest.approx(0.01)


def test_projections():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(9, 3)), random.normal(size=9)
    dependent = np.column_stack([x, x[:, 0] + x[:, 1]])
    nearest = analysis.project(y, x)
    np.testing.assert_allclose(nearest, x @ np.linalg.lstsq(x, y, rcond=None)[0], atol=1e-13)
    np.testing.assert_allclose(analysis.project(y, dependent), nearest, atol=1e-13)
    np.testing.assert_allclose(analysis.project(y, np.zeros((9, 2))), 0)
    np.testing.assert_allclose(analysis.variational_inequality(y, nearest, (x @ random.normal(size=(3, 20))).T), 0,
                               atol=1e-13)  # fmt: skip
    corner = analysis.project_box([1.0, -1.0], 0)
    assert corner.tolist() == [1, 0] and analysis.variational_inequality(
        [1, -1], corner, [[0, 0], [1, 1]]
    ).tolist() == [0, -1]
    with pytest.raises(ShapeError, match="do not go together"):
        analysis.project(y, np.ones((3, 2)))
