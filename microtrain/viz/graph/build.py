"""Makes the graph: what was found, folded to a size that can be drawn, as nodes and edges with stable names."""

from __future__ import annotations

import collections
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...engine.node import SMALL
from ...ops.primitive import Primitive
from ...tensor import Tensor
from .collect import Input, Source, leaf_box
from .data import Graph
from .fold import Stretch, fold
from .gradients import Backward, Step
from .look import Look
from .maths import called, formula_of
from .modules import Call, call_tree
from .names import modules_in
from .nodes import Edge, GraphNode, Group
from .stubs import levels
from .text import clean, short
from .values import number

Retained = Sequence[tuple[str, int]]  # (what of it: "input", "shape" ..., index)

MOST_DATA = 8  # named inputs that are drawn beside a closed module
DEEP = 7  # graphs with more boxes in a row than this go from top to bottom


@dataclass(frozen=True)
class Settings:
    """What `graph()` was asked for."""

    limit: int = 400
    depth: int | None = None
    repeats: bool | None = None
    passes: Literal["forward", "backward", "both"] = "forward"
    direction: Literal["TB", "LR"] | None = None
    view: Look = field(default_factory=Look)


class Builder:
    """Collects nodes and edges; each node comes after what it is made from."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes: list[GraphNode] = []
        self.of: dict[Hashable, GraphNode] = {}  # by operation or leaf
        self.edges: dict[tuple[str, str, int], Edge] = {}
        self.groups: dict[Call, Group] = {}
        self.rows: dict[str, tuple[Primitive, dict[str, Any]]] = {}
        self.steps: list[Step] = []  # what the backward pass will do
        self._unwritten: list[tuple[GraphNode, Primitive, dict[int, GraphNode], Retained]] = []
        self._labels: dict[int, str] = {}  # of modules that the caller has no name for, by what they are inside of
        self._named: set[Call] = set()

    def add(self, box: GraphNode, *keys: Hashable) -> None:
        box.key = f"n{len(self.nodes)}"
        self.nodes.append(box)
        self.of.update(dict.fromkeys(keys, box))

    def leaf(self, x: Input) -> None:
        if x.origin not in self.of:
            self.add(self.source.describe_leaf(x), x.origin)
        if x.changed:
            self.of[x.origin].note = "changed since"

    def operation(self, operation: Any, group: Call) -> None:
        """One operation, after the leaves that nothing before it has used."""
        inputs = self.source.inputs(operation)
        for x in inputs:
            if not x.made:
                self.leaf(x)
        box = self.source.describe(operation)
        self.add(box, operation)
        box.group = self.group(group)
        read = {x.index: self.of[x.origin] for x in inputs}
        for x in inputs:
            self.connect(x, box, x.index)
        row, params = self.source.row(operation)
        self.rows[box.key] = row, params
        retained, box.freed = self.source.retained(operation)
        self._unwritten.append((box, row, read, retained))
        if box.needs_grad:
            wanted = {x.index: self.of[x.origin] for x in inputs if x.needs_grad}
            self.steps.append(Step(box, row, wanted, read, self.source.backward_seconds(operation)))

    def write(self) -> None:
        """The formulas, and what is kept, when all names are known."""
        taken = {_short(node) for node in self.nodes}
        for box, row, read, retained in self._unwritten:
            names = called(row, [_short(read.get(index)) for index in range(len(row.inputs))], taken)
            box.formula = [line for line in [formula_of(row, names)] if line]
            whole = {index for kind, index in retained if kind != "shape"}  # what is kept has its shape with it
            kept = [(kind, index) for kind, index in retained if kind != "shape" or index not in whole]
            box.retained = list(dict.fromkeys(_retained(kind, read.get(i), i, row, names, box) for kind, i in kept))

    def stretch(self, stretch: Stretch, operations: Sequence[Any], shown: set[Hashable]) -> None:
        """Many operations as one node; of their leaves only those that others use too."""
        inputs = self.source.outside(operations)
        shown = set(shown)
        if any(isinstance(unit, Call) for unit in stretch.units) and not stretch.rest:
            data = {x.origin for x in inputs if self._is_data(x)}  # what a closed module is given
            shown |= data if len(data) <= MOST_DATA else set()
        parameters: dict[Hashable, int] = {}
        for x in inputs:
            if x.origin in shown and not x.made:
                self.leaf(x)
            elif x.needs_grad and isinstance(x.leaf, Tensor):
                parameters[x.origin] = x.leaf.numel()
        unit = [self.source.row(operations[u - stretch.start])[0].name if isinstance(u, int) else u.kind
                for u in stretch.units]  # fmt: skip
        box = GraphNode("", "folded", operation=", ".join(unit), count=len(operations))
        done = collections.Counter([self.source.row(operation)[0].name for operation in operations])
        box.contents = ", ".join(f"{count:,} {name}" for name, count in done.most_common(12))
        box.contents += ", ..." if len(done) > 12 else ""
        last = self.source.describe(operations[-1])
        box.parameters, box.shape, box.dtype = sum(parameters.values()), last.shape, last.dtype
        box.needs_grad = any(x.needs_grad for x in inputs) and last.needs_grad
        if len(stretch.units) == 1 and isinstance(stretch.units[0], Call):
            box.name, box.detail = self.label(stretch.units[0]), "module" if stretch.repeats == 1 else ""
            box.grad, box.value, box.output = last.grad, last.value, last.output
        if stretch.repeats > 1:
            box.detail = f"{'… ' if stretch.rest else ''}{stretch.repeats:,} ×"
            box.name = ""
        self.add(box, *operations)
        box.group = self.group(stretch.group)
        for x in inputs:
            if x.origin in self.of and self.of[x.origin] is not box:
                self.connect(x, box, 0)
        read = {i: self.of[x.origin] for i, x in enumerate(inputs) if x.origin in self.of}
        if box.needs_grad:
            wanted = {i: node for i, node in read.items() if node.needs_grad and node is not box}
            self.steps.append(Step(box, None, wanted, read, {}))

    def _is_data(self, x: Input) -> bool:
        """Is it a tensor that the caller has a name for, and no parameter?"""
        return isinstance(x.leaf, Tensor) and not x.needs_grad and bool(self.source.names[x.leaf])

    def connect(self, x: Input, to: GraphNode, index: int) -> None:
        edge = Edge(self.of[x.origin].key, to.key, index, x.needs_grad)
        self.edges.setdefault((edge.source, edge.target, edge.index), edge).needs_grad |= x.needs_grad

    # ---- frames ------------------------------------------------------------------------------------------------------

    def group(self, call: Call | None) -> str:
        """The key of the frame that a call is drawn in. One operation alone needs none."""
        while call is not None and call.parent is not None and call.single:
            call = call.parent
        if call is None or call.parent is None:
            return ""
        if call not in self.groups:
            parent = self.group(call.parent)
            self.groups[call] = Group(self.label(call), [], f"c{len(self.groups)}", parent)
        return self.groups[call].key

    def label(self, call: Call) -> str:
        """ "0: Linear": the module's name where it is known, and its class."""
        if isinstance(call.owner, str) or call.owner is None:
            return call.kind
        outermost = call
        while outermost.parent is not None and outermost.parent.parent is not None:
            outermost = outermost.parent
        if outermost not in self._named and outermost.owner is not None:
            self._named.add(outermost)
            self._labels.update({id(module): name for module, name in modules_in(outermost.owner, "") if name})
        name = self.source.names.of_module.get(id(call.owner)) or self._labels.get(id(call.owner), "")
        return f"{clean(name)}: {call.kind}" if name else call.kind

    def frames(self) -> list[Group]:
        """The frames with what is in them. Parameters and constants stand with those that read them."""
        parents = {group.key: group.parent for group in self.groups.values()}
        readers: dict[str, list[GraphNode]] = {}
        by_key = {node.key: node for node in self.nodes}
        for edge in self.edges.values():
            readers.setdefault(edge.source, []).append(by_key[edge.target])
        for node in self.nodes:
            if node.kind == "parameter" or (node.kind == "input" and not node.name and not node.needs_grad):
                node.group = _common([reader.group for reader in readers.get(node.key, [])], parents)
        members: dict[str, list[str]] = {}
        for node in self.nodes:
            members.setdefault(node.group, []).append(node.key)
        for group in self.groups.values():
            group.nodes = members.get(group.key, [])
        return list(self.groups.values())


