"""What the graph is made of: nodes, and the memory that nodes watch.

The graph grows while the forward pass runs: each operation on a tensor that requires a gradient leaves a `Node`, which
points to the nodes (or leaf tensors) that its inputs came from. Nodes never point forward, so there are no cycles and
the whole graph is freed when the last tensor that leads to it goes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import numpy as np

from ..errors import GraphError, InplaceError
from ..ops.plan import Plan
from ..ops.primitive import Primitive
from .sites import Site, call_site, site_of

Writer = tuple[str, tuple[Any, int]]  # (what wrote, where)

serial = count(1).__next__  # numbers operations and writes, in the order in which they happen


class Memory:
    """What all views of one piece of memory share: how often it was written, and when and where last.

    It is made when memory is first shared or written.
    """

    __slots__ = ("__weakref__", "reshaped", "version", "writer", "written")

    def __init__(self) -> None:
        self.version = 0  # how often it was written
        self.written = 0  # the serial number of the last write
        self.reshaped = 0  # and that of the write by which a leaf got data of another shape
        self.writer: Writer = ("a write", (call_site.__code__, 0))


def count_writes(memories: Iterable[Memory], writer: Writer) -> None:
    """Count a write to each of these, for the nodes that keep what is there and the views of it."""
    now = serial()
    for memory in memories:
        memory.version += 1
        memory.written = now
        memory.writer = writer


def memory_of(tensor: Any) -> Memory:
    """The `Memory` of a tensor, made if it has none. The node that made the tensor knows it too."""
    memory = tensor._memory
    if memory is None:
        node = tensor._node
        if node is None:
            memory = Memory()
        else:
            memory = node._memory = node._memory or Memory()
        tensor._memory = memory
    return memory  # type: ignore[no-any-return]


NO_PARAMS: dict[str, Any] = {}  # of all nodes without: garbage collection takes a sixth of a long chain's time
SMALL = 64  # nodes remember values and gradients up to this many elements, for pictures and messages


def _lightly(x: Any, data: Any) -> Any:
    """An input as pictures remember it: small ones by their values, large ones by a reference that keeps no memory."""
    if type(x) is float or type(x) is int:
        return x
    if getattr(data, "size", 1) > SMALL:
        return weakref.ref(x)
    return x.copy() if isinstance(x, np.ndarray) else data  # the learner's own array may change


class Node:
    """One operation that was done, with what its backward pass needs."""

    __slots__ = (
        "__weakref__", "_code", "_copied", "_instruction", "_memory", "_output_since", "_watched_others", "calls",
        "dtype", "grad", "grad_receiver", "hooks", "kept", "name", "others", "params", "parents", "plan", "primitive",
        "serial", "shape", "value",
    )  # fmt: skip

    hooks: list[Callable[[Any], Any]] | None  # of the tensor that came out; a list too if `grad_receiver` is set
    grad_receiver: weakref.ref[Any] | None  # the tensor that came out, if it wants its gradient in `.grad`
    name: str
    value: Any  # the output, if small
    grad: Any  # the gradient that last arrived here, if small
    others: tuple[Any, ...]  # the inputs without a gradient (`plan.others`), for pictures; large ones weakly
    calls: tuple[tuple[Any, int], ...]  # those that ended here: (the module, weakly, and when it began)
    _memory: Memory | None  # of the output
    _output_since: int  # the serial number since which that memory holds the output
    _copied: tuple[int, ...]  # what writes do not reach: the slots of inputs that are kept as copies, -1 for the output
    _watched_others: list[tuple[Memory, int]] | None  # (memory, place) of kept tensors without a parent

    def __init__(
        self,
        primitive: Primitive,
        params: dict[str, Any],
        plan: Plan,
        origins: list[Any],
        inputs: Any,
        arrays: list[Any],
        output: Any,
    ) -> None:
        self.primitive = primitive
        self.params = params or NO_PARAMS
        self.plan = plan
        self.hooks = self.grad_receiver = self.value = self.grad = self._memory = self._watched_others = None
        self.name = ""
        self.others = self.calls = self._copied = ()
        if len(origins) != len(plan.wanted):  # some inputs require grad, but there is no derivative in them
            origins = [inputs[i]._node or inputs[i] for i in plan.wanted]
        self.parents = tuple(origins)  # for each wanted input: its node, or the leaf tensor itself
        if plan.others:
            for place, i in plan.kept_others:
                if hasattr(inputs[i], "_memory"):  # a tensor
                    self._watched_others = [*(self._watched_others or ()), (memory_of(inputs[i]), place)]
                elif isinstance(inputs[i], np.ndarray):
                    arrays[i] = arrays[i].copy()  # the learner's own array may change, and we would not hear of it
            if len(plan.others) == 1:
                i = plan.others[0]
                self.others = (_lightly(inputs[i], arrays[i]),)
            else:
                self.others = tuple([_lightly(inputs[i], arrays[i]) for i in plan.others])
        arrays.append(output)
        self.kept: Any = plan.pick(arrays)  # None once freed
        self.shape = output.shape
        self.dtype = output.dtype
        self.serial = self._output_since = serial()
        self._code, self._instruction = call_site()
        if output.size <= SMALL:
            self.value = output

    @property
    def site(self) -> Site:
        """The line of the program that did this operation."""
        return site_of(self.where)

    @property
    def where(self) -> tuple[Any, int]:
        """The same, not yet looked up."""
        return self._code, self._instruction

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """PyTorch's view of the graph: (parent, 0) for each differentiated input."""
        return tuple((parent, 0) for parent in self.parents)

    def copy_kept(self, memory: Memory) -> None:
        """Keep copies of what lies in this memory, because this very operation is about to be written over it."""
        ours = {place for owner, place in self._watched_others or () if owner is memory}
        kept = list(self.kept)
        for place, (kind, _, slot) in enumerate(self.plan.keep):
            if kind == "input" and (place in ours or (slot >= 0 and self.parents[slot]._memory is memory)):
                kept[place] = kept[place].copy()
                if slot >= 0:
                    self._copied += (slot,)
        self.kept = tuple(kept)
        if ours:
            self._watched_others = [c for c in self._watched_others or () if c[0] is not memory]

    def checked_kept(self) -> Any:
        """What was kept, after making sure that it still is what it was."""
        if self.kept is None:
            raise GraphError(
                f"backward() came a second time to '{self.primitive.name}', whose saved values are freed.\n"
                f"  made at: {self.site}",
                "To save memory, backward() frees what the graph kept as it goes, also one that fails on its way.",
                "Call the first one as backward(retain_graph=True), or run the forward pass again.",
            )
        plan, serial = self.plan, self.serial
        for slot in plan.watched:
            memory = self.parents[slot]._memory
            if memory is not None and memory.written > serial and slot not in self._copied:
                raise self._overwritten_error(memory, plan.wanted[slot])
        if plan.keeps_output and self._memory is not None and self.overwritten and -1 not in self._copied:
            raise self._overwritten_error(self._memory, -1)
        if self._watched_others is not None:
            for memory, place in self._watched_others:
                if memory.written > serial:
                    raise self._overwritten_error(memory, plan.keep[place].index)
        return self.kept

    @property
    def overwritten(self) -> bool:
        """Has the memory of the output been written since it was made?"""
        return self._memory is not None and self._memory.written > self._output_since

    def _overwritten_error(self, memory: Any, which: int) -> InplaceError:
        inputs = self.primitive.inputs
        if which < 0:
            what = "its output"
        else:
            alone = len(inputs) == 1 or len(set(self.parents)) < len(self.parents)  # in x * x both are the same
            what = "its input" if alone else f"its input '{inputs[min(which, len(inputs) - 1)]}'"
        writer, where = memory.writer
        return InplaceError(
            f"'{self.primitive.name}' kept {what} for the backward pass, and '{writer}' overwrote it.\n"
            f"  kept at:        {self.site}\n"
            f"  overwritten at: {site_of(where)}",
            "The derivative would be computed from the new value and come out wrong.",
            "Make a new tensor instead of writing in place (x = x + 1), write to a copy (x.clone()), "
            "or call backward() before the write.",
        )

    def __repr__(self) -> str:
        return f"<Node {self.primitive.name} {self.dtype}{list(self.shape)} at {self.site.filename}:{self.site.lineno}>"
