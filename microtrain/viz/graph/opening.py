"""Opens boxes of a graph: an operation on tensors becomes the operations on single numbers that it consists of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ArgumentError
from .maths import called, formula_of
from .nodes import Edge, GraphNode, Group
from .scalars import FIX, MOST, Scalar, send_back, trace_scalars
from .text import title
from .values import Values, number

if TYPE_CHECKING:
    from .data import Graph


def opened(graph: Graph, keys: Sequence[str], everything: bool) -> Graph:
    """The graph with these operations opened; with `everything` also all others that can be."""
    if any(node.kind == "gradient" for node in graph.nodes):
        raise ArgumentError("Only the forward graph can be opened.", fix='Draw it with passes="forward".')
    wanted = dict.fromkeys(keys)
    if everything:
        wanted.update(dict.fromkeys(node.key for node in graph.nodes if node.kind == "operation"))
    opening = _Opening(graph)
    closed = []
    for node in graph.nodes:
        if node.key not in wanted:
            continue
        try:
            opening.trace(node)
        except ArgumentError as error:
            if node.key in keys:
                raise
            closed.append((node, error))
    if everything and not opening.traces:
        why = closed[0][1].what if closed else "The graph has no operations."
        raise ArgumentError("Nothing in this graph can be opened.", why, FIX)
    return opening.assemble(closed)


class _Trace:
    """One operation done on single numbers."""

    def __init__(self, elements: list[Any], output: Any, tape: list[Scalar], sources: list[GraphNode | None]) -> None:
        self.elements, self.output, self.tape, self.sources = elements, output, tape, sources


class _Opening:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.traces: dict[str, _Trace] = {}
        self.by_key = {node.key: node for node in graph.nodes}
        self.taken = {node.name for node in graph.nodes}
        self.inputs: dict[str, list[Edge]] = {}
        for edge in graph.edges:
            self.inputs.setdefault(edge.target, []).append(edge)
        self.nodes: list[GraphNode] = []
        self.edges: list[Edge] = []
        self.groups: list[Group] = []
        self.boxes: dict[str, GraphNode] = {}  # those drawn so far
        self.parts: dict[str, list[str]] = {}  # node -> the keys of its elements, where they are drawn

    # ---- doing it on single numbers ----------------------------------------------------------------------------------

    def trace(self, node: GraphNode) -> None:
        """Do one operation again. Raises `ArgumentError` if that can't be done."""
        if node.key not in self.graph.rows:
            why = {
                "folded": "it is folded",
                "operation": "a copy or comparison of graphs has no operations to do again",
            }
            what = why.get(node.kind, "it is no operation")
            raise ArgumentError(f"{title(node) or node.key} can't be opened: {what}.", fix=FIX)
        row, params = self.graph.rows[node.key]
        edges = self.inputs.get(node.key, [])
        count = len(edges) if row.variadic else len(row.inputs)
        sources: list[GraphNode | None] = [None] * count
        for edge in edges:
            sources[edge.index] = self.by_key[edge.source]
        arrays = [None if s is None else _array(s) for s in sources]
        traced = [s is not None and _is_traced(s) for s in sources]
        expected = _array(node)
        elements, output, tape = trace_scalars(row, params, arrays, traced, expected)
        if node.grad is not None and node.grad.entries is not None:
            send_back(tape, output, np.array(node.grad.entries, dtype=float))
        self.traces[node.key] = _Trace(elements, output, tape, sources)

    # ---- drawing it --------------------------------------------------------------------------------------------------

    def assemble(self, closed: list[tuple[GraphNode, ArgumentError]]) -> Graph:
        """The new graph."""
        graph = self.graph
        readers: dict[str, list[str]] = {}
        for edge in graph.edges:
            readers.setdefault(edge.source, []).append(edge.target)
        members = {group.key: dataclasses.replace(group, nodes=[]) for group in graph.groups}
        self.groups = list(members.values())
        for node in graph.nodes:
            if node.key in self.traces:
                self._open(node)
            elif self._replaced(node, readers.get(node.key, [])):
                continue  # its elements are drawn where they are read
            else:
                self._draw(dataclasses.replace(node))
                for edge in self.inputs.get(node.key, []):
                    sources = self.parts[edge.source] if edge.source in self.traces else [edge.source]
                    self.edges += [Edge(s, node.key, edge.index, edge.needs_grad) for s in dict.fromkeys(sources)]
        if len(self.nodes) > 2 * MOST:
            raise ArgumentError(f"The opened graph would have {len(self.nodes):,} boxes.", fix="Open fewer operations.")
        by_group = {group.key: group for group in self.groups}
        for node in self.nodes:
            if node.group in by_group:
                by_group[node.group].nodes.append(node.key)
        for group in [g for g in self.groups if g.key.startswith("z") and len(g.nodes) < 2]:
            for key in group.nodes:  # one box needs no frame
                self.boxes[key].group = group.parent
                if group.parent in by_group:
                    by_group[group.parent].nodes.append(key)
            self.groups.remove(group)
        caption = graph.caption
        if closed:
            names = ", ".join(dict.fromkeys(node.operation for node, _ in closed))
            stay = "operations stay" if len(closed) > 1 else "operation stays"
            caption = f"{caption} {len(closed)} {stay} closed ({names}).".strip()
        return dataclasses.replace(
            graph, nodes=self.nodes, edges=self.edges, groups=self.groups, caption=caption, whole=graph,
            opened=tuple(self.traces), direction="LR" if len(self.nodes) > 6 else graph.direction,
        )  # fmt: skip

    def _replaced(self, node: GraphNode, readers: list[str]) -> bool:
        """Will a leaf's elements be drawn in its stead? A single number of a tensor stays the box that it is."""
        if node.kind not in ("parameter", "input") or node.output or (node.shape == () and _is_traced(node)):
            return False
        return bool(readers) and all(key in self.traces for key in readers)

    def _open(self, node: GraphNode) -> None:
        trace = self.traces[node.key]
        frame = Group(title(node), [], f"z{node.key}", node.group)
        self.groups.append(frame)
        places: dict[int, tuple[GraphNode, int]] = {}  # element -> where it comes from
        for source, elements in zip(trace.sources, trace.elements, strict=True):
            if source is not None and elements is not None:
                for flat, element in enumerate(np.asarray(elements).reshape(-1)):
                    places[id(element)] = source, flat
        outputs: dict[int, int] = {}
        flat_output = trace.output.reshape(-1)
        for flat, element in enumerate(flat_output):
            outputs.setdefault(id(element), flat)
        for number_of, scalar in enumerate(trace.tape):
            flat = outputs.get(id(scalar), -1)
            name = _indexed(node.name, node.shape or (), flat) if flat >= 0 else ""
            box = GraphNode(f"{node.key}.{number_of}", "operation", name, scalar.row.name, group=frame.key)
            if flat >= 0 and len(flat_output) == 1:
                box.key = node.key
            scalar.key = box.key
            box.shape, box.dtype, box.value = (), node.dtype, Values.of(float(scalar.value))
            box.site, box.source = node.site, node.source
            box.output = node.output and flat >= 0
            names = []
            for index, argument in enumerate(scalar.args):
                key, shown, needs_grad = self._argument(argument, places, box.key, index, frame)
                names.append(shown)
                box.needs_grad |= needs_grad
                self.edges.append(Edge(key, box.key, index, needs_grad))
            if box.needs_grad and scalar.grad is not None:
                box.grad = Values.of(float(scalar.grad))
            names = called(scalar.row, names, self.taken)
            box.formula = [line for line in [formula_of(scalar.row, names)] if line]
            self._draw(box)
        keys = []
        for flat, element in enumerate(flat_output):
            if isinstance(element, Scalar) and element.key:
                keys.append(element.key)
            elif id(element) in places:  # handed through, as by reshape
                keys.append(self._element(*places[id(element)], frame))
            else:
                keys.append(self._constant(element, f"{node.key}.o{flat}", frame))
        self.parts[node.key] = keys
        if node.output:
            for key in keys:
                self.boxes[key].output = True

    def _draw(self, box: GraphNode) -> None:
        self.nodes.append(box)
        self.boxes[box.key] = box

    def _argument(
        self, argument: Any, places: dict[int, Any], target: str, index: int, frame: Group
    ) -> tuple[str, str, bool]:
        """(key, what a formula calls it, does it want a gradient?) of what a single operation reads."""
        if isinstance(argument, Scalar) and argument.key:
            return argument.key, "", self.boxes[argument.key].needs_grad
        if id(argument) in places:
            source, flat = places[id(argument)]
            return (
                self._element(source, flat, frame),
                _indexed(source.name, source.shape or (), flat),
                source.needs_grad,
            )
        return self._constant(argument, f"{target}.c{index}", frame), number(_plain(argument)), False

    def _constant(self, value: Any, key: str, frame: Group) -> str:
        value = _plain(value)
        box = GraphNode(key, "input", shape=(), dtype="Python float", value=Values.of(value), group=frame.key)
        self._draw(box)
        return key

    def _element(self, source: GraphNode, flat: int, frame: Group) -> str:
        """The key of one element of a tensor; drawn when it is first read."""
        if source.key in self.traces:
            return self.parts[source.key][flat]
        if not source.shape:
            return source.key
        key = f"{source.key}.{flat}"
        if key not in self.boxes:
            closed = source.kind in ("operation", "folded") or source.key in self.boxes
            box = GraphNode(key, "operation" if closed else source.kind, _indexed(source.name, source.shape, flat))
            box.operation = "element" if closed else ""
            box.shape, box.dtype, box.needs_grad = (), source.dtype, source.needs_grad
            box.parameters = int(box.kind == "parameter")
            box.value = Values.of(_array(source).reshape(-1)[flat])
            if source.grad is not None and source.grad.entries is not None:
                box.grad = Values.of(np.array(source.grad.entries).reshape(-1)[flat])
            box.group = frame.key
            box.name = box.name or (f"[{flat}]" if closed else "")
            self._draw(box)
            if closed:
                self.edges.append(Edge(source.key, key, 0, source.needs_grad))
        return key


def _is_traced(node: GraphNode) -> bool:
    """Are its elements numbers to follow, and not indices, conditions or settings?"""
    return node.dtype.startswith("float")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _indexed(name: str, shape: tuple[int, ...], flat: int) -> str:
    """ "W[0, 1]"."""
    if not name or not shape:
        return name
    return f"{name}[{', '.join(str(i) for i in np.unravel_index(flat, shape))}]"


def _array(node: GraphNode) -> Any:
    """The values of a node. Raises `ArgumentError` if they are not all known."""
    if node.value is None or node.value.entries is None or node.note in ("overwritten since", "changed since"):
        why = node.note or ("it is too large" if node.value is not None else "it was not kept")
        raise ArgumentError(
            f"The values of {title(node) or node.key} are not known: {why}.",
            fix="Open small operations (up to 64 elements), or draw a recording: with microtrain.viz.record() as r.",
        )
    if node.dtype.startswith("Python"):
        return node.value.entries
    return np.array(node.value.entries, dtype=node.dtype).reshape(node.shape or ())
