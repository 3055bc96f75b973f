"""A formula printed as the source of a fused kernel.

The result is ordinary Numba source that a person can read and run; `mt.explain` shows it. One loop computes all outputs
of the formula, element by element, with no array in between.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..formula import BOOLEAN, Expr, F, in_order, is_number, tidied, trace
from ..formula_print import text

# Rows of the table that `vecmath` computes, by its names. Everything else is operators, or a formula made of these.
VECTOR = frozenset(
    ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "sigmoid", "logsigmoid", "silu", "mish", "erf"]
    + ["sinh", "cosh", "tanh", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"]
)
LIMITED = frozenset(["sin", "cos", "tan"])  # right up to a limit only; beyond, their `_full` versions are needed
INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
LOGIC = {"logical_and": "&", "logical_or": "|", "logical_xor": "^"}
HELPERS = frozenset(["minimum", "maximum", "sign", "floor", "ceil", "trunc", "rint"])  # of elementary.py
RESERVED = HELPERS | set(
    "n i k beyond f32 f64 operands abs range sqrt inf nan select wide_vectors no_overlap LIMIT".split()
)  # what the loop of a kernel calls or sets itself
SUM, PRODUCT, PREFIX, ATOM = range(4)  # how tightly a piece of source binds
LONG = 72  # characters; a longer expression gets a line of its own
WIDTH = 96  # of the whole; `mt.explain` indents by four more


class Untranslatable(Exception):  # noqa: N818
    """The formula contains what kernels can't do; NumPy computes it."""


@dataclass(frozen=True)
class Operand:
    """An argument of a kernel."""

    name: str
    kind: str  # "array", "booleans", "number" (Python's), "scalar" (of the kernel's dtype), "out", "out booleans"

    @property
    def is_output(self) -> bool:
        return self.kind.startswith("out")

    def itemsize(self, dtype: str) -> int:
        """Bytes from one element to the next; 0 for a number."""
        if self.kind in ("number", "scalar"):
            return 0
        return 1 if "booleans" in self.kind else np.dtype(dtype).itemsize


@dataclass(frozen=True)
class Source:
    """The source of a kernel and what a caller must know of it."""

    name: str
    dtype: str
    text: str
    operands: tuple[Operand, ...]
    in_place: tuple[str, ...]  # the operands that are read and written
    formula: str
    plain: bool  # arithmetic only: its speed is that of the memory
    steps: int  # operations of NumPy that it replaces

    def bytes_per_element(self) -> tuple[int, int]:
        """(read, written)."""
        read = sum(o.itemsize(self.dtype) for o in self.operands if not o.is_output)
        written = sum(o.itemsize(self.dtype) for o in self.operands if o.is_output or o.name in self.in_place)
        return read, written


def kernel_source(
    name: str,
    dtype: str,
    inputs: Sequence[tuple[Expr, str]],
    outputs: Sequence[tuple[str, Any]],
    in_place: bool = False,
) -> Source:
    """The kernel that reads `inputs` (symbol, kind) and writes `outputs` (name, expression).

    With `in_place` an output of the name of an input overwrites it, else outputs and inputs must not share memory.
    Raises `Untranslatable` if the formula contains what has no place in a kernel.
    """
    expressions = expanded([e for _, e in outputs])
    writer = _Writer(dtype, inputs, expressions)
    if in_place and writer.limited:
        raise Untranslatable("sin, cos and tan may need their input a second time")
    operands = [Operand(s.name, kind) for s, kind in inputs]
    writes = []
    overwritten = tuple(s.name for s, _ in inputs if in_place and s.name in dict(outputs))
    for (output, _), e in zip(outputs, expressions, strict=True):
        boolean = writer.is_boolean(e)
        if output not in overwritten:
            operands.append(Operand(output, "out booleans" if boolean else "out"))
        writes.append((output, writer.as_boolean(e) if boolean else writer.as_number(e)))
    formula = "\n".join(f"{output} = {text(e)}" for output, e in outputs)
    return Source(
        name,
        dtype,
        writer.module(name, formula, operands, writes),
        tuple(operands),
        overwritten,
        formula,
        not any(e.name in VECTOR or e.name in ("pow", "logaddexp") for e in in_order(expressions)),
        operations(tidied([e for _, e in outputs])),
    )


