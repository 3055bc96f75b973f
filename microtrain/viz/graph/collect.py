"""Finds the operations that led to a tensor, from the nodes that the engine keeps for backward()."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...engine.node import Node
from ...engine.sites import site_of
from ...ops.primitive import Primitive
from ...tensor import Tensor
from .modules import Call, by_interval
from .names import Names
from .nodes import GraphNode
from .values import Values

MANY = 20_000  # operations in one folded box of which every detail is looked at


class Input(NamedTuple):
    """One input of an operation."""

    index: int  # type: ignore[assignment]  # which input it is
    origin: Hashable  # the operation that made it, or what tells this leaf from others
    made: bool  # by an operation of this graph?
    leaf: Any  # else the tensor, array or number; None if it isn't known any more
    needs_grad: bool
    changed: bool = False  # was it overwritten after the operation had read it?


class Retained(NamedTuple):
    """What an operation keeps for its backward pass."""

    items: list[tuple[str, int]]  # ("input", which), ("output", -1), ("shape", which; -1 is the output)
    freed: bool


class Source(Protocol):
    """Where operations are read from: the engine's nodes, or a recording."""

    names: Names

    @property
    def operations(self) -> Sequence[Any]:
        """In the order in which they were done."""

    def calls(self) -> Callable[[int], Call | None]:
        """Gives the innermost call that an operation, by its number, belongs to."""

    def signature(self, operation: Any) -> Hashable:
        """Equal for operations that are repetitions of each other."""

    def row(self, operation: Any) -> tuple[Primitive, dict[str, Any]]:
        """What was done, and with which settings."""

    def inputs(self, operation: Any) -> list[Input]:
        """Where the inputs came from."""

    def outside(self, operations: Sequence[Any]) -> list[Input]:
        """What a stretch of operations reads that it did not make; leaves once each."""

    def retained(self, operation: Any) -> Retained:
        """What it keeps for the backward pass."""

    def backward_seconds(self, operation: Any) -> dict[int, float]:
        """How long the gradient of each input took, by index, where that is known."""

    def describe(self, operation: Any) -> GraphNode:
        """The operation's box, without its key."""

    def describe_leaf(self, leaf: Input) -> GraphNode:
        """A leaf's box, without its key."""


class Engine:
    """The operations that led to some tensors, read from the graph they have anyway."""

    def __init__(self, outputs: Iterable[Tensor], names: Names) -> None:
        self.names = names
        self.outputs = {t._node: t for t in outputs if t._node is not None}
        found: dict[Node, None] = {}
        stack = list(self.outputs)
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = None
                stack.extend([parent for parent in node.parents if type(parent) is Node])
        self.operations = sorted(found, key=attrgetter("serial"))

    def calls(self) -> Callable[[int], Call | None]:
        until: dict[int, tuple[int, Any]] = {}  # by when the call began; it may have several results
        for node in self.operations:
            for owner, since in node.calls:
                until[since] = (node.serial, owner if isinstance(owner, str) else owner())
        if not until:
            return lambda i: None
        intervals = [(since, end, owner) for since, (end, owner) in until.items()]
        return by_interval(intervals, [node.serial for node in self.operations]).__getitem__

    def signature(self, operation: Node) -> Hashable:
        return operation.primitive.name, id(operation._code), operation._instruction, operation.shape

    def row(self, operation: Node) -> tuple[Primitive, dict[str, Any]]:
        return operation.primitive, operation.params

    def retained(self, operation: Node) -> Retained:
        plan = operation.plan
        return Retained([(kind, index) for kind, index, _ in plan.keep], operation.kept is None)

    def backward_seconds(self, operation: Node) -> dict[int, float]:
        return {}

    def inputs(self, operation: Node) -> list[Input]:
        inputs = [
            Input(index, parent, True, None, True)
            if type(parent) is Node
            else Input(index, id(parent), False, parent, True, _changed(operation, slot))
            for slot, (index, parent) in enumerate(zip(operation.plan.wanted, operation.parents, strict=True))
        ]
        if operation.primitive.variadic or len(inputs) < len(operation.primitive.inputs):
            known = {index for index, *_ in inputs}
            others = {index: x for index, x in constants(operation).items() if index not in known}
            inputs += [self._constant(operation, index, x) for index, x in others.items()]
            inputs.sort(key=lambda x: x.index)
        return inputs

    def outside(self, operations: Sequence[Node]) -> list[Input]:
        first = operations[0].serial
        seen: set[Any] = set()
        found = []
        quickly = len(operations) > MANY  # then constants are not looked at: nobody else uses them, most likely
        for operation in operations:
            for parent in operation.parents:
                if type(parent) is Node:
                    if parent.serial < first and parent not in seen:
                        seen.add(parent)
                        found.append(Input(0, parent, True, None, True))
                elif id(parent) not in seen:
                    seen.add(id(parent))
                    found.append(Input(0, id(parent), False, parent, True))
            if operation.plan.others and not quickly:
                found += [x for x in self.inputs(operation) if not x.needs_grad]
        return found

    def _constant(self, operation: Node, index: int, x: Any) -> Input:
        x = self.names.of_array.get(id(x), x)
        if isinstance(x, (Tensor, np.ndarray)):
            return Input(index, id(x), False, x, False)
        return Input(index, (operation, index), False, x, False)

    def describe(self, operation: Node) -> GraphNode:
        tensor = self.outputs[operation] if operation in self.outputs else self.names.of_node.get(operation)
        box = operation_box(operation.primitive, operation.params, operation.where)
        box.name = operation.name or (self.names[tensor] if tensor is not None else "")
        box.shape, box.dtype, box.needs_grad = operation.shape, str(operation.dtype), True
        box.bytes = math.prod(operation.shape) * operation.dtype.itemsize
        box.output = operation in self.outputs
        if operation.overwritten and not isinstance(operation.value, np.generic):  # a scalar can't have been written to
            box.note = "overwritten since"
        elif operation.value is not None:
            box.value = Values.of(operation.value)
        elif tensor is not None:
            box.value = Values.of(tensor._data)
        if operation.grad is not None:
            box.grad = Values.of(operation.grad)
        elif tensor is not None and tensor._grad is not None:
            box.grad = Values.of(tensor._grad._data)
        return box

    def describe_leaf(self, leaf: Input) -> GraphNode:
        return leaf_box(leaf, self.names)


