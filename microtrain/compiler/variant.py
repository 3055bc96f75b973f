"""One compiled form of a step: for one set of shapes, dtypes and settings. It runs as long as its guards hold."""

from __future__ import annotations

import ctypes
import sys
import time
from array import array
from typing import Any

import numpy as np

from ..engine.node import memory_of
from ..engine.recording import MODE
from ..errors import ArgumentError, IndexingError
from ..kernels.layout import address
from ..kernels.loading import SIGNATURE
from ..kernels.program import Program as Machine
from ..tensor import Tensor, wrap
from . import blas
from .arrays import Apply, Array, InPython, Product
from .emit import Emitter, native_hash
from .guards import Guards
from .numbers import Numbers
from .plan import ARENA, STATUS, Plan, make_plan
from .program import Call, Draw, Program, Update, Value
from .tiles import Tiles

_nothing = ctypes.create_string_buffer(16)  # where a function would put its result and its exception
NOTHING = ctypes.addressof(_nothing)
BLOCK = 1024  # steps that repeat() prepares numbers for at a time


class Stale(Exception):  # noqa: N818
    """The step is not any more what was compiled: run it eagerly, and look again."""


class _Place:
    """Memory as NumPy's array interface describes it; it lives as long as its owner."""

    def __init__(self, owner: Any, address: int, shape: Any, strides: Any, dtype: str) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "data": (address, False), "shape": tuple(shape), "strides": strides, "typestr": dtype, "version": 3,
        }  # fmt: skip


class _Watched:
    """A tensor from outside, and its array when we looked last."""

    __slots__ = ("data", "kind", "slot", "tensor", "tracked")

    def __init__(self, tensor: Any, slot: int) -> None:
        data = tensor._array()
        self.tensor, self.slot, self.tracked = tensor, slot, tensor._tracked
        self.data, self.kind = data, (data.shape, data.dtype, data.strides)


