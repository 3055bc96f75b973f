"""What is printed can be read: text, source, LaTeX and MathML of random expressions have the expression's value."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given, settings, strategies as st

from microtrain import F
from microtrain.formula import Expr, in_order, python_function, tidied
from microtrain.formula_mathml import LETTERS, SIGNS
from microtrain.formula_print import CONSTANTS, latex, mathml, text

mp = pytest.importorskip("mpmath").mp.clone()
mp.dps = 40

SYMBOLS = [Expr("a"), Expr("beta"), Expr("x_2"), Expr("lr")]
VALUES = {"a": mp.mpf("1.25"), "beta": mp.mpf("-0.75"), "x_2": mp.mpf("2.5"), "lr": mp.mpf("-1.5")}


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def softplus(x):
    return mp.log(1 + mp.exp(x))


def normal(x):
    return (1 + mp.erf(x / mp.sqrt(2))) / 2


def power(x, y):
    return mp.power(x, y) if x or mp.re(y) > 0 else mp.nan


# row: (its value, how text and source call it)
ONE = {
    "neg": lambda x: -x, "abs": abs, "sqrt": mp.sqrt, "square": lambda x: x * x, "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / mp.sqrt(x), "exp": mp.exp, "expm1": mp.expm1, "exp2": lambda x: mp.power(2, x), "log": mp.log,
    "log1p": mp.log1p, "log2": lambda x: mp.log(x, 2), "log10": mp.log10, "tanh": mp.tanh, "sin": mp.sin,
    "asinh": mp.asinh, "erf": mp.erf, "sigmoid": sigmoid, "logsigmoid": lambda x: mp.log(sigmoid(x)),
    "softplus": softplus, "silu": lambda x: x * sigmoid(x), "gelu": lambda x: x * normal(x), "floor": mp.floor,
    "softsign": lambda x: x / (1 + abs(x)), "relu": lambda x: max(x, 0),
    "mish": lambda x: x * mp.tanh(softplus(x)),
}  # fmt: skip
TWO = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": power, "minimum": min, "maximum": max, "xlogy": lambda a, b: a * mp.log(b),
    "logaddexp": lambda a, b: mp.log(mp.exp(a) + mp.exp(b)), "hypot": lambda a, b: mp.sqrt(a * a + b * b),
}  # fmt: skip
COMPARE = {
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    "ne": lambda a, b: a != b,
}  # fmt: skip
LOGIC = {"logical_and": lambda a, b: a and b, "logical_or": lambda a, b: a or b, "logical_not": lambda a: not a}
MORE = {
    "where": lambda condition, a, b: a if condition else b,
    "lerp": lambda a, b, weight: a + weight * (b - a),
    "clamp": lambda x, low, high: min(max(x, low), high),
    "gelu_tanh": lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))),
}
ROWS = {**ONE, **TWO, **COMPARE, **LOGIC, **MORE}


def row(name):
    return F._rows[name]


def apply(name, *args):
    return Expr(name, row(name), args)


NUMBERS = st.sampled_from([-3, -1, -0.5, 0.5, 1, 2, 3, 20, 1e-8, 2.5e6, *CONSTANTS, -math.pi, -math.sqrt(0.5)])
LEAVES = st.one_of(st.sampled_from(SYMBOLS), st.sampled_from(SYMBOLS), NUMBERS)


def larger(parts):
    condition = st.builds(lambda name, a, b: apply(name, a, b), st.sampled_from([*COMPARE]), parts, parts)
    conditions = st.one_of(
        condition,
        st.builds(
            lambda name, a, b: apply(name, a, b), st.sampled_from(["logical_and", "logical_or"]), condition, condition
        ),
        st.builds(lambda a: apply("logical_not", a), condition),
    )
    return st.one_of(
        st.builds(lambda name, a: apply(name, a), st.sampled_from([*ONE]), parts),
        st.builds(lambda name, a, b: apply(name, a, b), st.sampled_from([*TWO]), parts, parts),
        st.builds(
            lambda name, a, b: apply(name, a, b), st.sampled_from(["add", "sub", "mul", "div", "pow"]), parts, parts
        ),
        st.builds(lambda c, a, b: apply("where", c, a, b), conditions, parts, parts),
        st.builds(lambda name, a, b, c: apply(name, a, b, c), st.sampled_from(["lerp", "clamp"]), parts, parts, parts),
    )


EXPRESSIONS = st.recursive(LEAVES, larger, max_leaves=8).filter(lambda e: isinstance(e, Expr) and e.row is not None)


def value_of(expression):
    """Its value with 40 digits, or None where some part has none, or one so extreme that digits say nothing."""
    values = {}
    for e in in_order([expression]):
        args = [values[a] if isinstance(a, Expr) else mp.mpf(a) for a in e.args]
        try:
            values[e] = VALUES[e.name] if e.row is None else ROWS[e.name](*args)
        except (ValueError, ZeroDivisionError, OverflowError, TypeError):
            return None
        v = values[e]
        if isinstance(v, bool):
            continue
        if isinstance(v, mp.mpc) or not mp.isfinite(v) or abs(v) > 1e8 or 0 < abs(v) < 1e-9:
            return None
    return values[expression]


def close(a, b):
    return abs(a - b) <= 1e-5 * max(1, abs(a)) + 1e-4 * abs(a)


def settled(expression):
    """No value so near to a jump or a pole that the digits that are not printed matter."""
    value = value_of(expression)
    assume(value is not None)
    near = {name: v * (1 + mp.mpf("1e-7")) for name, v in VALUES.items()}
    before = dict(VALUES)
    VALUES.update(near)
    try:
        moved = value_of(expression)
    finally:
        VALUES.update(before)
    assume(moved is not None and abs(moved - value) < 1e-5 * max(1, abs(value)))
    return value


# ---- text, by Python itself ------------------------------------------------------------------------------------------


@given(expression=EXPRESSIONS)
@settings(max_examples=150, deadline=None)
def test_text(expression):
    value = settled(expression)
    shown = re.sub(r"(?<![\w.])(\d[\d.]*(?:e[+-]?\d+)?)", r"mpf('\1')", text(expression))
    assert close(value, eval(shown, {**ROWS, **VALUES, "abs": abs, "mpf": mp.mpf})), shown


@given(expression=EXPRESSIONS)
@settings(max_examples=100, deadline=None)
def test_source(expression):
    """To the last bit: the source is what derived derivatives run."""
    assume(value_of(expression) is not None)
    try:
        (tidy,) = tidied([expression])
    except ValueError:  # of constants: NumPy has no (-3) ** -3 of integers
        assume(False)
    assume(isinstance(tidy, Expr))
    numbers = {name: float(v) for name, v in VALUES.items()}
    values = {}
    for e in in_order([expression]):
        args = [values[a] if isinstance(a, Expr) else a for a in e.args]
        values[e] = numbers[e.name] if e.row is None else e.row.forward(*args)
    computed = python_function("f", SYMBOLS, tidy)(*(numbers[s.name] for s in SYMBOLS))
    assert float(computed) == float(values[expression]) or math.isnan(float(computed))


# ---- LaTeX, by a small reader ----------------------------------------------------------------------------------------

NAMES = {
    r"\tanh": mp.tanh, r"\sin": mp.sin, r"\ln": mp.log, r"\log": None, r"\sigma": sigmoid, r"\Phi": normal, r"\min": min,
    r"\max": max, "erf": mp.erf, "arsinh": mp.asinh,
}  # fmt: skip
RELATIONS = {"<": "lt", r"\le": "le", ">": "gt", r"\ge": "ge", r"\ne": "ne"}
SYMBOL = {"a": "a", r"\beta": "beta", "x": "x_2", r"\eta": "lr"}
AFTER = {"+", "-", r"\cdot", "/", "^", ")", "}", "|", ",", r"\land", r"\lor", r"\rfloor", *RELATIONS}


class Reader:
    """Reads by the usual rules: what an exponent, a function's name and a bar belong to, and no sign after a sign."""

    def __init__(self, tex):
        self.left = re.findall(r"\\text\{[^}]*\}|\\[A-Za-z]+|\d+(?:\.\d+)?|[^\s\\]|\\,", tex)[::-1]

    @property
    def next(self):
        return self.left[-1] if self.left else ""

    def take(self, expected=None):
        token = self.left.pop()
        assert expected is None or token == expected, (token, expected)
        return token

    def between(self, start, end, what=None):
        self.take(start)
        value = (what or self.choice)()
        self.take(end)
        return value

    def choice(self):
        value = self.logic()
        if self.next == r"\text{ if }":
            self.take()
            condition = self.logic()
            self.take(r"\text{ else }")
            other = self.logic()
            return value if condition else other
        return value

    def logic(self):
        value = self.relation()
        seen = set()
        while self.next in (r"\land", r"\lor"):
            seen.add(self.next)
            assert len(seen) == 1, "and, or mixed without brackets"
            other = (self.take(), self.relation())
            value = (value and other[1]) if other[0] == r"\land" else (value or other[1])
        return value

    def relation(self):
        if self.next == r"\lnot":
            self.take()
            return not self.relation()
        value = self.sum()
        if self.next in RELATIONS:
            value = COMPARE[RELATIONS[self.take()]](value, self.sum())
            assert self.next not in RELATIONS
        return value

    def sum(self):
        negative = self.next == "-"
        if negative:
            self.take()
        value = self.product()
        value = -value if negative else value
        while self.next in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        return value

    def product(self):
        value = self.factor()
        while self.next and (
            (self.next not in AFTER and not self.next.startswith(r"\text")) or self.next in (r"\cdot", "/")
        ):
            sign = self.take() if self.next in (r"\cdot", "/") else ""
            value = value / self.factor() if sign == "/" else value * self.factor()
        return value

    def factor(self):
        name = self.next
        if name in (r"\operatorname", r"\mathrm"):
            self.take()
            self.take("{")
            name = ""
            while self.next != "}":
                name += self.take()
            self.left[-1] = name
        if name not in NAMES:
            return self.power()
        self.take()
        function = NAMES[name]
        if self.next == "_":
            self.take()
            base = self.between("{", "}") if self.next == "{" else mp.mpf(self.take())
            function = lambda x: mp.log(x, base)
        if name in (r"\min", r"\max"):
            self.take("(")
            args = [self.choice()]
            while self.next == ",":
                self.take()
                args.append(self.choice())
            self.take(")")
            return self.raised(function(*args))
        called = self.next == "("
        value = function(self.factor() if self.next in NAMES else self.power(no_exponent=called))
        if called and name in (r"\sigma", r"\Phi"):
            return self.raised(value)
        assert not called or self.next != "^", "whose exponent is this?"
        return value

    def raised(self, value):
        if self.next != "^":
            return value
        self.take()
        value = power(value, self.between("{", "}") if self.next == "{" else mp.mpf(self.take()))
        assert self.next != "^"
        return value

    def power(self, no_exponent=False):
        if self.next == r"\frac":
            self.take()
            value = self.between("{", "}") / self.between("{", "}")
            assert self.next != "^", "the numerator's exponent?"
            return value
        value = self.atom()
        return value if no_exponent else self.raised(value)

    def atom(self):
        if self.next in "({|" or self.next == r"\lfloor":
            start = self.next
            value = self.between(start, {"(": ")", "{": "}", "|": "|", r"\lfloor": r"\rfloor"}[start])
            return abs(value) if start == "|" else mp.floor(value) if start == r"\lfloor" else value
        token = self.take()
        if token == r"\sqrt":
            return mp.sqrt(self.between("{", "}"))
        if token[0].isdigit():
            return mp.mpf(token)
        if token in ("e", r"\pi"):
            return {"e": mp.e, r"\pi": mp.pi}[token]
        if token == "x":
            self.take("_")
            self.between("{", "}") if self.next == "{" else self.take()
        return VALUES[SYMBOL[token]]


