"""What happens, written down while it happens: edges of the backward pass, updates of parameters.

The recorder listens at the door like the graph drawing does. It keeps numbers and formulas, and it does the arithmetic
of each edge again at once, because backward() frees what the edge was computed from. Operations are noted by its base,
in growing.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine.node import Node
from ...tensor import Tensor
from .boxes import Box, Line, Places, Step
from .formulas import gradient_formula, local_derivative
from .growing import Growing, history
from .local import arithmetic
from .updates import Update, update_of

DETAILED = 3000  # edges whose Jacobian entries are worked out; longer traces are folded anyway
LEAVES = 50  # leaves that are drawn of the first operations of a graph of very many


class Recorder(Growing):
    """The listener. `finish()` when the last thing has happened."""

    def __init__(self, tell_earlier: Callable[[Any, Node], None]) -> None:
        super().__init__(tell_earlier)
        self.walks = 0
        self._arrived: dict[Box, tuple[Any, int | None]] = {}  # gradients of the walk that is going on
        self._before: dict[Box, Any] = {}  # .grad of leaves when the walk reached them
        self._updates: list[tuple[Box, Any, Any]] = []  # parameters that are being written
        self._passed: dict[Box, Step] = {}  # leaves that the first operations of the graph have reached
        self._edges = 0

    def gradients(self) -> dict[Box, Any]:
        """What has arrived at each leaf in the last backward pass."""
        return {box: total for box, (total, _) in self._arrived.items() if box.kind == "parameter"}

    # ---- backward ----------------------------------------------------------------------------------------------------

    def begin(self, outputs: Any, seeds: Any) -> None:
        """Called when a backward pass begins, with the tensors it begins at and the gradients that flow into them."""
        self.settle()
        self.look_around()
        self.walks += 1
        self.running = self.walks
        self._arrived, self._before = {}, {}
        for output, seed in zip(outputs, seeds, strict=True):
            box = self.leaf(output)
            old, place = self._arrived.get(box, (None, None))
            value = _array(seed)
            total = value if old is None else old + value
            self._arrived[box] = (total, self.table.add(total))
            numbers: Places = {"new": self._arrived[box][1]}
            if place is not None:
                numbers |= {"old": place, "add": self.table.add(value)}
            self.steps.append(Step("seed", box, None, numbers, walk=self.running))

    def end(self) -> None:
        """Called when a backward pass is over."""
        self.running = 0
        for box, step in self._passed.items():
            total = self._arrived[box][0]
            step.numbers["new"] = place = self.table.add(total)
            self._arrived[box] = (total, place)
        self._passed = {}

    def backward(self, node: Node, slot: int, upstream: Any, gradient: Any) -> None:
        """Called by the backward walk for each edge, after the product has been computed."""
        box, parent = self.box_of(node), node.parents[slot]
        if box is self.early:
            self._pass(box, parent, _array(gradient))
            return
        source = self.box_of(parent) if type(parent) is Node else self.leaf(parent)
        which = node.plan.wanted[slot]
        line = self.lines.setdefault((source, box, which), Line(source, box, which))
        g, product = _array(upstream), _array(gradient)
        step = Step("backward", source, line, walk=self.walks)
        arrived = self._arrived.get(box, (None, None))[0]
        if arrived is not None and not _same(arrived, g):
            step.note = "hook"
            self._arrived[box] = (g, self.table.add(g))
        self._edges += 1
        self._detail(step, node, slot, g, product)
        old, place = self._arrived.get(source, (None, None))
        new = product if old is None else old + product
        self._arrived[source] = (new, self.table.add(new))
        step.numbers |= {"product": self.table.add(product), "old": place, "new": self._arrived[source][1]}
        self.steps.append(step)
        if isinstance(parent, Tensor) and source not in self._before:
            self._before[source] = None if parent._grad is None else parent._grad._data.copy()

    def _pass(self, early: Box, parent: Any, product: Any) -> None:
        """A gradient that leaves one of the first operations: only what it adds to a leaf matters."""
        if type(parent) is Node:
            return
        box = self._of.get(history(parent))
        if box is None or (box, early, 0) not in self.lines:
            return
        old, place = self._arrived.get(box, (None, None))
        new = product if old is None else old + product
        if box not in self._passed:
            line = self.lines[box, early, 0]
            numbers: Places = {} if place is None else {"old": place}
            step = Step("folded", box, line, numbers, walk=self.walks, count=early.count, way="backward")
            self._passed[box] = step
            self.steps.append(step)
        self._arrived[box] = (new, None)

    def _detail(self, step: Step, node: Node, slot: int, g: Any, product: Any) -> None:
        """Do the arithmetic of the edge again, with symbols and with numbers."""
        assert step.line is not None
        box = step.line.target
        step.numbers["upstream"] = self.table.add(g)
        which = node.plan.wanted[slot]
        inputs = box.inputs
        constants = {i: b.number for i, b in enumerate(inputs) if b.number is not None}
        try:
            sums = arithmetic(node, slot, g, product.shape, self._edges <= DETAILED)
        except Exception:  # what was kept is gone, or a user's own backward does not like to be asked twice
            return
        step.axes, step.jacobian = sums.axes, sums.jacobian
        if sums.raw is not None:
            step.numbers["raw"] = self.table.add(sums.raw)
        if sums.local is not None:
            step.numbers["local"] = self.table.add(sums.local)
        local = None
        if len(inputs) > which:
            local = local_derivative(node.primitive, which, inputs, box, constants)
        if local is not None:
            step.formulas["local"] = local
        elif self._edges <= DETAILED:
            formula = gradient_formula(node, slot, g, inputs, box)
            if formula is not None:
                step.formulas["gradient"] = formula

    # ---- updates -----------------------------------------------------------------------------------------------------

    def update(self, optimizer: Any, bucket: Any, gradients: Any, hyper: Any, negate: bool) -> None:
        """Called by an optimizer before it writes the parameters of a bucket."""
        self.settle()
        self.look_around()
        for k, p in enumerate(bucket.params):
            update = update_of(self.table, optimizer, bucket, k, gradients[k], hyper, negate)
            self._updates.append((self._latest.get(id(p)) or self.leaf(p), p, update))

    def settle(self) -> None:
        """Note what has happened quietly since: gradients added to .grad, parameters written."""
        if not self.running and self._before:
            for box, before in self._before.items():
                grad = box.tensor._grad
                if before is not None and grad is not None and not _same(before, grad._data):
                    add = self._arrived[box][1]
                    numbers = {"old": self.table.add(before), "add": add, "new": self.table.add(grad._data)}
                    self.steps.append(Step("accumulate", box, None, numbers, walk=self.walks))
            self._before = {}
        if self._updates:
            pending, self._updates = self._updates, []
            for box, p, update in pending:
                numbers = {"old": box.value, "new": self.table.add(p._data)}
                self.steps.append(Step("update", box, None, numbers, update=update))
                box.updated = True

    def note_write(self, box: Box) -> None:
        """A parameter has other values than before: tell it, if no optimizer has."""
        tensor = box.tensor
        if box.kind != "parameter" or box.updated or box.lost:
            return
        new = self.table.add(tensor._data)
        if new == box.value:
            return
        box.updated = True
        writer = tensor._memory.writer[0] if tensor._memory is not None else ""
        numbers: Places = {"old": box.value, "new": new}
        self.steps.append(Step("update", box, None, numbers, update=Update(writer, [], {}, None, {})))

    def finish(self) -> None:
        """Nothing more will happen."""
        self.settle()
        for box in list(self._latest.values()):
            self.note_write(box)
        self.look_around()


def _array(x: Any) -> Any:
    return x._data if isinstance(x, Tensor) else x


def _same(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b, equal_nan=True))
