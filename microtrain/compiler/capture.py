"""Capture: what a step does, written down while it runs.

The step runs as always, on real numbers. A listener at `Tensor.apply`, the one door of all operations, hears each of
them and notes which values went in and which came out. Three things go past that door and are heard elsewhere:

* The backward pass computes with arrays. For every edge that the walk takes, the recorder reads the same formula (the
  row's vjp) once more with tensors, and those do go through the door. So the backward pass becomes rows of the table
  like the forward pass, and nothing has to be known about derivatives here.
* Optimizers write to the parameters. They say so beforehand (`update`), and the rule is a formula that can be read.
* Random numbers are drawn by functions that tell the recorder how to draw again (`random.drawing`).

A number that leaves the tensors (`item()`, `if loss < 1`) would be frozen into the compiled step: it is refused, with
the line. What is computed past all of this (a counter, NumPy's random numbers) is found by capturing twice: the
second run of the step must do exactly what the first did.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.node import Node, memory_of
from ..engine.recording import listen, no_grad
from ..engine.sites import call_site, site_of
from ..engine.walk import NO_GRADIENT
from ..errors import CompileError
from ..ops.reductions import sum_to
from ..tensor import Tensor, wrap
from .program import Call, Draw, Op, Program, Update, Value

EAGERLY = "Leave it out of the compiled step: return the tensor, and look at it where compiled(...) is called."


class _Looked(Exception):  # noqa: N818
    """A derivative looks at values (how close to singular a matrix is, say)."""


class _Place:
    """Stands for an array among what was kept."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place)

    __hash__ = None  # type: ignore[assignment]


class _Derivative:
    """A vjp as a row: done by NumPy as a whole."""

    elementwise = view = False

    def __init__(self, name: str, vjp: Any) -> None:
        self.name, self.vjp = name, vjp

    def forward(self, g: Any, *arrays: Any, kept: Any, params: Any) -> Any:
        rest = iter(arrays)
        return self.vjp(g, [next(rest) if isinstance(x, (_Place, Tensor)) else x for x in kept], params)


_derivatives: dict[Any, _Derivative] = {}


def _derivative_of(row: Any, plan: Any, slot: int) -> _Derivative:
    key = (row, plan.wanted, slot)
    if key not in _derivatives:
        _derivatives[key] = _Derivative(f"derivative of {row.name}", plan.vjps[slot])
    return _derivatives[key]


