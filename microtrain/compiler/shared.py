"""Loops over large arrays, cut into parts that threads share.

Each part does a range of one axis. Where possible that is an axis that nothing is added up over; else each part leaves
a result of its own, and these are put together at the end, in order. The parts depend on the shapes alone, so the bits
do not depend on the threads.

A loop over the result of a large product does not wait for all of it, if it can be cut as the product is: when a thread
has done a tile, it does that part of the loop, while the tile is in its core's cache.
"""

from __future__ import annotations

import math
from array import array
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.program import MachineCode
from ..kernels.tiles import Worklist, strips
from .arrays import Array, Group, Product, Storage
from .loop import ANY, POINTER, without_comments
from .plan import ARENA
from .tiles import wanted as is_cut, worklist

if TYPE_CHECKING:
    from .emit import Emitter
    from .operands import Operands

LEAST = 1 << 18  # operations on elements from which it pays to wake other threads (measured)
PART = 1 << 15  # elements that a thread takes at a time
FIELDS = 3  # integers that describe a part: its first and last index, and its number
COMBINE: dict[str, Any] = {"sum": np.add, "max": np.maximum, "min": np.minimum}

SOURCE = '''"""A loop that threads share."""

{imports}


{loop}


def kernel(n, operands):
    """operands: descriptions of n parts, and the addresses of the arrays."""
    wide_vectors()
    places = int64_at(operands, 1)
    for i in range(n):
        part = ahead(int64_at(operands, 0), {fields} * i)
        # {where}
        loop({arguments})
'''


def wanted(step: Group) -> bool:
    """Is this loop worth sharing?"""
    return math.prod(step.shape) * len(step.steps) >= LEAST


def followed(step: Group, before: Any) -> Product | None:
    """The product, done just before, whose tiles a loop can follow; or None."""
    if not (
        isinstance(before, Product) and is_cut(before) and strips(before.out.shape) and step.shape == before.out.shape
    ):
        return None
    out = before.out
    for a in (*step.reads(), *step.writes()):  # of the result only the same element
        if a.memory is out.memory and (a.shape, a.strides, a.offset) != (out.shape, out.strides, out.offset):
            return None
    if any(_overlap(a.memory, b.memory) for a in step.writes() for b in before.reads()):  # needed for other tiles
        return None
    return before


def _overlap(a: Storage, b: Storage) -> bool:
    """Do two arrays share bytes?"""
    if a is b or a.slot != ARENA or b.slot != ARENA:
        return a is b
    first, other = (m.offset * np.dtype(m.dtype).itemsize for m in (a, b))
    return bool(first < other + b.nbytes and other < first + a.nbytes)


class Shared:
    """One such loop: its source, and what lies where. `product` is the one whose tiles it follows."""

    def __init__(self, emitter: Emitter, step: Group, where: str, product: Product | None) -> None:
        self.product = product
        axis, length = (product and strips(product.out.shape)) or (ANY, 0)
        loop = emitter.group_loop(step, cut=axis)
        before, emitter.called = emitter.called, {"ahead", "int64_at", "wide_vectors"}
        text = loop.source("loop")
        arguments = ["part[0]", "part[1]"]
        own = {id(memory) for memory in loop.partial.values()}
        for k, (memory, _) in enumerate(loop.places):
            kind = POINTER[np.dtype(memory.dtype).name]
            emitter.called.add(f"{kind}_at")
            pointer = f"{kind}_at(places, {k})"
            arguments.append(f"ahead({pointer}, {memory.size} * part[2])" if id(memory) in own else pointer)
        self.source = SOURCE.format(
            where=where, imports="\n".join(emitter.imports()), loop=text, fields=FIELDS,
            arguments=", ".join(arguments),
        )  # fmt: skip
        emitter.called = before
        self.step, self.places = step, loop.places
        length = length or max(1, PART // loop.cut_row)
        starts = range(0, loop.cut_length, length)
        parts = [(i, min(i + length, loop.cut_length), number) for number, i in enumerate(starts)]
        self.table = np.array(parts, np.int64)
        folds = list(enumerate(loop.folds))
        self.partial = [(how, place, loop.partial[k]) for k, (how, place, _) in folds if k in loop.partial]


class SharedLoop:
    """The same, ready to run."""

    def __init__(self, shared: Shared, operands: Operands) -> None:
        self.shared, self.operands = shared, operands
        results = [(how, place, memory, _room(len(shared.table), memory)) for how, place, memory in shared.partial]
        rooms = {id(memory): room for _, _, memory, room in results}
        self.places = array("q", [0] * len(shared.places))
        self.address = self.places.buffer_info()[0]
        self.moving: list[tuple[int, int, int]] = []  # (which place, its operand, bytes from there)
        for k, (memory, offset) in enumerate(shared.places):
            if id(memory) in rooms:
                self.places[k] = rooms[id(memory)].ctypes.data
            else:
                self.moving.append((k, memory.slot, (memory.offset + offset) * np.dtype(memory.dtype).itemsize))
        kernel, parts = _program(shared.source), shared.table
        if shared.product is None:
            self.work, self.start = Worklist(kernel, parts), self.address
        else:
            self.pairs = np.array([(part.ctypes.data, self.address) for part in parts], np.int64)
            then = [(kernel.address, pair.ctypes.data) for pair in self.pairs]
            self.work, self.start = worklist(shared.product, then), operands.address
        self.results = [(COMBINE[how].reduce, _dense(place, memory.size), room) for how, place, memory, room in results]

    def run(self) -> None:
        """All of the loop."""
        addresses = self.operands.addresses
        for k, slot, offset in self.moving:
            self.places[k] = addresses[slot] + offset
        self.work.run(self.start)
        for reduce, place, room in self.results:
            reduce(room, axis=0, out=self.operands.view(place))


def _room(parts: int, memory: Storage) -> Any:
    return np.empty((parts, memory.size), memory.dtype)


def _dense(place: Array, size: int) -> Array:
    """Where a fold's results belong, as one axis."""
    return Array(place.memory, (size,), (1,), place.offset)


@cache
def _program(source: str) -> MachineCode:
    return MachineCode("a loop that threads share", without_comments(source))
