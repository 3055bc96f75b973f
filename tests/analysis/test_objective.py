"""The loss as a function of one vector: against closed forms, finite differences, and real calls."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis
from microtrain.analysis import problems
from microtrain.errors import DtypeError, GraphError, ShapeError

from .examples import mlp, spd

RNG = np.random.default_rng(0)


def differences(f: object, at: np.ndarray, h: float = 1e-5) -> np.ndarray:
    return np.array([(f(at + d) - f(at - d)) / (2 * h) for d in h * np.eye(len(at))])


def test_a_quadratic_has_its_matrix():
    h = spd(6)
    o = analysis.Objective(problems.quadratic(h), np.ones(6))
    at = RNG.normal(size=6)
    assert o(at) == pytest.approx(0.5 * at @ h @ at, rel=1e-13)
    np.testing.assert_allclose(o.gradient(at), h @ at, rtol=1e-12)
    np.testing.assert_allclose(o.hessian(at), h, rtol=1e-13)
    np.testing.assert_allclose(o.hvp(np.eye(6)), h, rtol=1e-13)
    np.testing.assert_allclose(o.hvp(at), h @ at, rtol=1e-12)


def test_the_hessian_of_a_network_by_finite_differences():
    model, loss = mlp()
    o = analysis.Objective(loss, model)
    at = o.theta
    full = o.hessian()
    np.testing.assert_array_equal(full, full.T)
    np.testing.assert_allclose(full, differences(o.gradient, at), atol=2e-9)
    np.testing.assert_allclose(o.gradient(), differences(o, at), atol=1e-9)
    v = RNG.normal(size=(9, o.size))
    np.testing.assert_allclose(o.hvp(v), v @ full, atol=1e-12)
    np.testing.assert_allclose(o.product()(v[0]), full @ v[0], atol=1e-12)


def test_looking_elsewhere_leaves_the_parameters_alone():
    model, loss = mlp()
    o = analysis.Objective(loss, model)
    before = o.theta
    held = [p._data for p in model.parameters()]
    versions = [p._memory.version if p._memory else 0 for p in model.parameters()]
    elsewhere = before + 1
    o(elsewhere), o.gradient(elsewhere), o.hessian(elsewhere), o.hvp(elsewhere, elsewhere)
    o.values(np.stack([elsewhere] * 6)), o.gradients(np.stack([elsewhere] * 6))
    np.testing.assert_array_equal(o.theta, before)
    assert all(p._data is data for p, data in zip(model.parameters(), held, strict=True))
    assert versions == [p._memory.version if p._memory else 0 for p in model.parameters()]
    assert all(p.grad is None for p in model.parameters())


def test_a_product_made_elsewhere_works_after_coming_back():
    model, loss = mlp()
    mt.optim.SGD(model.parameters(), lr=0.1).step()
    o = analysis.Objective(loss, model)
    there = o.theta + 0.5
    multiply = o.product(there)
    np.testing.assert_allclose(multiply(np.ones(o.size)), o.hessian(there) @ np.ones(o.size), atol=1e-12)


@pytest.mark.parametrize("count", [1, 3, 4, 40])
def test_many_points_are_the_points_one_by_one(count):
    model, loss = mlp()
    for o in (analysis.Objective(loss, model), analysis.Objective(problems.rosenbrock, np.zeros(2))):
        points = RNG.normal(size=(count, o.size))
        np.testing.assert_allclose(o.values(points), [o(p) for p in points], rtol=1e-11)
        np.testing.assert_allclose(o.gradients(points), [o.gradient(p) for p in points], atol=1e-9)
        np.testing.assert_allclose(o.hessians(points), [o.hessian(p) for p in points], atol=1e-8)


def test_rosenbrock_at_many_points_is_batched_and_exact():
    o = analysis.Objective(problems.rosenbrock, np.zeros(2))
    points = RNG.normal(size=(50, 2))
    x, y = points.T
    exact = np.stack([np.stack([2 - 400 * (y - 3 * x * x), -400 * x], 1), np.stack([-400 * x, 200 + 0 * x], 1)], 1)
    np.testing.assert_allclose(o.hessians(points), exact, rtol=1e-11, atol=1e-9)
    assert o._replayed_hessians.batched


def test_a_linear_and_a_constant_loss():
    linear = analysis.Objective(lambda x: (3 * x).sum(), np.zeros(2))
    np.testing.assert_array_equal(linear.gradient(), [3, 3])
    np.testing.assert_array_equal(linear.hessian(), np.zeros((2, 2)))
    np.testing.assert_array_equal(linear.hvp([1.0, 2.0]), [0, 0])
    np.testing.assert_array_equal(linear.hessians(np.ones((6, 2))), np.zeros((6, 2, 2)))
    constant = analysis.Objective(lambda x: mt.tensor(2.0), np.zeros(2))
    np.testing.assert_array_equal(constant.gradient(), [0, 0])
    np.testing.assert_array_equal(constant.hessian(), np.zeros((2, 2)))
    np.testing.assert_array_equal(constant.gradients(np.ones((6, 2))), np.zeros((6, 2)))


def test_several_tensors_float32_and_a_single_number():
    a, b = mt.tensor([1.0, 2.0], requires_grad=True), mt.tensor(3.0, requires_grad=True)
    o = analysis.Objective(lambda: (a * a * b).sum(), [a, b])
    np.testing.assert_allclose(o.hessian(), [[6, 0, 2], [0, 6, 4], [2, 4, 0]])
    x = mt.tensor([1.0, 2.0], dtype=mt.float32, requires_grad=True)
    single = analysis.Objective(lambda: (x**3).sum(), x)
    assert single.hessian().dtype == np.float32
    np.testing.assert_allclose(single.hessian(), np.diag([6, 12]), rtol=1e-6)
    assert analysis.hessian(lambda t: t**3, 2.0) == pytest.approx(12)


def test_a_closure_with_defaults_and_a_frozen_parameter():
    model, loss = mlp()
    next(iter(model.parameters())).requires_grad_(False)
    o = analysis.Objective(lambda inner=loss: inner(), model)
    assert o.size == 5 + 20 + 4


def test_wrong_uses_teach():
    x = mt.zeros(2)
    with pytest.raises(GraphError, match="require grad"):
        analysis.Objective(lambda: x.sum(), x)
    with pytest.raises(ShapeError, match="single number"):
        analysis.hessian(lambda t: t * 2, np.zeros(3))
    with pytest.raises(DtypeError, match="not a tensor"):
        analysis.hessian(lambda t: 2.0, np.zeros(3))
    with pytest.raises(ShapeError, match="2 parameters"):
        analysis.Objective(problems.rosenbrock, np.zeros(2)).gradients(np.zeros((4, 3)))
    with pytest.raises(ShapeError, match="2 parameters"):
        analysis.Objective(problems.rosenbrock, np.zeros(2))(np.zeros(3))
    with pytest.raises(ShapeError, match="direction"):
        analysis.hvp(problems.rosenbrock, np.zeros(2), np.zeros(3))
    with pytest.raises(DtypeError, match="Parameters are tensors"):
        analysis.Objective(lambda: x.sum(), [])
    with pytest.raises(GraphError, match="leaves"):
        analysis.Objective(lambda: x.sum(), mt.zeros(2, requires_grad=True) * 2)
