"""An optimizer's update of one parameter, term by term, from the rule that the optimizer itself computes with."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.quiet import quiet, restore
from ...formula import Expr, in_order, trace
from ...formula_print import assignments, latex, symbol_latex, text
from .formulas import mathml
from .values import Table, number

MOST = 24  # terms of one line that are shown


@dataclass
class Term:
    """A part of a formula with its value."""

    mathml: str
    text: str
    value: int | None


@dataclass
class Assignment:
    """One line of a rule: what is written, its formula, the terms it is made of, its new value."""

    name: str
    mathml: str
    text: str
    terms: list[Term]
    value: int | None


@dataclass
class Update:
    """What an optimizer does to one parameter."""

    optimizer: str
    lines: list[Assignment]
    settings: dict[str, Any]  # the numbers in the rule
    gradient: int | None
    state: dict[str, int | None]  # before the step
    negated: bool = False


def update_of(table: Table, optimizer: Any, bucket: Any, k: int, gradient: Any, hyper: Any, negate: bool) -> Update:
    """Work out the update of parameter `k` of a bucket before it happens."""
    rule, p, state = bucket.rule, bucket.params[k], bucket.states[k]
    old = [np.array(state[name]) for name in rule.state]
    pairs = zip(rule.hyper, hyper, strict=True)
    settings = {name: number(np.asarray(x).item()) for name, x in pairs if isinstance(x, (int, float, np.number))}
    update = Update(
        type(optimizer).__name__, [], settings, table.add(gradient),
        {name: table.add(x) for name, x in zip(_state_names(rule), old, strict=True)}, negate,
    )  # fmt: skip
    try:
        g = -np.asarray(gradient) if negate else np.asarray(gradient)
        update.lines = _lines(table, rule, [p._array(), g, *old, *hyper])
    except Exception:  # a rule with more than the formula language: old and new are shown without what lies between
        update.lines = []
    return update


def _state_names(rule: Any) -> list[str]:
    """What the formula calls the pieces of state, and what the optimizer does: "m (exp_avg)"."""
    symbols = list(inspect.signature(rule.formula).parameters)[2:]
    pairs = zip(symbols, rule.state, strict=False)
    return [name if symbol == name else f"{symbol} ({name})" for symbol, name in pairs]


def _lines(table: Table, rule: Any, values: list[Any]) -> list[Assignment]:
    symbols, outputs = trace(rule.formula)
    known: dict[Any, Any] = dict(zip(symbols, values, strict=True))
    named = [*zip([s.name for s in symbols[2:]], outputs[1:], strict=False), (symbols[0].name, outputs[0])]
    token = quiet()
    try:
        for e in in_order(outputs):
            if e not in known:
                known[e] = e.row(*[known[a] if isinstance(a, Expr) else a for a in e.args])
    finally:
        restore(token)
    shown: dict[Any, str] = {}  # what has a name by now, in LaTeX and in a line of text
    told: dict[Any, str] = {}
    lines = []
    for tex in assignments(named, "latex"):  # in an order in which one may do them in turn
        target = tex.partition(r" \leftarrow ")[0].rstrip("'")
        name, expression = next((n, e) for n, e in named if symbol_latex(n) == target)
        terms = []
        for e in _parts(expression, shown)[:-1][:MOST]:
            terms.append(Term(mathml(latex(e, shown)), text(e, told), table.add(known[e])))
        value = known[expression] if isinstance(expression, Expr) else expression
        line = f"{name} <- {text(expression, told)}"
        lines.append(Assignment(name, mathml(tex), line, terms, table.add(np.asarray(value))))
        if isinstance(expression, Expr) and expression.row is not None:
            shown[expression], told[expression] = symbol_latex(name), name
    return lines


def _parts(expression: Any, shown: dict[Any, str]) -> list[Expr]:
    """What has to be computed for an expression when some parts of it are known, in order; it comes last itself."""
    needed: set[Any] = set()
    stack = [expression]
    while stack:
        e = stack.pop()
        if isinstance(e, Expr) and e.row is not None and e not in shown and e not in needed:
            needed.add(e)
            stack.extend(e.args)
    return [e for e in in_order([expression]) if e in needed]
