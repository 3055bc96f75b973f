"""The formula of an operation as one line of text, with mathematical characters: "x · w + b", "eˣ", "Σ x"."""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import inspect
import re
from collections.abc import Container, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ...formula import Expr, tidied
from ...formula_mathml import LETTERS, SIGNS
from ...formula_print import text
from ...ops.primitive import Primitive

RAISED = str.maketrans("0123456789+-−=()nxyabcdegkmptuT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿˣʸᵃᵇᶜᵈᵉᵍᵏᵐᵖᵗᵘᵀ")
LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
SPARE = "uvwstpqrkz"  # for what has no name; not g and y, which are the gradient of the output and the output
WORDS = {"sum": "Σ", "prod": "Π", "cdot": "·", "infty": "∞", "left": "", "right": "", ",": " ", ";": " ", "quad": " "}
# Backward passes whose source says less than their formula.
WRITTEN = {
    "sum": "g, for every element",
    "mean": "g / n, for each of n elements",
    "amax": "g where x = y, shared among ties",
    "amin": "g where x = y, shared among ties",
    "median": "g where x = y, shared among ties",
    "reshape": "g in the shape of x",
    "permute": "g with its axes put back",
    "getitem": "g put back at the index",
    "index": "g put back at the index",
    "pad": "g without the padding",
    "cat": "its part of g",
    "logsumexp": "g · softmax(x)",
    "cross_entropy": "g · (softmax(x) − one hot of target) / N",
    "surprise": "g · (softmax(x) − one hot of target)",
}


def called(row: Primitive, names: Sequence[str], taken: Container[str]) -> list[str]:
    """What a row's inputs are called: their names, or the row's own letters, if no box of the picture has that name.

    Without this the sum of a product and an exponential would be "a + b" in a picture where a and b are something else.
    """
    given = [names[i] if i < len(names) else "" for i in range(len(row.inputs))]
    if not any(letter in taken for name, letter in zip(given, row.inputs, strict=True) if not name):
        return [name or letter for name, letter in zip(given, row.inputs, strict=True)]
    spare = (letter for letter in SPARE if letter not in taken)
    return [
        name or (next(spare, letter) if letter in taken or len(letter) == 1 else letter)
        for name, letter in zip(given, row.inputs, strict=True)
    ]


def unused(letters: str, taken: Container[str]) -> str:
    """The first letter that no box of the picture has as its name."""
    return next((letter for letter in letters if letter not in taken), letters[0])


def formula_of(row: Primitive, names: Sequence[str] = ()) -> str:
    """A row's own formula with these names for its inputs, or nothing where it has none."""
    if not row.tex:
        return ""
    given = {name: (names[i] if i < len(names) else "") or name for i, name in enumerate(row.inputs)}
    places = {name: chr(0xE000 + i) for i, name in enumerate(given)}  # private characters, which no LaTeX contains
    tex = row.tex
    for name, place in places.items():
        tex = tex.replace(f"{{{name}}}", f"{{{place}}}")
        tex = tex.replace(f"{{{{{place}}}}}", f"{{{place}}}")
    shown = {place: given[name] for name, place in places.items()}
    return _named(_Reader(tex, shown).line(), shown)


def _named(line: str, names: Mapping[str, str]) -> str:
    return "".join(names.get(c, c) for c in line)


