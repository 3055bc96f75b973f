"""The graph as it grows: a box for each tensor that was there and for each operation, and the forward steps."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ...engine.node import Node
from ...engine.sites import call_site
from ...ops.primitive import Primitive
from ...tensor import Tensor
from ..graph.collect import settings
from ..graph.names import Names
from .boxes import Box, Line, Places, Step
from .formulas import of_forward
from .frames import inside_a_function, local_variables
from .values import Table

LEAVES = 50  # leaves that are drawn of the first operations of a graph of very many


class Growing:
    """The part of the recorder that listens to operations.

    `tell_earlier(recorder, node)` is asked to note the operations that led to a node which nobody has heard of.
    """

    def __init__(self, tell_earlier: Callable[[Any, Node], None]) -> None:
        self._tell_earlier = tell_earlier
        self.table = Table()
        self.boxes: list[Box] = []
        self.lines: dict[tuple[Box, Box, int], Line] = {}
        self.steps: list[Step] = []
        self.running = 0  # the number of the backward pass that is going on
        self.names: dict[int, str] = {}  # of tensors, by id
        self.early: Box | None = None  # stands for the first operations of a graph of very many
        self.folded: dict[Box, Box] = {}  # which box stands for an operation that was folded
        self._of: dict[Hashable, Box] = {}  # by history
        self._of_node: dict[Node, Box] = {}
        self._latest: dict[int, Box] = {}  # of leaf tensors, by id, also if they were written since
        self._alive: list[Any] = []

    def settle(self) -> None:
        """Note what has happened quietly since the last step."""

    def note_write(self, box: Box) -> None:
        """Note that a leaf has other values than before."""

    # ---- forward -----------------------------------------------------------------------------------------------------

    def forward(self, primitive: Primitive, inputs: Any, params: Any, output: Tensor, node: Node | None) -> None:
        """Called by the door after each operation."""
        if node is None and inside_a_function():
            return  # what a user's own Function does inside is one operation here
        self.settle()
        if node is None and primitive.name == "copy_":
            self._look_quickly()  # values put into a tensor, as initialisers do: it is seen when it is used
            return
        boxes = [self.leaf(x, index, len(self.boxes)) for index, x in enumerate(inputs) if x is not None]
        where = node.where if node is not None else call_site()
        self.operation(primitive, params, boxes, output._data, where, node, output)
        self._look_quickly()

    def operation(
        self,
        primitive: Primitive,
        params: dict[str, Any],
        inputs: list[Box],
        value: Any,
        where: tuple[Any, int] | None,
        node: Node | None,
        output: Tensor | None = None,
    ) -> Box:
        """Note one operation and its forward step."""
        box = Box("operation", node.name if node is not None else "", primitive.name, settings(params), where)
        box.tensor, box.during = output, self.running
        if node is not None:
            box.shape, box.dtype = node.shape, str(node.dtype)
            self._of_node[node] = box
        elif value is not None:
            box.shape, box.dtype = value.shape, str(value.dtype)
        box.value = self.table.add(value)
        box.inputs = inputs
        self.boxes.append(box)
        for index, source in enumerate(inputs):
            self.lines[source, box, index] = Line(source, box, index)
        if output is not None:
            self._of[history(output)] = box
        constants = {i: b.number for i, b in enumerate(inputs) if b.number is not None}
        formulas = {"value": of_forward(primitive, inputs, constants)}
        numbers = {"value": box.value}
        self.steps.append(Step("forward", box, None, numbers, formulas, walk=self.running))
        return box

    def write(self, tensor: Tensor, new: Tensor, what: str) -> None:
        """Called when a tensor was overwritten with the result of an operation, `new`."""
        if history(new) in self._of:
            self._of[history(tensor)] = self._of[history(new)]
            self._alive.append(tensor)

    def leaf(self, x: Any, index: int = 0, number: int = 0) -> Box:
        """The box of an input: the operation that made it, or a leaf."""
        if isinstance(x, Tensor):
            known = self._of.get(history(x))
            if known is None and x._node is not None:
                known = self.box_of(x._node)
            if known is not None:
                return known
            of: Hashable = history(x)
            data = x._data
        else:
            data = np.asarray(x)
            single = not isinstance(x, np.ndarray) or not x.ndim
            # an array that has changed since is another input
            of = ("number", number, index) if single else ("array", id(x), self.table.add(data))
            known = self._of.get(of)
            if known is not None:
                return known
        needs = isinstance(x, Tensor) and x._tracked and x._node is None
        box = Box("parameter" if needs else "input", shape=data.shape, dtype=str(data.dtype), tensor=x)
        if isinstance(x, Tensor):
            before = self._latest.get(id(x))
            if before is not None:
                self.note_write(before)
            box.name = x._name or (before.name if before is not None else "")
        elif not data.ndim:
            box.number = data.item()
        box.value = self.table.add(data)
        self.boxes.append(box)
        self._of[of] = box
        if isinstance(x, Tensor):
            self._latest[id(x)] = box
        return box

    def known(self, tensor: Tensor) -> Box | None:
        """The box of a tensor, if it has one."""
        return self._of.get(history(tensor))

    def alias(self, tensor: Tensor, box: Box) -> None:
        """Another tensor that stands for the same box: a copy that is going to be written."""
        self._of[history(tensor)] = self._latest[id(tensor)] = box
        self._alive.append(tensor)

    def box_of(self, node: Node) -> Box:
        """The box of an operation; if it was done before the recording began, it is told now."""
        if node not in self._of_node:
            self._tell_earlier(self, node)
        return self._of_node[node]

    def has_heard_of(self, node: Node) -> bool:
        """Is there a box for this operation?"""
        return node in self._of_node

    def begin_late(self, first: list[Node]) -> None:
        """Take the first operations of a graph of very many as one box."""
        last = first[-1]
        leaves = dict.fromkeys(p for node in first for p in node.parents if type(p) is not Node)
        inputs = [self.leaf(p) for p in list(leaves)[:LEAVES]]
        self.early = box = Box("folded", shape=last.shape, dtype=str(last.dtype), count=len(first))
        box.value = self.table.add(last.value)
        box.inputs = inputs
        self.boxes.append(box)
        for source in inputs:
            self.lines[source, box, 0] = Line(source, box, 0)
        self._of_node.update(dict.fromkeys(first, box))
        numbers: Places = {} if box.value is None else {"value": box.value}
        self.steps.append(Step("folded", box, None, numbers, count=box.count, way="forward"))

    def unknown(self, shape: tuple[int, ...] | None = None, dtype: str = "") -> Box:
        """The box of something that nobody kept."""
        box = Box("input", shape=shape, dtype=dtype)
        self.boxes.append(box)
        return box

    # ---- names -------------------------------------------------------------------------------------------------------

    def look_around(self) -> None:
        """Learn the names that the learner's function has for its tensors, and for what its models hold."""
        self.learn(Names([local_variables()]))

    def _look_quickly(self) -> None:
        """Learn only the names of its variables."""
        for name, x in local_variables().items():
            if isinstance(x, Tensor) and id(x) not in self.names and name != "self":
                self.names[id(x)] = name
                self._alive.append(x)

    def learn(self, names: Names) -> None:
        """Take over names that were found; the first name of a tensor counts."""
        self._alive.append(names.tensors)
        for tensor in names.tensors:
            self.names.setdefault(id(tensor), names.of_tensor[id(tensor)])


def history(tensor: Tensor) -> Hashable:
    """Tells a tensor from others, and from itself after it was overwritten."""
    if tensor._node is not None:
        return tensor._node
    return id(tensor), tensor._memory.version if tensor._memory is not None else 0
