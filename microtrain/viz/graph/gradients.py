"""The backward pass as boxes of its own, linked with those of the forward pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ...ops.plan import parameter_names
from ...ops.primitive import Primitive
from .maths import called, gradient_of, unused
from .nodes import Edge, GraphNode, Group
from .text import clean, short

if TYPE_CHECKING:
    from .data import Graph


class Step(NamedTuple):
    """What the backward pass does at one operation (or folded box)."""

    box: GraphNode
    row: Primitive | None  # None where it is folded
    wanted: dict[int, GraphNode]  # the inputs that get a gradient, by index
    read: dict[int, GraphNode]  # all inputs
    seconds: dict[int, float]  # what the gradients took, by index, where that was recorded


class Backward:
    """Adds a box for each gradient, the way between them, and which values are read again."""

    def __init__(self, graph: Graph, steps: list[Step]) -> None:
        self.graph, self.steps = graph, steps

    def add(self, alone: bool) -> None:
        """Add the boxes; with `alone` nothing else is left in the graph."""
        graph = self.graph
        outputs = graph.outputs
        root = _name(outputs[0]) if len(outputs) == 1 else "outputs"
        taken = {_name(node) for node in graph.nodes}
        made = {}
        for node in reversed(graph.nodes):
            if node.needs_grad:
                made[node.key] = self._box(node, root)
        edges = []
        for step in reversed(self.steps):
            upstream = made.get(step.box.key)
            for index, node in step.wanted.items():
                if upstream is None or node.key not in made:
                    continue
                edges.append(Edge(upstream.key, made[node.key].key, index, True, "backward"))
                if index in step.seconds:
                    made[node.key].seconds = (made[node.key].seconds or 0.0) + step.seconds[index]
                if step.row is None:
                    made[node.key].formula.append(f"through {clean(step.box.operation) or 'the folded box'}")
                    continue
                names = called(step.row, [_name(step.read.get(i)) for i in range(len(step.row.inputs))], taken)
                made_here = _name(step.box) or unused("yzv", {*taken, *names})
                line = gradient_of(step.row, index, names, (made_here, unused("gδΔ", taken)), _constants(step))
                several = sum(1 for s in self.steps for w in s.wanted.values() if w is node) > 1
                if line:
                    made[node.key].formula.append(f"{'+ ' if several else ''}{clean(line, 48)}")
                for key in _reads(step, index):
                    edges.append(Edge(key, made[node.key].key, index, False, "retained"))
        if alone:
            graph.nodes, graph.edges, graph.groups = list(made.values()), [], []
            graph.edges = [edge for edge in edges if edge.flow == "backward"]
            graph.rows = {}
            for node in graph.nodes:
                node.group = ""
        else:
            graph.nodes += made.values()
            graph.edges += {edge.key: edge for edge in edges}.values()
            graph.groups.append(Group("backward pass", [node.key for node in made.values()], "cb"))
            for node in made.values():
                node.group = "cb"

    def _box(self, node: GraphNode, root: str) -> GraphNode:
        name = _name(node)
        below = name or f"({clean(node.name or node.operation, 24)})"
        box = GraphNode(f"g{node.key[1:]}", "gradient", f"∂{root}/∂{below}")
        box.shape, box.dtype, box.value, box.needs_grad = node.shape, node.dtype, node.grad, True
        box.bytes = node.bytes
        box.output = node.kind == "parameter"
        if node.output:
            box.formula = ["1, where it begins"]
        return box


def _name(node: GraphNode | None) -> str:
    return short(node.name) if node is not None and node.kind != "folded" else ""


def _constants(step: Step) -> dict[str, float]:
    """The inputs of an operation that are plain numbers, by their letters."""
    assert step.row is not None
    found = {}
    for i, letter in enumerate(step.row.inputs):
        node = step.read.get(i)
        if node is not None and node.kind == "input" and not node.name and node.value is not None:
            number = node.value.entries
            if isinstance(number, (int, float)) and math.isfinite(number):
                found[letter] = number
    return found


def _reads(step: Step, index: int) -> list[str]:
    """The boxes whose values are read for the gradient of one input."""
    row = step.row
    assert row is not None
    vjp = row.vjp_of(index)
    keys: dict[str, None] = {}
    for name in parameter_names(vjp) if vjp is not None else ():
        kind, which = row.source_of(name)
        if kind == "output":
            keys[step.box.key] = None
        elif kind == "all":
            keys.update({node.key: None for node in step.read.values()})
        elif kind == "input":
            node = step.read.get(index if row.variadic else which)
            if node is not None:
                keys[node.key] = None
    return list(keys)
