"""What the graph is made of: nodes, and the memory that nodes watch.

The graph grows while the forward pass runs: each operation on a tensor that requires a gradient leaves a `Node`, which
points to the nodes (or leaf tensors) that its inputs came from. Nodes never point forward, so there are no cycles and
the whole graph is freed when the last tensor that leads to it goes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from .errors import GraphError, InplaceError
from .ops.primitive import Plan, Primitive
from .sites import Site, call_site, site_of


class Memory:
    """What all views of one piece of memory share: how often it was written, and where last.

    It is made when memory is first shared or written; until then the version counts as 0.
    """

    version = 0
    writer: tuple[str, tuple[Any, int]] = ("a write", (call_site.__code__, 0))  # (what wrote, where)


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


SMALL = 64  # nodes remember values and gradients up to this many elements, for pictures and messages
_serial = count(1).__next__


class Node:
    """One operation that was done, with what its backward pass needs."""

    hooks: list[Callable[[Any], Any]] | None = None  # of the tensor that came out; a list too if `keeper` is set
    keeper: weakref.ref[Any] | None = None  # the tensor that came out, if it wants its gradient in `.grad`
    name: str = ""
    value: Any = None  # the output, if small
    grad: Any = None  # the gradient that last arrived here, if small
    _memory: Memory | None = None  # of the output
    _born = 0  # the version of that memory when this node made the output
    _versions: tuple[int, ...] | None = None  # of what was kept, if some were not 0
    _constants: list[tuple[Memory, int, int]] | None = None  # (memory, version, place) of kept tensors without a parent

    def __init__(
        self, primitive: Primitive, params: dict[str, Any], plan: Plan, inputs: Any, arrays: list[Any],
        output: Any,
    ) -> None:  # fmt: skip
        self.primitive = primitive
        self.params = params
        self.plan = plan
        # for each wanted input: the node it came from, or the leaf tensor itself
        if len(plan.wanted) == 1:
            x = inputs[plan.wanted[0]]
            self.parents = parents = (x._node or x,)
        else:
            self.parents = parents = tuple([inputs[i]._node or inputs[i] for i in plan.wanted])
        for slot in plan.watched:
            memory = parents[slot]._memory
            if memory is not None and memory.version:
                self._versions = tuple([p._memory.version if p._memory else 0 for p in parents])
                break
        for place, i in plan.constants:
            if hasattr(inputs[i], "_memory"):
                memory = memory_of(inputs[i])
                self._constants = [*(self._constants or ()), (memory, memory.version, place)]
            elif isinstance(inputs[i], np.ndarray):
                arrays[i] = arrays[i].copy()  # the learner's own array may change, and we would not hear of it
        arrays.append(output)
        self.kept: Any = plan.pick(arrays)  # None once freed
        self.shape = output.shape
        self.dtype = output.dtype
        self.serial = _serial()  # later operations have higher numbers
        self._code, self._instruction = call_site()
        if output.size <= SMALL:
            self.value = output

    @property
    def where(self) -> tuple[Any, int]:
        return self._code, self._instruction

    @property
    def site(self) -> Site:
        """The line of the program that did this operation."""
        return site_of(self.where)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """PyTorch's view of the graph: (parent, 0) for each differentiated input."""
        return tuple((parent, 0) for parent in self.parents)

    def free(self) -> None:
        """Let go of what was kept. Where that is only shapes there is nothing to gain, and another walk may pass."""
        if self.plan.holds_memory:
            self.kept = None

    def check(self) -> Any:
        """What was kept, after making sure that it still is what it was."""
        if self.kept is None:
            raise GraphError(
                f"backward() came a second time to '{self.primitive.name}', whose saved values are freed.\n"
                f"  made at: {self.site}",
                "To save memory, backward() frees what the graph kept as it goes.",
                "Call the first one as backward(retain_graph=True), or run the forward pass again.",
            )
        for slot in self.plan.watched:
            memory = self.parents[slot]._memory
            if memory is not None and memory.version != (self._versions[slot] if self._versions else 0):
                raise self._overwritten(memory, self.plan.wanted[slot])
        if self.plan.keeps_output and self._memory is not None and self._memory.version != self._born:
            raise self._overwritten(self._memory, -1)
        if self._constants is not None:
            for memory, version, place in self._constants:
                if memory.version != version:
                    raise self._overwritten(memory, self.plan.keep[place].index)
        return self.kept

    def _overwritten(self, memory: Memory, which: int) -> InplaceError:
        inputs = self.primitive.inputs
        if which < 0:
            what = "its output"
        else:
            what = "its input" if len(inputs) == 1 else f"its input '{inputs[min(which, len(inputs) - 1)]}'"
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
