"""The graph as SVG, with a place for each number that changes while one steps.

Every box is a group with the node's id, every edge one with the edge's id; the page's style sheet colours them. In the
static picture, for notebooks that don't run scripts, the colours are written into the SVG itself.
"""

from __future__ import annotations

import unicodedata
from html import escape
from typing import Any

from .layers import Placed, Point
from .layout import far_edges, place
from .values import plain

NARROW, WIDE = 92, 210  # CSS pixels a box may be wide
LINE = 17
SHORT = 4  # entries of a vector that are written into a box,
FITS = 22  # if they take no more than so many characters

STATIC = """text{font:12px system-ui,sans-serif;fill:#1b1f24}.grad{fill:#8a3b00}.box{fill:#eef4fb;stroke:#53657a}
.parameter .box{fill:#fff1dc;stroke:#9a6a1f;stroke-width:2}.input .box{fill:#f6f6f3}.line{fill:none;stroke:#66717d}
.head{fill:#66717d}.stub{fill:#fff1dc;stroke:#66717d}"""


def texts(node: dict[str, Any], values: list[dict[str, Any]]) -> list[str]:
    """The title of a box, and what stands in its line of values."""
    name, operation = node["name"] or node["symbol"], node.get("operation", "")
    if node["kind"] == "folded":
        title = f"{name} = … {_repeats(operation, node.get('count', 0))}"
    elif node.get("number"):
        title = ""
    else:
        title = f"{name} = {operation}" if operation else name
    value = node.get("value")
    return [shorten(title, 26), brief(values[value]) if value is not None else shape_text(node["shape"])]


def _repeats(operation: str, count: int) -> str:
    """ "500 × (mul, add)", or only how many operations."""
    kinds = operation.count(",") + 1
    if not operation or count % kinds:
        return str(count)
    return f"{count // kinds} × " + (f"({operation})" if kinds > 1 else operation)


def is_backward(step: dict[str, Any]) -> bool:
    """Does a gradient grow in this step?"""
    return step["phase"] in ("seed", "backward") or step.get("way") == "backward"


def brief(row: dict[str, Any], digits: int = 4) -> str:
    """A value in a few characters: a number, a short vector, else the shape. The page does the same."""
    if not row["shape"]:
        return short_number(plain(row["data"][0]), digits)
    if len(row["shape"]) == 1 and len(row["data"]) <= SHORT and "window" not in row:
        text = "[" + ", ".join(short_number(plain(x), 3) for x in row["data"]) + "]"
        if len(text) <= FITS:
            return text
    return shape_text(row["shape"])


def shape_text(shape: list[int] | None) -> str:
    """A shape as Python writes it."""
    return str(tuple(shape)) if shape else "?"


def short_number(x: Any, digits: int = 4) -> str:
    """Some significant digits, as JavaScript's page writes them too."""
    if isinstance(x, bool):
        return str(x)
    if isinstance(x, int) and abs(x) < 10**6:
        return str(x)
    text = f"{float(x):.{digits}g}"
    return "0" if text == "-0" else text.replace("-", "−")


def _is_short(shape: list[int] | None) -> bool:
    return shape is not None and len(shape) == 1 and shape[0] <= SHORT


def shorten(text: str, longest: int) -> str:
    """Cut a text to a length in characters, wide ones counted twice."""
    width = 0
    kept: list[str] = []
    for c in text:
        width += 2 if unicodedata.east_asian_width(c) in "WF" else 1
        if width > longest:
            return "".join(kept[:-1]) + "…"
        kept.append(c)
    return text


def _width(text: str) -> float:
    return sum(12.5 if unicodedata.east_asian_width(c) in "WF" else 7.1 for c in text)


def size(node: dict[str, Any], lines: list[str], graded: bool) -> tuple[float, float]:
    """How large a box is; the gradient's line is as wide as the value's may become."""
    width = max(_width(line) for line in lines)
    if graded:
        width = max(width, _width("grad " + "0" * (FITS if _is_short(node["shape"]) else 9)))
    height = 14 + LINE * (sum(1 for line in lines if line) + graded)
    return min(max(width + 22, NARROW if graded or lines[0] else 44), WIDE), height


