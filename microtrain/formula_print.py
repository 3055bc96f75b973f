"""Expressions printed for people: one line of text, LaTeX, and MathML.

LaTeX is put together from the `tex` of the table's rows ("{a} + {b}", r"\\tanh {x}"); brackets follow from what stands
beside an input in that template, so a new row needs nothing but its template. MathML is made from the LaTeX.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from .formula import Expr, in_order, is_number
from .formula_mathml import NAMES, mathml_of_latex

# How tightly things bind, for text and LaTeX alike: an argument of a lower level than its place needs gets brackets.
CHOICE, LOGIC, RELATION, SUM, PRODUCT, APPLICATION, POWER, ATOM = range(8)

# Rows that Python has an operator for: (operator, its level, level needed on the left, and on the right).
OPERATORS = {
    "add": ("+", SUM, SUM, SUM),
    "sub": ("-", SUM, SUM, PRODUCT),
    "mul": ("*", PRODUCT, PRODUCT, PRODUCT),
    "div": ("/", PRODUCT, PRODUCT, APPLICATION),
    "pow": ("**", POWER, ATOM, POWER),
    "eq": ("==", RELATION, SUM, SUM),
    "ne": ("!=", RELATION, SUM, SUM),
    "lt": ("<", RELATION, SUM, SUM),
    "le": ("<=", RELATION, SUM, SUM),
    "gt": (">", RELATION, SUM, SUM),
    "ge": (">=", RELATION, SUM, SUM),
    "logical_and": ("and", LOGIC, RELATION, RELATION),
    "logical_or": ("or", LOGIC, RELATION, RELATION),
}

# Numbers that formulas spell out because Python has no exact name for them.
CONSTANTS = {
    math.pi: r"\pi",
    math.e: "e",
    math.log(2): r"\ln 2",
    math.log(10): r"\ln 10",
    math.sqrt(2): r"\sqrt{2}",
    math.sqrt(0.5): r"\frac{1}{\sqrt{2}}",
    math.sqrt(2 / math.pi): r"\sqrt{\frac{2}{\pi}}",
    2 / math.sqrt(math.pi): r"\frac{2}{\sqrt{\pi}}",
    1 / math.sqrt(2 * math.pi): r"\frac{1}{\sqrt{2 \pi}}",
}
GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega"
).split()
SYMBOLS = {"lr": r"\eta", "eps": r"\epsilon", "weight_decay": r"\lambda", "momentum": r"\mu", "weight": "w"}


def text(expression: Any, names: Mapping[Any, str] | None = None) -> str:
    """One line: `g * (1 - y * y)`. `names` gives parts of the expression a name to be printed instead of them."""
    return _all(expression, names or {}, _text_of)[0]


def latex(expression: Any, names: Mapping[Any, str] | None = None) -> str:
    r"""The expression in LaTeX: `g \cdot (1 - y \cdot y)`."""
    return _all(expression, names or {}, _latex_of)[0]


def mathml(expression: Any, names: Mapping[Any, str] | None = None) -> str:
    """The expression as a `<math>` element."""
    return mathml_of_latex(latex(expression, names))


Printed = tuple[str, int]  # (text, how tightly it binds)


def _all(expression: Any, names: Mapping[Any, str], one: Any) -> Printed:
    """Print an expression from its leaves up (no recursion: formulas may be long)."""
    done: dict[Any, Printed] = {part: (name, ATOM) for part, name in names.items()}
    for e in in_order([expression]):
        if e not in done:
            done[e] = one(e, [done[a] if isinstance(a, Expr) else _number(a, one is _latex_of) for a in e.args])
    return done[expression] if isinstance(expression, Expr) else _number(expression, one is _latex_of)


def _number(x: Any, tex: bool) -> Printed:
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x)), ATOM
    value = float(x)
    if tex:
        for known, name in CONSTANTS.items():
            if abs(value) == known:
                return (name, _template(name, ())[1]) if value > 0 else (f"-{name}", PRODUCT)
        if math.isinf(value):
            return (r"\infty", ATOM) if value > 0 else (r"-\infty", PRODUCT)
    short = f"{value:.6g}"
    if tex and "e" in short:
        digits, _, exponent = short.partition("e")
        power = rf"10^{{{int(exponent)}}}"
        return (power, POWER) if digits == "1" else (rf"{digits} \cdot {power}", PRODUCT)
    return short, ATOM if value >= 0 else PRODUCT


def _in_brackets(printed: Printed, needed: int) -> str:
    shown, level = printed
    return shown if level >= needed else f"({shown})"


def _negated(e: Expr, args: Sequence[Printed]) -> Printed | None:
    """x, if the expression is -x or -1 * x."""
    if e.name == "neg":
        return args[0]
    return args[1] if e.name == "mul" and is_number(e.args[0], -1) else None


def _minus(printed: Printed) -> Printed:
    return f"-{_in_brackets(printed, ATOM if printed[0].startswith('-') else PRODUCT)}", PRODUCT


def _text_of(e: Expr, args: Sequence[Printed]) -> Printed:
    if e.row is None:
        return e.name, ATOM
    negated = _negated(e, args)
    if negated:
        return _minus(negated)
    if e.name in OPERATORS:
        sign, level, left, right = OPERATORS[e.name]
        divided = e.name == "mul" and isinstance(e.args[1], Expr) and e.args[1].name == "div"
        if divided or args[1][0].startswith("-"):
            right = ATOM
        a, b = _in_brackets(args[0], left), _in_brackets(args[1], right)
        return f"{a} {sign} {b}", level
    if e.name == "logical_not":
        return f"not {_in_brackets(args[0], RELATION)}", LOGIC
    if e.name == "where":
        condition, a, b = (_in_brackets(arg, LOGIC) for arg in args)
        return f"{a} if {condition} else {b}", CHOICE
    return f"{e.name}({', '.join(shown for shown, _ in args)})", ATOM


# ---------------------------------------------------------------------------------------------------------------------
# LaTeX


def symbol_latex(name: str) -> str:
    r"""A name as a symbol: beta1 is \beta_{1}, weight is w, momentum_buffer stays upright."""
    if name.endswith("'"):
        return symbol_latex(name[:-1]) + "'"
    if name in SYMBOLS:
        return SYMBOLS[name]
    stem, digits = re.fullmatch(r"(.*?)_?(\d*)", name).groups()  # type: ignore[union-attr]
    index = f"_{{{digits}}}" if digits else ""
    if stem in GREEK:
        return rf"\{stem}{index}"
    if len(stem) == 1:
        return stem + index
    head, _, word = stem.partition("_")
    if word.isalpha() and not digits and (head in GREEK or len(head) == 1):  # rho_inf, mu_next
        return rf"{symbol_latex(head)}_{{\mathrm{{{word}}}}}"
    return rf"\mathrm{{{name}}}".replace("_", r"\_")


def _latex_of(e: Expr, args: Sequence[Printed]) -> Printed:
    if e.row is None:
        return symbol_latex(e.name), ATOM
    negated = _negated(e, args)
    if negated:
        return _minus(negated)
    if e.name == "mul" and e.args[0] is e.args[1]:
        return f"{_in_brackets(args[0], ATOM)}^2", POWER
    if not e.row.tex:
        name = e.name.replace("_", r"\_")
        return rf"\operatorname{{{name}}}({', '.join(shown for shown, _ in args)})", ATOM
    pieces, level = _template(e.row.tex, e.row.inputs)
    shown = []
    for piece in pieces:
        if isinstance(piece, str):
            shown.append(piece)
            continue
        which, needed, before = piece
        arg = args[which]
        if before and (arg[0].startswith("-") or (needed == POWER == arg[1] and arg[0].startswith("("))):
            needed = ATOM  # whose exponent would it be in \ln (a + b)^2?
        shown.append(_in_brackets(arg, needed))
    return "".join(shown), level


@cache
def _template(tex: str, inputs: tuple[str, ...]) -> tuple[tuple[Any, ...], int]:
    """A row's template taken apart: (text and (input, level it needs, is something before it?), its level)."""
    holes = "".join(rf"\{{{name}\}}|" for name in sorted(inputs, key=len, reverse=True))
    tokens = re.findall(rf"{holes}\\text\{{[^}}]*\}}|\\[A-Za-z]+|\\.|\s+|\d+|.", tex)
    solid = [(k, token) for k, token in enumerate(tokens) if not token.isspace()]
    pieces: list[Any] = list(tokens)
    for at, (k, token) in enumerate(solid):
        before = solid[at - 1][1] if at else ""
        if at > 2 and solid[at - 2][1] == "_":  # \log_2 {x}
            before = solid[at - 3][1]
        after = solid[at + 1][1] if at + 1 < len(solid) else ""
        if token[1:-1] in inputs and token[0] == "{":
            needed = max(_needed(before, left=True), _needed(after, left=False))
            pieces[k] = (inputs.index(token[1:-1]), needed, before not in _OPENING and before[:5] != r"\text")
    return tuple(pieces), _level(_outermost([token for _, token in solid]))