def read(tex):
    reader = Reader(tex)
    value = reader.choice()
    assert not reader.left, reader.left[::-1]
    return value


@given(expression=EXPRESSIONS)
@settings(max_examples=200, deadline=None)
def test_latex(expression):
    value = settled(expression)
    assert close(value, read(latex(expression))), latex(expression)


# ---- MathML, by way of LaTeX: its structure must be that of the formula ----------------------------------------------

BACK = {sign: rf"\{name}" for name, sign in SIGNS.items() if name.isalpha()}
GREEK = {letter: rf"\{name}" for name, letter in LETTERS.items()}


def tex_of(element):
    tag, parts, word = element.tag.rpartition("}")[2], list(element), element.text or ""
    inner = [tex_of(part) for part in parts]
    if tag == "mfrac":
        return rf"\frac{{{inner[0]}}}{{{inner[1]}}}"
    if tag == "msqrt":
        return rf"\sqrt{{{' '.join(inner)}}}"
    if tag in ("msup", "msub"):
        return f"{inner[0]} {'^' if tag == 'msup' else '_'}{{{inner[1]}}}"
    if tag == "msubsup":
        return f"{inner[0]}_{{{inner[1]}}}^{{{inner[2]}}}"
    if tag == "mtext":
        return rf"\text{{ {word.strip()} }}"
    if tag == "mo":
        return {"−": "-"}.get(word, BACK.get(word, word)) + " "
    if tag == "mi":
        known = GREEK.get(word) or (rf"\{word}" if rf"\{word}" in NAMES else word)
        return (rf"\operatorname{{{word}}}" if len(known) > 1 and known[0] != "\\" else known) + " "
    return " ".join(inner) if inner else word