def _changed(node: Node, place: int) -> bool:
    """Was a leaf written after the operation read it? Known only where the backward pass depends on it."""
    memory = node.parents[place]._memory
    if memory is None or place not in node.plan.watched:
        return False
    return bool(memory.written > node.serial)


def constants(node: Node) -> dict[int, Any]:
    """The inputs of an operation that want no gradient: what the engine still has of them, else None."""
    wanted = node.plan.wanted
    remembered = getattr(node, "others", ())  # small ones themselves, large ones as weak references
    count = len(wanted) + len(remembered) if remembered or node.primitive.variadic else len(node.primitive.inputs)
    found: dict[int, Any] = dict.fromkeys(i for i in range(count) if i not in wanted)
    if node.kept is not None:
        found.update({i: node.kept[place] for place, i in node.plan.kept_others})
    for i, x in zip([i for i in range(count) if i not in wanted], remembered, strict=False):
        thing = x() if isinstance(x, weakref.ref) else x
        found[i] = found.get(i) if thing is None else thing
    return found


def leaf_box(leaf: Input, names: Names) -> GraphNode:
    """A parameter, a constant, a tensor from outside a recording, or something that nobody kept."""
    x = leaf.leaf
    made = isinstance(x, Tensor) and x._node is not None
    box = GraphNode("", "parameter" if leaf.needs_grad and not made else "input", needs_grad=leaf.needs_grad)
    if x is None:
        box.note = "not kept"
        return box
    data = x._data if isinstance(x, Tensor) else np.asarray(x)
    box.shape = data.shape
    box.dtype = f"Python {type(x).__name__}" if isinstance(x, (bool, int, float)) else str(data.dtype)
    box.bytes = data.nbytes
    if box.kind == "parameter":
        box.parameters = data.size
    box.value = Values.of(data)
    if isinstance(x, Tensor):
        box.name = names[x]
        box.grad = None if x._grad is None else Values.of(x._grad._data)
    return box


def operation_box(primitive: Primitive, params: dict[str, Any], where: tuple[Any, int]) -> GraphNode:
    """What is known of an operation without its output."""
    site = site_of(where)
    file = site.filename.replace("\\", "/").rpartition("/")[2]
    _, _, text = str(site).partition(f":{site.lineno}: ")
    return GraphNode(
        "", "operation", operation=primitive.name, detail=settings(params), site=f"{file}:{site.lineno}", source=text
    )


def settings(params: dict[str, Any]) -> str:
    """The settings that a reader can use: "dim=(1,), keepdim=True"."""
    shown = []
    for name, value in params.items():
        if value is None or value is False or callable(value):
            continue
        text = str(value) if isinstance(value, (bool, int, float, str, tuple)) else ""
        if text and len(text) <= 24 and "object at" not in text:
            shown.append(f"{name}={text}")
    return ", ".join(shown)