def operations(expressions: Sequence[Any]) -> int:
    """How many operations of NumPy's these are."""
    return sum(_operations_of(e.row) for e in in_order(expressions) if e.row is not None)


@cache
def _operations_of(row: Any) -> int:
    """1, or more for what kernels know by its name and NumPy has to put together: sigmoid."""
    try:
        return max(1, operations([trace(row.forward)[1]]))
    except Exception:  # no formula: a function of NumPy's
        return 1


def booleans_in(expression: Any) -> set[Expr]:
    """The symbols that stand for truth values, as far as one can see: conditions of `where`."""
    try:
        order = in_order(expanded([expression]))
    except Untranslatable:
        return set()
    return {e.args[0] for e in order if e.name == "where" and isinstance(e.args[0], Expr) and e.args[0].row is None}


def expanded(expressions: Sequence[Any]) -> list[Any]:
    """The expressions with every row replaced by its formula, down to what `_Writer` knows how to write."""
    new: dict[Any, Any] = {}
    for e in in_order(expressions):
        args = [new[a] if isinstance(a, Expr) else a for a in e.args]
        if e.row is None:
            new[e] = e
        elif is_basic(e.row):
            new[e] = Expr(e.name, e.row, tuple(args))
        else:
            new[e] = _opened(e, args)
    found = tidied([new[e] if isinstance(e, Expr) else e for e in expressions])
    if not all(isinstance(e, Expr) for e in found):
        raise Untranslatable("a constant")
    return found


def is_basic(row: Any) -> bool:
    """Is this a row that kernels know by its name?"""
    name = row.name
    return F._rows.get(name) is row and (
        name in VECTOR or name in INFIX or name in COMPARISONS or name in LOGIC or name in HELPERS
        or name in ("neg", "positive", "abs", "sqrt", "square", "pow", "where", "logaddexp")
        or name in ("logical_not", "isnan", "isinf", "isfinite")
    )  # fmt: skip


def _opened(e: Expr, args: list[Any]) -> Any:
    """The formula of a row that is made of others."""
    if isinstance(e.row.forward, np.ufunc):
        raise Untranslatable(e.name)
    try:
        inner = e.row.forward(*args)
    except Exception as error:
        raise Untranslatable(e.name) from error
    (result,) = expanded([inner])
    return result


