"""The formula language: one plain Python lambda, read with arrays, with tensors, or with symbols.

`F` holds the functions a formula may call. Where NumPy has the function, `F.tanh` *is* `np.tanh`: NumPy asks operands
that are not arrays what to do (`__array_ufunc__`), so the same call works on tensors and symbols. Where NumPy has
none, `F.sigmoid` is the row of the operation table.

Read with symbols, a formula becomes an expression (`trace`), which can be differentiated (`derive`) and printed as
Python source (`python_function`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .errors import ArgumentError, NotDifferentiableError


class Operand:
    """Base of what is not an array but takes part in formulas: tensors and symbols."""

    __slots__ = ()

    @staticmethod
    def apply(primitive: Any, *inputs: Any, **params: Any) -> Any:
        """Read one row of the table with operands of this kind."""
        raise NotImplementedError


class Functions:
    """The namespace `F`: every elementwise operation by name."""

    def __init__(self) -> None:
        self._rows: dict[str, Any] = {}
        self._of_ufunc: dict[np.ufunc, Any] = {}

    def _register(self, row: Any, ufunc: np.ufunc | None) -> None:
        """Make an elementwise row callable as `F.name`; through NumPy's own function where there is one."""
        self._rows[row.name] = row
        setattr(self, row.name, ufunc or row)
        if ufunc is not None:
            self._of_ufunc[ufunc] = row

    def _row_of(self, ufunc: np.ufunc) -> Any:
        """The row that does what a NumPy function does, or None."""
        return self._of_ufunc.get(ufunc)

    def __getattr__(self, name: str) -> Any:
        raise ArgumentError(
            f"A formula calls F.{name}, which does not exist.",
            fix="F has the elementwise operations of the table: " + ", ".join(sorted(self._rows)) + ".",
        )


F = Functions()


class Expr(NDArrayOperatorsMixin, Operand):
    """A symbol, or an operation on expressions and numbers. Operators and `F` build it; nothing is computed."""

    __slots__ = ("row", "args", "name")

    def __init__(self, name: str, row: Any = None, args: tuple[Any, ...] = ()) -> None:
        self.name, self.row, self.args = name, row, args

    @staticmethod
    def apply(primitive: Any, *inputs: Any, **params: Any) -> Any:
        if not primitive.elementwise:
            raise ArgumentError(f"'{primitive.name}' is not elementwise, so a formula can't contain it.")
        return Expr(primitive.name, primitive, inputs)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        row = F._row_of(ufunc)
        if row is None or method != "__call__" or options:
            raise ArgumentError(f"A formula can't contain NumPy's {ufunc.__name__}.{method}.")
        return Expr.apply(row, *inputs)

    __hash__ = object.__hash__  # by identity; `==` between expressions is itself an expression

    def __bool__(self) -> bool:
        raise ArgumentError(
            f"A formula branches on the value of '{self.name}', which is a symbol here.",
            "One lambda must describe all elements at once.",
            "Use F.where(condition, a, b) instead of `if`, F.logical_and instead of `and`.",
        )

    def __repr__(self) -> str:
        if self.row is None:
            return self.name
        return f"{self.name}({', '.join(map(repr, self.args))})"


def trace(formula: Callable[..., Any]) -> tuple[list[Expr], Any]:
    """Read a formula with symbols: (its symbols, the expression)."""
    if isinstance(formula, np.ufunc):
        names = ["x"] if formula.nin == 1 else ["a", "b"]
    else:
        names = list(inspect.signature(formula).parameters)
    symbols = [Expr(name) for name in names]
    return symbols, formula(*symbols)


def in_order(expressions: Iterable[Any]) -> list[Expr]:
    """Every expression below these, arguments before what is made of them."""
    order: dict[Expr, None] = {}
    stack = [(e, False) for e in expressions if isinstance(e, Expr)][::-1]
    while stack:
        expression, ready = stack.pop()
        if expression in order:
            continue
        if ready:
            order[expression] = None
        else:
            stack.append((expression, True))
            stack.extend((a, False) for a in reversed(expression.args) if isinstance(a, Expr))
    return list(order)


def derive(formula: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The vjps of a formula, one for each of its inputs, by the chain rule over its expression."""
    symbols, output = trace(formula)
    g = Expr("g")
    arrived: dict[Any, Any] = {output: g}
    for node in reversed(in_order([output])):
        upstream = arrived.get(node)
        if upstream is None or node.row is None:
            continue
        named = {"y": node, **dict(zip(node.row.inputs, node.args, strict=True))}
        for arg, vjp in zip(node.args, node.row.vjps, strict=False):
            if isinstance(arg, Expr) and vjp is not None:
                wanted = list(inspect.signature(vjp).parameters)[1:]
                part = vjp(upstream, *[named[name] for name in wanted])
                arrived[arg] = arrived[arg] + part if arg in arrived else part
    unreached = [s.name for s in symbols if s not in arrived]
    if unreached:
        raise NotDifferentiableError(f"The formula has no derivative in {', '.join(unreached)}.")
    vjps = []
    for symbol in symbols:
        used = set(in_order([arrived[symbol]]))
        vjps.append(python_function("vjp", [g, *(s for s in symbols if s in used)], arrived[symbol]))
    return vjps


def python_source(name: str, symbols: Sequence[Expr], output: Any) -> str:
    """The expression as a Python function of the symbols; common subexpressions are computed once."""
    texts: dict[Any, str] = {s: s.name for s in symbols}
    known: dict[tuple[Any, ...], str] = {}
    lines = []

    def text(e: Any) -> str:
        return texts[e] if isinstance(e, Expr) else repr(e)

    for e in in_order([output]):
        if e.row is None:
            continue
        key = (e.name, *map(text, e.args))
        if key not in known:
            known[key] = f"t{len(known) + 1}"
            lines.append(f"    {known[key]} = F.{e.name}({', '.join(map(text, e.args))})")
        texts[e] = known[key]
    head = f"def {name}({', '.join(s.name for s in symbols)}):"
    return "\n".join([head, *lines, f"    return {text(output)}"])


def python_function(name: str, symbols: Sequence[Expr], output: Any) -> Callable[..., Any]:
    """The function that `python_source` prints."""
    namespace: dict[str, Any] = {"F": F, "inf": np.inf, "nan": np.nan}
    exec(python_source(name, symbols, output), namespace)  # noqa: S102 (our own text, from traced operations)
    return namespace[name]  # type: ignore[no-any-return]