@given(expression=EXPRESSIONS)
@settings(max_examples=200, deadline=None)
def test_mathml(expression):
    value = settled(expression)
    tree = ElementTree.fromstring(mathml(expression))
    assert close(value, read(tex_of(tree))), tex_of(tree)


def test_exponents_have_all_of_their_base_in_mathml():
    tree = ElementTree.fromstring(mathml((SYMBOLS[0] + SYMBOLS[1]) ** 2))
    (power_of,) = (e for e in tree.iter() if e.tag.endswith("msup"))
    assert "".join(power_of[0].itertext()) == "(a+β)"


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ((SYMBOLS[0] / SYMBOLS[1]) ** SYMBOLS[0], r"(\frac{a}{\beta})^{a}"),
        (SYMBOLS[0] ** (SYMBOLS[0] / 2), r"a^{\frac{a}{2}}"),
        (apply("silu", SYMBOLS[0]) ** 2, r"(a \sigma(a))^{2}"),
        (apply("neg", -SYMBOLS[0]), "-(-a)"),
        (F.log2(SYMBOLS[0] * SYMBOLS[1]), r"\log_2 (a \cdot \beta)"),
        (F.tanh((SYMBOLS[0] + 1) ** 2), r"\tanh ((a + 1)^{2})"),
        (F.log1p(SYMBOLS[0]) ** 2, r"(\ln(1 + a))^{2}"),
        (Expr("pow", row("pow"), (math.log(2), SYMBOLS[0])), r"(\ln 2)^{a}"),
        (apply("silu", F.tanh(SYMBOLS[0])), r"(\tanh a) \sigma(\tanh a)"),
    ],
)
def test_what_was_wrong_once(expression, shown):
    assert latex(expression) == shown


def test_folded_constants_are_numbers():
    """F.softplus(1) is an array of no axes in NumPy's eyes, which has no source."""
    (folded,) = tidied([apply("add", SYMBOLS[0], apply("softplus", 1))])
    assert python_function("f", SYMBOLS[:1], folded)(2.0) == pytest.approx(2 + math.log(1 + math.e))