class _Reader:
    """Reads the LaTeX that rows are written in: names, fractions, roots, indices, brackets."""

    def __init__(self, tex: str, names: Mapping[str, str]) -> None:
        self.names = names  # what the private characters stand for
        self.tokens = iter(re.findall(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|\S", tex))

    def line(self, end: str = "") -> str:
        """The text up to the token `end`."""
        found = ""
        for token in self.tokens:
            if token == end:
                break
            if token == "^":
                found = found.rstrip() + _script(_named(self.argument(), self.names), RAISED, "^")
            elif token == "_":
                found = found.rstrip() + _script(_named(self.argument(), self.names), LOWERED, "_")
            else:
                found += self.one(token)
        return re.sub(r"\s+", " ", found).strip() if not end else found

    def argument(self) -> str:
        token = next(self.tokens, "")
        while token.isspace():
            token = next(self.tokens, "")
        return self.one(token).strip() if token else ""

    def one(self, token: str) -> str:
        if token == "{":
            return self.line("}")
        if not token.startswith("\\"):
            return "−" if token == "-" else token
        name = token[1:]
        if name == "frac":
            above, below = self.argument(), self.argument()
            return f"{_bracketed(above)}/{_bracketed(below)}"
        if name == "sqrt":
            return f"√{_bracketed(self.argument())}"
        if name in ("operatorname", "mathrm"):
            return self.argument()
        if name == "text":
            return f" {self.argument().strip()} "
        if name == "mathbin":
            return self.argument()
        for known in (WORDS, LETTERS, SIGNS):
            if name in known:
                return known[name]
        return name


def _script(content: str, table: dict[int, int], sign: str) -> str:
    if all(ord(c) in table for c in content):
        return content.translate(table)
    if sign == "_":
        return f"[{content}]"
    return f"^{content}" if len(content) == 1 else f"^({content})"


def _bracketed(content: str) -> str:
    return f"({content})" if re.search(r"[ +−·/]", content) else content


def gradient_of(
    row: Primitive,
    index: int,
    names: Sequence[str],
    made: tuple[str, str] = ("y", "g"),
    constants: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """What the backward pass computes for one input: "g · w".

    `made` says what the output and its gradient are called. `constants` are inputs that are plain numbers, by their
    letter in the row: of x ** 2 that makes "g · 2 · x".
    """
    vjp = row.vjp_of(index)
    if vjp is None:
        return ""
    line = WRITTEN.get(row.name) or _vjp(vjp, row.elementwise, tuple(sorted(constants.items())))
    shown = dict(zip(("y", "g"), made, strict=True))
    if not row.variadic:
        shown |= {letter: name for letter, name in zip(row.inputs, names, strict=False) if name}
    line = re.sub(r"(?<![\w.])[A-Za-z]\w*(?![\w(=])", lambda m: shown.get(m[0], m[0]), line)
    line = re.sub(r"\b_?(?:product|matmul)\((\S+), (\S+)\)", r"\1 @ \2", line)
    line = re.sub(r"(?<!\w)_(?=\w)", "", line)
    return line.replace(" * ", " · ").replace(" ** ", "^").replace(".mT", "ᵀ")


@functools.lru_cache(maxsize=1024)
def _vjp(vjp: Any, elementwise: bool, constants: tuple[tuple[str, float], ...] = ()) -> str:
    """The text of a vjp: printed from its expression where symbols can read it, else as it is written."""
    if elementwise:
        try:
            known = dict(constants)
            (expression,) = tidied([vjp(*[known.get(name, Expr(name)) for name in inspect.signature(vjp).parameters])])
            line = text(expression)
        except Exception:  # a formula that only arrays can read
            line = _source(vjp)
    else:
        line = _source(vjp)
    return line


def _source(function: Any) -> str:
    """What a function returns, as it is written: of several cases the last, which is the general one."""
    function = inspect.unwrap(function)
    code = function.__code__
    arguments = code.co_varnames[: code.co_argcount]
    with contextlib.suppress(OSError, SyntaxError):
        for found in _functions(code.co_filename).get(code.co_firstlineno, ()):
            if tuple(a.arg for a in found.args.args) == arguments:
                body = found.body if isinstance(found, ast.Lambda) else _last(found)
                if isinstance(body, ast.IfExp):
                    body = body.body
                if body is not None and _locals(body) <= {*arguments, *function.__globals__, *dir(builtins)}:
                    return " ".join(ast.unparse(body).split()).replace("_row(", "(")  # where_row is mt.where
    return f"{function.__name__.strip('_<>')}({', '.join(arguments)})"


def _last(function: ast.FunctionDef) -> ast.expr | None:
    returns = [line.value for line in function.body if isinstance(line, ast.Return)]
    return returns[-1] if returns else None


def _locals(body: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(body) if isinstance(node, ast.Name)}


@functools.lru_cache(maxsize=64)
def _functions(file: str) -> Mapping[int, list[Any]]:
    """The functions and lambdas of a file, by the line where they begin."""
    with open(file, encoding="utf-8") as handle:
        tree = ast.parse(handle.read())
    found: dict[int, list[Any]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Lambda, ast.FunctionDef)):
            found.setdefault(node.lineno, []).append(node)
    return found
