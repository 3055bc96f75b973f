"""Records every operation at the door: also those that want no gradient, and also values too large to remember."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.node import Node
from ...engine.recording import listen
from ...engine.sites import call_site
from ...engine.walk import walk
from ...ops.primitive import Primitive
from ...tensor import Tensor
from .collect import Input, Retained, leaf_box, operation_box
from .modules import Call
from .names import Names
from .nodes import GraphNode
from .values import Values


@dataclass(eq=False)
class Done:
    """One operation, as it was when it was done."""

    primitive: Primitive
    params: dict[str, Any]
    inputs: list[Input]
    output: Tensor
    node: Node | None
    value: Values
    where: tuple[Any, int]
    used: bool = False  # by a later operation of the recording?
    seconds: float = 0.0  # since the operation before it
    within: Call | None = None


class Recording:
    """What `record()` collects. It keeps all tensors of the block, so let go of it when the picture is drawn."""

    def __init__(self) -> None:
        self.operations: list[Done] = []
        self.names = Names()  # the caller's, when a graph is made of it
        self.argument_names: dict[int, str] = {}  # what a recorded function calls its inputs, by their ids
        self._made_by: dict[Hashable, Done] = {}  # by node, or by tensor and version of its memory
        self._alive: list[Tensor] = []  # so that their ids stay theirs
        self._leaves: dict[Hashable, Values] = {}
        self._gradients: dict[Node, Values] = {}
        self._backward_seconds: dict[Node, dict[int, float]] = {}
        self._within: list[tuple[Any, Call]] = []  # the frames of the calls that the last operation was in
        self._since = time.perf_counter()

    # ---- listening ---------------------------------------------------------------------------------------------------

    def forward(self, primitive: Primitive, inputs: Any, params: Any, output: Tensor, node: Node | None) -> None:
        """Called by the door after each operation."""
        now = time.perf_counter()
        number = len(self.operations)
        read = [self._input(number, index, x) for index, x in enumerate(inputs) if x is not None]
        where = node.where if node is not None else call_site()
        call = Done(primitive, params, read, output, node, Values.of(output._data), where)
        call.seconds = now - self._since
        call.within = self._innermost()
        self.operations.append(call)
        self._made_by[_history(output)] = call
        self._since = time.perf_counter()

    def write(self, tensor: Tensor, new: Tensor, what: str) -> None:
        """Called when a tensor was overwritten with the result of an operation, `new`."""
        if _history(new) in self._made_by:
            self._made_by[_history(tensor)] = self._made_by[_history(new)]
            self._alive.append(tensor)

    def backward(self, node: Node, slot: int, upstream: Any, gradient: Any) -> None:
        """Called by the backward walk for each edge."""
        now = time.perf_counter()
        seconds = self._backward_seconds.setdefault(node, {})
        which = node.plan.wanted[slot]
        seconds[which] = seconds.get(which, 0.0) + now - self._since
        self._gradients[node] = Values.of(upstream._data if isinstance(upstream, Tensor) else upstream)
        self._since = time.perf_counter()

    def _innermost(self) -> Call | None:
        """The call of a module, or the backward pass, that is running: read from Python's own stack."""
        module = sys.modules.get("microtrain.nn.module")
        wanted = {walk.__code__: "backward"}
        if module is not None:
            wanted[module.Module.__call__.__code__] = ""
        frames = []
        frame: Any = sys._getframe(2)
        while frame is not None:
            if frame.f_code in wanted:
                frames.append(frame)
            frame = frame.f_back
        frames.reverse()
        same = 0
        while same < len(frames) and same < len(self._within) and frames[same] is self._within[same][0]:
            same += 1
        del self._within[same:]
        for frame in frames[same:]:
            owner = wanted[frame.f_code] or frame.f_locals.get("self")
            self._within.append((frame, Call(owner, self._within[-1][1] if self._within else None)))
        return self._within[-1][1] if self._within else None

    def stop(self) -> None:
        """Nothing more will come: let go of the frames."""
        self._within.clear()

    def _input(self, number: int, index: int, x: Any) -> Input:
        if isinstance(x, Tensor):
            maker = self._made_by.get(_history(x))
            if maker is not None:
                maker.used = True
                return Input(index, maker, True, None, x._tracked)
            origin: Hashable = ("leaf", _history(x))
        else:
            origin = ("leaf", number, index)
            x = x.copy() if isinstance(x, np.ndarray) else x  # the caller's own array may change
        if origin not in self._leaves:
            self._leaves[origin] = Values.of(x._data if isinstance(x, Tensor) else x)
        return Input(index, origin, False, x, isinstance(x, Tensor) and x._tracked)

    # ---- being read --------------------------------------------------------------------------------------------------

    def calls(self) -> Callable[[int], Call | None]:
        return lambda i: self.operations[i].within

    def signature(self, operation: Done) -> Hashable:
        code, instruction = operation.where
        return operation.primitive.name, id(code), instruction, operation.output.shape

    def row(self, operation: Done) -> tuple[Primitive, dict[str, Any]]:
        return operation.primitive, operation.params

    def retained(self, operation: Done) -> Retained:
        node = operation.node
        if node is None:
            return Retained([], False)
        return Retained([(kind, index) for kind, index, _ in node.plan.keep], node.kept is None)

    def backward_seconds(self, operation: Done) -> dict[int, float]:
        return self._backward_seconds.get(operation.node, {}) if operation.node is not None else {}

    def inputs(self, operation: Done) -> list[Input]:
        return operation.inputs

    def outside(self, operations: Sequence[Done]) -> list[Input]:
        made = set(operations)
        found: dict[Hashable, Input] = {}
        for operation in operations:
            for x in operation.inputs:
                if x.origin not in made and x.origin not in found:
                    found[x.origin] = x
        return list(found.values())

    def describe(self, operation: Done) -> GraphNode:
        output, node = operation.output, operation.node
        box = operation_box(operation.primitive, operation.params, operation.where)
        box.name = (node.name if node is not None else "") or self.names[output]
        box.shape, box.dtype, box.value = output.shape, str(output.dtype), operation.value
        box.bytes, box.seconds = output._data.nbytes, operation.seconds
        box.needs_grad = node is not None
        box.output = not operation.used
        if node is not None:
            box.grad = self._gradients.get(node) or (None if node.grad is None else Values.of(node.grad))
        return box

    def describe_leaf(self, leaf: Input) -> GraphNode:
        box = leaf_box(leaf, self.names)
        box.value = self._leaves[leaf.origin]
        return box


def _history(tensor: Tensor) -> Hashable:
    """Tells a tensor from others, and from itself after it was overwritten."""
    if tensor._node is not None:
        return tensor._node
    return id(tensor), tensor._memory.version if tensor._memory is not None else 0


@contextlib.contextmanager
def record() -> Iterator[Recording]:
    """Collect every operation inside the block, for `microtrain.graph(recording)`.

    >>> import microtrain as mt
    >>> with mt.viz.record() as recording:
    ...     y = mt.tensor([1.0, 2.0]) * 3 + 1
    >>> [call.primitive.name for call in recording.operations]
    ['mul', 'add']
    """
    with listen(Recording()) as recording:
        try:
            yield recording
        finally:
            recording.stop()
