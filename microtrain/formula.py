"""The formula language: one plain Python lambda, read with arrays, with tensors, or with symbols.

`F` holds the functions a formula may call. Where NumPy has the function, `F.tanh` *is* `np.tanh`: NumPy asks operands
that are not arrays what to do (`__array_ufunc__`), so the same call works on tensors and symbols. Where NumPy has
none, `F.sigmoid` is the row of the operation table.

Read with symbols, a formula becomes an expression (`trace`): a tree whose equal parts are one object, with constant
parts computed. It can be differentiated (`derive`) and printed as Python source (`python_function`), as text, LaTeX and
MathML (`formula_print`), and as the source of a fused kernel (`kernels.source`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .errors import ArgumentError, MicrotrainError, NotDifferentiableError


class Operand:
    """Base of what is not an array but takes part in formulas: tensors and symbols."""

    __slots__ = ()

    @staticmethod
    def apply(primitive: Any, *inputs: Any, **params: Any) -> Any:
        """Read one row of the table with operands of this kind."""
        raise NotImplementedError


class MissingFunctionError(ArgumentError, AttributeError):
    """F has no function of this name. An AttributeError too, as `hasattr` and whatever looks at objects expects."""


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

    def __reduce__(self) -> str:
        return "F"  # there is one in each process, and what is sent to another one finds it there

    def __getattr__(self, name: str) -> Any:
        raise MissingFunctionError(
            f"A formula calls F.{name}, which does not exist.",
            fix="F has the elementwise operations of the table: " + ", ".join(sorted(self._rows)) + ".",
        )


F = Functions()


NUMBERS = (int, float, np.number, np.bool_)  # what a formula may contain besides its inputs


class Expr(NDArrayOperatorsMixin, Operand):
    """A symbol, or an operation on expressions and numbers. Operators and `F` build it; nothing is computed."""

    __slots__ = ("args", "name", "row")

    def __init__(self, name: str, row: Any = None, args: tuple[Any, ...] = ()) -> None:
        self.name, self.row, self.args = name, row, args

    @staticmethod
    def apply(primitive: Any, *inputs: Any, **params: Any) -> Any:
        if not primitive.elementwise:
            raise ArgumentError(f"'{primitive.name}' is not elementwise, so a formula can't contain it.")
        inputs = tuple(x[()] if type(x) is np.ndarray and not x.ndim else x for x in inputs)  # of F.relu(0.5)
        for x in inputs:
            if not isinstance(x, (Expr, *NUMBERS)):
                raise ArgumentError(
                    f"A formula contains {'an array' if hasattr(x, 'dtype') else 'a ' + type(x).__name__}.",
                    "It is the same for all elements, so it may contain its inputs and single numbers only.",
                    "Make it an input of the formula.",
                )
        return Expr(primitive.name, primitive, inputs)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        row = F._row_of(ufunc)
        if row is None or method != "__call__" or options:
            raise ArgumentError(f"A formula can't contain NumPy's {ufunc.__name__}.{method}.")
        return Expr.apply(row, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        raise ArgumentError(
            f"A formula can't contain NumPy's {name}.",
            "It is computed for each element alone, with its operators and functions.",
            f"Use F.{name}." if name in F._rows else "Use operators and F's functions.",
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise ArgumentError(
            f"A formula is read with symbols, and something asks for the values of '{self.name}'.",
            "It is the same for all elements, so it may contain its inputs and single numbers only.",
            "Make arrays and tensors inputs of the formula, and use F's functions.",
        )

    __hash__ = object.__hash__  # by identity; `==` between expressions is itself an expression

    def __bool__(self) -> bool:
        raise ArgumentError(
            f"A formula branches on the value of '{self.name}', which is a symbol here.",
            "One lambda must describe all elements at once.",
            "Use F.where(condition, a, b) instead of `if`, F.logical_and instead of `and`.",
        )

    def __repr__(self) -> str:
        from .formula_print import text

        return text(self)


def trace(formula: Callable[..., Any]) -> tuple[list[Expr], Any]:
    """Read a formula with symbols: (its symbols, the expression, or a tuple of them as the formula returns it)."""
    symbols = [Expr(name) for name in _inputs(formula)]
    traced = formula(*symbols)
    for value in traced if isinstance(traced, tuple) else (traced,):
        if not isinstance(value, (Expr, *NUMBERS)):
            raise ArgumentError(f"A formula returns {type(value).__name__} instead of an expression of its inputs.")
    if isinstance(traced, tuple):
        return symbols, tuple(tidied(traced))
    return symbols, tidied([traced])[0]


def inputs_of_ufunc(ufunc: np.ufunc) -> list[str]:
    """What the inputs of a function of NumPy's are called here; its own signature has much more than these."""
    return ["x"] if ufunc.nin == 1 else list("abcdefgh"[: ufunc.nin])


