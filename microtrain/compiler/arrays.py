"""What plans are made of: arrays with a place in memory, and the steps that read and write them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]


@dataclass(eq=False)
class Storage:
    """A piece of memory in a plan: outside (an operand with a number), or a part of the arena that is handed out.

    Not to be mixed up with `engine.node.Memory`, which counts the writes to the memory of tensors.
    """

    size: int  # elements
    dtype: Any
    slot: int = -1  # the operand that it lies in, from `offset` on; -1: not yet decided
    offset: int = 0  # elements (of the operand, in this dtype)
    outside: bool = False  # there before the step and after it
    first: int = -1  # the step that writes it first, and the last one that needs it
    last: int = -1
    name: str = ""

    @property
    def nbytes(self) -> int:
        return int(self.size * np.dtype(self.dtype).itemsize)


@dataclass(eq=False)
class Array:
    """Elements of some memory: where the first one is, and how far to go along each axis (in elements)."""

    memory: Storage
    shape: Shape
    strides: Shape
    offset: int = 0

    @property
    def dtype(self) -> Any:
        return self.memory.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def whole(self) -> bool:
        """Is this all of its memory, in order?"""
        return self.offset == 0 and self.size == self.memory.size and self.strides == dense_strides(self.shape)


@dataclass(frozen=True)
class Const:
    """The same number everywhere; needs no memory."""

    value: Any  # a Python number or truth value
    shape: Shape
    dtype: Any


def dense_strides(shape: Shape) -> Shape:
    """Of an array whose elements lie side by side, in order."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def seen(array: Array, row: Any, params: dict[str, Any]) -> Array | None:
    """The array as a row of the table shows it (reshaped, transposed, a part of it); None if that takes a copy."""
    span = 1 + sum((n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)) if array.size else 0
    stand_in = np.empty(max(1, span), np.int8)  # bytes in the place of elements: the same strides
    old = np.lib.stride_tricks.as_strided(stand_in, array.shape, array.strides)
    new = row.forward(old, **params)
    if not isinstance(new, np.ndarray) or not (np.may_share_memory(new, stand_in) or not new.size):
        return None
    start = new.ctypes.data - stand_in.ctypes.data if new.size else 0
    return Array(array.memory, new.shape, new.strides, array.offset + start)


# ---- steps -----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Step:
    """Something that is done: reads arrays, writes others."""

    site: Any
    phase: str

    def reads(self) -> list[Array]:
        return []

    def writes(self) -> list[Array]:
        return []


@dataclass(eq=False)
class Map(Step):
    """An elementwise row (or None: a copy), into `out`."""

    row: Any
    args: list[Any]
    out: Array
    compute: Any  # the dtype that it is computed in
    stored: bool = True  # False: the result stays in a register, because nothing outside its loop needs it

    def reads(self) -> list[Array]:
        return [a for a in self.args if isinstance(a, Array)]

    def writes(self) -> list[Array]:
        return [self.out]


@dataclass(eq=False)
class Reduce(Step):
    """The "sum", "max" or "min" over some axes; `out` has them with stride 0."""

    how: str
    x: Array
    dims: tuple[int, ...]
    out: Array

    def reads(self) -> list[Array]:
        return [self.x]

    def writes(self) -> list[Array]:
        return [self.out]

    def spread(self) -> Array:
        """`out` with the axes of `x`: stride 0 along those that are reduced."""
        kept = iter(dense_strides(tuple(n for i, n in enumerate(self.x.shape) if i not in self.dims)))
        strides = tuple(0 if i in self.dims else next(kept) for i in range(len(self.x.shape)))
        return Array(self.out.memory, self.x.shape, strides, self.out.offset)


@dataclass(eq=False)
class Product(Step):
    """A matrix product, for each index of the axes before the last two."""

    a: Array
    b: Array
    out: Array

    def reads(self) -> list[Array]:
        return [self.a, self.b]

    def writes(self) -> list[Array]:
        return [self.out]


@dataclass(eq=False)
class Surprise(Step):
    """-ln softmax(x)[labels] of each row, and (if `slope` is there) scale (softmax(x) - one hot)."""

    x: Array
    labels: Array
    out: Array
    slope: Array | None = None
    scale: float = 1.0

    def reads(self) -> list[Array]:
        return [self.x, self.labels]

    def writes(self) -> list[Array]:
        return [self.out] if self.slope is None else [self.out, self.slope]


@dataclass(eq=False)
class Assemble(Step):
    """One value everywhere, then pieces copied into their places."""

    out: Array
    fill: Any  # a number, or None where the pieces cover everything
    pieces: list[tuple[Any, Array]]  # (an array or Const, its place)

    def reads(self) -> list[Array]:
        return [a for a, _ in self.pieces if isinstance(a, Array)]

    def writes(self) -> list[Array]:
        return [self.out, *(place for _, place in self.pieces)]


@dataclass(eq=False)
class InPython(Step):
    """A row of the table that is not translated: its `forward` is called, between two pieces of machine code."""

    row: Any
    args: list[Any]
    params: dict[str, Any]
    out: Array

    def reads(self) -> list[Array]:
        found = [a for a in self.args if isinstance(a, Array)]
        return found + [
            a for x in self.params.values() for a in (x if isinstance(x, tuple) else (x,)) if isinstance(a, Array)
        ]

    def writes(self) -> list[Array]:
        return [self.out]


@dataclass(eq=False)
class Apply(Step):
    """An optimizer's rule on all parameters of a bucket."""

    update: Any  # program.Update
    p: Array
    g: Array
    state: list[Array]
    numbers: Array  # the hyper-parameters

    def reads(self) -> list[Array]:
        return [self.g, self.p, *self.state]

    def writes(self) -> list[Array]:
        return [self.p, *self.state]


@dataclass(eq=False)
class Group(Step):
    """Elementwise steps and reductions of their results, in one loop over `shape`."""

    shape: Shape
    compute: Any
    steps: list[Any] = field(default_factory=list)

    def reads(self) -> list[Array]:
        made = {id(a) for s in self.steps for a in s.writes()}
        return [a for s in self.steps for a in s.reads() if id(a) not in made]

    def writes(self) -> list[Array]:
        return [a for s in self.steps if getattr(s, "stored", True) for a in s.writes()]