def _outermost(tokens: list[str]) -> list[str]:
    """The tokens outside of all brackets; each pair of brackets is one token, such as "()"."""
    pairs = {"{": "}", "(": ")", "[": "]", "|": "|", r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}
    found: list[str] = []
    expected: list[str] = []
    for token in tokens:
        if expected and token == expected[-1]:
            expected.pop()
        elif token in pairs:
            if not expected:
                found.append(token + pairs[token])
            expected.append(pairs[token])
        elif not expected:
            found.append(token)
    return found


_RELATIONS = ("=", "<", ">", r"\le", r"\ge", r"\ne")
_LOGIC = (r"\land", r"\lor", r"\lnot", r"\oplus", r"\mathbin")
_OPENING = ("", "{", "(", "[", ",", "|", r"\lfloor", r"\lceil", r"\,")
_CLOSING = ("", "}", ")", "]", ",", "|", r"\rfloor", r"\rceil", r"\,")


def _needed(neighbour: str, left: bool) -> int:
    """How tightly an input must bind beside this token."""
    if neighbour in (_OPENING if left else _CLOSING) or neighbour.startswith(r"\text"):
        return CHOICE
    if neighbour in _LOGIC:
        return RELATION
    if neighbour in _RELATIONS:
        return SUM
    if neighbour in "+-":
        return PRODUCT if left and neighbour == "-" else SUM
    if neighbour in (r"\cdot", r"\bmod"):
        return PRODUCT
    if neighbour == "/":
        return PRODUCT if not left else APPLICATION
    if neighbour in ("^", "_") and not left:
        return ATOM
    if left and neighbour == "}":  # \operatorname{sign} {x}
        return POWER
    if left and neighbour.startswith("\\"):  # \tanh {x}
        return POWER
    return PRODUCT if left else POWER  # 2 {x}, {x} \sigma