def build(source: Source, outputs: Sequence[Tensor], settings: Settings) -> Graph:
    """The graph of a source. Those of `outputs` that no operation made are drawn as what they are: leaves."""
    operations = source.operations
    signatures = [source.signature(o) for o in operations]

    def leaves(i: int) -> list[Hashable]:
        return [x.origin for x in source.inputs(operations[i]) if not x.made]

    root = call_tree(len(operations), source.calls(), signatures)
    outermost = dict.fromkeys(unit.owner for unit in root.inside if isinstance(unit, Call))
    source.names.learn([owner for owner in outermost if owner is not None and not isinstance(owner, str)])
    limit = max(2, settings.limit // 2) if settings.passes == "both" else settings.limit
    stretches = fold(root, signatures, leaves, limit, settings.depth, settings.repeats)
    shown = {leaf for s in stretches if s.alone for leaf in leaves(s.start)}
    builder = Builder(source)
    for s in stretches:
        if s.alone:
            builder.operation(operations[s.start], s.group)
        else:
            builder.stretch(s, operations[s.start : s.stop], shown)
    for tensor in outputs:
        if tensor._node is None:
            leaf = Input(0, id(tensor), False, tensor, tensor._tracked)
            if leaf.origin not in builder.of:
                builder.add(leaf_box(leaf, source.names), leaf.origin)
            builder.of[leaf.origin].output = True
    builder.write()
    _mark_forgotten(builder.nodes)
    edges = list(builder.edges.values())
    graph = Graph(
        builder.nodes, edges, builder.frames(), _caption(builder.nodes), view=settings.view, rows=builder.rows
    )
    if settings.passes != "forward":
        Backward(graph, builder.steps).add(alone=settings.passes == "backward")
    graph.direction = settings.direction or _direction(graph)
    return graph


def _mark_forgotten(nodes: list[GraphNode]) -> None:
    """After a backward pass, a large result without a gradient had one that was let go."""
    if any(node.grad is not None for node in nodes):
        for node in nodes:
            if node.kind == "operation" and node.needs_grad and node.grad is None:
                node.forgotten = math.prod(node.shape or ()) > SMALL


def _short(node: GraphNode | None) -> str:
    """What a formula calls an input: its name or its number."""
    if node is None or node.kind == "folded":
        return ""
    if node.name:
        return short(node.name)
    if node.kind == "input" and node.value is not None and isinstance(node.value.entries, (bool, int, float)):
        return number(node.value.entries)
    return ""


def _retained(
    kind: str, node: GraphNode | None, index: int, row: Primitive, names: Sequence[str], box: GraphNode
) -> str:
    """ "x", "output", "shape of x"; the name of the tensor where it has one, else what its formula calls it."""
    if index < 0:
        name, shape = "output", box.shape
    else:
        letter = names[min(index, len(names) - 1)] if names else "input"
        name = (_short(node) or f"{row.inputs[-1]}{index}") if row.variadic else letter
        shape = None if node is None else node.shape
    if kind == "shape":
        return f"shape of {name}"
    return name if not shape else f"{name} {shape}"


def _common(groups: Sequence[str], parents: dict[str, str]) -> str:
    """The innermost frame around all of these."""
    if not groups:
        return ""
    paths = []
    for each in set(groups):
        path = [each]
        while path[-1]:
            path.append(parents[path[-1]])
        paths.append(path[::-1])
    common = ""
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        common = level[0]
    return common


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
    if any(node.kind == "operation" and node.value is None and not node.note for node in nodes):
        parts.append("Large results are not kept; microtrain.viz.record() sees their values and gradients.")
    if len(nodes) == 1 and nodes[0].kind == "input":
        parts.append("No operation led here that was recorded: nothing required grad, or it ran under no_grad().")
    return " ".join(parts)


def _direction(graph: Graph) -> Literal["TB", "LR"]:
    level = levels(graph).values()
    return "TB" if max(level, default=0) - min(level, default=0) >= DEEP else "LR"
