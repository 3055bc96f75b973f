"""Projections and sums of squares."""

from __future__ import annotations

import numpy as np
import pytest

from microtrain import analysis
from microtrain.errors import ShapeError


def data(columns: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, columns)), rng.normal(size=20)


def test_the_hat_matrix_projects():
    x, y = data()
    p = analysis.hat_matrix(x, bias=True)
    full = np.column_stack([x, np.ones(20)])
    np.testing.assert_allclose(p, full @ np.linalg.inv(full.T @ full) @ full.T, atol=1e-13)
    np.testing.assert_allclose(p @ y, full @ np.linalg.lstsq(full, y)[0], atol=1e-13)
    assert np.linalg.matrix_rank(p) == 4


def test_columns_that_depend_on_each_other_count_once():
    x, _ = data()
    twice = np.column_stack([x, x[:, 0] + x[:, 1]])
    np.testing.assert_allclose(analysis.hat_matrix(twice), analysis.hat_matrix(x), atol=1e-12)
    assert np.trace(analysis.hat_matrix(twice)) == pytest.approx(3)
    assert np.trace(analysis.hat_matrix(x[:2])) == pytest.approx(2)


def test_the_squares_split_only_with_an_intercept():
    x, y = data()
    found = analysis.squares_split(y, analysis.hat_matrix(x, bias=True) @ y)
    assert found.gap == pytest.approx(0, abs=1e-12) and 0 < found.r2 < 1
    assert found.r2 == pytest.approx(np.corrcoef(analysis.hat_matrix(x, bias=True) @ y, y)[0, 1] ** 2)
    without = analysis.squares_split(y + 3, analysis.hat_matrix(x) @ (y + 3))
    assert without.gap > 1 and without.r2 < 0
    assert analysis.squares_split(y, np.full(20, y.mean())).r2 == 0
    assert np.isnan(analysis.squares_split(np.ones(3), np.ones(3)).r2)
    assert "R^2" in repr(found)


def test_what_does_not_fit_is_said():
    with pytest.raises(ShapeError, match=r"\(3,\) and \(2,\)"):
        analysis.squares_split([1.0, 2, 3], [1.0, 2])
    with pytest.raises(ShapeError, match="one length"):
        analysis.squares_split(1.0, 1.0)
