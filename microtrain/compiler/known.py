"""What is known while a step runs: which tensor has which value of the program.

A `Value` is made once and never changes; a tensor that is written in place has another value afterwards. Tensors are
known by their id, so everything that was met is kept alive until the capture ends.
"""

from __future__ import annotations

import gc
from typing import Any

import numpy as np

from ..engine.sites import call_site, site_of
from ..errors import CompileError
from ..tensor import Tensor, wrap
from .program import Op, Program, Value

REMEMBERED = 1 << 20  # elements up to which a capture copies what a tensor held when it was met (`Known.first`)
EAGERLY = "Leave it out of the compiled step: return the tensor, and look at it where compiled(...) is called."


class Known:
    """The tables of a capture. `writes.py` adds what happens in place, `derivatives.py` the backward pass."""

    def __init__(self) -> None:
        self.program = Program()
        self.phase = "forward"
        self.site: Any = None  # while the backward pass is read again: the line of the operation it belongs to
        self.alive: list[Any] = []  # an object that is still there has its id to itself
        self.current: dict[int, Value] = {}  # id of a tensor: its value now
        self.by_data: dict[int, Value] = {}  # id of an array: the value in it
        self.holders: dict[Value, Any] = {}  # a tensor of this value, to read formulas with
        self.results: list[tuple[Any, Any]] = []  # (a tensor that the step made, the line of the operation)
        self.home: dict[int, Value] = {}  # id of something outside: what its memory held when the step began
        self.first: dict[Value, Any] = {}  # a copy of what was in memory outside, in case it was made in the step
        self.stale: dict[int, str] = {}  # id of a tensor whose memory was written through another: by what
        self.heard: dict[int, int] = {}  # id of a Memory: the writes to it that were heard
        self.sought: set[int] = set()  # ids of stale tensors whose value is being looked for
        self.asked: set[int] = set()  # ids of tensors whose owner was looked for
        self.met: set[int] = set()  # ids of parts of something outside, which were there before the step
        self.seen: dict[int, tuple[Any, int, int]] = {}  # id of a tensor: its Memory, version and writes heard by then

    def let_go(self) -> None:
        """Keep nothing alive any more. Only the program stays, and what was copied (`first`)."""
        self.alive, self.results, self.holders = [], [], {}
        self.current, self.by_data, self.home, self.heard, self.seen = {}, {}, {}, {}, {}

    def new(self, kind: str, shape: Any, dtype: Any, source: Any, name: str = "") -> Value:
        """A value that was not there before."""
        value = Value(kind, shape, dtype, source, len(self.program.values), name)
        self.program.values.append(value)
        return value

    def done(self, row: Any, args: list[Any], params: dict[str, Any], like: Any, site: Any = None) -> Value:
        """An operation of the program; the value of its result, which has the shape and dtype of `like`."""
        value = self.new("result", like.shape, like.dtype, None)
        self.program.ops.append(Op(row, args, params, value, site or self.where(), self.phase))
        return value

    def bind(self, x: Any, value: Value, outside: bool = False) -> None:
        """This object has this value from now on; or it is `outside`, and its memory held this when the step began."""
        self.alive.append(x)
        self.stale.pop(id(x), None)
        if outside:
            self.home[id(x)] = value
        if not isinstance(x, Tensor):
            self.by_data[id(x)] = value
            return
        self.current[id(x)] = value
        self.seen[id(x)] = (x._memory, version_of(x), self.heard.get(id(x._memory), 0))
        self.holders.setdefault(value, x)
        if not (outside and x._tracked):  # no reference to a parameter's array: an optimizer may want to move it
            self.alive.append(x._data)
            self.by_data[id(x._data)] = value

    def value_of(self, x: Any) -> Any:
        """The value of an input of an operation; Python's numbers stay what they are."""
        if isinstance(x, Tensor):
            found = self.current.get(id(x))
            if found is None or id(x) in self.stale:
                if found is None:
                    self.met.add(id(x))
                self.sought.add(id(x))
                found = self._find(x)
                self.sought.discard(id(x))
                self.bind(x, found, outside=found.source is x)
            return found
        if isinstance(x, np.ndarray):
            found = self.by_data.get(id(x))
            if found is None:
                found = self.new("array", x.shape, x.dtype, x)
                self.bind(x, found, outside=True)
            return found
        if isinstance(x, np.generic):
            return self.by_data.get(id(x), x)
        return x

    def _find(self, x: Any) -> Value:
        """The value of a tensor that was not met before, or whose memory was written through another one since."""
        stale = id(x) in self.stale
        found = self.by_data.get(id(x._data))
        if found is not None and not stale:
            return found
        if stale and self.home.get(id(x), found) in self.program.arguments:
            raise self.overlap(x.shape)

        # A view is taken again: best from a whole whose value is known, ...
        base = base_of(x)
        if base is not None and id(base) in self.current and id(base) not in self.stale:
            return self._part(x, base)
        twin = self._twin_of(x)
        if twin is not None:
            return self.value_of(twin)  # type: ignore[no-any-return]
        if base is not None:  # ... else from one whose value has to be found in turn
            return self._part(x, base)
        if stale:
            raise self.refusal(
                f"A tensor is read whose memory was written by '{self.stale[id(x)]}' through another one.",
                "The step does not know how it was taken from that other one.",
                "Take it again after the write, or make a copy before: x.clone().",
            )

        # It comes from outside.
        owner = self._owner_of(x)
        if owner is not None:
            return self.value_of(owner)  # type: ignore[no-any-return]
        value = self.new("tensor", x.shape, x.dtype, x, x._name)
        if not x._tracked and x._data.size <= REMEMBERED:
            self.first[value] = x._data.copy()
        return value

    def _twin_of(self, x: Any) -> Any:
        """A tensor that was met and shows the same elements of the same memory: of `detach()`, `data`, or None."""
        data = x._array()  # a number becomes an array: from now on its memory stays the same
        for other in self.alive:
            if isinstance(other, Tensor) and id(other) in self.current and id(other) not in self.sought:
                shared = x._memory is not None and other._memory is x._memory and same_place(other._data, data)
                if (shared or other._data is data) and (id(other) not in self.stale or base_of(other) is not None):
                    return other
        return None

    def _owner_of(self, x: Any) -> Any:
        """w, where x is w.detach() or w.data and w itself was not met before: x goes after the step, and w stays."""
        if x._memory is None or x._tracked:
            return None
        self.asked.add(id(x))
        found = [w for w in gc.get_referrers(x._memory) if isinstance(w, Tensor) and id(w) not in self.asked]
        found = [w for w in found if same_place(w._data, x._data)]
        self.asked.update(map(id, found))
        return max(found, key=lambda w: w._tracked, default=None)

    def _part(self, x: Any, base: Any) -> Value:
        """A view is taken again from what it is a view of."""
        return self.done(x._view.primitive, [self.value_of(base)], x._view.params, x)

    def constant(self, number: Any) -> Any:
        """A tensor that stands for a number."""
        tensor = wrap(np.asarray(number))
        self.bind(tensor, self.new("made", tensor.shape, tensor.dtype, tensor._data))
        return tensor

    def tensor_of(self, value: Value) -> Any:
        """A tensor that has this value, and nothing else with it."""
        holder = self.holders.get(value)
        if holder is None or self.current.get(id(holder)) is not value or holder._tracked:
            data = holder._data if holder is not None else value.source if value.kind == "array" else None
            if value.kind == "number":
                data = np.asarray(value.source[1], value.dtype)
            if data is None:
                data = np.zeros(value.shape, value.dtype)  # written over since; only its shape is needed
            holder = wrap(data.copy() if value.kind != "result" else data)  # the optimizer may want to move it
            self.alive.append(holder)
            self.current[id(holder)] = value
            self.holders[value] = holder
        return holder

    # ---- what messages say -------------------------------------------------------------------------------------------

    def where(self) -> Any:
        """The line of the learner's program that is running."""
        return self.site or site_of(call_site(3))

    def refusal(self, what: str, why: str, fix: str = EAGERLY) -> CompileError:
        """The error for something that a compiled step can't contain."""
        return CompileError(f"mt.compile: {what}\n  at: {self.where()}", why, fix)

    def overlap(self, shape: Any) -> CompileError:
        """The error for an argument that is a part of something else that the step writes."""
        return self.refusal(
            f"An argument of shape {shape} shares memory with another tensor, and the step writes to it.",
            "The next argument would be another part, or none, and the compiled step could not know.",
            "Pass x.clone(), or take the part inside of the step.",
        )


def base_of(x: Any) -> Any:
    """What this tensor is a view of, if they still share memory; else None."""
    if x._view is None or x._memory is None:
        return None
    base = x._view.base
    return base if base._memory is x._memory and np.may_share_memory(base._data, x._data) else None


def version_of(x: Any) -> int:
    """How often its memory was written."""
    return x._memory.version if x._memory is not None else 0


def same_place(a: Any, b: Any) -> bool:
    """Are these the same elements of the same memory?"""
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return a is b
    return a.shape == b.shape and a.strides == b.strides and a.ctypes.data == b.ctypes.data