_NAMES = tuple(f"\\{name}" for name in NAMES if name not in ("min", "max"))


def _level(tokens: list[str]) -> int:
    """How tightly these tokens bind, in which brackets are one token."""
    for level, signs in ((LOGIC, _LOGIC), (RELATION, _RELATIONS), (SUM, "+-"), (PRODUCT, (r"\cdot", r"\bmod", "/"))):
        if any(token in signs for token in tokens):
            return level
    if any(token.startswith(r"\text{") for token in tokens):
        return CHOICE
    level, factors, left = ATOM, 0, tokens[::-1]
    while left:
        token, bound = left.pop(), ATOM
        function = token in _NAMES or token in (r"\operatorname", r"\mathrm")
        for _ in range({r"\frac": 2, r"\sqrt": 1, r"\operatorname": 1, r"\mathrm": 1}.get(token, 0)):
            left.pop()
        if token == r"\frac":
            bound = POWER
        while left and left[-1] in ("^", "_"):
            bound = POWER if left.pop() == "^" else bound
            left.pop()
        if left and left[-1] == "()" and (function or token.isalpha() or (token[0] == "\\" and token != r"\frac")):
            left.pop()  # \max(a, b) may be squared as it is, but whose square is \ln(x)^2?
            bound = min(bound, POWER if token in _NAMES else ATOM)
        elif function:  # what follows is its argument
            level, factors = min(level, APPLICATION), factors - 1
        level, factors = min(level, bound), factors + 1
    return PRODUCT if factors > 1 else level


# ---------------------------------------------------------------------------------------------------------------------
# Several formulas that are computed together, as in an optimizer's rule


def assignments(named: Sequence[tuple[str, Any]], style: str = "text") -> list[str]:
    """`name <- expression` for each of these, which all happen at once, in an order in which one may do them in turn.

    A name stands for its new value in the lines below its own, so nothing that needs the old value comes later.
    `style` is "text", "latex" or "mathml".
    """
    left = list(named)
    known: dict[Any, str] = {}  # new values that have a name by now
    lines = []
    while left:
        for at, (name, expression) in enumerate(left):
            rest = left[:at] + left[at + 1 :]
            if not any(e.row is None and e.name == name for e in _read([e for _, e in rest], {expression, *known})):
                break
        else:  # a circle: the first gets a prime
            at, name = 0, left[0][0] + "'"
        expression = left.pop(at)[1]
        if style == "text":
            lines.append(f"{name} <- {text(expression, known)}")
        else:
            tex = rf"{symbol_latex(name)} \leftarrow {latex(expression, known)}"
            lines.append(tex if style == "latex" else mathml_of_latex(tex))
        if isinstance(expression, Expr) and expression.row is not None:
            known[expression] = name if style == "text" else symbol_latex(name)
    return lines


def _read(expressions: Sequence[Any], known: set[Any]) -> list[Expr]:
    """The parts of the expressions that have to be computed or read when some are known already."""
    found: dict[Expr, None] = {}
    stack = [e for e in expressions if isinstance(e, Expr)]
    while stack:
        e = stack.pop()
        if e not in found and e not in known:
            found[e] = None
            stack.extend(a for a in e.args if isinstance(a, Expr))
    return list(found)
