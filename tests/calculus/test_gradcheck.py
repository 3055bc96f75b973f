"""gradcheck finds wrong gradients, says what is probably wrong with them, and accepts every right one at a kink."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, DtypeError, GradcheckError, ShapeError

rng = np.random.default_rng(0)


def leaf(array):
    return mt.tensor(array, requires_grad=True)


def wrong(forward, backward):
    """An operation with this backward(g, *inputs)."""

    class Wrong(mt.Function):
        @staticmethod
        def forward(ctx, *xs):
            ctx.save_for_backward(*xs)
            return forward(*xs)

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    return Wrong.apply


def layer(**changes):
    """A linear layer whose gradients are right but for `changes`."""
    right = {"x": lambda g, x, w, b: g @ w.T, "w": lambda g, x, w, b: x.T @ g, "b": lambda g, x, w, b: g.sum(0)}
    right |= changes
    apply = wrong(lambda x, w, b: x @ w + b, lambda *args: tuple(f(*args) for f in right.values()))

    def linear(x, w, b):
        return apply(x, w, b)

    return linear


LAYER = [leaf(rng.standard_normal(s)) for s in ((5, 3), (3, 3), (3,))]

DIAGNOSES = {
    "sign": (layer(w=lambda g, x, w, b: -(x.T @ g)), "The sign is wrong: the gradient of 'w'"),
    "batch size": (layer(w=lambda g, x, w, b: (x.T @ g) * 5), "is 5 times the numeric one: batch size?"),
    "mean": (layer(b=lambda g, x, w, b: g.mean(0)), "is 1/5 times the numeric one: batch size? A mean where the sum"),
    "two": (wrong(lambda x: x * x, lambda g, x: g * x), "is 1/2 times the numeric one: the 2 of a square?"),
    "some factor": (wrong(lambda x: x * x, lambda g, x: g * x * 2.5), "is 1.25 times the numeric one."),
    "transposed": (layer(w=lambda g, x, w, b: (x.T @ g).T), "'w' is transposed: rows and columns are exchanged"),
    "zeros": (layer(x=lambda g, x, w, b: (g @ w.T) * 0), "All of the gradient of 'x' (the others are right) is 0"),
    "no sum": (layer(b=lambda g, x, w, b: g[0]), "Only one of the 5 rows of the output reaches the gradient of 'b'"),
    "no sum, last": (layer(b=lambda g, x, w, b: g[-1]), "sum its gradient over the broadcast axis"),
    "nan": (layer(x=lambda g, x, w, b: (g @ w.T) * np.nan), "some entries are NaN where the numeric one is finite"),
    "inf": (
        layer(x=lambda g, x, w, b: (g @ w.T) + np.inf),
        "some entries are infinite where the numeric one is finite",
    ),
    "some": (
        layer(x=lambda g, x, w, b: (g @ w.T) * mt.tensor([[1.0] * 3] * 4 + [[1.0, 2.0, 1.0]])),
        "3 of 225 entries differ, first at index (4, 1): look for a special case",
    ),
    "everything": (
        wrong(lambda x: x.exp(), lambda g, x: g * x),
        "Every entry of the gradient of 'input 0' is wrong, with no common factor: compare the formula on paper",
    ),
    "cut": (lambda x: x.detach() * 2, "The output does not require grad"),
    "outside": (lambda x: (x - 10).log(), "The function itself is NaN or infinite near this point"),
    "dropout": (lambda x: x * mt.rand(5, 3), "not deterministic: two calls gave different values"),
    "wrong twice": (
        layer(x=lambda g, x, w, b: -(g @ w.T), w=lambda g, x, w, b: -(x.T @ g)),
        "The sign is wrong: the gradient of 'x' and 'w' (the others are right) is -1 times",
    ),
}


@pytest.mark.parametrize("mistake", DIAGNOSES)
def test_the_mistake_is_named(mistake):
    function, sentence = DIAGNOSES[mistake]
    inputs = LAYER if getattr(function, "__name__", "") == "linear" else LAYER[0]
    report = mt.gradcheck(function, inputs, raise_exception=False)
    assert not report and sentence in report.diagnosis
    assert sentence in str(report) and "gradcheck failed" in str(report)
    with pytest.raises(GradcheckError) as caught:
        mt.gradcheck(function, inputs)
    assert sentence in str(caught.value) and len(caught.value.report.failures) == len(report.failures)


def test_a_gradient_that_changes_from_call_to_call():
    f = wrong(lambda x: x * 2, lambda g, x: g * 2 + mt.rand(2) * 1e-3)
    report = mt.gradcheck(f, leaf([1.0, 2.0]), raise_exception=False)
    assert "two calls gave different gradients" in report.diagnosis
    assert mt.gradcheck(f, leaf([1.0, 2.0]), nondet_tol=1e-2, atol=1e-2)


def test_the_table_has_the_worst_first():
    f = wrong(lambda x: x**3, lambda g, x: g * (3 * x**2 + mt.tensor([0.0, 0.5, 0.001, -2.0])))
    report = mt.gradcheck(f, leaf([1.0, 2.0, 3.0, 4.0]), raise_exception=False, atol=1e-6, rtol=1e-6)
    assert [e.index for e in report.failures] == [(3,), (1,), (2,)]
    worst = report.failures[0]
    assert (worst.input_name, worst.output_index) == ("input 0", (3,))
    np.testing.assert_allclose(
        [worst.ours, worst.numeric, worst.absolute, worst.relative], [46, 48, 2, 2 / 48], rtol=1e-6
    )
    lines = str(report).splitlines()
    assert lines[0] == "gradcheck failed: 3 of 16 partial derivatives are wrong."
    assert lines[1].split() == ["input", "index", "output", "ours", "numeric", "abs", "rel"]
    assert lines[2].split()[:5] == ["input", "0", "3", "0", "3"] and "46" in lines[2]


def test_long_tables_are_cut():
    f = wrong(lambda x: x.sum() * 1, lambda g, x: g * mt.arange(1.0, 41.0))
    report = mt.gradcheck(f, leaf(np.zeros(40)), raise_exception=False)
    assert "... and 29 more" in str(report) and len(str(report).splitlines()) < 16


# ---- kinks ----------------------------------------------------------------------------------------------------------

KINKS = {
    "relu": (mt.relu, [[0.0, 1.0], [-1.0, 2.0]], [(0, 0)]),
    "relu nearby": (mt.relu, [1e-7, -1e-8, 1.0], None),
    "abs": (mt.abs, [0.0, 1.0], [(0,)]),
    "maximum": (lambda x: mt.maximum(x, mt.tensor([1.0, 0.0])), [1.0, 1.0], [(0,)]),
    "max": (lambda x: x.max(), [2.0, 1.0, 2.0], [(0,), (2,)]),
    "norm": (lambda x: x.norm(), [0.0, 0.0], [(0,), (1,)]),
    "clamp": (lambda x: x.clamp(-1, 1), [-1.0, 0.0, 1.0], [(0,), (2,)]),
    "one number": (mt.relu, 0.0, [()]),
    "floor": (mt.floor, [1.0, 0.5], [(0,)]),
    "sqrt at the edge": (mt.sqrt, 0.0, []),
    "power at the edge": (lambda x: x**1.5, 0.0, []),
    "steep but smooth": (lambda x: (1e4 * x).sin(), [0.1, 0.0], []),
    "curved": (lambda x: 1e5 * x**2, [0.0, 0.3], []),
}


@pytest.mark.parametrize("name", KINKS)
def test_kinks_are_accepted_and_reported(name):
    function, point, where = KINKS[name]
    report = mt.gradcheck(function, leaf(point))
    assert report
    if where is not None:
        assert [kink.index for kink in report.kinks] == where


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
def test_any_slope_between_the_sides_is_right(slope):
    f = wrong(lambda x: x.clamp(min=0), lambda g, x: g * mt.where(x == 0, slope, (x > 0).double()))
    assert mt.gradcheck(f, leaf([[1.0, -1.0], [0.0, 2.0]]))


@pytest.mark.parametrize("slope", [-0.1, 1.2])
def test_no_other_slope_is_right_at_a_kink(slope):
    f = wrong(lambda x: x.clamp(min=0), lambda g, x: g * mt.where(x == 0, slope, (x > 0).double()))
    report = mt.gradcheck(f, leaf([[1.0, -1.0], [0.0, 2.0]]), raise_exception=False)
    assert not report and [e.index for e in report.failures] == [(1, 0)]


def test_a_smooth_function_gets_no_such_excuse():
    curved = wrong(lambda x: 1e4 * x * x, lambda g, x: g * (2e4 * x + 0.05))
    assert not mt.gradcheck(curved, leaf([0.0]), raise_exception=False, atol=1e-3)


def test_kinks_are_printed(capsys):
    report = mt.gradcheck(mt.relu, leaf(np.array([[1.0, 2.0]] * 3 + [[1.0, 0.0]])), verbose=True)
    assert "kink at input 0 index (3, 1): slope 0 on the left, 1 on the right, ours 0" in capsys.readouterr().out
    assert str(report.kinks[0]) in str(report)
    mt.gradcheck(lambda weight: weight.abs(), leaf(0.0), verbose=True)
    assert "kink at input 0 (weight): slope -1" in capsys.readouterr().out


# ---- inputs and outputs ---------------------------------------------------------------------------------------------


def test_what_may_go_in_and_out():
    x, k = leaf(rng.standard_normal((2, 3))), mt.tensor([1, 0])
    assert mt.gradcheck(lambda x, k, p: (x[k] * p, x.sum(), x > 0, x.argmax()), (x, k, 2.0)).checked == 6 * 7
    assert mt.gradcheck(lambda x: x.max(dim=1), x)  # (values, indices)
    assert mt.gradcheck(lambda x, y: x * y, (x, mt.ones(2, 3))).checked == 36
    assert x.grad is None
    assert mt.gradcheck(lambda x: (x * x).sum(), leaf(np.zeros((0, 2))))


def test_names():
    report = mt.gradcheck(lambda weight, b: weight.detach() * b, (leaf([1.0]), leaf([2.0])), raise_exception=False)
    assert [e.input_name for e in report.failures] == ["weight"]
    named = leaf([1.0]).named("w1")
    report = mt.gradcheck(lambda *xs: xs[0].detach() * xs[1], (named, leaf([2.0])), raise_exception=False)
    assert report.failures[0].input_name == "w1"


def test_bad_arguments_are_explained():
    with pytest.raises(ArgumentError, match="no input requires grad"):
        mt.gradcheck(mt.exp, mt.ones(2))
    with pytest.raises(DtypeError, match="returned float"):
        mt.gradcheck(lambda x: 1.0, leaf([1.0]))
    with pytest.raises(DtypeError, match="no floating-point"):
        mt.gradcheck(lambda x: x > 0, leaf([1.0]))


def test_float32_is_warned_about():
    x = mt.tensor([0.5, 1.5], dtype=mt.float32, requires_grad=True)
    with pytest.warns(UserWarning, match="input 0 is float32.* need float64") as caught:
        report = mt.gradcheck(mt.sin, x, raise_exception=False, eps=1e-4)
    assert caught[0].filename == __file__
    assert not report and "of the size of float32 rounding" in report.diagnosis
    with pytest.warns(UserWarning):
        assert mt.gradcheck(mt.sin, x, eps=1e-2, atol=1e-3, rtol=1e-2)


def test_tolerances():
    f = wrong(lambda x: x * 1, lambda g, x: g * 1.01)
    assert not mt.gradcheck(f, leaf([1.0]), raise_exception=False)
    assert mt.gradcheck(f, leaf([1.0]), rtol=0.02) and mt.gradcheck(f, leaf([1.0]), atol=0.02)


# ---- second order ---------------------------------------------------------------------------------------------------


def test_gradgradcheck():
    x, w = leaf(rng.standard_normal((2, 3))), leaf(rng.standard_normal((3, 2)))
    assert mt.gradgradcheck(lambda x, w: mt.tanh(x @ w), (x, w))
    assert mt.gradgradcheck(lambda x, w: (x @ w, (x**3).sum()), (x, w))
    assert mt.gradgradcheck(mt.exp, x, mt.ones(2, 3, requires_grad=True))
    assert mt.gradgradcheck(lambda x: x * 2, x)
    assert mt.autograd.gradcheck is mt.gradcheck and mt.autograd.gradgradcheck is mt.gradgradcheck


def test_gradgradcheck_finds_wrong_second_derivatives():
    cut = wrong(lambda x: x**3, lambda g, x: g * 3 * x.detach() ** 2)  # right, but not differentiable again
    assert mt.gradcheck(cut, leaf([1.0, 2.0]))
    report = mt.gradgradcheck(cut, leaf([1.0, 2.0]), raise_exception=False)
    assert not report and {e.input_name for e in report.failures} == {"input 0"}


@pytest.mark.parametrize("shorter", [lambda x: x[:1], lambda x: x[:2]])
def test_outputs_of_another_length_nearby(shorter):
    with pytest.raises(ShapeError, match=r"returned 3 numbers, and [12] where one of the inputs differed by -1e-06"):
        mt.gradcheck(lambda x: x if bool((x >= 1).all()) else shorter(x), leaf([1.0, 1.0, 1.0]))


def test_pytorchs_options():
    x = leaf([1.0, 2.0])
    assert mt.gradcheck(mt.exp, x, 1e-6, 1e-5, 1e-3, True, 0.0)
    assert mt.gradcheck(mt.exp, x, fast_mode=True, check_undefined_grad=False, check_batched_grad=True)
    assert mt.gradgradcheck(mt.exp, x, gen_non_contig_grad_outputs=True)
    with pytest.raises(ArgumentError, match="no option 'tolerance'"):
        mt.gradcheck(mt.exp, x, tolerance=1)
