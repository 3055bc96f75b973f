"""Records every operation at the door: also those that want no gradient, and also values too large to remember."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...node import Node
from ...ops.primitive import Primitive
from ...recording import listen
from ...sites import call_site
from ...tensor import Tensor
from .collect import Input, leaf_box, operation_box
from .data import GraphNode
from .names import Names
from .values import Values


@dataclass(eq=False)
class Call:
    """One operation, as it was when it was done."""

    primitive: Primitive
    params: dict[str, Any]
    inputs: list[Input]
    output: Tensor
    node: Node | None
    value: Values
    where: tuple[Any, int]
    used: bool = False  # by a later operation of the recording?


class Recording:
    """What `record()` collects. It keeps all tensors of the block, so let go of it when the picture is drawn."""

    def __init__(self) -> None:
        self.operations: list[Call] = []
        self.names = Names()  # the caller's, when a graph is made of it
        self._made_by: dict[Hashable, Call] = {}  # by node, or by tensor and version of its memory
        self._alive: list[Tensor] = []  # so that their ids stay theirs
        self._leaves: dict[Hashable, Values] = {}
        self._gradients: dict[Node, Values] = {}

    # ---- listening ---------------------------------------------------------------------------------------------------

    def forward(self, primitive: Primitive, inputs: Any, params: Any, output: Tensor, node: Node | None) -> None:
        """Called by the door after each operation."""
        number = len(self.operations)
        read = [self._input(number, slot, x) for slot, x in enumerate(inputs) if x is not None]
        where = node.where if node is not None else call_site()
        call = Call(primitive, params, read, output, node, Values.of(output._data), where)
        self.operations.append(call)
        self._made_by[_history(output)] = call

    def write(self, tensor: Tensor, new: Tensor, what: str) -> None:
        """Called when a tensor was overwritten with the result of an operation, `new`."""
        if _history(new) in self._made_by:
            self._made_by[_history(tensor)] = self._made_by[_history(new)]
            self._alive.append(tensor)

    def backward(self, node: Node, slot: int, upstream: Any, gradient: Any) -> None:
        """Called by the backward walk for each edge."""
        self._gradients[node] = Values.of(upstream._data if isinstance(upstream, Tensor) else upstream)

    def _input(self, number: int, slot: int, x: Any) -> Input:
        if isinstance(x, Tensor):
            maker = self._made_by.get(_history(x))
            if maker is not None:
                maker.used = True
                return Input(slot, maker, True, None, x._tracked)
            origin: Hashable = ("leaf", _history(x))
        else:
            origin = ("leaf", number, slot)
            x = x.copy() if isinstance(x, np.ndarray) else x  # the caller's own array may change
        if origin not in self._leaves:
            self._leaves[origin] = Values.of(x._data if isinstance(x, Tensor) else x)
        return Input(slot, origin, False, x, isinstance(x, Tensor) and x._tracked)

    # ---- being read --------------------------------------------------------------------------------------------------

    def signature(self, operation: Call) -> Hashable:
        code, instruction = operation.where
        return operation.primitive.name, id(code), instruction, operation.output.shape

    def name(self, operation: Call) -> str:
        return operation.primitive.name

    def inputs(self, operation: Call) -> list[Input]:
        return operation.inputs

    def describe(self, operation: Call) -> GraphNode:
        output, node = operation.output, operation.node
        box = operation_box(operation.primitive, operation.params, operation.where)
        box.name = (node.name if node is not None else "") or self.names[output]
        box.shape, box.dtype, box.value = output.shape, str(output.dtype), operation.value
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
        yield recording
