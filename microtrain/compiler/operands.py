"""The operands of a native function: the addresses of everything that lies outside of it.

Each has a number, its slot. Behind the addresses come as many distances, by which they move on after each step; they
are 0 but for what is a table with a row for each step (many.py).
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from ..engine.node import Memory, Writer, memory_of
from ..errors import ArgumentError
from ..kernels import blas
from ..kernels.reductions import row_program
from ..tensor import Tensor, wrap
from . import arrays
from .arrays import Array
from .emit import Emitter
from .numbers import Numbers
from .plan import ARENA, Plan
from .program import Program, Update, Value
from .watch import Watched


class _Borrowed:
    """Memory as NumPy's array interface describes it; it lives as long as its owner."""

    def __init__(self, owner: Any, address: int, shape: Any, strides: Any, dtype: str) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "data": (address, False), "shape": tuple(shape), "strides": strides, "typestr": dtype, "version": 3,
        }  # fmt: skip


class GradOut:
    """A gradient that the step leaves behind: of which leaf, where it lies, and the tensor in `.grad` (or None)."""

    __slots__ = ("leaf", "place", "tensor")

    def __init__(self, leaf: Tensor, place: Array | None, tensor: Any) -> None:
        self.leaf, self.place, self.tensor = leaf, place, tensor