class _Writer:
    """Writes the statements of one kernel."""

    def __init__(self, dtype: str, inputs: Sequence[tuple[Expr, str]], expressions: Sequence[Expr]) -> None:
        self.dtype = dtype
        self.cast = {"float64": "f64", "float32": "f32"}[dtype]
        self.inputs = inputs
        self.kinds = dict(inputs)
        order = in_order(expressions)
        self.limited = [e for e in order if e.name in LIMITED and e.row is not None]
        self.uses: dict[Expr, int] = {}
        for e in order:
            for a in e.args:
                if isinstance(a, Expr):
                    self.uses[a] = self.uses.get(a, 0) + (2 if e.name == "square" or self._is_power(e) else 1)
        for e in expressions:
            self.uses[e] = self.uses.get(e, 0) + 1
        for e in self.limited:  # their arguments are looked at, too
            if isinstance(e.args[0], Expr):
                self.uses[e.args[0]] += 1
        self.names: dict[Expr, str] = {}
        self.lines: list[str] = []
        self.called: set[str] = set()
        taken = {s.name for s, _ in inputs}
        for s, _ in inputs:
            self.names[s] = s.name
            if (
                s.name in RESERVED
                or (s.name[:1] == "t" and s.name[1:].isdigit())
                or s.name.endswith(("_f32", "_f64", "_"))
            ):
                self.names[s] = f"{s.name}_in"
                if self.names[s] in taken:
                    raise Untranslatable("names")
        for e in order:
            if e.row is None:
                continue
            piece = self._piece(e)[0]
            if self.uses[e] > 1 or len(piece) > LONG:
                self.names[e] = f"t{len(self.lines) + 1}"
                self.lines.append(f"{self.names[e]} = {piece}")

    @staticmethod
    def _is_power(e: Expr) -> bool:
        return e.name == "pow" and any(is_number(e.args[1], p) for p in (2, 3, -2))

    # ---- types -------------------------------------------------------------------------------------------------------

    def is_boolean(self, e: Any) -> bool:
        if isinstance(e, (bool, np.bool_)):
            return True
        if not isinstance(e, Expr):
            return False
        if e.row is None:
            return self.kinds.get(e) == "booleans"
        if e.name == "where":
            return self.is_boolean(e.args[1]) and self.is_boolean(e.args[2])
        return e.name in BOOLEAN

    def is_weak(self, e: Any) -> bool:
        """Is this arithmetic of Python numbers? It is done in double precision, whatever the dtype, as Python does it."""
        if self.cast == "f64":
            return False
        if not isinstance(e, Expr):
            return isinstance(e, (int, float))
        if e.row is None:
            return self.kinds.get(e) == "number"
        return e.name in ("add", "sub", "mul", "div", "neg", "pow") and all(map(self.is_weak, e.args))

    def as_number(self, e: Any) -> str:
        return self._number(e)[0]

    def as_boolean(self, e: Any) -> str:
        return self._boolean(e)[0]

    def _weak(self, e: Any) -> tuple[str, int]:
        """In double precision."""
        if isinstance(e, Expr):
            return (self.names[e], ATOM) if e in self.names else self._piece(e)
        return (repr(e), ATOM if e >= 0 else PREFIX) if math.isfinite(e) else self._constant(e, "f64")

    def _number(self, e: Any) -> tuple[str, int]:
        """In the dtype of the kernel."""
        if not isinstance(e, Expr):
            return self._constant(e, self.cast)
        if self.is_weak(e):
            return self._call(self.cast, self._weak(e)[0])
        piece = (self.names[e], ATOM) if e in self.names else self._piece(e)
        if self.is_boolean(e):
            return self._call("select", piece[0], self.as_number(1), self.as_number(0))
        return piece

    def _boolean(self, e: Any) -> tuple[str, int]:
        if not isinstance(e, Expr):
            return str(bool(e)), ATOM
        piece = (self.names[e], ATOM) if e in self.names else self._piece(e)
        if self.is_boolean(e):
            return piece
        return f"({self._bracketed(piece, SUM)} != {self.as_number(0)})", ATOM

    def _constant(self, value: Any, cast: str) -> tuple[str, int]:
        if isinstance(value, (bool, np.bool_)):
            raise Untranslatable("a constant truth value")
        if isinstance(value, np.generic) and np.result_type(value.dtype, self.dtype) != self.dtype:
            raise Untranslatable(f"a constant of type {value.dtype}")  # NumPy would go on in higher precision
        x = float(value)
        if math.isfinite(x):
            shown = repr(x)
        else:
            shown = "nan" if x != x else "inf" if x > 0 else "-inf"
            self.called.add(shown.lstrip("-"))
        if cast == "f32" or not math.isfinite(x):
            return self._call(cast, shown)
        return shown, ATOM if x >= 0 else PREFIX

    # ---- operations --------------------------------------------------------------------------------------------------

    @staticmethod
    def _bracketed(piece: tuple[str, int], needed: int) -> str:
        return piece[0] if piece[1] >= needed else f"({piece[0]})"

    def _call(self, function: str, *args: str) -> tuple[str, int]:
        self.called.add(function)
        return f"{function}({', '.join(args)})", ATOM

    def _piece(self, e: Expr) -> tuple[str, int]:
        """The source of one operation, and how tightly it binds."""
        name, args = e.name, e.args
        if e.row is None:
            return self.names[e], ATOM
        number, bracketed = self._weak if self.is_weak(e) else self._number, self._bracketed
        if name in ("add", "sub", "mul", "div"):
            if all(self.is_boolean(a) for a in args):
                raise Untranslatable("arithmetic with truth values")
            level = SUM if name in ("add", "sub") else PRODUCT
            return f"{bracketed(number(args[0]), level)} {INFIX[name]} {bracketed(number(args[1]), level + 1)}", level
        if name in COMPARISONS:
            if all(self.is_boolean(a) for a in args):
                raise Untranslatable("comparing truth values")
            return f"({bracketed(number(args[0]), SUM)} {COMPARISONS[name]} {bracketed(number(args[1]), SUM)})", ATOM
        if name in LOGIC:
            return f"({self.as_boolean(args[0])} {LOGIC[name]} {self.as_boolean(args[1])})", ATOM
        if name == "logical_not":
            return f"({self.as_boolean(args[0])} == False)", ATOM
        if name == "where":
            if self.is_boolean(e):
                return self._call("select", *map(self.as_boolean, args))
            return self._call("select", self.as_boolean(args[0]), *map(self.as_number, args[1:]))
        if any(self.is_boolean(a) for a in args):
            raise Untranslatable(f"{name} of truth values")
        if self.cast == "f32" and all(map(self.is_weak, args)) and not self.is_weak(e):
            raise Untranslatable(f"{name} of a Python number")  # float64 in NumPy, and so is all that follows
        x = number(args[0])
        if name == "neg":
            return f"-{bracketed(x, PREFIX)}", PREFIX
        if name == "positive":
            return x
        if name == "square":
            return f"{bracketed(x, ATOM)} * {bracketed(x, ATOM)}", PRODUCT
        if name == "pow":
            return self._power(e)
        if name == "abs":
            return f"abs({x[0]})", ATOM
        if name in ("isnan", "isinf", "isfinite"):
            infinity = self.as_number(math.inf)
            test = {
                "isnan": f"({bracketed(x, SUM)} != {bracketed(x, SUM)})",
                "isinf": f"(abs({x[0]}) == {infinity})",
                "isfinite": f"(abs({x[0]}) < {infinity})",
            }
            return test[name], ATOM
        if name == "sqrt" or name in HELPERS:
            return self._call(name, *map(self.as_number, args))
        if name in VECTOR or name == "logaddexp":
            return self._call(f"{name}_{self.cast}", *map(self.as_number, args))
        raise Untranslatable(name)

    def _power(self, e: Expr) -> tuple[str, int]:
        base, exponent = e.args
        weak = self.is_weak(e)
        number, cast = (self._weak, "f64") if weak else (self._number, self.cast)
        x = self._bracketed(number(base), ATOM)
        one = self._constant(1, cast)[0]
        for power, source in {
            2: f"{x} * {x}",
            3: f"{x} * {x} * {x}",
            -1: f"{one} / {x}",
            -2: f"{one} / ({x} * {x})",
        }.items():
            if is_number(exponent, power):
                return source, PRODUCT
        if is_number(exponent, 0.5):  # as NumPy does it
            return self._call("sqrt", x)
        arguments = [self._call("f64", number(a)[0])[0] if weak else number(a)[0] for a in e.args]
        return self._call(f"pow_{cast}", *arguments)

    # ---- the module --------------------------------------------------------------------------------------------------

    def module(self, name: str, formula: str, operands: Sequence[Operand], writes: Sequence[tuple[str, str]]) -> str:
        """The whole file."""
        pointers = {"booleans": "bool", "out booleans": "bool", "number": "f64"}
        loads = [f"{self.names[s]} = {s.name}_[0]" for s, kind in self.inputs if kind in ("number", "scalar")]
        body = []
        for s, kind in self.inputs:
            if kind in ("array", "booleans"):
                body.append(f"{self.names[s]} = {s.name}_[i]" + (" != 0" if kind == "booleans" else ""))
        body += self.lines
        stores = [f"{output}_[i] = {value}" for output, value in writes]
        looks, full = [], []
        for e in self.limited:
            if isinstance(e.args[0], Expr):
                self.called.add("RANGE")
                looks.append(f"beyond |= abs({self.as_number(e.args[0])}) > LIMIT")
        looks = list(dict.fromkeys(looks))
        if looks:
            full = [_with_full(line, self.cast) for line in body + stores]
            self.called |= {f"{e.name}_{self.cast}_full" for e in self.limited}
        arguments = [f"{o.name}_" for o in operands]
        casts = [f"{pointers.get(o.kind, self.cast)}_at(operands, {k})" for k, o in enumerate(operands)]
        lines = [
            f'"""{name}, for {self.dtype}:',
            "",
            *(f"    {line}" for line in wrapped(formula, WIDTH - 4)),
            '"""',
            "",
            *self._imports({c.partition("(")[0] for c in casts}),
            "",
            *(
                [f'LIMIT = RANGE["{self.limited[0].name}"]["{self.dtype}"]  # of the fast functions', ""]
                if looks
                else []
            ),
            "",
            "@kernel_function",
            *_call("def loop(", ["n", *arguments], "):"),
            "    wide_vectors()",
            "    no_overlap()",
            *(f"    {line}" for line in loads),
            *(["    beyond = False"] if looks else []),
            "    for i in range(n):",
            *_statements(body + looks + stores, 8),
        ]
        if looks:
            lines += [
                "    if beyond:  # an argument that needs the slow functions: all once more with these",
                "        for i in range(n):",
                *_statements(full, 12),
            ]
        lines += [
            "",
            "",
            "def kernel(n, operands):",
            '    """`operands` are the addresses of the arrays."""',
            "    wide_vectors()",
            *_call("    loop(", ["n", *casts], ")"),
            "",
        ]
        return "\n".join(lines)

    def _imports(self, casts: set[str]) -> list[str]:
        called = self.called | casts | {"kernel_function", "no_overlap"}
        of_math = sorted(called & {"sqrt", "inf", "nan"})
        elementary = sorted(
            c
            for c in called
            if c in HELPERS
            or c in casts
            or c in ("f32", "f64", "kernel_function", "no_overlap", "select")
            or c.startswith("logaddexp")
        )
        vector = sorted((called | {"wide_vectors"}) - set(of_math) - set(elementary))
        lines = [f"from math import {', '.join(of_math)}", ""] if of_math else []
        return [
            *lines,
            *_import("elementary", elementary),
            *_import("vecmath", vector),
        ]


