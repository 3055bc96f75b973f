"""The graph as a web page of its own: the picture, and below it everything about the box that was clicked.

One file, without scripts and without anything from elsewhere: a click leads to "#n5-details", and the browser shows
that part of the page.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from .look import STYLES, unit
from .text import clean, gradient_lines, summary, title, tree

if TYPE_CHECKING:
    from .data import Graph
    from .nodes import GraphNode, Group

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 Helvetica, Arial, sans-serif; margin: 0; padding: 1rem; }}
body {{ background: {background}; color: {text}; }}
h1 {{ font-size: 1.1rem; margin: 0 0 .6rem; }} h2 {{ font-size: 1rem; margin: 0 0 .4rem; }}
.picture {{ overflow: auto; max-height: 75vh; }} .picture svg {{ max-width: none; height: auto; }}
#whole:checked ~ .picture svg {{ width: 100%; height: 73vh; }}
a {{ color: inherit; }} svg a:focus, svg a:hover {{ outline: 2px solid; }}
section {{ display: none; border-top: 2px solid {line}; margin-top: .8rem; padding-top: .6rem; }}
section:target {{ display: block; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: .1rem .9rem .1rem 0; font-weight: normal; }}
th {{ color: {line}; white-space: nowrap; }}
td {{ white-space: pre-wrap; font-family: ui-monospace, Consolas, monospace; }}
pre {{ overflow-x: auto; }}
@media print {{ .control, #whole {{ display: none; }}
 section {{ display: block; break-inside: avoid; }} .picture {{ max-height: none; overflow: visible; }}
 .picture svg {{ max-width: 100%; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
{control}<div class="picture">{picture}</div>
{hint}{details}
<details><summary>The same as text</summary><pre>{tree}</pre></details>
</body>
</html>
"""


CONTROL = '<input type="checkbox" id="whole"><label class="control" for="whole"> the whole picture at once</label>\n'
HINT = """<p>Click a box to read all about it.</p>
<details><summary>How to read it</summary><ul>
<li>A thick frame: a parameter. A folded corner: an input or a constant (dashed: a symbol of a
formula). Round corners: an operation with its output.
A double frame: what the graph was drawn of. Grey and dashed:
operations that are folded into one box.</li>
<li>Arrows go from what is read to what is made of it; no gradient comes back along dashed ones.</li>
<li>Octagons: gradients, in the opposite order, along thick arrows. In their formulas g is the gradient that comes in
and y the operation's output (other letters, where a tensor has these names).
Dotted arrows: values that are read again.</li>
<li>grad -: no gradient, because backward() has not run. keeps, kept: what an operation needs for its gradient, and what
it needed before backward() set it free.</li>
</ul></details>
"""


def to_html(graph: Graph, svg: str | None, why: str = "") -> str:
    """The page; without a picture, `why` says what is missing and the text stands for it."""
    style = STYLES[graph.view.style]
    picture = re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.S) if svg is not None else f"<p>{html.escape(why)}</p>"
    return PAGE.format(
        title=html.escape(f"Graph: {summary(graph)}"),
        background=style.background,
        text=style.text,
        line=style.line,
        picture=picture,
        control=CONTROL if svg is not None else "",
        hint=HINT if svg is not None else "",
        details="\n".join(_all_details(graph)),
        tree=html.escape(tree(graph)),
    )


def _all_details(graph: Graph) -> list[str]:
    groups = {group.key: group for group in graph.groups if group.key}
    nodes = {node.key: node for node in graph.nodes}
    made_of: dict[str, list[GraphNode]] = {}
    read_by: dict[str, list[GraphNode]] = {}
    for edge in sorted(graph.edges, key=lambda edge: edge.index):
        if edge.flow != "retained":
            made_of.setdefault(edge.target, []).append(nodes[edge.source])
            read_by.setdefault(edge.source, []).append(nodes[edge.target])
    return [_details(node, groups, made_of.get(node.key, []), read_by.get(node.key, [])) for node in graph.nodes]


def _details(node: GraphNode, groups: dict[str, Group], made_of: list[GraphNode], read_by: list[GraphNode]) -> str:
    path: list[str] = []
    at = node.group
    while at in groups and len(path) < len(groups):
        path.insert(0, clean(groups[at].label))
        at = groups[at].parent
    gradient = "\n".join(node.grad.whole() if node.grad is not None else gradient_lines(node) or [])
    rows = {
        "kind": node.kind,
        "operation": node.operation if node.kind == "operation" else "",
        "settings": node.detail if node.kind == "operation" else "",
        "formula": "\n".join(node.formula),
        "shape": "" if node.shape is None else f"{node.shape} {node.dtype}",
        "value": "" if node.value is None else "\n".join(node.value.whole()),
        "gradient": gradient,
        "parameters": f"{node.parameters:,}" if node.parameters else "",
        "operations": f"{node.count:,}: {node.contents}" if node.kind == "folded" else "",
        "kept for backward": ", ".join(node.retained) + (" (freed by now)" if node.freed and node.retained else ""),
        "memory": unit("bytes", node.bytes) if node.bytes else "",
        "time": unit("time", node.seconds) if node.seconds is not None else "",
        "in": " / ".join(path),
        "line": f"{node.site}  {node.source}".strip(),
        "note": node.note,
        "compared": node.mark,
    }
    body = "".join(f"<tr><th>{key}</th><td>{html.escape(value)}</td></tr>" for key, value in rows.items() if value)
    for key, others in (("made of", made_of), ("read by", read_by)):
        if others:
            body += f"<tr><th>{key}</th><td>{', '.join(dict.fromkeys(map(_link, others)))}</td></tr>"
    head = f"<h2>{html.escape(title(node) or node.key)}</h2>"
    return f'<section id="{node.key}-details">{head}<table>{body}</table></section>'


def _link(node: GraphNode) -> str:
    return f'<a href="#{node.key}-details">{html.escape(title(node) or node.key)}</a>'