def _inputs(formula: Callable[..., Any]) -> list[str]:
    if isinstance(formula, np.ufunc):
        return inputs_of_ufunc(formula)
    parameters = list(inspect.signature(formula).parameters.values())
    if not parameters:
        raise ArgumentError("A formula has no inputs.", fix="Write lambda x: ... with at least one.")
    for p in parameters:
        if p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            raise ArgumentError(
                f"A formula has the parameter {p}.",
                "Each of its inputs is a symbol, so it has a fixed number of them, in an order.",
                "Write lambda a, b: ... with all inputs by name.",
            )
    return [p.name for p in parameters]


@contextmanager
def reading(what: str, why: str, fix: str) -> Iterator[None]:
    """Explains, inside the block, whatever a function raises that can't read symbols; our own errors pass."""
    try:
        yield
    except MicrotrainError:
        raise
    except Exception as error:
        raise ArgumentError(f"{what} can't be read with symbols: {error}.", why, fix) from error


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


# ---------------------------------------------------------------------------------------------------------------------
# Tidying: equal parts become one, and what follows from constants alone is done


def tidied(expressions: Sequence[Any]) -> list[Any]:
    """The same expressions with equal parts shared, also among each other, and with constants folded.

    Only steps that change no bit of any result are taken: x ** 1 is x, but x + 0 is not (-0 + 0 is 0).
    """
    new: dict[Any, Any] = {}
    known: dict[tuple[Any, ...], Any] = {}

    def replaced(e: Any) -> Any:
        return new[e] if isinstance(e, Expr) else e

    for e in in_order(expressions):
        if e.row is None:
            new[e] = e
            continue
        args = tuple(map(replaced, e.args))
        key = (e.row, *(a if isinstance(a, Expr) else (type(a), repr(a)) for a in args))
        if key not in known:
            known[key] = folded(Expr(e.name, e.row, args))
        new[e] = known[key]
    return [replaced(e) for e in expressions]


def folded(e: Expr) -> Any:
    """The expression, or a simpler one of the same value."""
    args = e.args
    if not any(isinstance(a, Expr) for a in args):
        with np.errstate(all="ignore"):
            value = e.row.forward(*args)
        return value[()] if isinstance(value, np.ndarray) else value  # np.where makes arrays even of numbers
    if e.name == "where" and isinstance(args[0], (bool, np.bool_)):
        chosen = args[1] if args[0] else args[2]
        return chosen if isinstance(chosen, Expr) else e
    if e.name == "pow" and is_number(args[1], 1):
        return args[0]
    if e.name in ("mul", "div") and is_number(args[1], 1) and not is_boolean(args[0]):
        return args[0]
    if e.name == "mul" and is_number(args[0], 1) and not is_boolean(args[1]):
        return args[1]
    return e


def is_number(x: Any, value: float) -> bool:
    """Is this the constant `value`?"""
    return isinstance(x, (int, float)) and not isinstance(x, bool) and x == value


BOOLEAN = frozenset(
    ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not"]
    + ["isnan", "isinf", "isfinite"]
)  # rows whose result is true or false


def is_boolean(e: Any) -> bool:
    """Is the value of this expression true or false, as far as one can see?"""
    return isinstance(e, Expr) and e.name in BOOLEAN


# ---------------------------------------------------------------------------------------------------------------------
# Derivatives, and formulas as Python source


