"""Where the boxes of the graph lie: Graphviz's places where there is one, else layers of our own.

The boxes have fixed sizes, because the numbers in them change while one steps.
"""

from __future__ import annotations

from ..graph import layout as graphviz
from .layers import Edges, Placed, Point, Sizes, in_layers, layers

DEEP = 7  # graphs with more layers than this go from top to bottom
BIG = 200  # from this many edges on, a quick layout is better than the best one
FAR, OFTEN = 6, 4  # an arrow over more layers is long; more long ones from one box are drawn from stubs


def place(nodes: Sizes, edges: Edges) -> Placed:
    """Lay out boxes {id: (width, height)} and edges (id, from, to)."""
    deep = max(layers(nodes, edges).values(), default=0) >= DEEP
    try:
        return _by_graphviz(nodes, edges, deep)
    except Exception:  # not installed, too slow, broken: a plainer picture is better than none
        return in_layers(nodes, edges, deep)


def _by_graphviz(nodes: Sizes, edges: Edges, deep: bool) -> Placed:
    lines = [f"digraph g {{ rankdir={'TB' if deep else 'LR'}; nodesep=0.3; ranksep=0.5;"]
    lines.append("node [shape=box fixedsize=true]; edge [arrowhead=none];")
    if len(edges) > BIG:
        lines.append("nslimit=1; nslimit1=1; mclimit=0.2; splines=polyline;")
    lines += [f"{key} [width={w / 72:.4f} height={h / 72:.4f}];" for key, (w, h) in nodes.items()]
    lines += [f"{source}->{target};" for _, source, target in edges]
    answer = graphviz.render("\n".join([*lines, "}"]), "plain").decode("utf-8")
    boxes: dict[str, Point] = {}
    curves: dict[tuple[str, str], list[list[Point]]] = {}
    width = height = 0.0
    for line in answer.replace("\\\n", "").splitlines():
        words = line.split()
        if words[0] == "graph":
            width, height = 72 * float(words[2]), 72 * float(words[3])
        elif words[0] == "node":
            boxes[words[1]] = (72 * float(words[2]), height - 72 * float(words[3]))
        elif words[0] == "edge":
            numbers = [72 * float(word) for word in words[4 : 4 + 2 * int(words[3])]]
            points = [(x, height - y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
            curves.setdefault((words[1], words[2]), []).append(points)
    return Placed(width, height, boxes, {key: curves[source, target].pop(0) for key, source, target in edges})


def far_edges(nodes: Sizes, edges: Edges) -> set[str]:
    """Long arrows from one box to many others: they are drawn from small stubs beside those others instead."""
    layer = layers(nodes, edges)
    longer: dict[str, list[str]] = {}
    for key, source, target in edges:
        if layer[target] - layer[source] > FAR:
            longer.setdefault(source, []).append(key)
    return {key for keys in longer.values() if len(keys) > OFTEN for key in keys}
