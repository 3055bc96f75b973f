"""The graph as a picture: what stands in the boxes, where they lie, and a static SVG for notebooks and files."""

from __future__ import annotations

import unicodedata
from html import escape
from typing import Any

from .layers import Point
from .layout import far_edges, place
from .values import plain

NARROW, WIDE = 92, 210  # CSS pixels a box may be wide
LINE = 17  # the height of a line of text,
STUB = 18.0  # and of a stub
SHORT = 4  # entries of a vector that are written into a box,
LONGEST = 26  # characters of a title
FITS = 22  # if they take no more than so many characters

STATIC = """text{font:12px system-ui,sans-serif;fill:#1b1f24;text-anchor:middle}
.title{font-weight:600}.grad{fill:#8a3b00}
.box{fill:#eef4fb;stroke:#53657a}.parameter .box{fill:#fff1dc;stroke:#9a6a1f;stroke-width:2}.input .box{fill:#f6f6f3}
.edge{fill:none;stroke:#66717d;marker-end:url(#head)}.stub{fill:#f6f6f3;stroke:#66717d}marker{fill:#66717d}"""
MARKER = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="9" markerHeight="9" '
    'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 1L10 5L0 9Z"/></marker></defs>'
)


def title(node: dict[str, Any]) -> str:
    """The first line of a box: "h = tanh", the name of a leaf; a number has none."""
    if node["kind"] == "folded":
        return f"{node['symbol']} = … {_repeats(node.get('operation', ''), node.get('count', 0))}"
    return _plain_title(node)


def _plain_title(node: dict[str, Any]) -> str:
    """As the page puts it together itself."""
    if node.get("number"):
        return ""
    name, operation = node["name"] or node["symbol"], node.get("operation", "")
    return f"{name} = {operation}" if operation else name


def texts(node: dict[str, Any], values: list[dict[str, Any]]) -> list[str]:
    """The title of a box, and what stands in its line of values."""
    value = node.get("value")
    return [shorten(title(node), LONGEST), brief(values[value]) if value is not None else shape_text(node["shape"])]


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


def graded(data: dict[str, Any]) -> dict[str, int]:
    """{node: the last gradient it has} of the nodes that get one."""
    return {step["node"]: step["new"] for step in data["steps"] if is_backward(step)}


def geometry(data: dict[str, Any]) -> dict[str, Any]:
    """Where everything lies, in CSS pixels.

    `size`; of each node `[left, top, width, height]`, and its title if that was cut or folded; of each edge `[path]`,
    or `[path, name, left, top, width]` if it begins at a stub, a small box with the name of a far one.
    """
    gradients = graded(data)
    lines = {node["id"]: texts(node, data["values"]) for node in data["nodes"]}
    sizes = {node["id"]: size(node, lines[node["id"]], node["id"] in gradients) for node in data["nodes"]}
    ends = [(edge["id"], edge["from"], edge["to"]) for edge in data["edges"]]
    stubs = {key: f"s{key}" for key in far_edges(sizes, ends)}
    names = {edge["id"]: shorten(lines[edge["from"]][0] or lines[edge["from"]][1], 12) for edge in data["edges"]}
    boxes = {stubs[edge]: (_width(names[edge]) + 12, STUB) for edge in stubs}  # before what they lead to
    boxes |= sizes
    placed = place(boxes, [(key, stubs.get(key, source), target) for key, source, target in ends])

    def corner(key: str) -> list[int]:
        (x, y), (w, h) = placed.boxes[key], boxes[key]
        return [round(x - w / 2), round(y - h / 2), round(w)]

    return {
        "size": [round(placed.width), round(placed.height)],
        "boxes": [
            [*corner(key), round(sizes[key][1]), *([lines[key][0]] if lines[key][0] != _plain_title(node) else [])]
            for key, node in zip(lines, data["nodes"], strict=True)
        ],
        "edges": [
            [_path(placed.edges[key]), *([names[key], *corner(stubs[key])] if key in stubs else [])] for key in names
        ],
    }


def _path(points: list[Point]) -> str:
    """Whole pixels, relative to where each piece begins: a third of the characters."""
    whole = [(round(x), round(y)) for x, y in points]
    curve = f"M{whole[0][0]} {whole[0][1]}"
    for i in range(0, len(whole) - 3, 3):
        x, y = whole[i]
        curve += "c" + " ".join(f"{a - x} {b - y}" for a, b in whole[i + 1 : i + 4])
    return curve


# ---- the static picture; the page's picture.js draws the same from the geometry --------------------------------------


def draw(data: dict[str, Any]) -> str:
    """The graph with its values and final gradients as an `<svg>` element."""
    places, gradients = geometry(data), graded(data)
    width, height = places["size"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 {width + 16} {height + 16}" '
        f'width="{width + 16}" height="{height + 16}"><style>{STATIC}</style>{MARKER}'
    ]
    for path, *stub in places["edges"]:
        parts.append(f'<path class="edge" d="{path}"/>')
        if stub:
            name, left, top, wide = stub
            parts.append(_rect("stub", left, top, wide, STUB, 9) + _text("", left + wide / 2, top + 13, name))
    for node, (left, top, wide, high, *_) in zip(data["nodes"], places["boxes"], strict=True):
        lines = dict(zip(("title", "value"), texts(node, data["values"]), strict=True))
        if node["id"] in gradients:
            lines["grad"] = f"grad {brief(data['values'][gradients[node['id']]])}"
        rows = enumerate([(kind, text) for kind, text in lines.items() if text], 1)
        box = _rect("box", left, top, wide, high, 9 if node["kind"] == "operation" else 2)
        for i, (kind, text) in rows:
            box += _text(kind, left + wide / 2, top + 3 + LINE * i, text)
        parts.append(f'<g class="{node["kind"]}">{box}</g>')
    return "".join([*parts, "</svg>"])


def _rect(kind: str, left: float, top: float, width: float, height: float, corner: int) -> str:
    return f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{height}" rx="{corner}"/>'


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(text)}</text>'
