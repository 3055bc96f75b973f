"""Makes the graph: what was found, folded to a size that can be drawn, as nodes and edges with stable names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal

from ...tensor import Tensor
from .collect import Input, Source, leaf_box
from .data import Edge, Graph, GraphNode
from .fold import fold
from .names import Names
from .stubs import levels

DEEP = 7  # graphs with more boxes in a row than this go from top to bottom


class Builder:
    """Collects nodes and edges; each node comes after what it is made from."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes: list[GraphNode] = []
        self.of: dict[Hashable, GraphNode] = {}  # by operation or leaf
        self.edges: dict[tuple[str, str, int], Edge] = {}

    def add(self, box: GraphNode, *keys: Hashable) -> None:
        box.key = f"n{len(self.nodes)}"
        self.nodes.append(box)
        self.of.update(dict.fromkeys(keys, box))

    def leaf(self, x: Input) -> None:
        if x.origin not in self.of:
            self.add(self.source.describe_leaf(x), x.origin)
        if x.changed:
            self.of[x.origin].note = "changed since"

    def operation(self, operation: Any) -> None:
        """One operation, after the leaves that nothing before it has used."""
        inputs = self.source.inputs(operation)
        for x in inputs:
            if not x.made:
                self.leaf(x)
        self.add(self.source.describe(operation), operation)
        for x in inputs:
            self.connect(x, self.of[operation], x.slot)

    def stretch(self, operations: Sequence[Any], shown: set[Hashable]) -> None:
        """Many operations as one node; of their leaves only those that others use too."""
        inputs = [x for operation in operations for x in self.source.inputs(operation)]
        for x in inputs:
            if x.origin in shown:
                self.leaf(x)
        pattern = _pattern([self.source.name(operation) for operation in operations])
        box = GraphNode("", "folded", operation=pattern, count=len(operations))
        self.add(box, *operations)
        for x in inputs:
            if x.origin in self.of and self.of[x.origin] is not box:
                self.connect(x, box, 0)

    def connect(self, x: Input, to: GraphNode, slot: int) -> None:
        edge = Edge(self.of[x.origin].key, to.key, slot, x.needs_grad)
        self.edges.setdefault((edge.source, edge.target, edge.slot), edge).needs_grad |= x.needs_grad


def build(
    source: Source, outputs: Sequence[Tensor], names: Names, limit: int, direction: Literal["TB", "LR"] | None
) -> Graph:
    """The graph of a source. Those of `outputs` that no operation made are drawn as what they are: leaves."""
    operations = source.operations
    leaves = [[x.origin for x in source.inputs(o) if not x.made] for o in operations]
    stretches = fold([source.signature(o) for o in operations], leaves, limit)
    shown = {leaf for stretch in stretches if len(stretch) == 1 for leaf in leaves[stretch[0]]}
    builder = Builder(source)
    for stretch in stretches:
        if len(stretch) == 1:
            builder.operation(operations[stretch[0]])
        else:
            builder.stretch([operations[i] for i in stretch], shown)
    for tensor in outputs:
        if tensor._node is None:
            leaf = Input(0, id(tensor), False, tensor, tensor._tracked)
            if leaf.origin not in builder.of:
                builder.add(leaf_box(leaf, names), leaf.origin)
            builder.of[leaf.origin].output = True
    graph = Graph(builder.nodes, list(builder.edges.values()), caption=_caption(builder.nodes))
    graph.direction = direction or _direction(graph)
    return graph


def _pattern(names: list[str]) -> str:
    """ "mul, add" if the names are repetitions of that, else nothing."""
    for period in range(1, 5):
        if len(names) >= 2 * period and all(names[i] == names[i % period] for i in range(len(names))):
            return ", ".join(names[:period])
    return ""


def _caption(nodes: list[GraphNode]) -> str:
    parts = []
    folded = [node.count for node in nodes if node.kind == "folded"]
    if folded:
        boxes = "one box" if len(folded) == 1 else f"{len(folded)} boxes"
        operations = sum(node.count for node in nodes if node.kind in ("operation", "folded"))
        parts.append(f"{sum(folded):,} of {operations:,} operations are folded into {boxes}.")
    if any(node.note == "changed since" for node in nodes):
        parts.append("Parameters were written after the forward pass; their boxes show what they are now.")
    if any(node.note == "not kept" for node in nodes):
        parts.append("Constants that the backward pass does not need are not kept; microtrain.viz.record() sees them.")
    if len(nodes) == 1 and nodes[0].kind == "input":
        parts.append("No operation led here that was recorded: nothing required grad, or it ran under no_grad().")
    return " ".join(parts)


def _direction(graph: Graph) -> Literal["TB", "LR"]:
    level = levels(graph).values()
    return "TB" if max(level, default=0) - min(level, default=0) >= DEEP else "LR"
