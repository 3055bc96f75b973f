"""Formulas read with symbols: traced, tidied, differentiated, written as Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

import microtrain as mt
from microtrain import F
from microtrain.errors import ArgumentError, NotDifferentiableError
from microtrain.formula import Expr, derive, in_order, python_function, python_source, tidied, trace
from microtrain.ops.primitive import TABLE

X = np.array([-1.5, -0.2, 0.3, 2.0])


def steps(expression):
    return [e.name for e in in_order([expression]) if e.row is not None]


def test_equal_parts_are_one():
    _, e = trace(lambda x: F.sin(x) * F.exp(-x * x) + F.sin(x) * F.exp(-x * x))
    assert steps(e) == ["sin", "neg", "mul", "exp", "mul", "add"]
    assert e.args[0] is e.args[1]


def test_parts_of_a_tuple_are_shared():
    _, (a, b) = trace(lambda x: (F.exp(x) + 1, F.exp(x) * 2))
    assert a.args[0] is b.args[0]


@pytest.mark.parametrize(
    ("formula", "left"),
    [
        (lambda x: x**1, []),
        (lambda x: x * 1, []),
        (lambda x: 1.0 * x, []),
        (lambda x: x / 1, []),
        (lambda x: F.where(True, x + 2, x), ["add"]),
        (lambda x: x + 0, ["add"]),  # -0 + 0 is 0
        (lambda x: x * 0, ["mul"]),  # NaN stays NaN
        (lambda x: (x > 0) * 1, ["gt", "mul"]),  # makes a number of a truth value
        (lambda x: F.exp(2) * x, ["mul"]),
    ],
)
def test_constants_are_folded(formula, left):
    assert steps(trace(formula)[1]) == left


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        (lambda x: x * F.relu(0.5), "x * 0.5"),
        (lambda x: F.where(F.isnan(2.0), 4.0, 3.0) * x, "3 * x"),
        (lambda x: F.maximum(x, F.leaky_relu(-1.0, 0.5)), "maximum(x, -0.5)"),
    ],
)
def test_constants_of_choices_are_numbers(formula, shown):
    """np.where makes an array even of numbers."""
    assert str(trace(formula)[1]) == shown


def test_a_symbol_does_not_branch():
    with pytest.raises(ArgumentError, match=r"F\.where"):
        trace(lambda x: x if x > 0 else -x)


@pytest.mark.parametrize("constant", [np.ones(3), mt.ones(3), [1.0], "a", None])
def test_only_numbers_are_constants(constant):
    with pytest.raises((ArgumentError, TypeError)):
        trace(lambda x: x * constant)


def test_a_formula_returns_an_expression():
    with pytest.raises(ArgumentError, match="returns ndarray"):
        trace(lambda x: np.ones(3))


def test_unknown_functions():
    with pytest.raises(ArgumentError, match=r"F\.sine"):
        trace(lambda x: F.sine(x))
    with pytest.raises(ArgumentError, match="cbrt"):
        trace(lambda x: np.cbrt(x))
    with pytest.raises(ArgumentError, match="not elementwise"):
        trace(lambda x: TABLE["sum"](x, dim=(0,), keepdim=False))


@pytest.mark.parametrize(
    "formula",
    [
        lambda x: F.sin(x) * F.exp(-x * x / 32),
        lambda x: 2**x + x**2 + x**3,
        lambda x: F.where(F.logical_and(x > 0, x < 1), F.sqrt(F.abs(x)), 1 / (2 + x)),
        lambda x: F.maximum(x, 0.5) + F.minimum(-x, F.tanh(x)),
        lambda x: x * math.inf * 0 + F.log1p(x * x),
        lambda x: x * np.float64(0.1) + np.float32(0.5),
        lambda x: F.gelu(x) + F.softplus(x),
    ],
)
def test_python_functions_do_the_same(formula):
    symbols, e = trace(formula)
    again = python_function("f", symbols, e)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(again(X), formula(X))
    assert python_source("f", symbols, e).startswith("def f(x):")


def test_names_do_not_collide():
    symbols, e = trace(lambda F, np, t1, g: mt.F.exp(F) + np * t1 - g)
    assert python_function("f", symbols, e)(1.0, 2.0, 3.0, 4.0) == np.exp(1.0) + 2.0


def numeric(f, args, k, h=1e-6):
    up, down = list(args), list(args)
    up[k], down[k] = up[k] + h, down[k] - h
    return (f(*up) - f(*down)) / (2 * h)


@pytest.mark.parametrize(
    "formula",
    [
        lambda x, y: x * y * y,  # y is also what a vjp calls the output
        lambda g, y: F.sin(g) * F.exp(y),  # g is what it calls the gradient
        lambda a, b: a / (b * b + 1) + F.atan2(a, b + 3),
    ],
)
def test_derivatives(formula):
    a, b = X, X[::-1] + 0.1
    row = mt.elementwise("test", formula)
    tensors = [mt.tensor(x, requires_grad=True) for x in (a, b)]
    row(*tensors).sum().backward()
    for k, t in enumerate(tensors):
        np.testing.assert_allclose(t.grad.numpy(), numeric(formula, (a, b), k), rtol=1e-7)


def test_formulas_of_own_rows():
    cube = mt.elementwise("cube", lambda x: x**3)
    tanh = mt.elementwise("tanh", lambda x: 2 * x)  # the name of another row
    twice = mt.elementwise("twice", lambda x: cube(x) * 2 + tanh(x))
    x = mt.tensor(X, requires_grad=True)
    twice(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * X**2 + 2)


def test_no_derivative():
    with pytest.raises(NotDifferentiableError, match="in b"):
        derive(lambda a, b: a)
    for formula in (lambda b: b > 0, lambda b: F.where(b > 0, 1.0, 0.0), lambda b, c: b < c):
        with pytest.raises(NotDifferentiableError, match="in b"):
            derive(formula)


def test_what_a_formula_decides_by_gets_no_gradient():
    vjp, none = derive(lambda a, b: F.where(b > 0, a * a, -a))
    assert none is None and vjp(1.0, 3.0, -2.0) == -1 and vjp(1.0, 3.0, 2.0) == 6


def test_numpys_functions_of_whole_arrays_are_refused():
    """NumPy made an array of the symbol and took its mean: the formula was x - x."""
    for formula in (
        lambda x: x - np.mean(x),
        lambda x: np.dot(x, x),
        lambda x: x / np.std(x),
        lambda x: x + np.ndim(x),
    ):
        with pytest.raises(ArgumentError, match="A formula can't contain NumPy's"):
            trace(formula)
    with pytest.raises(ArgumentError, match=r"Use F\.where"):
        trace(lambda x: np.where(x > 0, x, 0))
    for formula in (lambda x: np.asarray(x).sum(), lambda x: mt.ones(3) * x):
        with pytest.raises(ArgumentError, match="asks for the values of 'x'"):
            trace(formula)


@pytest.mark.parametrize("formula", [lambda *xs: xs[0], lambda x, **more: x, lambda x, *, a=2.0: x * a])
def test_inputs_have_names_and_an_order(formula):
    with pytest.raises(ArgumentError, match="A formula has the parameter"):
        trace(formula)


def test_there_is_an_input():
    with pytest.raises(ArgumentError, match="no inputs"):
        trace(lambda: 1.0)


def test_second_derivatives():
    bump = mt.elementwise("bump", lambda x: F.exp(-x * x))
    x = mt.tensor(0.3, requires_grad=True)
    (g,) = mt.grad([bump(x)], [x], create_graph=True)
    (h,) = mt.grad([g], [x])
    assert h.item() == pytest.approx((4 * 0.09 - 2) * math.exp(-0.09), rel=1e-12)


def test_a_long_formula_needs_no_stack():
    def long(x):
        for _ in range(3000):
            x = F.sin(x) + 1
        return x

    symbols, e = trace(long)
    assert len(steps(e)) == 6000
    assert len(str(e)) > 6000
    assert python_function("f", symbols, e)(0.5) == long(0.5)


def test_tidied_keeps_what_is_no_expression():
    x = Expr("x")
    number, symbol = tidied([2.0, x])
    assert number == 2.0 and symbol is x
