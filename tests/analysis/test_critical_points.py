"""Finding and naming the points where the gradient vanishes."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis
from microtrain.analysis import problems
from microtrain.data import gabor_points
from microtrain.errors import ArgumentError

STARTS = np.random.default_rng(0).uniform(-2, 2, (60, 2))


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1, 2], "minimum"), ([-1, -2], "maximum"), ([-1, 2], "saddle"), ([0, 2], "degenerate"), ([0, -1], "degenerate"),
     ([-1, 0, 2], "saddle"), ([0, 0], "degenerate"), ([1e-12, 1], "degenerate"), ([5], "minimum")],
)  # fmt: skip
def test_kinds(values, kind):
    assert analysis.classify(np.diag(np.array(values, float))) == kind


@pytest.mark.wide
def test_rosenbrock_has_one():
    (only,) = analysis.critical_points(problems.rosenbrock, STARTS)
    np.testing.assert_allclose(only.point, [1, 1], atol=1e-9)
    assert only.kind == "minimum" and only.index == 0 and only.value < 1e-18
    np.testing.assert_allclose(only.eigenvalues, np.linalg.eigvalsh([[802, -400], [-400, 200]]), rtol=1e-6)


def test_a_saddle_between_two_minima():
    found = analysis.critical_points(problems.strict_saddle, STARTS)
    assert [p.kind for p in found] == ["minimum", "minimum", "saddle"]
    assert sorted(round(float(p.point[1]), 6) for p in found) == [-1, 0, 1]
    assert found[2].index == 1
    np.testing.assert_allclose(found[2].eigenvalues, [-1, 1], atol=1e-8)
    inside = analysis.critical_points(problems.strict_saddle, STARTS, bounds=[(-1, 1), (0.5, 2)])
    assert [p.kind for p in inside] == ["minimum"]


def test_maxima_and_one_dimension():
    found = analysis.critical_points(lambda x: x.cos().sum(), np.linspace(-4, 4, 30))
    kinds = {round(float(p.point[0]), 6): p.kind for p in found}
    assert kinds[0.0] == "maximum" and kinds[round(np.pi, 6)] == "minimum"


@pytest.mark.wide
def test_the_gabor_losss_minima():
    x, y = gabor_points()

    def loss(p: mt.Tensor) -> mt.Tensor:
        u = p[0] + 0.06 * p[1] * x
        return ((u.sin() * (-(u * u) / 32).exp() - y) ** 2).sum()

    starts = np.random.default_rng(0).uniform([-10, 2.5], [10, 22.5], (150, 2))
    found = analysis.critical_points(loss, starts, bounds=[(-10, 10), (2.5, 22.5)])
    assert found[0].kind == "minimum"
    assert found[0].value == pytest.approx(0.6457, abs=1e-3)
    assert {"minimum", "saddle"} <= {p.kind for p in found}
    for p in found:
        assert p.gradient_norm < 1e-6


def test_where_the_parameters_stand():
    x = mt.tensor([0.0, 0.0], requires_grad=True)
    assert analysis.classify_critical_point(lambda: problems.strict_saddle(x), x) == "saddle"
    x = mt.tensor([0.0, 0.3], requires_grad=True)
    assert analysis.classify_critical_point(lambda: problems.strict_saddle(x), x) == "not critical"


def test_starts_that_lead_nowhere_are_left_out():
    assert analysis.critical_points(lambda x: x.exp().sum(), np.linspace(-1, 1, 10), max_steps=20) == []
    with pytest.raises(ArgumentError, match="starts"):
        analysis.critical_points(problems.rosenbrock, np.zeros((0, 2)))


def test_saddles_are_common_and_slow():
    assert analysis.random_hessians(1, 4000).minima == pytest.approx(0.5, abs=0.03)
    assert analysis.random_hessians(2, 4000).minima == pytest.approx((2 - 2**0.5) / 4, abs=0.02)
    assert analysis.random_hessians(8, 500).saddles == 1
    far = analysis.escape_time(problems.strict_saddle, [1.0, 1e-6], left=lambda p: abs(p[1]) >= 0.5, lr=0.1)
    assert far.step == pytest.approx(analysis.predicted_escape(1e-6, 0.5, -1, 0.1), abs=3)
    stuck = analysis.escape_time(problems.strict_saddle, [1.0, 0.0], left=lambda p: abs(p[1]) >= 0.5, steps=300)
    assert stuck.step is None and "still there" in repr(stuck)
    adam = analysis.escape_time(
        problems.strict_saddle,
        [1.0, 1e-6],
        left=lambda p: abs(p[1]) >= 0.5,
        optimizer=lambda p: mt.optim.Adam(p, lr=0.1),
    )
    assert adam.step < far.step / 3
