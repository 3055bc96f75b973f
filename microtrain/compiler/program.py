"""What a captured step is: values, and the operations that make them, in the order in which they were done.

Every value is made once (a tensor that is written in place has another value afterwards), so the program says of each
number where it comes from: from an argument, from memory outside (parameters, data), from a constant, or from an
operation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Value:
    """An array of the program, known by its shape and dtype.

    kind: "argument" (source: its number), "tensor" or "array" (the object outside), "grad" (the leaf whose gradient it
    was when the step began), "made" (the array, a constant made in the step), "drawn" (the number of the draw),
    "number" (how to get it from the arguments, what it was, and the arguments of that time: floats.py),
    "result" (None: an operation's; a reference to that would be a cycle).
    """

    __slots__ = ("dtype", "kind", "name", "number", "shape", "source")

    def __init__(self, kind: str, shape: tuple[int, ...], dtype: Any, source: Any, number: int, name: str = "") -> None:
        self.kind, self.shape, self.dtype, self.source = kind, tuple(shape), np.dtype(dtype), source
        self.number, self.name = number, name

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def __repr__(self) -> str:
        return f"%{self.number}{':' + self.name if self.name else ''} {self.dtype}{list(self.shape)}"


@dataclass(eq=False)
class Op:
    """One row of the operation table, done once."""

    row: Any
    args: list[Any]  # values and Python numbers
    params: dict[str, Any]
    out: Value
    site: Any  # the line of the learner's program
    phase: str  # "forward", "backward" or "step"


@dataclass(eq=False)
class Update:
    """An optimizer's rule, applied to one bucket of parameters."""

    optimizer: Any
    group: int
    bucket: Any
    negate: bool
    params: list[Value]  # what the parameters are before
    gradients: list[Value]
    outs: list[Value]  # and afterwards
    site: Any
    where: Any = None  # the same, as code and instruction
    numbers: int = 0  # how many hyper-parameters the rule has


@dataclass(eq=False)
class Draw:
    """Random numbers, drawn anew for each step by calling a function again."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Value


@dataclass(eq=False)
class Call:
    """Something done in Python once a step that no value depends on: a scheduler's step."""

    function: Any
    args: tuple[Any, ...]


@dataclass(eq=False)
class Setting:
    """A hyper-parameter of an optimizer that the step sets: `group["lr"] = lr / 2`."""

    group: dict[str, Any]
    key: str
    how: Any  # what it is set to, or a function that gets that from the list of arguments

    def value(self, arguments: list[Any]) -> Any:
        return float(self.how(arguments)) if callable(self.how) else self.how


@dataclass
class Program:
    """A captured step."""

    ops: list[Op | Update] = field(default_factory=list)
    prelude: list[Any] = field(default_factory=list)  # done in Python before: draws, calls and optimizers, in order
    values: list[Value] = field(default_factory=list)
    arguments: list[Value] = field(default_factory=list)
    stores: list[tuple[Value, Value]] = field(default_factory=list)  # (memory outside, its new value)
    outputs: list[Value] = field(default_factory=list)
    # (leaf, its gradient at the end, whether it had one before: "none", "tensor", or "any" if it may have or not)
    gradients: list[tuple[Any, Value | None, str]] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    rates: dict[tuple[int, str], Any] = field(default_factory=dict)  # (id of a group, key): what it was at the update
    floats: list[Any] = field(default_factory=list)  # the arguments that were floats; None for others
    seconds: float = 0.0

    def optimizers(self) -> list[Any]:
        """Those that the step updates parameters with, in order."""
        return [item for item in self.prelude if not isinstance(item, (Draw, Call))]

    def adds_to(self) -> set[int]:
        """Ids of the leaves whose gradients are added to those that were there before the step."""
        return {id(leaf) for leaf, _, before in self.gradients if before == "tensor"}

    def used(self) -> set[Value]:
        """The values that what the step leaves behind depends on."""
        found = {v for v in self.outputs if isinstance(v, Value)} | {v for _, v in self.stores}
        found |= {v for _, v, _ in self.gradients if v is not None}
        for op in reversed(self.ops):
            if isinstance(op, Update):
                found.update(op.params, op.gradients)
            elif op.out in found:
                found.update(_values([*op.args, *op.params.values()]))
        return found


def _values(items: Any) -> list[Value]:
    return [v for x in items for v in (_values(x) if isinstance(x, (tuple, list)) else [x]) if isinstance(v, Value)]


def difference(a: Program, b: Program) -> tuple[str, Any] | None:
    """The first thing in which two captures of one step differ: (what, the line); None if they are the same."""
    partner: dict[Value, Value] = {}
    for one, two in zip(a.ops, b.ops, strict=False):
        if type(one) is not type(two):
            return "another operation is done", two.site
        if isinstance(one, Op) and isinstance(two, Op):
            if one.row is not two.row:
                return f"'{two.row.name}' is done instead of '{one.row.name}'", two.site
            found = _unlike(one.args, two.args, partner) or _unlike(one.params, two.params, partner)
            if not found and (one.out.shape, one.out.dtype) != (two.out.shape, two.out.dtype):
                found = f"the result has shape {two.out.shape} instead of {one.out.shape}"
            if found:
                return f"in '{one.row.name}' {found}", two.site
            partner[one.out] = two.out
        elif isinstance(one, Update) and isinstance(two, Update):
            if one.bucket is not two.bucket:
                return "the optimizer updates other parameters, or by another rule", two.site
            found = _unlike(one.params, two.params, partner) or _unlike(one.gradients, two.gradients, partner)
            if found:
                return f"in the update {found}", two.site
            partner.update(zip(one.outs, two.outs, strict=True))
    if len(a.ops) != len(b.ops):
        longer = max(a.ops, b.ops, key=len)
        return f"{len(b.ops)} operations are done instead of {len(a.ops)}", longer[min(len(a.ops), len(b.ops))].site
    for what, x, y in (("what is written", a.stores, b.stores), ("what is returned", a.outputs, b.outputs)):
        found = _unlike(x, y, partner)
        if found:
            return f"{what}: {found}", None
    if [type(e) for e in a.prelude] != [type(e) for e in b.prelude]:
        return "random numbers are drawn in another order", None
    if a.settings and len(a.settings) != len(b.settings):
        return "the hyper-parameters that the step sets in an optimizer", None
    for setting in b.settings:
        rate = a.rates.get((id(setting.group), setting.key))
        if not callable(setting.how) and rate is not None and rate != setting.how:
            return f"the step sets '{setting.key}' to {setting.how}, and before to {rate}", None
    for setting in a.settings:
        rate = b.rates.get((id(setting.group), setting.key))
        if rate is not None and setting.value(b.floats) != rate:
            return f"the step sets '{setting.key}' to {rate} instead of {setting.value(b.floats)}", None
    if [(id(p), g is None) for p, g, _ in a.gradients] != [(id(p), g is None) for p, g, _ in b.gradients]:
        return "the gradients that the step finds or leaves", None
    return None


def _unlike(x: Any, y: Any, partner: dict[Value, Value]) -> str:
    """How two inputs or settings differ; "" if they don't. `partner` knows which values stand for each other."""
    if isinstance(x, Value) and isinstance(y, Value):
        if x in partner:
            return "" if partner[x] is y else "another value is used"
        if (x.kind, x.shape, x.dtype) != (y.kind, y.shape, y.dtype):
            return f"a value of shape {x.shape} ({x.kind}) is now one of shape {y.shape} ({y.kind})"
        partner[x] = y
        if x.kind == "number":
            return "" if x.source[0](y.source[2]) == y.source[1] else "a number was computed in another way"
        if x.kind == "made":
            equal = np.array_equal(x.source, y.source, equal_nan=x.dtype.kind == "f")
            return "" if equal else "an array that is made in the step has other values"
        if x.kind in ("tensor", "array", "grad") and x.source is not y.source:
            return "another tensor from outside is used"
        return "" if x.kind != "argument" or x.source == y.source else "another argument is used"
    if isinstance(x, (list, tuple)) and isinstance(y, (list, tuple)) and len(x) == len(y):
        return next((found for found in (_unlike(p, q, partner) for p, q in zip(x, y, strict=True)) if found), "")
    if isinstance(x, dict) and isinstance(y, dict) and x.keys() == y.keys():
        return next((found for found in (_unlike(x[k], y[k], partner) for k in x) if found), "")
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return "" if x.shape == y.shape and np.array_equal(x, y) else "an array has other values"
    if x is y or (type(x) is type(y) and (x == y or (x != x and y != y))):
        return ""
    return f"{x!r} is now {y!r}"