def derive(formula: Callable[..., Any]) -> list[Callable[..., Any] | None]:
    """The vjps of a formula, one for each of its inputs, by the chain rule over its expression.

    None for an input that the formula only decides by (a condition). Raises `NotDifferentiableError` if it has inputs
    of no other kind, or does not use one, and `ArgumentError` if it has several values.
    """
    symbols, output = trace(formula)
    if isinstance(output, tuple):
        raise ArgumentError(
            f"The formula returns {len(output)} values.",
            "It is one operation, which has one value for each element.",
            "Make a formula of each of them.",
        )
    g = Expr(_free("g", symbols))
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
    below = set(in_order([output]))
    unused = [s.name for s in symbols if s not in below]
    if unused:
        raise NotDifferentiableError(
            f"The formula has no derivative in {', '.join(unused)}: its value does not depend on that.",
            fix="Leave out what it does not use.",
        )
    if arrived.keys().isdisjoint(symbols):
        names = ", ".join(s.name for s in symbols)
        raise NotDifferentiableError(
            f"The formula has no derivative in {names}: it compares, and chooses constants.",
            fix="If no gradient is to flow through it, say so: elementwise(name, forward, []).",
        )
    vjps: list[Callable[..., Any] | None] = []
    for symbol in symbols:
        if symbol not in arrived:
            vjps.append(None)
            continue
        (gradient,) = tidied([arrived[symbol]])
        used = set(in_order([gradient]))
        vjps.append(python_function("vjp", [g, *(s for s in symbols if s in used)], gradient))
    return vjps


def _free(name: str, symbols: Sequence[Expr]) -> str:
    """A name like this one that no symbol has."""
    taken = {s.name for s in symbols}
    while name in taken:
        name += "_"
    return name


def python_source(name: str, symbols: Sequence[Expr], output: Any) -> str:
    """The expression (or a tuple of them) as a Python function of the symbols; what is equal is computed once."""
    return _written(name, symbols, output)[0]


def python_function(name: str, symbols: Sequence[Expr], output: Any) -> Callable[..., Any]:
    """The function that `python_source` prints."""
    source, namespace = _written(name, symbols, output)
    exec(source, namespace)
    return namespace[name]  # type: ignore[no-any-return]


OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
    "eq": "==", "ne": "!=",
}  # fmt: skip


class Python:
    """How numbers and operations on symbols are written in Python; `namespace` has what the source refers to."""

    def __init__(self, symbols: Sequence[Expr]) -> None:
        self.symbols = symbols
        self._functions, self._numpy = self.free("F"), self.free("np")
        self.namespace: dict[str, Any] = {self._functions: F, self._numpy: np}

    def free(self, name: str) -> str:
        """A name like this one that no symbol has."""
        return _free(name, self.symbols)

    def number(self, x: Any) -> str:
        if isinstance(x, np.generic):
            value = f"{x.item()!r}" if np.isfinite(x) else f"'{x}'"
            return f"{self._numpy}.{type(x).__name__}({value})"
        if isinstance(x, int):  # of any size
            return repr(x)
        return repr(x) if np.isfinite(x) else f"{self._numpy}.{x}" if x > 0 or x != x else f"-{self._numpy}.inf"

    def operation(self, e: Expr, arguments: Sequence[str]) -> str:
        if F._rows.get(e.name) is not e.row:  # a row of the user's own
            called = self.free(f"own_{len(self.namespace)}")
            self.namespace[called] = e.row
            return f"{called}({', '.join(arguments)})"
        if e.name in OPERATORS:  # on single numbers ten times as fast as NumPy's functions
            return f" {OPERATORS[e.name]} ".join(f"({a})" if a.startswith("-") else a for a in arguments)
        if e.name == "neg":
            return f"-{arguments[0]}"
        return f"{self._functions}.{e.name}({', '.join(arguments)})"


def _written(name: str, symbols: Sequence[Expr], output: Any) -> tuple[str, dict[str, Any]]:
    """(source, what it refers to)."""
    python = Python(symbols)
    texts: dict[Any, str] = {s: s.name for s in symbols}
    lines: list[str] = []

    def text(e: Any) -> str:
        return texts[e] if isinstance(e, Expr) else python.number(e)

    outputs = output if isinstance(output, tuple) else (output,)
    for e in in_order(outputs):
        if e.row is not None:
            texts[e] = python.free(f"t{len(lines) + 1}")
            lines.append(f"    {texts[e]} = {python.operation(e, [text(a) for a in e.args])}")
    head = f"def {name}({', '.join(s.name for s in symbols)}):"
    result = ", ".join(map(text, outputs)) + ("," if isinstance(output, tuple) else "")
    return "\n".join([head, *lines, f"    return {result}"]), python.namespace
