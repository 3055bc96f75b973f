"""Curvature from a metric: spheres, the half plane, flat space, and the simplex with Fisher information."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis
from microtrain.errors import ArgumentError, ShapeError


def negative_entropy(p: mt.Tensor) -> mt.Tensor:
    """Of the distribution with these free probabilities; the last one is what is missing to 1."""
    rest = 1 - p.sum()
    return (p * p.log()).sum() + rest * rest.log()


def diagonal(*entries):
    return mt.diag(mt.stack(list(entries)))


METRICS = {
    "sphere of radius 3": (lambda t: diagonal(9 + 0 * t[0], 9 * t[0].sin() ** 2), [1.0, 2], 1 / 9),
    "upper half plane": (lambda t: diagonal(1 / t[1] ** 2, 1 / t[1] ** 2), [0.3, 2], -1),
    "plane": (lambda t: diagonal(1 + 0 * t[0], 1 + 0 * t[0]), [1.0, 2], 0),
    "plane, polar coordinates": (lambda t: diagonal(1 + 0 * t[0], t[0] ** 2), [1.7, 2], 0),
    "paraboloid": (
        lambda t: diagonal(1 + 4 * t[0] ** 2, 1 + 4 * t[1] ** 2)
        + 4 * t[0] * t[1] * mt.tensor([[0.0, 1], [1, 0]]),
        [0.5, 0.25],
        4 / (1 + 4 * (0.25 + 0.0625)) ** 2,
    ),
    "normal distributions (mean, deviation)": (
        lambda t: diagonal(1 / t[1] ** 2, 2 / t[1] ** 2), [0.4, 1.3], -0.5,
    ),
    "three outcomes": (analysis.hessian_metric(negative_entropy), [0.7, 0.1], 0.25),
    "four outcomes": (analysis.hessian_metric(negative_entropy), [0.4, 0.3, 0.1], 0.25),
}  # fmt: skip


@pytest.mark.parametrize("name", METRICS)
def test_known_curvatures(name):
    metric, x, expected = METRICS[name]
    assert analysis.sectional_curvature(metric, x) == pytest.approx(expected, abs=1e-12)


def test_the_symmetries_of_the_tensor():
    tilted = mt.tensor(np.random.default_rng(0).normal(size=(3, 3)))

    def metric(t):  # of a surface of no symmetry
        m = tilted * mt.stack([t.sin(), t.exp(), t * t])
        return m @ m.T + mt.eye(3)

    r = analysis.riemann_tensor(metric, [0.3, -0.2, 0.5])
    assert np.abs(r).max() > 0.01
    for swapped, sign in ((r.swapaxes(0, 1), -1), (r.swapaxes(2, 3), -1), (r.transpose(2, 3, 0, 1), 1)):
        np.testing.assert_allclose(r, sign * swapped, atol=1e-12)
    bianchi = r + r.transpose(0, 2, 3, 1) + r.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(bianchi, 0, atol=1e-12)


def test_the_directions_span_the_surface_however_long_they_are():
    metric = analysis.hessian_metric(negative_entropy)
    u, v = [1.0, 2, 0], [0.0, 1, 3]
    assert analysis.sectional_curvature(metric, [0.4, 0.3, 0.1], u, v) == pytest.approx(0.25)
    assert analysis.sectional_curvature(metric, [0.4, 0.3, 0.1], np.multiply(u, 7), v) == pytest.approx(0.25)
    with pytest.raises(ArgumentError, match="span no surface"):
        analysis.sectional_curvature(metric, [0.4, 0.3, 0.1], u, u)
    with pytest.raises(ArgumentError, match="span no surface"):
        analysis.sectional_curvature(metric, [0.4])
    with pytest.raises(ShapeError, match=r"matrix \(d, d\)"):
        analysis.riemann_tensor(lambda t: t, [0.1, 0.2])


def test_distances_and_paths():
    p, q = (0.5, 0.3, 0.2), (0.2, 0.2, 0.6)
    way = analysis.fisher_geodesic(p, q, 20001)
    np.testing.assert_allclose(way.sum(1), 1)
    np.testing.assert_allclose(way[[0, -1]], [p, q])
    assert analysis.fisher_length(way) == pytest.approx(analysis.fisher_rao_distance(p, q), abs=1e-8)
    assert analysis.fisher_length(np.linspace(p, q, 2001)) > analysis.fisher_rao_distance(p, q) + 1e-3
    assert analysis.fisher_rao_distance([1.0, 0], [0.0, 1]) == pytest.approx(np.pi)
    np.testing.assert_allclose(analysis.fisher_rao_distance([p, q], [q, q]), [0.86659156, 0], atol=1e-7)
    np.testing.assert_allclose(analysis.fisher_geodesic(p, p, 3), [p] * 3)
    for wrong in ([0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(ArgumentError, match="add up to 1"):
            analysis.fisher_rao_distance(wrong, wrong)
    with pytest.raises(ShapeError, match="Distributions have shape"):
        analysis.fisher_length(p)
