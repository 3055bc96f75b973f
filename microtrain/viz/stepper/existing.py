"""The graph that a tensor has already, told to a recorder as if it were being made now, and its backward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...engine.backward import differentiate
from ...engine.node import Node
from ...engine.recording import MODE, Mode
from ...errors import GraphError
from ...tensor import Tensor, wrap
from ..graph.collect import constants
from ..graph.names import Names
from .boxes import Box
from .recorder import Recorder

MOST = 5000  # operations that are told one by one; of more, the first are one box from the beginning


def leading_to(root: Node | None, recorder: Recorder | None = None) -> list[Node]:
    """The operations that led to a node, and it itself, inputs first; without those that a recorder knows."""
    found: dict[Node, None] = {}
    stack = [] if root is None else [root]
    while stack:
        node = stack.pop()
        if node not in found and (recorder is None or not recorder.has_heard_of(node)):
            found[node] = None
            stack.extend(parent for parent in node.parents if type(parent) is Node)
    return sorted(found, key=lambda node: node.serial)


def tell_earlier(recorder: Recorder, node: Node) -> None:
    """Note what was done before the recording began."""
    retell(recorder, leading_to(node, recorder), Names())


def retell(recorder: Recorder, operations: list[Node], names: Names) -> None:
    """Note the forward steps of operations; they come inputs first."""
    first = operations[: len(operations) - MOST] if len(operations) > MOST and recorder.early is None else []
    if first:
        recorder.begin_late(first)
    told = operations[len(first) :]
    inputs = {node: _inputs(node, names) for node in told}
    values, right = _values(inputs, written_counts=True)
    if not right:  # a leaf was written after it had been read: what it held then is lost
        values, _ = _values(inputs, written_counts=False)
    for node in told:
        boxes: list[Box] = []
        for index, x in enumerate(inputs[node]):
            if type(x) is Node:
                boxes.append(recorder.box_of(x))
            elif x is None:
                boxes.append(recorder.unknown())
            else:
                boxes.append(recorder.leaf(x, index, node.serial))
                if not right and _was_written(x):
                    boxes[-1].value, boxes[-1].lost = None, True
        box = recorder.operation(node.primitive, node.params, boxes, values[node], node.where, node)
        tensor = names.of_node.get(node)
        box.name = box.name or (names[tensor] if tensor is not None else "")


def _inputs(node: Node, names: Names) -> list[Any]:
    """The nodes, tensors, arrays and numbers that an operation read, in order; None for what nobody kept."""
    parents: dict[int, Any] = dict(zip(node.plan.wanted, node.parents, strict=True))
    others = constants(node)
    found = [parents.get(index, others.get(index)) for index in range(len(parents) + len(others))]
    return [x if isinstance(x, Tensor) else names.of_array.get(id(x), x) for x in found]


def _values(inputs: dict[Node, list[Any]], written_counts: bool) -> tuple[dict[Node, Any], bool]:
    """(the outputs, as far as they are known or can be computed again; do they agree with what is known?)

    Leaves that have ever been written are trusted only if `written_counts`.
    """
    suspicious = any(_was_written(x) for found in inputs.values() for x in found)
    values: dict[Node, Any] = {}
    right = True
    for node, found in inputs.items():
        arrays = []
        for x in found:
            if type(x) is Node:
                arrays.append(values.get(x, x.value))
            elif isinstance(x, Tensor):
                arrays.append(x._data if written_counts or not _was_written(x) else None)
            else:
                arrays.append(x)
        known = _remembered(node)
        again = _again(node, arrays) if known is None or (suspicious and written_counts) else None
        if known is not None and again is not None and not np.array_equal(known, again, equal_nan=True):
            right = False
        values[node] = again if known is None else known
    return values, right


def _remembered(node: Node) -> Any:
    """The output of an operation, if the node has it still."""
    return None if node.overwritten and not isinstance(node.value, np.generic) else node.value


def _was_written(x: Any) -> bool:
    return isinstance(x, Tensor) and x._memory is not None and x._memory.version > 0


def _again(node: Node, arrays: list[Any]) -> Any:
    """The operation done once more; None if something is missing."""
    if any(x is None for x in arrays):
        return None
    before = MODE.get()
    MODE.set(Mode(False, ()))
    try:
        # A Python number stays one: a kernel computes x**3 in another way than x to the power of a tensor.
        inputs = [x if type(x) in (int, float) else wrap(np.asarray(x)[()]) for x in arrays]
        again = Tensor.apply(node.primitive, *inputs, **node.params)
        return again._data if again.shape == node.shape else None
    except Exception:  # a user's own Function, which wants more than its inputs
        return None
    finally:
        MODE.set(before)


def differentiate_again(recorder: Recorder, root: Tensor, gradient: Any, operations: list[Node]) -> None:
    """Run the backward pass for the recorder alone: no .grad changes, and the graph stays as it is.

    Raises `GraphError` if the graph was freed by a backward() before.
    """
    freed = [node for node in operations if node.kept is None]
    if freed:
        raise GraphError(
            f"trace() came after backward(), which freed what '{freed[-1].primitive.name}' had kept.\n"
            f"  made at: {freed[-1].site}",
            "The local derivatives are computed from the values that the graph keeps.",
            "Call trace(loss) before backward(), or backward(retain_graph=True), or trace a function that does it all: "
            "microtrain.trace(step).",
        )
    remembered = [(node, node.grad) for node in operations]
    before = MODE.get()
    MODE.set(Mode(before.grad, (recorder,)))  # nobody else is to hear of it
    try:
        differentiate([root], [gradient], None, retain_graph=True, create_graph=False)
    finally:
        MODE.set(before)
        for node, grad in remembered:  # for the graph drawing, which shows what the learner's own backward() did
            node.grad = grad
