"""Landscapes: exact for two parameters, planes through more."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis, optim
from microtrain.analysis import problems
from microtrain.data import line_points
from microtrain.errors import ArgumentError, ShapeError

from .examples import mlp, spd


def test_two_parameters_of_a_module_are_shown_exactly():
    x, y = line_points()
    model = mt.nn.Line(0.1, 0.2)
    found = analysis.landscape(lambda: ((model(x) - y) ** 2).sum(), model, (0, 2), (-1, 1), resolution=(11, 21))
    a, b = np.meshgrid(np.linspace(0, 2, 11), np.linspace(-1, 1, 21))
    expected = ((a[..., None] + b[..., None] * x.numpy() - y.numpy()) ** 2).sum(-1)
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)
    assert found.plane.names == ("phi_0", "phi_1")
    assert (model.phi_0.item(), model.phi_1.item()) == (0.1, 0.2)
    j, i = np.unravel_index(expected.argmin(), expected.shape)
    assert found.lowest == pytest.approx((found.x[i], found.y[j], expected.min()))


def test_a_random_plane_of_a_network():
    model, loss = mlp()
    o = analysis.Objective(loss, model)
    plane = analysis.random_plane(o, generator=mt.Generator(1))
    found = analysis.landscape(o, None, (-1, 1), (-0.5, 0.5), plane=plane, resolution=5)
    assert found.values[2, 2] == pytest.approx(o())
    assert found.values[4, 0] == pytest.approx(o(o.theta - plane.axes[0] + 0.5 * plane.axes[1]))
    for p, part in zip(o.params, o.flat.parts, strict=True):
        direction = plane.axes[0][part]
        if p.ndim < 2:
            assert not direction.any()
        else:
            size = np.linalg.norm(p.detach().numpy(), axis=1)
            np.testing.assert_allclose(np.linalg.norm(direction.reshape(p.shape), axis=1), size)
    plain = analysis.random_plane(o, normalise=False)
    np.testing.assert_allclose(plain.axes @ plain.axes.T, np.eye(2), atol=1e-12)


def test_a_large_plane_in_parts(monkeypatch):
    model, loss = mlp()
    o = analysis.Objective(loss, model)
    plane = analysis.random_plane(o)
    whole = analysis.landscape(o, None, plane=plane, resolution=7).values
    monkeypatch.setattr(sys.modules["microtrain.analysis.landscape"], "MEMORY", 8 * o.size * 10)  # ten points at a time
    np.testing.assert_allclose(analysis.landscape(o, None, plane=plane, resolution=7).values, whole, rtol=1e-12)


def test_the_plane_of_a_run_captures_a_planar_run_wholly():
    u, v = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 2)))[0].T
    t = np.linspace(0, 3, 40)[:, None]
    points = 5 + np.cos(t) * u + t * v
    plane = analysis.pca_plane(points)
    assert sum(plane.captured) == pytest.approx(1)
    np.testing.assert_allclose(plane.distances(points), 0, atol=1e-12)
    np.testing.assert_array_equal(plane.center, points[-1])
    c = plane.coordinates(points)
    np.testing.assert_allclose(plane.points(c[:, 0], c[:, 1]), points, atol=1e-12)
    (x0, x1), (y0, y1) = analysis.plane_limits(plane, points)
    assert (x0 < c[:, 0].min()) and (c[:, 0].max() < x1) and (y0 < c[:, 1].min()) and (c[:, 1].max() < y1)


def test_captured_shares_are_those_of_the_singular_values():
    model, loss = mlp()
    o = analysis.Objective(loss, model)
    start = o.theta
    runs = [analysis.trace(f, o, steps=15, start=start)
            for f in (lambda p: optim.SGD(p, lr=0.5), lambda p: optim.Adam(p, lr=0.1))]  # fmt: skip
    plane = analysis.pca_plane(*runs)
    offset = np.concatenate([r.points for r in runs]) - runs[0].end
    singular = np.linalg.svd(offset, compute_uv=False) ** 2
    np.testing.assert_allclose(plane.captured, singular[:2] / singular.sum())
    x, y = analysis.plane_limits(plane, *runs)
    found = analysis.landscape(o, None, x, y, plane=plane, resolution=6).with_paths(a=runs[0], b=runs[1])
    assert set(found.paths) == {"a", "b"} and found.paths["a"].shape == (16, 2)
    assert "% of the path" in repr(found)


def test_three_points_and_a_line():
    a, b, c = np.random.default_rng(0).normal(size=(3, 6))
    plane = analysis.plane_through(a, b, c)
    np.testing.assert_allclose(plane.coordinates([a, b]), [[0, 0], [1, 0]], atol=1e-12)
    np.testing.assert_allclose(plane.distances([a, b, c]), 0, atol=1e-12)
    assert plane.axes[0] @ plane.axes[1] == pytest.approx(0, abs=1e-12)
    with pytest.raises(ShapeError, match="line"):
        analysis.plane_through(a, b, a + 2 * (b - a))
    h = spd(3)
    np.testing.assert_allclose(
        analysis.line(problems.quadratic(h), np.zeros(3), [1.0, 0, 0], [0, 1, 2]), 0.5 * h[0, 0] * np.array([0, 1, 4])
    )


def test_races_start_together():
    found = analysis.races(
        problems.rosenbrock,
        {"GD": lambda p: optim.SGD(p, lr=1e-3), "Adam": lambda p: optim.Adam(p, lr=0.1)},
        [-1.0, 1.0],
        steps=5,
    )
    assert list(found) == ["GD", "Adam"]
    for run in found.values():
        np.testing.assert_array_equal(run.points[0], [-1, 1])
        assert len(run.points) == 6


def test_wrong_arguments():
    with pytest.raises(ShapeError, match="3 parameters"):
        analysis.landscape(problems.quadratic(spd(3)), np.zeros(3))
    with pytest.raises(ArgumentError, match="from 1"):
        analysis.landscape(problems.rosenbrock, np.zeros(2), (1, -1))
    with pytest.raises(ShapeError, match="P >= 2"):
        analysis.pca_plane(np.zeros((5, 1)))
    with pytest.raises(ShapeError, match="span"):
        analysis.pca_plane(np.zeros((5, 3)))
