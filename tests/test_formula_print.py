"""Expressions as text, LaTeX and MathML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

import microtrain as mt
from microtrain import F, optim
from microtrain.formula import Expr, trace
from microtrain.formula_mathml import mathml_of_latex
from microtrain.formula_print import assignments, latex, mathml, symbol_latex, text
from microtrain.ops.primitive import TABLE

a, b, c = Expr("a"), Expr("b"), Expr("c")

SHOWN = [
    (a - (b - c), "a - (b - c)", "a - (b - c)"),
    ((a - b) - c, "a - b - c", "a - b - c"),
    ((a + b) * c, "(a + b) * c", r"(a + b) \cdot c"),
    (a / (b * c), "a / (b * c)", r"\frac{a}{b \cdot c}"),
    (a / (b / c), "a / (b / c)", r"\frac{a}{\frac{b}{c}}"),
    (a * (b / c), "a * (b / c)", r"a \cdot \frac{b}{c}"),
    (-a * b, "-a * b", r"-a \cdot b"),
    (a * -b, "a * (-b)", r"a \cdot (-b)"),
    (a - -b, "a - (-b)", "a - (-b)"),
    (-1.0 * a, "-a", "-a"),
    (-(a + b), "-(a + b)", "-(a + b)"),
    ((-a) ** 2, "(-a) ** 2", "(-a)^{2}"),
    ((a + b) ** (b - c), "(a + b) ** (b - c)", "(a + b)^{b - c}"),
    ((a**b) ** c, "(a ** b) ** c", "(a^{b})^{c}"),
    (a * a, "a * a", "a^2"),
    ((a + b) * (a + b), "(a + b) * (a + b)", r"(a + b) \cdot (a + b)"),
    (F.tanh(-a), "tanh(-a)", r"\tanh (-a)"),
    (F.tanh(a) ** 2, "tanh(a) ** 2", r"(\tanh a)^{2}"),
    (F.exp(-(a * a) / 2), "exp(-a * a / 2)", r"e^{\frac{-a^2}{2}}"),
    (F.sqrt(a + b), "sqrt(a + b)", r"\sqrt{a + b}"),
    (F.abs(a - b), "abs(a - b)", "|a - b|"),
    (F.maximum(a, -b), "maximum(a, -b)", r"\max(a, -b)"),
    (F.where(a > 0, a, -b), "a if a > 0 else -b", r"(a \text{ if } a > 0 \text{ else } -b)"),
    (F.where(a > 0, a, b) + 1, "(a if a > 0 else b) + 1", r"(a \text{ if } a > 0 \text{ else } b) + 1"),
    (F.logical_and(a > 0, b <= 1), "a > 0 and b <= 1", r"a > 0 \land b \le 1"),
    (1e-8 + a * 0.5**0.5, "1e-08 + a * 0.707107", r"10^{-8} + a \cdot \frac{1}{\sqrt{2}}"),
    (F.sigmoid(a), "sigmoid(a)", r"\sigma(a)"),
]


@pytest.mark.parametrize(("expression", "as_text", "as_latex"), SHOWN, ids=lambda x: str(x))
def test_brackets(expression, as_text, as_latex):
    assert (text(expression), latex(expression)) == (as_text, as_latex)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.elementwise])
def test_every_row_prints(name):
    row = TABLE[name]
    e = Expr(name, row, tuple(Expr(x) for x in row.inputs))
    assert all(re.search(rf"\b{x}\b", text(e)) for x in row.inputs)
    tex = latex(e)
    assert tex.count("{") == tex.count("}") and not re.search(
        r"\{(%s)\}\}" % "|".join(row.inputs), tex.replace("{{", "")
    )
    assert ElementTree.fromstring(mathml(e)).tag.endswith("math")


def test_greek_and_indices():
    assert [symbol_latex(n) for n in ("beta1", "alpha", "lr", "x", "x_2", "momentum_buffer", "beta1'")] == [
        r"\beta_{1}", r"\alpha", r"\eta", "x", "x_{2}", r"\mathrm{momentum\_buffer}", r"\beta_{1}'",
    ]  # fmt: skip


def test_mathml():
    tree = ElementTree.fromstring(mathml_of_latex(r"\frac{x^2}{\beta_1} \le \sqrt{y} \text{ if } \mathrm{low}"))
    tags = [element.tag.partition("}")[2] for element in tree.iter()]
    for tag in ("mfrac", "msup", "msub", "msqrt", "mtext", "mo", "mi", "mn"):
        assert tag in tags
    assert "β" in "".join(tree.itertext()) and "≤" in "".join(tree.itertext())
    assert mathml_of_latex("x_1^2").count("<msubsup>") == 1
    assert "unheard" in mathml_of_latex(r"\unheard x")  # shown by its name, not lost


def test_html_is_escaped():
    assert "<script>" not in mathml(Expr("x", None) < F.exp(Expr("<script>")))


def test_rules_print_as_equations():
    assert str(optim.Adam.rule).splitlines() == [
        "Adam:",
        "    c1 <- 1 - beta1 ** t",
        "    c2 <- 1 - beta2 ** t",
        "    m <- beta1 * m + (1 - beta1) * g",
        "    v <- beta2 * v + (1 - beta2) * g * g",
        "    p <- p - lr / c1 * m / (sqrt(v / c2) + eps)",
    ]
    assert r"m &\leftarrow \beta_{1} \cdot m + (1 - \beta_{1}) \cdot g" in optim.Adam.rule.latex()
    for line in optim.Adam.rule.mathml().splitlines():
        ElementTree.fromstring(line)


def test_every_rule_prints():
    for name in dir(optim):
        rule = getattr(getattr(optim, name), "rule", None)
        if isinstance(rule, optim.Rule):
            assert len(str(rule).splitlines()) >= 2, name
            assert rule.latex().startswith(r"\begin{aligned}")


def test_assignments_happen_in_an_order_that_can_be_followed():
    # p reads the old u, so u is written last
    assert assignments([("u", a * b), ("p", c - F.exp(Expr("u")))])[0].startswith("p")
    # each reads the other: the first gets a prime
    assert assignments([("a", a + b), ("b", a - b)]) == ["a' <- a + b", "b <- a - b"]


def test_new_values_stand_for_themselves():
    _, (p, m) = trace(lambda p, g, m: (p - (m + g), m + g))
    assert assignments([("m", m), ("p", p)]) == ["m <- m + g", "p <- p - m"]


def test_tensor_formulas_are_untouched():
    assert mt.tensor(2.0).exp().item() == pytest.approx(7.38905609893065)