def _statements(lines: Sequence[str], indent: int) -> list[str]:
    """Indented; what is too long for a line gets brackets and several."""
    found, margin = [], " " * indent
    for line in lines:
        target, equals, value = line.partition(" = ")
        if len(margin + line) <= WIDTH or not equals:
            found.append(margin + line)
        else:
            found += [f"{margin}{target} = (", *_broken(value, indent + 4), f"{margin})"]
    return found


def _broken(text: str, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        text, WIDTH, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )


def _import(module: str, names: Sequence[str]) -> list[str]:
    start = f"from microtrain.kernels.{module} import "
    line = start + ", ".join(names)
    return [line] if len(line) <= WIDTH else _call(f"{start}(", names, ")")


def wrapped(formula: str, width: int) -> list[str]:
    """The lines of a formula, the long ones broken between words."""
    lines = []
    for line in formula.splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 4)
        lines += textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines


def _call(start: str, arguments: Sequence[str], end: str) -> list[str]:
    """A call (or a head) on one line, or where that is too long on several."""
    line = f"{start}{', '.join(arguments)}{end}"
    if len(line) <= WIDTH:
        return [line]
    indent = len(start) - len(start.lstrip())
    return [start, *_broken(", ".join(arguments) + ",", indent + 4), " " * indent + end]


def _with_full(line: str, cast: str) -> str:
    for name in LIMITED:
        line = line.replace(f"{name}_{cast}(", f"{name}_{cast}_full(")
    return line
