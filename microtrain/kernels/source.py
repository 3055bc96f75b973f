"""A formula printed as the source of a fused kernel.

The result is ordinary Numba source that a person can read and run; `mt.explain` shows it. One loop computes all outputs
of the formula, element by element, with no array in between.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..formula import Expr, in_order, tidied, trace
from ..formula_print import text
from .writer import HELPERS, VECTOR, Untranslatable, Writer, expanded, with_full

WIDTH = 96  # of the whole; `mt.explain` indents by four more


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
    values: tuple[Any, ...]  # of the outputs, as expressions
    plain: bool  # arithmetic only: its speed is that of the memory
    single: bool  # one operation of it, which NumPy does as fast as the memory allows

    @property
    def steps(self) -> int:
        """How many operations of NumPy it replaces."""
        return operations(self.values)

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
    writer = Writer(dtype, inputs, expressions, in_place)
    if in_place and writer.limited:
        raise Untranslatable("sin, cos and tan may need their input a second time")
    if not in_place and any(writer.is_integer(e) and not writer.is_boolean(e) for e in expressions):
        raise Untranslatable("a result of integers")
    operands = [Operand(s.name, kind) for s, kind in inputs]
    writes = []
    overwritten = tuple(s.name for s, _ in inputs if in_place and s.name in dict(outputs))
    for (output, _), e in zip(outputs, expressions, strict=True):
        boolean = writer.is_boolean(e)
        if output not in overwritten:
            operands.append(Operand(output, "out booleans" if boolean else "out"))
        writes.append((output, writer.as_boolean(e) if boolean else writer.as_number(e)))
    formula = "\n".join(f"{output} = {text(e)}" for output, e in outputs)
    values = tuple(tidied([e for _, e in outputs]))
    plain = not any(e.name in VECTOR or e.name in ("pow", "logaddexp") for e in in_order(expressions))
    return Source(
        name,
        dtype,
        _module(writer, name, formula, operands, writes),
        tuple(operands),
        overwritten,
        formula,
        values,
        plain,
        plain and not any(map(_takes_its_time, in_order(expressions))) and operations(values) == 1,
    )


def _takes_its_time(e: Expr) -> bool:
    """Is this arithmetic that NumPy does not vectorise: a choice, or the larger of x and a number?"""
    return e.name == "where" or (e.name in ("maximum", "minimum") and any(not isinstance(a, Expr) for a in e.args))


def operations(expressions: Sequence[Any]) -> int:
    """How many operations of NumPy's these are."""
    return sum(_operations_of(e.row) for e in in_order(expressions) if e.row is not None)


@cache
def _operations_of(row: Any) -> int:
    """1, or more for what kernels know by its name and NumPy has to put together: sigmoid."""
    try:
        expression = trace(row.forward)[1]
    except Exception:  # no formula: a function of NumPy's
        return 1
    # np.multiply of two symbols is their product: the same row again
    return 1 if not isinstance(expression, Expr) or expression.row is row else max(1, operations([expression]))


def booleans_in(expression: Any) -> set[Expr]:
    """The symbols that stand for truth values, as far as one can see: conditions of `where`."""
    try:
        order = in_order(expanded([expression]))
    except Untranslatable:
        return set()
    return {e.args[0] for e in order if e.name == "where" and isinstance(e.args[0], Expr) and e.args[0].row is None}


def _module(
    writer: Writer, name: str, formula: str, operands: Sequence[Operand], writes: Sequence[tuple[str, str]]
) -> str:
    """The whole file."""
    pointers = {"booleans": "bool", "out booleans": "bool", "number": "f64"}
    loads = [f"{writer.names[s]} = {s.name}_[0]" for s, kind in writer.inputs if kind in ("number", "scalar")]
    body = []
    for s, kind in writer.inputs:
        if kind in ("array", "booleans"):
            body.append(f"{writer.names[s]} = {s.name}_[i]" + (" != 0" if kind == "booleans" else ""))
    body += writer.lines
    stores = [f"{output}_[i] = {value}" for output, value in writes]
    looks, full = [], []
    for e in writer.limited:
        if isinstance(e.args[0], Expr):
            writer.called.add("RANGE")
            looks.append(f"beyond |= abs({writer.as_number(e.args[0])}) > LIMIT")
    looks = list(dict.fromkeys(looks))
    if looks:
        full = [with_full(line, writer.cast) for line in body + stores]
        writer.called |= {f"{e.name}_{writer.cast}_full" for e in writer.limited}
    arguments = [f"{o.name}_" for o in operands]
    casts = [f"{pointers.get(o.kind, writer.cast)}_at(operands, {k})" for k, o in enumerate(operands)]
    lines = [
        f'"""{name}, for {writer.dtype}:',
        "",
        *(f"    {line}" for line in wrapped(formula, WIDTH - 4)),
        '"""',
        "",
        *_imports(writer, {c.partition("(")[0] for c in casts}),
        "",
        *(
            [f'LIMIT = RANGE["{writer.limited[0].name}"]["{writer.dtype}"]  # of the fast functions', ""]
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


def _imports(writer: Writer, casts: set[str]) -> list[str]:
    """The lines that import what is called."""
    called = writer.called | casts | {"kernel_function", "no_overlap"}
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
    return [*lines, *_import("elementary", elementary), *_import("vecmath", vector)]


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
