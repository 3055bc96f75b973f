"""Strong convexity, Lipschitz constants, convexity: exact for linear models, with the right sign elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis
from microtrain.analysis import problems
from microtrain.data import make_collinear
from microtrain.errors import ArgumentError, ShapeError

from .examples import spd

X = np.random.default_rng(0).normal(size=(40, 4))


@pytest.mark.parametrize("reduction", ["sum", "mean", "half_sum", "half_mean"])
@pytest.mark.parametrize("bias", [False, True])
def test_squared_error_of_a_linear_model(reduction, bias):
    model = mt.nn.LinearRegression(4, bias=bias)
    y = mt.tensor(np.arange(40.0))
    values = np.linalg.eigvalsh(analysis.hessian(lambda: model.loss(mt.tensor(X), y, reduction), model))
    found = analysis.mse_constants(X, reduction, bias=bias)
    assert found.lipschitz == pytest.approx(values[-1], rel=1e-12)
    assert found.mu == pytest.approx(values[0], rel=1e-10)
    assert found.condition_number == pytest.approx(values[-1] / values[0])
    assert found.largest_stable_rate == pytest.approx(2 / values[-1])


def test_dependent_columns_leave_no_strong_convexity():
    dependent = np.column_stack([X, X[:, 0] + X[:, 1]])
    found = analysis.mse_constants(dependent, "half_sum")
    values = np.linalg.eigvalsh(dependent.T @ dependent)
    assert found.mu == 0 and found.condition_number == np.inf
    assert found.mu_nonzero == pytest.approx(values[1])
    assert analysis.mse_constants(X[:2], "sum").mu == 0  # fewer samples than weights
    assert analysis.mse_constants(np.zeros((3, 2)), "sum").lipschitz == 0


@pytest.mark.parametrize("rho", [0.0, 0.9, 0.99, 0.999])
def test_collinear_features_have_the_books_condition_numbers(rho):
    data = make_collinear(rho=rho, generator=mt.Generator(0))
    kappa = analysis.mse_constants(data.inputs, "half_mean").condition_number
    assert kappa == pytest.approx((1 + rho) / (1 - rho), rel=1e-9)


def test_softmax_cross_entropy_of_a_linear_model():
    w = mt.tensor(np.random.default_rng(1).normal(size=(3, 4)), requires_grad=True)
    y = mt.tensor(np.arange(40) % 3)

    def loss() -> mt.Tensor:
        return mt.nn.functional.cross_entropy(mt.tensor(X) @ w.T, y)

    h = analysis.hessian(loss, w)
    np.testing.assert_allclose(analysis.softmax_ce_hessian(X, w), h, atol=1e-14)
    top = analysis.ce_lipschitz_bound(X, "softmax")
    assert top == pytest.approx(0.5 * np.linalg.norm(X, 2) ** 2 / 40)
    assert np.linalg.eigvalsh(h)[-1] < top
    found = analysis.ce_constants(X)
    assert found.mu == 0 and not found.exact and found.lipschitz == pytest.approx(top)
    two = np.array([[1.0, 1.0]])  # the bound is attained: two classes, equal probabilities
    tight = analysis.softmax_ce_hessian(two, np.zeros((2, 2)))
    assert np.linalg.eigvalsh(tight)[-1] == pytest.approx(analysis.ce_lipschitz_bound(two))


@pytest.mark.wide
def test_logistic_regression():
    w = mt.tensor([0.3, -0.2, 0.1, 0.5], requires_grad=True)
    y = mt.tensor((np.arange(40) % 2).astype(float))

    def loss() -> mt.Tensor:
        return mt.nn.functional.binary_cross_entropy_with_logits(mt.tensor(X) @ w, y)

    np.testing.assert_allclose(analysis.binary_ce_hessian(X, w), analysis.hessian(loss, w), atol=1e-14)
    at_zero = analysis.binary_ce_hessian(X, np.zeros(4))
    assert np.linalg.eigvalsh(at_zero)[-1] == pytest.approx(analysis.ce_lipschitz_bound(X, "binary"))
    probe = analysis.curvature_probe(loss, w, points=30, sampler=3.0)
    assert probe.lowest > -1e-15 and probe.negative == 0
    assert probe.highest <= analysis.ce_lipschitz_bound(X, "binary")
    assert analysis.chord_probe(loss, w, probes=300, sampler=3.0)


def test_estimates_err_on_the_side_they_say():
    h = spd(4)
    values = np.linalg.eigvalsh(h)
    quadratic = problems.quadratic(h)
    lower = analysis.lipschitz_secant(quadratic, np.zeros(4), pairs=3000)
    upper = analysis.strong_convexity(quadratic, np.zeros(4), pairs=3000)
    assert values[-1] * 0.9 < float(lower) <= values[-1] * (1 + 1e-9)
    assert values[0] * (1 - 1e-6) <= float(upper) < values[0] * 2
    assert analysis.quadratic_growth(quadratic, np.zeros(4)).value >= values[0] * (1 - 1e-9)
    x, y = lower.at
    assert np.linalg.norm(h @ (x - y)) / np.linalg.norm(x - y) == pytest.approx(lower.value)


def test_growth_is_not_convexity():
    def wavy(x: mt.Tensor) -> mt.Tensor:
        return (x * x + 10 * x.sin() ** 2).sum()

    assert analysis.quadratic_growth(wavy, [0.0], sampler=3.0).value > 1.9
    assert analysis.strong_convexity(wavy, np.zeros(1), sampler=3.0).value < 0
    assert analysis.lipschitz_secant(wavy, np.zeros(1), sampler=3.0).value == pytest.approx(22, rel=0.02)


def test_a_steep_line_has_no_curvature():
    def line(x: mt.Tensor) -> mt.Tensor:
        return (1e6 * x).sum()

    assert analysis.lipschitz_by_gradient_norm(line, np.zeros(1)) == pytest.approx(1e6)
    assert analysis.lipschitz_secant(line, np.zeros(1)).value == 0


def test_descent_lemma():
    gap = analysis.descent_gap(problems.quadratic([1.0, 10]), [1.0, 1], [0.0, 3], 10)
    assert gap == pytest.approx(4.5)  # (L - 1) / 2 along the flat axis, 0 along the steep one
    assert analysis.descent_gap(problems.quadratic([1.0, 10]), [1.0, 1], [1.0, 3], 9.9) < 0


def test_chords_find_what_is_not_convex_and_give_the_proof():
    probe = analysis.chord_probe(problems.double_well, np.zeros(1))
    assert not probe and probe.violations > 100
    a, b, t = probe.counterexample
    assert analysis.chord_violation(problems.double_well, a, b, t) == pytest.approx(probe.violation)
    assert analysis.chord_violation(problems.double_well, [-1.0], [1.0]) == pytest.approx(0.25)
    assert analysis.chord_probe(problems.quadratic(spd(5)), np.zeros(5))
    inside = analysis.chord_probe(problems.double_well, np.zeros(1), sampler=lambda r: r.uniform(0.6, 2, 1))
    assert inside, "convex right of 1 / sqrt 3"


def test_the_scalar_deep_linear_loss_is_not_convex():
    probe = analysis.curvature_on(lambda p: (p[0] * p[1] - 1) ** 2 / 2, [[0.0, 0.0], [1.0, 1.0]])
    assert probe.lowest == pytest.approx(-1) and probe.negative == 1
    np.testing.assert_array_equal(probe.where_lowest, [0, 0])
    assert probe.highest == pytest.approx(2)


def test_pseudoconvexity():
    grid = np.linspace(-3, 3, 61)
    hill = lambda x: (1 - (-0.5 * x * x).exp()).sum()
    assert analysis.pseudoconvex_violations(hill, grid) == []
    assert not analysis.chord_probe(hill, np.zeros(1), sampler=3.0)
    flat = lambda x: (x**4 / 4 + x**3 / 3).sum()
    pairs = analysis.pseudoconvex_violations(flat, grid)
    assert pairs and all(x[0] == pytest.approx(0, abs=1e-9) for x, _ in pairs)


def test_quasiconvexity():
    grid = np.arange(-200, 201) / 100
    inflection = analysis.objective(lambda x: (x**4 / 4 + x**3 / 3).sum(), [0.0])
    assert analysis.pseudoconvex_violations(inflection, grid, quasi=True) == []
    pairs = analysis.pseudoconvex_violations(inflection, grid)
    assert len(pairs) == 133 and all(x == 0 for x, _ in pairs)
    waves = analysis.pseudoconvex_violations(lambda x: x.sin().sum(), grid * 2, quasi=True)
    assert waves and all(np.cos(x) * (y - x) > 0 and np.sin(y) < np.sin(x) for x, y in waves)


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match="half_mean"):
        analysis.mse_constants(X, "median")
    with pytest.raises(ArgumentError, match="softmax"):
        analysis.ce_lipschitz_bound(X, "hinge")
    with pytest.raises(ShapeError, match="N, d"):
        analysis.mse_constants(np.zeros((0, 3)))
    with pytest.raises(ShapeError, match="classes"):
        analysis.softmax_ce_hessian(X, np.zeros((3, 2)))
    with pytest.raises(ShapeError, match="sampler"):
        analysis.chord_probe(problems.double_well, np.zeros(1), sampler=lambda r: r.normal(size=2))
