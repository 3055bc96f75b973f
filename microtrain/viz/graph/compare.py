"""Two graphs side by side: what was added, removed and changed, as text and as a picture with signs."""

from __future__ import annotations

import dataclasses
import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .nodes import Edge, GraphNode
from .text import clean, kind_of, title

if TYPE_CHECKING:
    from .data import Graph

SIGNS = {"added": "+", "removed": "−", "changed": "~"}


@dataclass(repr=False)
class Comparison:
    """What differs between two graphs. `print` shows a list, `graph` is a picture of both in one."""

    added: list[GraphNode]  # of the second
    removed: list[GraphNode]  # of the first
    changed: list[tuple[GraphNode, GraphNode, list[str]]]  # before, after, and what is different
    graph: Graph

    @property
    def same(self) -> bool:
        """Is there no difference in boxes and arrows?"""
        return not (self.added or self.removed or self.changed) and not any(e.mark for e in self.graph.edges)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture of both graphs to a file, as `Graph.save` does."""
        return self.graph.save(path)

    def __str__(self) -> str:
        if self.same:
            return "The graphs are the same."
        counts = f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed"
        lines = [f"Comparison: {counts}"]
        lines += [f"- {_line(node)}" for node in self.removed]
        lines += [f"+ {_line(node)}" for node in self.added]
        lines += [f"~ {_line(after)}: {'; '.join(what)}" for _, after, what in self.changed]
        rewired = [edge for edge in self.graph.edges if edge.mark]
        if rewired:
            lines.append(f"{sum(e.mark == 'added' for e in rewired)} arrows added, "
                         f"{sum(e.mark == 'removed' for e in rewired)} removed")  # fmt: skip
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {**self.graph._repr_mimebundle_(), "text/plain": str(self)}


def compared(before: Graph, after: Graph, values: bool) -> Comparison:
    """Match the nodes of two graphs by what they do and are called, in order; the rest was added or removed."""
    pairs = _pairs(before.nodes, after.nodes)
    twin = {b.key: a for b, a in pairs}
    matched = {a.key: b for b, a in pairs}
    added = [node for node in after.nodes if node.key not in matched]
    removed = [node for node in before.nodes if node.key not in twin]
    changed = []
    for node in after.nodes:
        if node.key in matched:
            what = _differences(matched[node.key], node, values)
            if what:
                changed.append((matched[node.key], node, what))
    return Comparison(added, removed, changed, _both(before, after, twin, changed))


def _pairs(before: list[GraphNode], after: list[GraphNode]) -> list[tuple[GraphNode, GraphNode]]:
    """Nodes that are the same: first by name and operation, then what stands between by operation alone."""
    pairs: list[tuple[GraphNode, GraphNode]] = []
    for exact in (True, False):
        known_b, known_a = {b.key for b, _ in pairs}, {a.key for _, a in pairs}
        left_b = [n for n in before if n.key not in known_b]
        left_a = [n for n in after if n.key not in known_a]
        matcher = difflib.SequenceMatcher(
            None, [_kind(n, exact) for n in left_b], [_kind(n, exact) for n in left_a], False
        )
        for i, j, size in matcher.get_matching_blocks():
            pairs += zip(left_b[i : i + size], left_a[j : j + size], strict=True)
    return pairs


def _kind(node: GraphNode, exact: bool) -> tuple[object, ...]:
    if not exact:
        return node.kind, node.operation, node.name
    return node.kind, node.operation, node.name, node.shape, node.detail, node.dtype


def _differences(before: GraphNode, after: GraphNode, values: bool) -> list[str]:
    fields = ["shape", "dtype", "detail", "count", "parameters", "needs_grad"]
    if values:
        fields += ["value", "grad"]
    elif after.kind == "input" and after.dtype.startswith("Python"):  # a number in the program: no training changes it
        fields.append("value")
    what = []
    for name in fields:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            if name in ("value", "grad"):
                old, new = ("-" if v is None else v.line() for v in (old, new))
            what.append(f"{name.replace('_', ' ')} {old or '-'} -> {new or '-'}")
    return what


def _both(
    before: Graph, after: Graph, twin: dict[str, GraphNode], changed: list[tuple[GraphNode, GraphNode, list[str]]]
) -> Graph:
    """All nodes of both graphs, marked. Those of `before` that are gone get keys of their own: "b5"."""
    marks = {node.key: what for _, node, what in changed}
    matched = {node.key for node in twin.values()}
    nodes = []
    for node in after.nodes:
        copy = dataclasses.replace(node)
        if node.key in marks:
            copy.mark, copy.note = "changed", clean("; ".join(marks[node.key]), 120)
        elif node.key not in matched:
            copy.mark = "added"
        nodes.append(copy)
    place = {key: twin[key].key if key in twin else f"b{key}" for key in (node.key for node in before.nodes)}
    position = {node.key: i for i, node in enumerate(nodes)}
    gone = [
        dataclasses.replace(n, key=place[n.key], mark="removed", group="") for n in before.nodes if n.key not in twin
    ]
    order = {node.key: float(i) for node, i in zip(nodes, range(len(nodes)), strict=True)}
    latest = -0.5
    for node in before.nodes:  # removed ones stand where they were: after the last one that stayed
        if node.key in twin:
            latest = max(latest, position[twin[node.key].key] + 0.5)
        else:
            order[place[node.key]] = latest
    nodes = sorted([*nodes, *gone], key=lambda node: order[node.key])
    old = {(place[e.source], place[e.target], e.index): e for e in before.edges}
    new = {(e.source, e.target, e.index): e for e in after.edges}
    edges = [dataclasses.replace(e, mark="" if key in old else "added") for key, e in new.items()]
    edges += [Edge(*key, e.needs_grad, e.flow, "removed") for key, e in old.items() if key not in new]
    counts = f"+ added, {SIGNS['removed']} removed, ~ changed."
    return dataclasses.replace(after, nodes=nodes, edges=edges, caption=f"{after.caption} {counts}".strip(), rows={})


def _line(node: GraphNode) -> str:
    words = [node.key, clean(title(node)) or node.kind, kind_of(node)]
    return "  ".join(word for word in words if word)
