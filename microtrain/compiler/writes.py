"""Writing in place, as a capture sees it: the tensor has another value from now on.

What else looks at the same memory has changed too. If it shows the same elements it has the new value; if it shows
others (a row of a matrix, the matrix of a row), it is `stale`, and is taken again from the whole when it is next read.
A write to a part is a write to the whole: the row `write_view` of the table makes the whole with that part replaced.
"""

from __future__ import annotations

from typing import Any

from ..engine.node import memory_of
from ..engine.recording import no_grad
from ..engine.sites import site_of
from ..errors import CompileError
from ..ops.writing import write_view
from ..tensor import Tensor
from .known import Known, base_of, same_place, version_of
from .program import Value


class Writes(Known):
    """The tables of a capture, with what was written."""

    def __init__(self, outside: Any) -> None:
        super().__init__()
        self.stores: dict[Value, Value] = {}  # what memory outside held when the step began: what it holds now
        self.known = [(x, x._memory, version_of(x)) for x in outside if isinstance(x, Tensor)]

    def let_go(self) -> None:
        super().let_go()
        self.known = []

    def write(self, tensor: Any, new: Any, what: str) -> None:
        """A tensor was overwritten with the result of an operation."""
        self.hear(tensor)
        self._hear_late(tensor._memory)
        self.value_of(tensor)  # what it was, if it was not met before
        value = self.value_of(new)
        if new.dtype != tensor.dtype or new.shape != tensor.shape:
            with no_grad():
                value = self.value_of(new.to(tensor.dtype).broadcast_to(tensor.shape))
        root, whole = tensor, value
        while base_of(root) is not None and getattr(self.home.get(id(root)), "kind", "") != "argument":
            view, base = root._view, base_of(root)
            settings = {"view": view.primitive, "settings": view.params}
            whole = self.done(write_view, [self.value_of(base), whole], settings, base)
            root = base
        self.rebind(root, whole, what)
        if root is not tensor:
            self.stale.pop(id(tensor), None)
            self.current[id(tensor)] = value
            self.holders.setdefault(value, tensor)

    def reshaped(self, tensor: Any, new: Any, what: str) -> None:
        """A tensor was given the shape of `new`, which is a view of what it was."""
        if id(tensor) in self.home or id(tensor) not in self.current:
            raise self.refusal(
                f"'{what}' changes the shape of a tensor from outside of the step, or of one detached.",
                "The compiled step works on its memory, and its shape would stay what it is now.",
                f"Make a new tensor: x = x.{what.removesuffix('_')}(...).",
            )
        self.bind(tensor, self.value_of(new))

    def rebind(self, tensor: Any, value: Value, what: str) -> None:
        """Something that is no part of another has a new value."""
        self.spread(tensor, value, what)
        data, home = tensor._array(), self.home.get(id(tensor))
        if home is None:  # perhaps it is outside under another name
            home = next(
                (
                    self.home[id(x)]
                    for x in self.alive
                    if id(x) in self.home and isinstance(x, Tensor) and same_place(x._data, data)
                ),
                None,
            )
        if home is None:
            self.by_data[id(data)] = value
            self.alive.append(data)
        else:
            self.stores[home] = value
        self.holders.setdefault(value, tensor)

    def spread(self, tensor: Any, value: Value, what: str) -> None:
        """The new value, for this tensor and for others that look at the same memory."""
        for other in [tensor, *self.alive]:
            if isinstance(other, Tensor) and (other is tensor or other._memory is tensor._memory is not None):
                known = self.by_data.pop(id(other._data), None) is not None
                if same_place(other._data, tensor._data):
                    self.current[id(other)] = value
                    self.stale.pop(id(other), None)
                    if known:
                        self.by_data[id(other._data)] = value
                else:
                    self.stale[id(other)] = what

    # ---- writes that nobody spoke of ---------------------------------------------------------------------------------

    def hear(self, tensor: Any) -> None:
        """Its memory was written, and we know by what."""
        memory = memory_of(tensor)
        self.alive.append(memory)
        self.heard[id(memory)] = self.heard.get(id(memory), 0) + 1

    def _hear_late(self, memory: Any) -> None:
        """What was met since the write happened was met with the new values: it need not hear of it."""
        now = self.heard[id(memory)]
        for key, (watched, version, heard) in self.seen.items():
            if watched is memory and version == memory.version and heard == now - 1:
                self.seen[key] = (watched, version, now)

    def check_writes(self) -> None:
        """Raise if memory was written by something that did not say so, or if arguments overlap what is written."""
        for x in [x for x in self.alive if isinstance(x, Tensor) and id(x) in self.seen]:
            memory, version, heard = self.seen[id(x)]
            now = self.heard.get(id(x._memory), 0)
            if memory is not None and x._memory is not memory:
                raise self._unheard(x)
            if version_of(x) - version != now - (heard if memory is not None else 0) and x._memory is not None:
                raise self._unheard(x)
        for x, memory, version in self.known:
            if memory is not None and x._memory is not memory:
                raise self._unheard(x)
            if version_of(x) - version != (self.heard.get(id(x._memory), 0)):
                raise self._unheard(x)
        self._check_arguments()

    def _check_arguments(self) -> None:
        homes = [(x, self.home[id(x)]) for x in self.alive if isinstance(x, Tensor) and id(x) in self.home]
        used = self.program.used() if self.stores else set()
        for x, home in [(x, home) for x, home in homes if home in self.stores]:
            for other, theirs in homes:
                overlap = other._memory is x._memory is not None and theirs is not home and theirs in used
                if overlap and "argument" in (home.kind, theirs.kind):
                    raise self.overlap(x.shape)

    def _unheard(self, tensor: Any) -> CompileError:
        what, where = tensor._memory.writer
        self.site = site_of(where)
        return self.refusal(
            f"'{what}' writes to a tensor in a way that can't be captured.",
            "It writes to the memory directly, past the operations.",
            "Write with operations, under mt.no_grad(): p -= lr * p.grad, p.copy_(values). With an optimizer that "
            "takes a closure compile that, if it calls backward(): optimizer.step(mt.compile(closure)).",
        )
