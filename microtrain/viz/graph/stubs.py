"""Long arrows: a box that is read far away and often is drawn there again, as a stub with its name.

Three hundred arrows from one box along a chain of three hundred are unreadable, and take minutes to lay out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .data import Graph
    from .nodes import Edge

FAR = 8  # levels that an arrow may span
OFTEN = 8  # arrows that may be longer, from one box


def levels(graph: Graph) -> dict[str, int]:
    """How deep each node lies: operations below all their inputs, leaves just above the first that reads them."""
    inputs: dict[str, list[str]] = {}
    readers: dict[str, list[str]] = {}
    for edge in graph.edges:
        inputs.setdefault(edge.target, []).append(edge.source)
        readers.setdefault(edge.source, []).append(edge.target)
    level: dict[str, int] = {}
    for node in graph.nodes:  # inputs come first
        level[node.key] = 1 + max((level[source] for source in inputs.get(node.key, ())), default=0)
    for node in graph.nodes:
        if node.key not in inputs and node.key in readers:
            level[node.key] = min(level[reader] for reader in readers[node.key]) - 1
    return level


def far_edges(graph: Graph) -> list[Edge]:
    """The arrows that start at stubs."""
    level = levels(graph)
    longer: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        if level[edge.target] - level[edge.source] > FAR:
            longer.setdefault(edge.source, []).append(edge)
    return [edge for edges in longer.values() if len(edges) > OFTEN for edge in edges]