class Variant:
    """The machine code of a captured program, and the memory it works on."""

    def __init__(self, program: Program, title: str, step: Any) -> None:
        self.program = program
        self.changed = ""  # what a guard found
        for op in program.ops:
            if isinstance(op, Update) and op.bucket.views:
                op.bucket._gather()  # parameters that others looked at while the step ran
        start = time.perf_counter()
        self.plan: Plan = make_plan(program)
        found = blas.find()
        self.emitter = emitter = Emitter(self.plan, found.width)
        self.source = emitter.emit()
        self.planned_in = time.perf_counter() - start
        start = time.perf_counter()
        code = "\n".join(line for line in self.source.splitlines() if not line.lstrip().startswith("# "))
        self.machine = Machine(title, code + "\n")  # comments name lines, which move without changing anything
        self.call = SIGNATURE(self.machine.address)
        self.compiled_in = time.perf_counter() - start
        self.count = emitter.extra
        self.operands = array("q", [0] * (2 * self.count))
        self.place = self.operands.buffer_info()[0]
        self.arrays: dict[int, np.ndarray[Any, Any]] = {}  # slot: what lies there now
        self.calls = 0
        self.tiles: dict[Product, Tiles] = {}
        self._fill(found)
        self._guards(step)

    # ---- setting up --------------------------------------------------------------------------------------------------

    def _fill(self, found: blas.Blas) -> None:
        """Everything whose place stays the same from call to call."""
        arena = np.zeros(self.plan.arena + 64, np.uint8)
        start = -arena.ctypes.data % 64
        self._set(ARENA, arena[start : start + max(1, self.plan.arena)])
        for kind, slot in self.emitter.blas.items():
            self.operands[slot] = found.dgemm if kind == "f64" else found.sgemm
        for slot, numbers in getattr(self.emitter, "settings", []):
            for k, (value, dtype) in enumerate(numbers):
                self._set(slot + k, np.array([value], dtype))
        self.outside: list[_Watched] = []
        self.inputs: list[tuple[int, int, Any, Any]] = []  # (argument, slot, shape, dtype)
        self.grads_in: list[tuple[Any, int]] = []  # (leaf, slot): the gradient that is there before
        self.draws: dict[int, int] = {}  # place in the prelude: slot
        self.numbers: list[Numbers] = []
        self.updates: list[Update] = []
        self.outs: list[tuple[int, Any]] = []
        flats: dict[int, Any] = {}
        for source, memory in self.plan.sources:
            slot = memory.slot
            if isinstance(source, Value):
                if source.kind == "argument":
                    self.inputs.append((source.source, slot, source.shape, source.dtype))
                elif source.kind == "tensor":
                    self.operands[slot] = source.source._array().ctypes.data
                    self.arrays[slot] = source.source
                    self.outside.append(_Watched(source.source, slot))
                elif source.kind == "grad":
                    self.grads_in.append((source.source, slot))
                elif source.kind == "drawn":
                    self.draws[source.source] = slot
                else:
                    self._set(slot, source.source)
                continue
            what, which = source
            if what == "output":
                buffer = np.zeros(self.plan.outputs[which].shape, memory.dtype)
                self._set(slot, buffer)
                self.outs.append((slot, buffer))
            elif what == "gradient":
                self._set(slot, np.zeros(memory.size, memory.dtype))
            elif what == "p":
                bucket = which.bucket
                self._set(slot, bucket.p if bucket.views else _dense(bucket.params[0]._array(), None))
                self.updates.append(which)
            elif what == "g":
                flats[id(which)] = np.zeros(memory.size, memory.dtype)
                self._set(slot, flats[id(which)])
            elif what == "numbers":
                self.numbers.append(Numbers(which, slot, memory.size))
                self.operands[slot] = self.numbers[-1].place
            else:
                self._set(slot, _dense(which.bucket.state[what], None))
        for update in self.updates:  # parameters that nothing but the update reads are watched too
            for p in update.bucket.params:
                self.outside.append(_Watched(p, -1))
        update_where = next((u.where for u in self.updates), (Variant._fill.__code__, 0))
        self.grads_out: list[Any] = []  # [leaf, the tensor in its .grad]
        for leaf, place in self.plan.gradients:
            if place is None:
                self.grads_out.append([leaf, None])
                continue
            memory = place.memory
            if memory.outside and any(slot == memory.slot for _, slot in self.grads_in):
                continue  # added to what was there, in its place
            self.grads_out.append([leaf, wrap(self._view(place))])
        self.memories: list[tuple[Any, Any]] = []  # what the step writes, and what messages say of it
        for update in self.updates:
            writer = (type(update.optimizer).__name__, update.where)
            self.memories += [(memory_of(p), writer) for p in update.bucket.params]
        self.memories += [(memory_of(t), ("backward", update_where)) for _, t in self.grads_out if t is not None]
        for home, _ in self.program.stores:
            if isinstance(home.source, Tensor) and home.kind == "tensor":
                self.memories.append((memory_of(home.source), ("a compiled step", update_where)))
        self.counters = [(u.bucket.scalars, u.bucket.states) for u in self.updates]
        self.optimizers = [item for item in self.program.prelude if not isinstance(item, (Draw, Call))]

    def _set(self, slot: int, x: Any) -> None:
        self.arrays[slot] = x
        self.operands[slot] = x.ctypes.data

    def _view(self, x: Array) -> np.ndarray[Any, Any]:
        """The elements of an array of the plan, as an array of NumPy's. What holds the memory is in `arrays`."""
        size = np.dtype(x.dtype).itemsize
        return np.asarray(_Place(
            self.arrays[x.memory.slot], self.operands[x.memory.slot] + (x.memory.offset + x.offset) * size, x.shape,
            tuple(s * size for s in x.strides), np.dtype(x.dtype).str,
        ))  # fmt: skip

    # ---- guards ------------------------------------------------------------------------------------------------------

    def _guards(self, step: Any) -> None:
        self.grad_mode = MODE.get().grad
        self.rules = [
            (u, u.optimizer._buckets[u.group], u.bucket.rule, groups[u.group], len(groups))
            for u in self.updates
            for groups in (u.optimizer.param_groups,)
        ]
        self.before = [(leaf, how) for leaf, _, how in self.program.gradients if how != "any"]
        self.guards = Guards(step)
        self._write_guard()

    def _write_guard(self) -> None:
        """All that can be seen at a glance, as one expression: it is looked at before every step."""
        given: list[Any] = []

        def x(value: Any) -> str:
            given.append(value)
            return f"x{len(given) - 1}"

        tests = [f"mode().grad is {self.grad_mode}"]
        tests += [f"{x(leaf)}._grad is {'None' if how == 'none' else 'not None'}" for leaf, how in self.before]
        for watched in self.outside:
            t = x(watched.tensor)
            tests.append(f"{t}._data is {x(watched.data)} and {t}._tracked is {watched.tracked}")
        for update, buckets, rule, group, count in self.rules:
            o = x(update.optimizer)
            tests.append(f"{o}._buckets.get({update.group}) is {x(buckets)} and len({o}.param_groups) == {count}")
            tests.append(f"{o}.rule_for({x(group)}) is {x(rule)}")
        tests += self.guards.tests(x)
        names = ", ".join(["mode", *(f"x{k}" for k in range(len(given)))])
        namespace: dict[str, Any] = {}
        exec(f"def glance({names}):\n    return lambda: " + " and ".join(tests), namespace)
        self._glance = namespace["glance"](MODE.get, *given)

    def holds(self) -> bool:
        """Is everything still as it was captured?"""
        try:
            if self._glance() and not self._others():
                return True
        except (KeyError, ValueError):
            pass
        return self._looked_at_closely()

    @property
    def obsolete(self) -> bool:
        """Can it never run again, because an optimizer has put its parameters elsewhere?"""
        return any(u.optimizer._buckets.get(u.group) is not buckets for u, buckets, *_ in self.rules)

    def _others(self) -> bool:
        """Have parameters got a gradient that had none?"""
        for _, buckets, _, _, _ in self.rules:
            if buckets.others and any(p._grad is not None for p in buckets.others):
                return True
        return False

    def _looked_at_closely(self) -> bool:
        if MODE.get().grad != self.grad_mode:
            return False
        for leaf, how in self.before:
            if (leaf._grad is None) != (how == "none"):
                return False
        for update, buckets, rule, group, count in self.rules:
            optimizer = update.optimizer
            if optimizer._buckets.get(update.group) is not buckets:
                return False
            if optimizer.rule_for(group) is not rule:
                return False
            if group.get("maximize", False) != update.negate or len(optimizer.param_groups) != count:
                return False
        if self._others():
            return False
        self.changed = self.guards.changed()
        if self.changed:
            return False
        for watched in self.outside:
            tensor = watched.tensor
            if tensor._tracked != watched.tracked:
                return False
            if tensor._data is not watched.data:
                now = tensor._array()
                if watched.slot < 0 or (now.shape, now.dtype, now.strides) != watched.kind:
                    return False
                self.operands[watched.slot] = now.ctypes.data
                watched.data = now
        self._write_guard()
        return True

    # ---- a step ------------------------------------------------------------------------------------------------------

    def run(self, arguments: list[Any]) -> list[Any]:
        """One step; the values of the outputs. Raises `Stale` for labels that the compiled step does not take."""
        operands = self.operands
        for k, slot, _, _ in self.inputs:
            x = arguments[k]
            if isinstance(x, Tensor):
                x = x._data if x._data.__class__ is np.ndarray else x._array()
            if self.arrays.get(slot) is not x:
                if not x.flags.c_contiguous:
                    x = np.ascontiguousarray(x)
                self.arrays[slot] = x
                operands[slot] = address(x)
        for leaf, slot in self.grads_in:
            self._set(slot, leaf._grad._array())
        self._prelude()
        if self.emitter.python:
            self._run_in_pieces()
        else:
            self.call(NOTHING, NOTHING, 1, self.place)
        if operands[STATUS]:
            operands[STATUS] = 0
            self._undo()
            raise Stale
        self._leave()
        self.calls += 1
        return [buffer[()] if not buffer.ndim else buffer.copy() for _, buffer in self.outs]

    def _prelude(self) -> None:
        """What is done in Python before the machine code: random draws, schedulers, the numbers of the rules."""
        for k, item in enumerate(self.program.prelude):
            if isinstance(item, Draw):
                drawn = item.function(*item.args, **item.kwargs)
                if k in self.draws:
                    self._set(self.draws[k], np.ascontiguousarray(drawn._data if isinstance(drawn, Tensor) else drawn))
            elif isinstance(item, Call):
                item.function(*item.args)
            else:
                item.steps += 1
                item.prepare()
                for numbers in self.numbers:
                    if numbers.update.optimizer is item:
                        numbers.next()

    def _leave(self) -> None:
        """Tell the rest of the library what was written."""
        for leaf, tensor in self.grads_out:
            leaf._grad = tensor
        for memory, writer in self.memories:
            memory.version += 1
            memory.writer = writer
        for scalars, states in self.counters:
            if len(scalars) > 1:
                for state in states:
                    state.update(scalars)
            else:
                step = scalars["step"]
                for state in states:
                    state["step"] = step
        for leaf, _ in self.grads_in:
            memory_of(leaf._grad).version += 1

    def _undo(self) -> None:
        for optimizer in self.optimizers:
            optimizer.steps -= 1
        for update in self.updates:
            update.bucket.scalars["step"] -= 1

    def protect(self) -> None:
        """Gradients that somebody else still looks at are left to him; the next step writes elsewhere."""
        for pair in self.grads_out:
            tensor = pair[1]
            if tensor is not None and (sys.getrefcount(tensor) > 4 or sys.getrefcount(tensor._data) > 2):
                data, memory = tensor._data, tensor._memory
                tensor._data = data.copy()
                pair[1] = wrap(data)
                self.memories = [(m, w) if m is not memory else (memory_of(pair[1]), w) for m, w in self.memories]

    def _run_in_pieces(self) -> None:
        for k in range(len(self.emitter.segments)):
            self.call(NOTHING, NOTHING, -1 - k, self.place)
            if self.operands[STATUS]:
                return
            if k < len(self.emitter.python):
                self._in_python(self.emitter.python[k])

    def _in_python(self, step: InPython | Apply | Product) -> None:
        if isinstance(step, Product):
            if step not in self.tiles:
                self.tiles[step] = Tiles(step, native_hash())
            self.tiles[step].run(self.place)
            return
        if isinstance(step, Apply):  # a large one: the optimizer's own kernel, shared among threads
            bucket, negate = step.update.bucket, step.update.negate
            (numbers,) = [numbers.row for numbers in self.numbers if numbers.update is step.update]
            p, g, *state = [self._view(x) for x in (step.p, step.g, *step.state)]
            bucket.rule.update(p, -g if negate else g, state, numbers.tolist()[: len(bucket.rule.hyper)])
            return

        with np.errstate(all="ignore"):
            result = step.row.forward(
                *map(self._arrays, step.args), **{name: self._arrays(x) for name, x in step.params.items()}
            )
        self._view(step.out)[...] = result

    def _arrays(self, x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(self._arrays, x))
        return self._view(x) if isinstance(x, Array) else x

    # ---- many steps --------------------------------------------------------------------------------------------------

    def run_many(
        self, n: int, arguments: list[Any], advance: dict[int, int], records: list[np.ndarray[Any, Any]]
    ) -> None:
        """n steps. `advance` has the bytes from one step's argument to the next; `records` gets the outputs."""
        operands, count = self.operands, self.count
        for k, slot, _, _ in self.inputs:
            x = arguments[k]
            x = np.ascontiguousarray(x._array() if isinstance(x, Tensor) else x)
            self._set(slot, x)
            operands[count + slot] = advance.get(k, 0)
        for leaf, slot in self.grads_in:
            self._set(slot, leaf._grad._array())
        for (slot, _), record in zip(self.outs, records, strict=True):
            operands[slot] = record.ctypes.data
            operands[count + slot] = record.strides[0] if len(record) else 0
        try:
            done = 0
            while done < n:
                block = min(BLOCK, n - done)
                keep = self._prepare(block)
                self.call(NOTHING, NOTHING, block, self.place)
                if operands[STATUS]:
                    raise IndexingError("A label is not one of the classes.", fix="Labels are 0 ... C - 1.")
                del keep
                done += block
        finally:
            operands[STATUS] = 0
            for slot, buffer in self.outs:
                operands[slot], operands[count + slot] = buffer.ctypes.data, 0
            for numbers in self.numbers:
                operands[numbers.slot], operands[count + numbers.slot] = numbers.place, 0
            for slot in self.draws.values():
                operands[count + slot] = 0
            for _, slot, *_ in self.inputs:
                operands[count + slot] = 0
            self._leave()

    @property
    def repeatable(self) -> bool:
        """Can many steps be done in one call?"""
        return not self.emitter.python and not any(map(_prepares, self.optimizers)) and not self.grads_in

    def _prepare(self, block: int) -> Any:
        """The numbers and draws of so many steps, as tables; what has to stay alive."""
        operands, count = self.operands, self.count
        tables: dict[int, Any] = {}
        if not self.draws and not any(isinstance(item, Call) for item in self.program.prelude):
            for optimizer in self.optimizers:
                optimizer.steps += block
            for numbers in self.numbers:
                tables[numbers.slot] = numbers.table(block)
        else:
            for k in range(block):
                self._prelude()
                for numbers in self.numbers:
                    table = tables.setdefault(numbers.slot, np.empty((block, max(1, len(numbers.row)))))
                    table[k] = numbers.row
                for slot in self.draws.values():
                    drawn = self.arrays[slot]
                    tables.setdefault(slot, np.empty((block, *drawn.shape), drawn.dtype))[k] = drawn
        for slot, table in tables.items():
            operands[slot], operands[count + slot] = table.ctypes.data, table.strides[0] if len(table) > 1 else 0
        return tables


def _prepares(optimizer: Any) -> bool:
    """Does it do more before a step than work out numbers?"""
    return bool(type(optimizer).prepare.__qualname__ != "Optimizer.prepare")


def _dense(x: Any, value: Any) -> np.ndarray[Any, Any]:
    """The memory itself; it must lie in order."""
    if not x.flags.c_contiguous:
        raise ArgumentError(
            f"mt.compile: a tensor from outside of shape {x.shape} does not lie in memory in the order of its axes.",
            fix="Make it contiguous before the step: x = x.contiguous().",
        )
    return x  # type: ignore[no-any-return]
