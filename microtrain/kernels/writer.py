"""Expressions written as the statements of a kernel's loop: what they call, and how it is spelled there."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..formula import BOOLEAN, Expr, F, in_order, is_number, tidied

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
INTEGER = frozenset(  # of integers, these are integers in NumPy
    "where add sub mul neg positive abs square pow minimum maximum sign floor ceil trunc".split()
)
SUM, PRODUCT, PREFIX, ATOM = range(4)  # how tightly a piece of source binds
LONG = 72  # characters; a longer expression gets a line of its own


class Untranslatable(Exception):  # noqa: N818
    """The formula contains what kernels can't do; NumPy computes it."""


def expanded(expressions: Sequence[Any]) -> list[Any]:
    """The expressions with every row replaced by its formula, down to what `Writer` knows how to write."""
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


class Writer:
    """Writes the statements of one kernel."""

    def __init__(
        self, dtype: str, inputs: Sequence[tuple[Expr, str]], expressions: Sequence[Expr], in_place: bool = False
    ) -> None:
        self.dtype, self.in_place = dtype, in_place
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
        return self.cast == "f32" and self._is_python(e)

    def _is_python(self, e: Any) -> bool:
        if not isinstance(e, Expr):
            return isinstance(e, (int, float)) and not isinstance(e, np.generic)
        if e.row is None:
            return self.kinds.get(e) == "number"
        return e.name in ("add", "sub", "mul", "div", "neg", "pow") and all(map(self._is_python, e.args))

    def _has_other_dtype(self, e: Expr) -> bool:
        """Is there nothing of the kernel's dtype in this: is it a choice between two numbers, a mask times one?

        Of Python's numbers it is float64 (or integers) in NumPy, of NumPy's it has theirs. Arrays that are written in
        place keep their dtype: for them a choice is one among numbers of that dtype.
        """
        choice = e.name == "where"
        if self.is_weak(e) or self.is_boolean(e) or (choice and self.in_place):
            return False
        values = e.args[1:] if choice else e.args
        others = [isinstance(a, np.generic) and a.dtype != self.dtype for a in values]
        alone = all(o or self._is_python(a) or self.is_boolean(a) for a, o in zip(values, others, strict=True))
        return alone and (self.cast == "f32" or any(others))

    def is_integer(self, e: Any) -> bool:
        """Are these integers, or truth values, in NumPy? A number that the caller gives may be one."""
        if not isinstance(e, Expr):
            return isinstance(e, (int, np.integer, np.bool_))
        if e.row is None:
            return self.kinds.get(e) in ("number", "booleans")
        values = e.args[1:] if e.name == "where" else e.args
        return e.name in BOOLEAN or (e.name in INTEGER and all(map(self.is_integer, values)))

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
        if self._has_other_dtype(e):
            raise Untranslatable(f"{name} of single numbers")  # has another dtype in NumPy, and so has all that follows
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
        if isinstance(exponent, np.generic):
            self._constant(exponent, self.cast)  # of a type that kernels have
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


def with_full(line: str, cast: str) -> str:
    """The statement with the functions that are right everywhere. (`acos` has "cos" in its name, and no limit.)"""
    return re.sub(rf"\b({'|'.join(sorted(LIMITED))})_{cast}\(", rf"\1_{cast}_full(", line)
