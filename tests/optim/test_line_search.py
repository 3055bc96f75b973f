"""The line searches on functions of one number: where they end, what they cost, what they report."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import microtrain as mt
from microtrain import optim


def book(p):  # Figure 6.10
    return 1 - 0.5 * np.exp(-((p - 0.65) ** 2) / 0.1) - 0.45 * np.exp(-((p - 0.35) ** 2) / 0.02)


BEST = 0.380322


def test_bracketing_as_in_figure_6_10():
    record = optim.bracketing(book, tol=1e-4)
    assert record.step == pytest.approx(0.38031, abs=6e-6) and record.value == pytest.approx(0.328604, abs=6e-7)
    assert len(record.brackets) == 23 and record.converged
    widths = [d - a for a, _, _, d in record.brackets]
    np.testing.assert_allclose(widths[:3], [1, 2 / 3, 4 / 9])
    for a, b, c, d in record.brackets:
        assert a < BEST < d
        np.testing.assert_allclose([b, c], [a + (d - a) / 3, a + 2 * (d - a) / 3])
    assert record.n_evals == 1 + 2 * 23 + 1
    assert len(optim.bracketing(book, tol=1e-6).brackets) == 35  # one more than ln 1e6 / ln 1.5 = 34.07
    assert "bracketing: step 0.3803" in repr(record)


def test_golden_section_needs_one_evaluation_a_round():
    record = optim.golden_section(book, tol=1e-6)
    assert record.step == pytest.approx(BEST, abs=1e-6)
    assert record.n_evals == len(record.brackets) + 3
    assert record.n_evals < optim.bracketing(book, tol=1e-6).n_evals / 2


@given(best=st.floats(0.01, 0.99), left=st.floats(0.3, 4), right=st.floats(0.3, 4), scale=st.floats(1e-3, 1e3))
def test_unimodal_functions_are_searched_to_the_end(best, left, right, scale):
    def phi(x):
        return scale * abs(x - best) ** (left if x < best else right)

    for search in (optim.bracketing, optim.golden_section):
        assert search(phi, tol=1e-4).step == pytest.approx(best, abs=2e-4)


def test_what_bracketing_can_not_do():
    def two_wells(p):
        return -np.exp(-((p - 0.52) ** 2) / 0.001) - 0.5 * np.exp(-((p - 0.2) ** 2) / 0.02)

    assert optim.bracketing(two_wells).step == pytest.approx(0.2, abs=1e-4)  # the lower is at 0.52
    assert optim.bracketing(lambda s: (s - 2) ** 2).step == pytest.approx(1.0, abs=1e-5)  # beyond the end
    assert optim.bracketing(lambda s: s).step == pytest.approx(0.0, abs=1e-5)  # the lowest is the first
    assert not optim.bracketing(book, tol=1e-6, max_iter=5).converged


def test_armijo_on_a_parabola():
    assert optim.armijo_ok((1 - 0.5 * 2) ** 2, 1.0, -4.0, 0.5, c=0.5)
    assert not optim.armijo_ok((1 - 0.5001 * 2) ** 2, 1.0, -4.0, 0.5001, c=0.5)
    record = optim.backtracking(lambda s: (1 - 2 * s) ** 2, slope=-4.0, step=8.0, c=0.5)
    assert record.step == 0.5 and [s for s, _ in record.evaluations] == [0.0, 8.0, 4.0, 2.0, 1.0, 0.5]
    assert optim.backtracking(lambda s: (1 - 2 * s) ** 2, -4.0, 8.0, start=1.0).n_evals == record.n_evals - 1
    lied = optim.backtracking(lambda s: s, slope=-1.0)
    assert (lied.step, lied.value, lied.converged) == (0.0, 0.0, False)


@given(seed=st.integers(0, 10**6), c=st.sampled_from([1e-4, 0.1, 0.3, 0.5, 0.9]), start=st.floats(1e-3, 100))
def test_backtracking_ends_with_a_step_as_long_as_promised(seed, c, start):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(4, 4))
    h, x = a @ a.T, rng.normal(size=4)
    g, largest = h @ x, np.linalg.eigvalsh(h)[-1]
    record = optim.backtracking(lambda s: 0.5 * (x - s * g) @ h @ (x - s * g), -float(g @ g), start, c=c)
    assert record.converged
    assert record.step >= min(start, 2 * 0.5 * (1 - c) / largest) * (1 - 1e-9)


@given(seed=st.integers(0, 10**6), first=st.floats(1e-3, 30))
def test_strong_wolfe_finds_its_conditions(seed, first):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=3), rng.uniform(0.5, 3, size=3)

    def phi(s):  # bounded below, falling at 0
        return 0.1 * (s - 2) ** 2 + (a * np.sin(b * s)).sum() * 0.1, 0.2 * (s - 2) + 0.1 * (a * b * np.cos(b * s)).sum()

    start, slope = phi(0.0)
    if slope >= -1e-3:
        return
    record = optim.strong_wolfe(phi, first, start, slope)
    value, derivative = phi(record.step)
    assert record.converged
    assert value <= start + 1e-4 * record.step * slope and abs(derivative) <= -0.9 * slope
    assert record.value == value and record.n_evals <= 26


def test_strong_wolfe_gives_up_with_the_best_it_saw():
    record = optim.strong_wolfe(lambda s: (-s, -1.0), 1.0, 0.0, -1.0, max_iter=3)  # falls for ever
    assert not record.converged and record.step > 1 and record.n_evals == 4
    record = optim.strong_wolfe(lambda s: (1.0, 1.0), 1.0, 0.0, -1.0)  # jumps up at once
    assert record.step == 0.0 and not record.converged
    record = optim.strong_wolfe(lambda s: (np.nan, np.nan), 1.0, 0.0, -1.0, max_iter=4)
    assert not record.converged and record.n_evals <= 5


@pytest.mark.parametrize(
    "call",
    [
        lambda: optim.bracketing(book, 1.0, 0.0),
        lambda: optim.golden_section(book, tol=0.0),
        lambda: optim.backtracking(book, slope=1.0),
        lambda: optim.backtracking(book, slope=-1.0, rho=1.0),
        lambda: optim.strong_wolfe(lambda s: (s, 1.0), 1.0, 0.0, 0.0),
        lambda: optim.LineSearchGD([mt.ones(1, requires_grad=True)], "golden mean"),
    ],
)
def test_mistakes_are_explained(call):
    with pytest.raises(mt.MicrotrainError):
        call()


def test_records_can_be_drawn():
    pytest.importorskip("matplotlib")
    for record in (optim.bracketing(book), optim.golden_section(book), optim.backtracking(book, -0.5)):
        axes = record.plot()
        assert axes.get_title() == record.method
        assert len(axes.collections[0].get_offsets()) == record.n_evals


def test_a_line_search_leaves_the_parameters_where_it_ends_and_stops_at_a_minimum():
    p = mt.tensor([3.0], requires_grad=True)
    optimizer = optim.LineSearchGD([p], "golden", lr=2.0)
    optimizer.step(lambda: mt.sum(p * p))
    assert p.item() == pytest.approx(3.0 - optimizer.search.step * 6.0)
    zero = mt.tensor([0.0], requires_grad=True)
    optimizer = optim.LineSearchGD([zero], "armijo")
    optimizer.step(lambda: mt.sum(zero * zero))
    assert zero.item() == 0.0 and optimizer.search.step == 0.0


def test_strong_wolfe_turns_back_where_the_loss_is_not_defined():
    """ln(1 - s) ends at 1: NaN must count as too far, not as a place to go on from."""

    def phi(s):
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(-np.log(1 - np.float64(s)) - 3 * s), (1 / (1 - s) - 3 if s != 1 else np.nan)

    for first in (1.0, 1.5, 30.0):
        record = optim.strong_wolfe(phi, first, *phi(0.0))
        assert record.converged and 0 < record.step < 1 and record.value < 0
    x = mt.tensor([0.5], requires_grad=True)
    optimizer = optim.LineSearchGD([x], "wolfe")
    for _ in range(10):
        optimizer.step(lambda: (-mt.log(1 - x) - 3 * x).sum())
    assert x.item() == pytest.approx(2 / 3, abs=1e-8)


def test_the_exact_step_does_not_climb():
    """Where the loss is curved downwards g.g / g.Hg is the way to the highest point on the line."""
    x = mt.tensor([0.5], requires_grad=True)
    optimizer = optim.LineSearchGD([x], "exact", lr=0.1)
    assert optimizer.step(lambda: -(x * x).sum()).item() == -0.25
    assert x.item() == pytest.approx(0.6)
