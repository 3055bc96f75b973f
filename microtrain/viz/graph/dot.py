"""Writes a graph as DOT, the language of Graphviz, with the `graphviz` package.

Only plain and record labels are used, which every layout program draws alike. Each kind of node has a shape and a
colour of its own, and the colours differ in lightness too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .stubs import far_edges
from .text import clean, gradient_lines, kind_of, title

if TYPE_CHECKING:
    from .data import Graph, GraphNode

FONT = "Helvetica,Arial,sans-serif"
STYLES: dict[str, dict[str, str]] = {
    "parameter": {"shape": "record", "fillcolor": "#eda64f", "penwidth": "2"},
    "input": {"shape": "note", "fillcolor": "#f4f4f0"},
    "operation": {"shape": "Mrecord", "fillcolor": "#d5e5f7"},
    "output": {"shape": "box", "peripheries": "2", "fillcolor": "#9fd39b", "penwidth": "1.6"},
    "folded": {"shape": "box3d", "fillcolor": "#dcdcdc", "style": "filled,dashed"},
}
BIG = 200  # from this many edges on, a quick layout is better than the best one


def to_dot(graph: Graph) -> str:
    """The DOT text: the same for the same graph, byte for byte."""
    import graphviz

    settings = {"rankdir": graph.direction, "bgcolor": "white", "fontname": FONT, "fontsize": "11", "nodesep": "0.3",
                "ranksep": "0.35", "charset": "UTF-8"}  # fmt: skip
    if len(graph.edges) > BIG:
        settings |= {"nslimit": "1", "nslimit1": "1", "mclimit": "0.2", "splines": "polyline"}
    if graph.caption:
        sentences = re.split(r"(?<=[.]) ", graph.caption)
        settings |= {"label": "\\n".join(_escape(clean(sentence, 200)) for sentence in sentences), "labelloc": "b"}
    dot = graphviz.Digraph(
        "compute_graph",
        graph_attr=settings,
        node_attr={"fontname": FONT, "fontsize": "11", "style": "filled", "color": "#333333", "margin": "0.1,0.05"},
        edge_attr={"color": "#555555", "arrowsize": "0.7"},
    )
    for node in graph.nodes:
        dot.node(node.key, _label(node, graph.direction), tooltip=_tooltip(node), **_style(node))
    for i, group in enumerate(graph.groups):
        with dot.subgraph(name=f"cluster_{i}") as frame:
            frame.attr(label=_escape(clean(group.label)), color="#999999", style="rounded")
            for key in group.nodes:
                frame.node(key)
    boxes = {node.key: node for node in graph.nodes}
    far = {id(edge): i for i, edge in enumerate(far_edges(graph))}
    for edge in graph.edges:
        source = edge.source
        if id(edge) in far:
            source = f"s{far[id(edge)]}"
            dot.node(source, **_stub(boxes[edge.source]))
        look = {} if edge.needs_grad else {"style": "dashed"}
        if boxes[edge.source].kind in ("operation", "folded") and source == edge.source:
            look["weight"] = "4"  # the way from operation to operation is drawn straight, leaves stand beside it
        dot.edge(source, edge.target, **look)
    return str(dot.source)


def _style(node: GraphNode) -> dict[str, str]:
    style = STYLES["output" if node.output else node.kind]
    if node.kind == "input" and node.shape is None:
        return {**style, "style": "filled,dashed"}
    return style


def _stub(node: GraphNode) -> dict[str, str]:
    """A small box that stands for one drawn elsewhere."""
    return {
        "label": _escape(clean(node.name) or node.key),
        "tooltip": _tooltip(node),
        "shape": "ellipse",
        "fillcolor": _style(node)["fillcolor"],
        "margin": "0.03,0.01",
        "height": "0.25",
    }


def _label(node: GraphNode, direction: str) -> str:
    """Title and shape, value, gradient, below each other."""
    fields = [[title(node), kind_of(node)]]
    if node.value is not None:
        fields.append(_labelled("" if node.kind == "input" else "value", node.value.lines()))
    if node.note:
        fields.append([node.note])
    gradient = gradient_lines(node)
    if gradient is not None:
        fields.append(_labelled("grad", gradient))
    texts = ["\\n".join(_escape(clean(text, 60)) for text in lines if text) for lines in fields]
    texts = [text for text in texts if text]
    if "record" in _style(node)["shape"]:
        label = "|".join(texts)
        return label if direction == "LR" else f"{{{label}}}"
    return "\\n".join(texts)


def _labelled(word: str, lines: list[str]) -> list[str]:
    """A word before the only line, or above the rows of a matrix."""
    if len(lines) > 1 and lines[0].startswith("["):
        return [word, *lines]
    return [f"{word} {lines[0]}", *lines[1:]]


def _tooltip(node: GraphNode) -> str:
    where = f"{node.site}  {node.source}" if node.site else node.kind
    return _escape(clean(where, 200)).replace("\\\\", "\u2216")  # some versions read backslashes in tooltips twice


def _escape(text: str) -> str:
    """Characters that mean something in DOT, as entities; the backslash doubled."""
    return re.sub(r'[{}|<>"&]', lambda match: f"&#{ord(match[0])};", text.replace("\\", "\\\\"))
