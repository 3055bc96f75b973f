"""One compiled form of a step: for one set of shapes, dtypes and settings. It runs as long as its guards hold."""

from __future__ import annotations

import ctypes
import sys
import time
from functools import partial
from typing import Any

import numpy as np

from ..engine.node import count_writes, memory_of
from ..kernels import blas
from ..kernels.blas import one_thread_each
from ..kernels.layout import address
from ..kernels.loading import NOTHING, SIGNATURE, bound
from ..kernels.program import MachineCode
from ..tensor import Tensor, wrap
from . import many
from .aliases import Aliases
from .emit import Emitter
from .loop import without_comments
from .numbers import Numbers
from .operands import GradOut, Operands
from .pieces import Pieces
from .plan import STATUS, make_plan
from .program import Call, Draw, Program, Update
from .tried import Tried
from .watch import Watch


class Stale(Exception):  # noqa: N818
    """The step is not any more what was compiled: run it eagerly, and look again."""


class Variant(Operands):
    """The machine code of a captured program, and (as `Operands`) the memory it works on.

    It is its operands, and does not have them, because a step asks for a dozen of their attributes.
    """

    def __init__(self, program: Program, title: str, step: Any, arguments: list[Any]) -> None:
        for op in program.ops:
            if isinstance(op, Update) and op.bucket.views:
                op.bucket._gather()  # parameters that others looked at while the step ran
        start = time.perf_counter()
        plan = make_plan(program)
        emitter = Emitter(plan, blas.find().width)
        self.source = emitter.emit()
        self.planned_in = time.perf_counter() - start
        self.machine = MachineCode(title, without_comments(self.source))
        super().__init__(program, plan, emitter)
        self.native, self.pointer = SIGNATURE(self.machine.address), ctypes.c_void_p(self.address)
        self.once = bound(self.machine.address, 1, self.address)
        # Only where there are some, for they refer back to this object: its memory stays until a garbage collection.
        self.pieces = Pieces(self, emitter, self.native, self.pointer) if emitter.python else None
        self.alone = emitter.alone or bool(emitter.python)
        self.results = [buffer.copy if buffer.ndim else partial(buffer.__getitem__, ()) for _, buffer in self.outs]
        self.leaves_something = bool(self.grads_in or self.grads_new or self.writes)
        self.calls = 0  # steps that were done
        self.taken: list[Any] | None = None  # the arguments of the last step
        self.before: list[tuple[Any, list[Numbers] | None, bool]] = [  # (optimizer, its numbers, does it prepare?)
            (item, None, False)
            if isinstance(item, (Call, Draw))
            else (item, [n for n in self.numbers if n.update.optimizer is item], many.prepares(item))
            for item in program.prelude
        ]
        self.watch = Watch(program, self.updates, self.outside, step, self.addresses)
        self.holds = self.watch.holds
        self.aliases = Aliases(program, self.updates, self.watch.guards.tensors, arguments)
        self.watch.guards.tensors = []
        self.repeatable = many.repeatable(self)
        self.tried = Tried(arguments, {value.source for value in program.used() if value.kind == "argument"})

    # ---- a step ------------------------------------------------------------------------------------------------------

    def run(self, arguments: list[Any]) -> list[Any]:
        """One step; the values of the outputs. Raises `Stale` for labels that the compiled step does not take."""
        addresses = self.addresses
        if arguments is not self.taken:
            self.take(arguments)
        if self.grads_in:
            self.take_gradients()
        if self.with_floats:
            self.take_floats(arguments)
        if self.before:
            self.prelude()
        if self.alone:
            self.call_native(1)
        else:
            self.once()
        if addresses[STATUS]:
            addresses[STATUS] = 0
            self._undo()
            raise Stale
        if self.leaves_something:
            self.leave()
        self.calls += 1
        return [result() for result in self.results]

    def take_gradients(self) -> None:
        """Have the machine code read the gradients that are there.

        Those of the last step are where this step's will be. The plan knows them as two arrays: loops may read the old
        one late, and those with sines do all twice. So they are read from a copy.
        """
        ours = {address(out.tensor._data) for out in self.grads_out if out.place}
        for leaf, slot in self.grads_in:
            x = leaf._grad._array()
            self.set(slot, x.copy() if address(x) in ours else x)

    def take(self, arguments: list[Any]) -> None:
        """Have the machine code work on these tensors and arrays."""
        self.taken = arguments
        for k, slot, _, _ in self.inputs:
            x = arguments[k]
            if isinstance(x, Tensor):
                x = x._data if x._data.__class__ is np.ndarray else x._array()
            if self.arrays.get(slot) is not x:
                if not x.flags.c_contiguous or k in self.aliases.copied:
                    x = np.array(x, order="C")
                    self.taken = None  # a copy, to be made anew for each step
                self.arrays[slot] = x
                self.addresses[slot] = address(x)

    def call_native(self, n: int) -> None:
        """The machine code, for n steps. A step with pieces of Python in between is done in pieces."""
        if not self.alone:
            self.native(NOTHING, NOTHING, n, self.pointer)
            return
        with one_thread_each:
            if self.pieces is not None:
                self.pieces.run()
            else:
                self.native(NOTHING, NOTHING, n, self.pointer)

    def take_floats(self, arguments: list[Any]) -> None:
        """Work out the numbers that are made of floats among the arguments."""
        for how, buffer in self.floats:
            buffer[()] = how(arguments)
        for setting in self.program.settings:
            setting.group[setting.key] = setting.value(arguments)

    def prelude(self) -> None:
        """What is done in Python before the machine code: random draws, schedulers, the numbers of the rules."""
        counted: list[Numbers] = []
        try:
            for k, (item, numbers, prepares) in enumerate(self.before):
                if numbers is not None:
                    item.steps += 1
                    if prepares:
                        item.prepare()
                    for each in numbers:
                        each.next()
                        counted.append(each)
                elif isinstance(item, Call):
                    item.function(*item.args)
                else:
                    drawn = item.function(*item.args, **item.kwargs)
                    if k in self.draws:
                        data = drawn._data if isinstance(drawn, Tensor) else drawn
                        self.set(self.draws[k], np.ascontiguousarray(data))
        except BaseException:  # a schedule has no rate for this step, say
            for each in counted:
                each.take_back()
            raise

    def leave(self) -> None:
        """Tell the rest of the library what was written."""
        if self.grads_in:  # gradients are added to those that were there, in their place
            count_writes([memory_of(leaf._grad) for leaf, _ in self.grads_in if leaf._grad is not None], self.backward)
        for out in self.grads_new:
            out.leaf._grad = out.tensor
        for memories, writer in self.writes:
            count_writes(memories, writer)
        for update in self.updates:
            update.bucket.written_back = False
        for optimizer in self.optimizers:
            if optimizer._seen:
                optimizer.write_back()

    def _undo(self) -> None:
        for optimizer in self.optimizers:
            optimizer.steps -= 1
        for each in self.numbers:
            each.take_back()

    def protect(self) -> None:
        """Gradients that somebody else still looks at are left to him; the next step writes elsewhere."""
        references = sys.getrefcount
        for out in self.grads_out:
            tensor = out.tensor
            if tensor is None:
                continue
            ours = 3 + (out.leaf._grad is tensor)  # `out`, the name, the argument, and the leaf if it still has it
            if references(tensor) > ours or references(tensor._data) > 2:
                self._let_go(out)

    def _let_go(self, out: GradOut) -> None:
        data = out.tensor._data
        if out.place and sys.getrefcount(data) > 3:  # a view, or a graph: the memory is his
            self._leave_memory(out.place.memory.slot)
        else:  # the tensor alone: a copy will do
            out.tensor._data = data.copy()
            self._exchange(out, data)

    def _leave_memory(self, slot: int) -> None:
        """Have the machine code work on fresh memory instead of that of these gradients."""
        self.set(slot, np.zeros_like(self.arrays[slot]))
        for out in self.grads_out:
            if out.place and out.place.memory.slot == slot:
                self._exchange(out, self.view(out.place))

    def _exchange(self, out: GradOut, data: Any) -> None:
        """From now on this array is a leaf's gradient."""
        before, out.tensor = out.tensor._memory, wrap(data)
        for memories, _ in self.writes:
            memories[:] = [memory_of(out.tensor) if m is before else m for m in memories]