class Recorder:
    """Listens to one run of a step. See `recording.listen` for when the methods are called."""

    compiles = True  # code that could compute in NumPy as well uses operations, see `nn.utils`

    def __init__(self, arguments: list[Any], leaves: Sequence[Any] = (), outside: Sequence[Any] = ()) -> None:
        self.had = {id(leaf) for leaf in leaves if leaf._grad is not None}  # those that begin with a gradient
        self.program = Program()
        self.phase = "forward"
        self.site: Any = None  # while the backward pass is read again: the line of the operation it belongs to
        self.alive: list[Any] = []  # an object that is still there has its id to itself
        self.current: dict[int, Value] = {}  # id of a tensor: its value now
        self.by_data: dict[int, Value] = {}  # id of an array: the value in it
        self.holders: dict[Value, Any] = {}  # a tensor of this value, to read formulas with
        self.home: dict[int, Value] = {}  # id of memory outside: what it held when the step began
        self.stores: dict[Value, Value] = {}
        self.stale: dict[int, str] = {}  # id of a tensor whose memory was written through another
        self.op_of: dict[Node, Op] = {}
        self.arrived: dict[Any, Any] = {}  # during a backward pass: node or leaf -> the gradient so far, a tensor
        self.totals: dict[Any, Any] = {}
        self.node: Any = None
        self.reading_vjp = self.walking = False
        self.leaves: dict[int, tuple[Any, str]] = {}
        self.heard: dict[int, int] = {}  # id of a Memory: the writes to it that were heard
        self.seen: dict[int, tuple[Any, int, int]] = {}  # id of a tensor: its Memory, version and writes heard by then
        self.went_backward = False
        self.known = [(x, x._memory, _version(x)) for x in outside if isinstance(x, Tensor)]
        for k, x in enumerate(arguments):
            value = self._new("argument", x.shape, x.dtype, k, getattr(x, "_name", "") or f"argument {k}")
            self.program.arguments.append(value)
            self._bind(x, value, outside=True)

    # ---- values ------------------------------------------------------------------------------------------------------

    def _new(self, kind: str, shape: Any, dtype: Any, source: Any, name: str = "") -> Value:
        value = Value(kind, shape, dtype, source, len(self.program.values), name)
        self.program.values.append(value)
        return value

    def _bind(self, x: Any, value: Value, outside: bool = False) -> None:
        """This object has this value from now on; or it is `outside`, and its memory held this when the step began."""
        self.alive.append(x)
        if outside:
            self.home[id(x)] = value
        if isinstance(x, Tensor):
            self.current[id(x)] = value
            self.seen[id(x)] = (x._memory, _version(x), self.heard.get(id(x._memory), 0))
            if outside and x._tracked:  # no reference to its array: an optimizer may want to move it
                self.holders.setdefault(value, x)
                return
            self.alive.append(x._data)
            self.by_data[id(x._data)] = value
            self.holders.setdefault(value, x)
        else:
            self.by_data[id(x)] = value

    def value_of(self, x: Any) -> Any:
        """The value of an input of an operation; Python's numbers stay what they are."""
        if isinstance(x, Tensor):
            found = self.current.get(id(x))
            if found is None or id(x) in self.stale:
                found = self._find(x)
                self._bind(x, found, outside=found.source is x)
            return found
        if isinstance(x, np.ndarray):
            found = self.by_data.get(id(x))
            if found is None:
                found = self._new("array", x.shape, x.dtype, x)
                self._bind(x, found, outside=True)
            return found
        if isinstance(x, np.generic):
            return self.by_data.get(id(x), x)
        return x

    def _find(self, x: Any) -> Value:
        if id(x) in self.stale:
            raise self.refusal(
                f"A tensor is read whose memory was written by '{self.stale[id(x)]}' through another one.",
                "The compiled step does not follow writes from one view to another.",
                "Make a new tensor instead of writing in place.",
            )
        data = x._data
        found = self.by_data.get(id(data))
        if found is not None:
            return found
        data = x._array()  # from now on its memory stays the same
        for other in self.alive:  # detach() and data share memory; a number may have become an array
            if not isinstance(other, Tensor) or id(other) not in self.current:
                continue
            if other._data is data or (
                x._memory is not None and other._memory is x._memory and _same_place(other._data, data)
            ):
                return self.current[id(other)]
        return self._new("tensor", x.shape, x.dtype, x, x._name)

    def constant(self, number: Any) -> Any:
        """A tensor that stands for a number."""
        tensor = wrap(np.asarray(number))
        self._bind(tensor, self._new("made", tensor.shape, tensor.dtype, tensor._data))
        return tensor

    def where(self) -> Any:
        """The line of the learner's program that is running."""
        return self.site or site_of(call_site(3))

    def refusal(self, what: str, why: str, fix: str = EAGERLY) -> CompileError:
        return CompileError(f"mt.compile: {what}\n  at: {self.where()}", why, fix)

    # ---- the forward pass --------------------------------------------------------------------------------------------

    def forward(self, primitive: Any, inputs: Any, params: dict[str, Any], output: Any, node: Any) -> None:
        """An operation was done."""
        if type(primitive).__name__ == "Call":
            raise self.refusal(
                f"'{primitive.name}' is a Function of your own.",
                "Its forward and backward are Python code, which the compiled step can't contain.",
                "Write it with microtrain's operations, or as a formula: mt.elementwise(...).",
            )
        kept = {name: self._param(primitive, x) for name, x in params.items() if name != "saved"}
        value = self._new("result", output.shape, output.dtype, None)
        op = Op(primitive, [self.value_of(x) for x in inputs], kept, value, self.where(), self.phase)
        self.program.ops.append(op)
        self._bind(output, value)
        if node is not None:
            self.op_of[node] = op

    def _param(self, primitive: Any, x: Any) -> Any:
        """A setting of an operation. Arrays among the indices are values, if they are known."""
        if isinstance(x, tuple):
            return tuple(self._param(primitive, part) for part in x)
        if isinstance(x, np.ndarray) and id(x) in self.by_data:
            return self.by_data[id(x)]
        if isinstance(x, np.ndarray) and not _is_ramp(x) and any(v.dtype.kind in "iub" for v in self.program.arguments):
            raise self.refusal(
                f"'{primitive.name}' uses an index of shape {x.shape} that was computed outside the operations.",
                "If it depends on the step's arguments, the compiled step would go on with the present one.",
                "Compute it before the step, outside of it, and pass it as an argument.",
            )
        return x

    def read(self, tensor: Any) -> None:
        """A number is about to leave the tensors."""
        if self.reading_vjp:
            raise _Looked
        if self.walking:
            raise self._hook("A hook changes a gradient on its way.")
        raise self.refusal(
            f"the value of a tensor of shape {tensor.shape} is taken out of the step (item(), if, numpy() ...).",
            "A compiled step is one function without Python in between: a branch, a message or a number made of this "
            "value would stay for ever what it is now.",
            "For a branch use mt.where(condition, a, b). To see a value, return the tensor and look at it outside: "
            "loss = compiled(x, y); loss.item(). With an optimizer that takes a closure compile that.",
        )

    def drawn(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Random numbers were drawn, by a function that draws the next ones when it is called again."""
        value = self._new("drawn", result.shape, result.dtype, len(self.program.prelude))
        self.program.prelude.append(Draw(function, args, kwargs, value))
        self._bind(result, value)

    def copied(self, index: Any, array: Any) -> None:
        """An index was copied."""
        if isinstance(index, (Tensor, np.ndarray)):
            self.alive.append(array)
            self.by_data[id(array)] = self.value_of(index)

    def called(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Something was done in Python that is to be done each step, before the numbers are asked for."""
        self.program.prelude.append(Call(function, args))

    # ---- writing in place --------------------------------------------------------------------------------------------

    def _hear(self, tensor: Any) -> None:
        self.alive.append(tensor._memory)
        self.heard[id(tensor._memory)] = self.heard.get(id(tensor._memory), 0) + 1

    def _check_writes(self) -> None:
        """Raise if memory was written by something that did not say so."""
        for x in [x for x in self.alive if isinstance(x, Tensor) and id(x) in self.seen]:
            memory, version, heard = self.seen[id(x)]
            now = self.heard.get(id(x._memory), 0)
            if memory is not None and x._memory is not memory:
                raise self._unheard(x)
            if _version(x) - version != now - (heard if memory is not None else 0) and x._memory is not None:
                raise self._unheard(x)
        for x, memory, version in self.known:
            if memory is not None and x._memory is not memory:
                raise self._unheard(x)
            if _version(x) - version != (self.heard.get(id(x._memory), 0)):
                raise self._unheard(x)

    def _unheard(self, tensor: Any) -> CompileError:
        what, where = tensor._memory.writer
        self.site = site_of(where)
        return self.refusal(
            f"'{what}' writes to a tensor in a way that can't be captured.",
            "It writes to the memory directly, past the operations.",
            "Write with operations, under mt.no_grad(): p -= lr * p.grad, p.copy_(values). With an optimizer that "
            "takes a closure compile that: optimizer.step(mt.compile(closure)).",
        )

    def write(self, tensor: Any, new: Any, what: str) -> None:
        """A tensor was overwritten with the result of an operation."""
        self._hear(tensor)
        before = self.value_of(tensor)
        if tensor._view is not None and tensor._view.base._data.shape != tensor._data.shape:
            raise self.refusal(
                f"'{what}' writes to a part of another tensor.",
                "The compiled step does not follow writes from one view to another.",
                "Write to the whole (x[...] = value on x itself), or make a new tensor (mt.where, mt.cat).",
            )
        value = self.value_of(new)
        if new.dtype != tensor.dtype or new.shape != tensor.shape:
            with self._reading():
                value = self.value_of(new.to(tensor.dtype).broadcast_to(tensor.shape))
        self._rebind(tensor, before, value, what)

    def _rebind(self, tensor: Any, before: Value, value: Value, what: str) -> None:
        data = tensor._array()
        for other in list(self.alive):
            if isinstance(other, Tensor) and other._memory is tensor._memory is not None and other is not tensor:
                if _same_place(other._data, data):
                    self.current[id(other)] = value
                else:
                    self.stale[id(other)] = what
        home = self.home.get(id(tensor)) or next(
            (
                self.home[id(o)]
                for o in self.alive
                if id(o) in self.home and isinstance(o, Tensor) and _same_place(o._data, data)
            ),
            None,
        )
        self.current[id(tensor)] = value
        if home is None:
            self.by_data[id(data)] = value
            self.alive.append(data)
        self.holders.setdefault(value, tensor)
        if home is not None:
            self.stores[home] = value

    # ---- the backward pass -------------------------------------------------------------------------------------------

    def begin(self, outputs: Any, seeds: Any) -> None:
        """A backward pass begins with these gradients of the outputs."""
        self.phase, self.went_backward = "backward", True
        self.arrived, self.totals, self.node, self.walking = {}, {}, None, True
        for y, seed in zip(outputs, seeds, strict=True):
            if isinstance(seed, Tensor):
                continue
            known = self.by_data.get(id(seed))
            g = self._tensor(known) if known is not None else self.constant(seed)
            root = y._node or y
            self._arrive(root, g)

    def backward(self, node: Any, slot: int, g: Any, gradient: Any) -> None:
        """The walk has taken one edge. The same once more with tensors, which is heard."""
        if isinstance(g, Tensor):
            return  # create_graph: the walk itself computes with tensors
        op = self.op_of.get(node)
        if op is None:
            raise self.refusal(
                f"The backward pass goes through '{node.primitive.name}' (made at {node.site}), before the step began.",
                "Only what happens inside the step is captured.",
                "Do the forward pass inside the step too, or detach() what comes from outside.",
            )
        self.site = op.site
        try:
            if node is not self.node:
                if node.hooks:
                    raise self._hook(f"A hook changes the gradient of '{node.primitive.name}'.")
                self.node = node
                self.totals[node] = self.arrived.pop(node)
            parent = node.parents[slot]
            with self._reading():
                part = self._part(node, slot, op)
                if part is NO_GRADIENT:
                    return
                if part.shape != parent.shape:
                    part = sum_to(part, parent.shape)
                if part.dtype != parent.dtype:
                    part = part.to(parent.dtype)
                self._arrive(parent, part)
        finally:
            self.site = None

    def _hook(self, what: str) -> CompileError:
        return self.refusal(
            what,
            "Hooks are Python code, which the compiled step can't contain.",
            "Remove the hook (handle.remove()), or write what it does as operations.",
        )

    def _part(self, node: Any, slot: int, op: Op) -> Any:
        """What a vjp gives, noted operation by operation; as a whole if it looks at values on its way."""
        g, kept, count = self.totals[node], self._kept(node, op), len(self.program.ops)
        self.reading_vjp = True
        try:
            return node.plan.vjps[slot](g, kept, node.params)
        except _Looked:
            del self.program.ops[count:]
        finally:
            self.reading_vjp = False
        tensors = [g, *(x for x in kept if isinstance(x, Tensor))]
        row = _derivative_of(node.primitive, node.plan, slot)
        result = wrap(np.asarray(row.forward(*(t._data for t in tensors), kept=kept, params=node.params)))
        kinds = tuple(_Place() if isinstance(x, Tensor) else x for x in kept)
        value = self._new("result", result.shape, result.dtype, None)
        whole = Op(
            row, [self.value_of(t) for t in tensors], {"kept": kinds, "params": node.params}, value, op.site, self.phase
        )
        self.program.ops.append(whole)
        self._bind(result, value)
        return result

    def _arrive(self, at: Any, part: Any) -> None:
        with self._reading():
            self.arrived[at] = self.arrived[at] + part if at in self.arrived else part

    def _kept(self, node: Any, op: Op) -> list[Any]:
        kept = []
        for kind, index, _ in node.plan.keep:
            x = op.out if kind == "output" else op.args[index]
            x = self._tensor(x) if isinstance(x, Value) else x
            kept.append(getattr(x, "shape", ()) if kind == "shape" else x)
        return kept

    def _tensor(self, value: Value) -> Any:
        """A tensor that has this value, and nothing else with it."""
        holder = self.holders.get(value)
        if holder is None or self.current.get(id(holder)) is not value or holder._tracked:
            data = holder._data if holder is not None else value.source if value.kind == "array" else None
            if data is None:
                data = np.zeros(value.shape, value.dtype)  # written over since; only its shape is needed
            holder = wrap(data.copy() if value.kind != "result" else data)  # the optimizer may want to move it
            self.alive.append(holder)
            self.current[id(holder)] = value
            self.holders[value] = holder
        return holder

    def _reading(self) -> Any:
        return no_grad()

    def found(self, found: dict[Any, Any]) -> None:
        """The backward pass has ended with these gradients."""
        self.walking = False
        for at, g in found.items():
            total = self.totals.get(at, self.arrived.get(at))
            if isinstance(at, Tensor) and at._hooks:
                raise self._hook("A hook changes the gradient of a leaf.")
            if total is not None and not isinstance(g, Tensor):
                self.alive.append(g)
                self.by_data[id(g)] = self.value_of(total)

    def end(self) -> None:
        """The backward pass has ended."""
        self.arrived, self.totals, self.node = {}, {}, None

    def accumulate(self, tensor: Any, g: Any, create_graph: bool) -> None:
        """A gradient is about to be added to `tensor.grad`."""
        before = tensor._grad
        if id(tensor) not in self.leaves:
            fresh = before is not None and id(before) not in self.current and id(before._data) not in self.by_data
            self.leaves[id(tensor)] = (tensor, "tensor" if fresh else "any" if id(tensor) in self.had else "none")
            if fresh:
                value = self._new("grad", before.shape, before.dtype, tensor)
                self._bind(before, value, outside=True)
        if before is None or create_graph:
            return
        old = self.value_of(before)
        memory_of(before)
        self._hear(before)
        with self._reading():
            total = self._tensor(old) + self._tensor(self.value_of(g))
        self._rebind(before, old, self.value_of(total), "backward")
        self.alive.append(before)

    # ---- optimizers --------------------------------------------------------------------------------------------------

    def update(self, optimizer: Any, bucket: Any, gradients: Any, numbers: Any, negate: bool) -> None:
        """An optimizer is about to update the parameters of a bucket."""
        self.phase = "step"
        group = next(k for k, buckets in optimizer._buckets.items() if bucket in buckets.buckets)
        if not any(e is optimizer for e in self.program.prelude):
            self.program.prelude.append(optimizer)
        elif any(isinstance(op, Update) and op.bucket is bucket for op in self.program.ops):
            raise self.refusal(
                f"{type(optimizer).__name__} makes two steps in one.",
                "The numbers of its rule are worked out once for each call of the compiled step.",
                "Compile a step with one optimizer.step(), and call it twice.",
            )
        if type(optimizer).update.__qualname__ != "Optimizer.update":
            raise self.refusal(
                f"{type(optimizer).__name__} looks at values between its steps.",
                "What it does next depends on numbers, so it is no one sequence of operations.",
                "Compile the forward and backward pass only, and call optimizer.step() outside.",
            )
        params = [self.value_of(p) for p in bucket.params]
        for p in bucket.params:
            self._hear(p)
        found = [self.value_of(p._grad) for p in bucket.params]
        outs: list[Value] = []
        update = Update(optimizer, group, bucket, negate, params, found, outs, self.where(), call_site(2), len(numbers))
        self.program.ops.append(update)
        for p in bucket.params:
            value = self._new("result", p.shape, p.dtype, None, p._name)
            outs.append(value)
            self.current[id(p)] = value
            self.holders.pop(value, None)
            for other in self.alive:
                if isinstance(other, Tensor) and other is not p and other._memory is p._memory is not None:
                    if _same_place(other._data, p._data):
                        self.current[id(other)] = value
                    else:
                        self.stale[id(other)] = type(optimizer).__name__

    def refused(self, what: str, why: str, fix: str) -> None:
        """Something that says of itself that it can't be captured."""
        raise self.refusal(what, why, fix)

    # ---- the end -----------------------------------------------------------------------------------------------------

    def finish(self, outputs: list[Any]) -> Program:
        """The program. `outputs` are the tensors that the step returned."""
        program = self.program
        for y in outputs:
            if y.requires_grad and not self.went_backward:
                raise CompileError(
                    "mt.compile: the step returns a tensor that requires grad, and never calls backward().",
                    "The compiled step would return its value without the graph, and the gradient would be lost.",
                    "Compile the whole step, with loss.backward() in it, or compute under mt.no_grad().",
                )
            program.outputs.append(self.value_of(y))
        for leaf, before in self.leaves.values():
            now = leaf._grad
            program.gradients.append((leaf, None if now is None else self.value_of(now), before))
        program.stores = [(home, value) for home, value in self.stores.items() if home is not value]
        self._check_writes()
        self._check_escapes(outputs)
        self._check_constants()
        return program

    def _check_constants(self) -> None:
        """Raise for an array that NumPy made in the step, and that may have been made of labels."""
        if any(v.dtype.kind in "iub" for v in self.program.arguments):
            for op in [op for op in self.program.ops if isinstance(op, Op)]:
                for v in op.args:
                    if (
                        isinstance(v, Value)
                        and v.kind == "made"
                        and v.dtype.kind in "iub"
                        and not _is_pattern(v.source)
                    ):
                        self.site = op.site
                        raise self.refusal(
                            f"'{op.row.name}' uses an array of shape {v.shape} that was made in the step, by NumPy.",
                            "If it depends on the arguments, the compiled step would go on with the present one.",
                            "Compute it with microtrain's operations, or before the step, and pass it as an argument.",
                        )

    def _check_escapes(self, outputs: list[Any]) -> None:
        """Raise if the step keeps a tensor that it made: the compiled step would not renew it."""
        known = {id(y) for y in outputs}
        grads = {id(leaf._grad) for leaf, _ in self.leaves.values()}
        made = [
            (weakref.ref(t), op.site)
            for t, op in ((self.holders.get(op.out), op) for op in self.program.ops if isinstance(op, Op))
            if t is not None and id(t) not in known and id(t) not in grads
        ]
        outside = [(v, weakref.ref(v.source)) for v in self.program.values if v.kind in ("tensor", "array")]
        data = {v: (v.source._data if isinstance(v.source, Tensor) else v.source) for v, _ in outside}
        for value, _ in outside:
            value.source = None
        self.known, self.seen, self.heard, self.home = [], {}, {}, {}
        self.alive, self.current, self.by_data, self.holders = [], {}, {}, {}
        self.op_of, self.arrived, self.totals, self.node = {}, {}, {}, None
        for value, reference in outside:
            source = reference()
            if isinstance(source, np.ndarray) and sys.getrefcount(source) <= ALONE:
                source = None  # only `data` has it
            if source is None:  # made in the step, and gone: a constant
                value.kind, value.source = "made", _kept(data[value])
            else:
                value.source = source
            del source
        data.clear()
        for reference, site in made:
            kept = reference()
            if kept is not None and not any(kept is v.source for v, _ in outside):
                raise CompileError(
                    f"mt.compile: the step keeps a tensor of shape {kept.shape} somewhere.\n  made at: {site}",
                    "The compiled step does not run the Python code that puts it there, so it would stay as it is now.",
                    "Return it from the step, and keep it where compiled(...) is called.",
                )


def _version(x: Any) -> int:
    return x._memory.version if x._memory is not None else 0


def _same_place(a: Any, b: Any) -> bool:
    """Are these the same elements of the same memory?"""
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return a is b
    return a.shape == b.shape and a.strides == b.strides and a.ctypes.data == b.ctypes.data


def _kept(x: Any) -> Any:
    """A copy; where one element stands for all it still does."""
    return np.broadcast_to(np.array(x.flat[0]), x.shape) if x.size and not any(x.strides) else np.array(x)


def _lonely() -> int:
    """The reference count of an array that only a dictionary and a variable have."""
    held = {0: np.empty(1)}
    source = weakref.ref(held[0])()
    return sys.getrefcount(source)


ALONE = _lonely()


def _is_pattern(x: Any) -> bool:
    """Is this made of the shape alone: one value everywhere, 0 1 2 ..., the identity or a triangle?"""
    if x.size <= 1 or not any(x.strides):
        return True
    if x.dtype.kind in "iu":
        return _is_ramp(x)
    if x.ndim < 2 or x.shape[-1] < 2:
        return False
    ones = np.ones(x.shape[-2:], bool)
    return any(
        np.array_equal(x, np.broadcast_to(p, x.shape)) for p in (np.tril(ones), np.triu(ones), np.eye(*ones.shape) > 0)
    )


def _is_ramp(x: Any) -> bool:
    """Evenly spaced integers, as np.arange makes them: a place, not a choice made by values."""
    flat = x.reshape(-1)
    return x.dtype.kind in "iu" and bool((np.diff(flat) == (flat[1] - flat[0] if flat.size > 1 else 0)).all())


def capture(
    step: Callable[[], Any], arguments: list[Any], template_of: Callable[[Any, list[Any], list[Any]], Any],
    before: Program | None,
) -> tuple[Any, Any, Program]:  # fmt: skip
    """Run the step once, eagerly; (what it returned, its form, the program). `before` is the program of the run before.

    Raises `CompileError` for what a compiled step can't do, with the line where it is done.
    """
    start = time.perf_counter()
    recorder = Recorder(arguments)
    if before is not None:
        recorder = Recorder(
            arguments, [leaf for leaf, *_ in before.gradients],
            [v.source for v in before.values if v.kind == "tensor"],
        )  # fmt: skip
    with listen(recorder):
        result = step()
    outputs: list[Any] = []
    template = template_of(result, arguments, outputs)
    program = recorder.finish(outputs)
    program.seconds = time.perf_counter() - start
    return result, template, program