def draw(data: dict[str, Any], static: bool = False) -> str:
    """The `<svg>` element of a trace's graph."""
    values = data["values"]
    final = {step["node"]: step["new"] for step in data["steps"] if is_backward(step)}  # gradients, the last counts
    lines = {node["id"]: texts(node, values) for node in data["nodes"]}
    sizes = {node["id"]: size(node, lines[node["id"]], node["id"] in final) for node in data["nodes"]}
    ends = [(edge["id"], edge["from"], edge["to"]) for edge in data["edges"]]
    far = far_edges(sizes, ends)
    stubs = {key: f"s{key}" for key in far}
    names = {edge["id"]: shorten(lines[edge["from"]][0] or lines[edge["from"]][1], 12) for edge in data["edges"]}
    boxes = {stubs[edge]: (_width(names[edge]) + 12, 18.0) for edge in stubs}  # before what they lead to
    boxes |= sizes
    placed = place(boxes, [(key, stubs.get(key, source), target) for key, source, target in ends])
    width, height = placed.width + 16, placed.height + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="graph" viewBox="-8 -8 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">'
    ]
    if static:
        parts.append(f"<style>{STATIC}</style>")
    for edge in data["edges"]:
        key = edge["id"]
        stub = _stub(names[key], placed.boxes[stubs[key]], boxes[stubs[key]]) if key in stubs else ""
        parts.append(_edge(key, placed, stub))
    for node in data["nodes"]:
        key = node["id"]
        grad = None
        if key in final:
            grad = brief(values[final[key]]) if static else "–"
        parts.append(_node(node, lines[key], grad, placed.boxes[key], sizes[key]))
    return "".join([*parts, "</svg>"])


def _node(node: dict[str, Any], lines: list[str], grad: str | None, at: Point, size: tuple[float, float]) -> str:
    (x, y), (w, h) = at, size
    left, top = x - w / 2, y - h / 2
    corner = 9 if node["kind"] == "operation" else 2
    texts = []
    below = top + 7
    for line, kind in ((lines[0], "title"), (lines[1], "value"), (grad, "grad")):
        if not line:
            continue
        below += LINE
        text = escape(line)
        if kind == "grad":
            text = f'<tspan class="word">grad</tspan> <tspan class="number">{text}</tspan>'
        texts.append(f'<text class="{kind}" x="{x:.1f}" y="{below - 4:.1f}" text-anchor="middle">{text}</text>')
    box = _rect("ring", left - 4, top - 4, w + 8, h + 8, corner + 3) + _rect("box", left, top, w, h, corner)
    kinds = f"node {node['kind']}{' during' if node.get('during') else ''}"
    return f'<g id="{node["id"]}" class="{kinds}">{box}{"".join(texts)}</g>'


def _rect(kind: str, x: float, y: float, width: float, height: float, corner: float) -> str:
    fill = ' fill="none"' if kind in ("ring", "stub") else ""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{corner}"'
    return f'<rect class="{kind}"{fill} {place}/>'


def _stub(name: str, at: Point, box: tuple[float, float]) -> str:
    """A small box with the name of one that is drawn elsewhere."""
    (x, y), (w, h) = at, box
    text = f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{escape(name)}</text>'
    return _rect("stub", x - w / 2, y - h / 2, w, h, 9) + text


def _edge(key: str, placed: Placed, stub: str) -> str:
    points = placed.edges[key]
    curve = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for i in range(1, len(points) - 2, 3):
        curve += "C" + " ".join(f"{a:.1f} {b:.1f}" for a, b in points[i : i + 3])
    forth, back = _head(points[-2], points[-1], 8), _head(points[1], points[0], 14)
    return (
        f'<g id="{key}" class="edge">{stub}<path class="line" fill="none" d="{curve}"/>'
        f'<path class="head" d="{forth}"/><path class="back" fill="none" d="{back}"/></g>'
    )


def _head(before: Point, tip: Point, length: float) -> str:
    """An arrowhead: a triangle that ends at `tip`."""
    (x, y), dx, dy = tip, tip[0] - before[0], tip[1] - before[1]
    scale = length / ((dx * dx + dy * dy) ** 0.5 or 1.0)
    dx, dy = scale * dx, scale * dy
    corners = [(x, y), (x - dx - dy / 2, y - dy + dx / 2), (x - dx + dy / 2, y - dy - dx / 2)]
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in corners) + "Z"