class Operands:
    """The addresses, and who has the memory."""

    def __init__(self, program: Program, plan: Plan, emitter: Emitter) -> None:
        self.program, self.plan, self.emitter = program, plan, emitter
        self.count = emitter.extra
        self.addresses = array("q", [0] * (2 * self.count))  # by slot, then the distances
        self.address = self.addresses.buffer_info()[0]  # their own, which the machine code gets
        self.arrays: dict[int, np.ndarray[Any, Any]] = {}  # slot: what lies there now
        self.outside: list[Watched] = []
        self.inputs: list[tuple[int, int, Any, Any]] = []  # (argument, slot, shape, dtype)
        self.grads_in: list[tuple[Any, int]] = []  # (leaf, slot): the gradient that is there before
        self.draws: dict[int, int] = {}  # place in the prelude: slot
        self.numbers: list[Numbers] = []
        self.updates: list[Update] = []
        self.outs: list[tuple[int, Any]] = []
        self.floats: list[tuple[Any, Any]] = []  # (how to get a number from the arguments, where it goes)
        self.slots: dict[tuple[Any, Any], int] = {}  # (update, which piece of its state): slot
        self._fill(blas.find())
        for update in self.updates:  # parameters that nothing but the update reads are watched too
            self.outside += [Watched(p, -1) for p in update.bucket.params]
        self._gradients()
        self._writes()
        self.optimizers = program.optimizers()
        self.with_floats = bool(self.floats or program.settings)

    def _fill(self, found: blas.Blas) -> None:
        """Everything whose place stays the same from call to call."""
        arena = np.zeros(self.plan.arena + 64, np.uint8)
        start = -arena.ctypes.data % 64
        self.set(ARENA, arena[start : start + max(1, self.plan.arena)])
        for kind, slot in self.emitter.blas.items():
            self.addresses[slot] = found.dgemm if kind == "f64" else found.sgemm
        for (name, kind), slot in self.emitter.rows.items():
            self.addresses[slot] = row_program(name, kind).address
        for slot, numbers in self.emitter.settings:
            for k, (value, dtype) in enumerate(numbers):
                self.set(slot + k, np.array([value], dtype))
        for source, memory in self.plan.sources:
            if isinstance(source, Value):
                self._from_outside(source, memory.slot)
            else:
                what, which = source
                self._of_the_step(what, which, memory)

    def _from_outside(self, value: Value, slot: int) -> None:
        """What is there before the step."""
        source = value.source
        if value.kind == "argument":
            self.inputs.append((source, slot, value.shape, value.dtype))
        elif value.kind == "tensor":
            self.addresses[slot] = source._array().ctypes.data
            self.arrays[slot] = source
            self.outside.append(Watched(source, slot))
        elif value.kind == "grad":
            self.grads_in.append((source, slot))
        elif value.kind == "number":
            buffer = np.array(source[1], value.dtype)
            self.set(slot, buffer)
            self.floats.append((source[0], buffer))
        elif value.kind == "drawn":
            self.draws[source] = slot
        else:
            self.set(slot, source)

    def _of_the_step(self, what: Any, which: Any, memory: arrays.Storage) -> None:
        """What it leaves behind: an output or gradient (`which` is its number), or what an update works on."""
        slot = memory.slot
        if what == "output":
            buffer = np.zeros(self.plan.outputs[which].shape, memory.dtype)
            self.set(slot, buffer)
            self.outs.append((slot, buffer))
        elif what in ("gradient", "g"):
            self.set(slot, np.zeros(memory.size, memory.dtype))
        elif what == "p":
            bucket = which.bucket
            self.set(slot, bucket.p if bucket.views else _dense(bucket.params[0]._array()))
            self.updates.append(which)
        elif what == "numbers":
            self.numbers.append(Numbers(which, slot, memory.size, self.addresses))
            self.addresses[slot] = self.numbers[-1].address
        else:
            self.set(slot, _dense(which.bucket.state[what]))
            self.slots[which, what] = slot

    def _gradients(self) -> None:
        """The gradients that the step leaves in `.grad`."""
        self.grads_out: list[GradOut] = []
        for leaf, place in self.plan.gradients:
            if place is None:
                self.grads_out.append(GradOut(leaf, None, None))
                continue
            memory = place.memory
            if memory.outside and any(slot == memory.slot for _, slot in self.grads_in):
                continue  # added to what was there, in its place
            self.grads_out.append(GradOut(leaf, place, wrap(self.view(place))))
        added = {id(home.source): value for home, value in self.program.stores if home.kind == "grad"}
        adding = {id(leaf) for leaf, value, _ in self.program.gradients if value and value is added.get(id(leaf))}
        self.grads_new = [out for out in self.grads_out if id(out.leaf) not in adding]  # else it is the one before

    def _writes(self) -> None:
        """What the step writes, and what messages say of it."""
        self.writes: list[tuple[list[Memory], Writer]] = []
        for update in self.updates:
            writer = (type(update.optimizer).__name__, update.where)
            self.writes.append(([memory_of(p) for p in update.bucket.params], writer))
        where = next((u.where for u in self.updates), (Operands._fill.__code__, 0))
        self.backward: Writer = ("backward", where)
        gradients = [memory_of(out.tensor) for out in self.grads_out if out.place]
        if gradients:
            self.writes.append((gradients, self.backward))
        for home, _ in self.program.stores:
            if isinstance(home.source, Tensor) and home.kind == "tensor":
                self.writes.append(([memory_of(home.source)], ("a compiled step", where)))

    def set(self, slot: int, x: Any) -> None:
        self.arrays[slot] = x
        self.addresses[slot] = x.ctypes.data

    def view(self, x: Array) -> np.ndarray[Any, Any]:
        """The elements of an array of the plan, as an array of NumPy's. What holds the memory is in `arrays`."""
        size = np.dtype(x.dtype).itemsize
        return np.asarray(_Borrowed(
            self.arrays[x.memory.slot], self.addresses[x.memory.slot] + (x.memory.offset + x.offset) * size, x.shape,
            tuple(s * size for s in x.strides), np.dtype(x.dtype).str,
        ))  # fmt: skip


def _dense(x: Any) -> np.ndarray[Any, Any]:
    """The memory itself; it must lie in order."""
    if not x.flags.c_contiguous:
        raise ArgumentError(
            f"mt.compile: a tensor from outside of shape {x.shape} does not lie in memory in the order of its axes.",
            fix="Make it contiguous before the step: x = x.contiguous().",
        )
    return x  # type: ignore[no-any-return]
