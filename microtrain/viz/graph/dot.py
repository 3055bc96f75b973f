"""Writes a graph as DOT, the language of Graphviz, with the `graphviz` package.

Boxes have plain and record labels, which every layout program draws alike. Each kind of node has a shape and a
colour of its own, and the colours differ in lightness too. In an SVG each box has its node's key as id and its kind as
class, each arrow has `Edge.key` and its flow.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from .compare import SIGNS
from .look import STYLES, Look, Scale, Style, scale_of, unit
from .stubs import far_edges
from .text import clean, gradient_lines, kind_of, title

if TYPE_CHECKING:
    from .data import Graph
    from .nodes import Edge, GraphNode, Group

FONT = "Helvetica,Arial,sans-serif"
SHAPES: dict[str, dict[str, str]] = {
    "parameter": {"shape": "record", "penwidth": "2"},
    "input": {"shape": "note"},
    "operation": {"shape": "Mrecord"},
    "output": {"shape": "box", "peripheries": "2", "penwidth": "1.6"},
    "folded": {"shape": "box3d", "style": "filled,dashed", "margin": "0.2,0.12"},  # its edges take room inside
    "gradient": {"shape": "octagon"},
}
MARKS = {
    "added": {"penwidth": "4"},
    "removed": {"penwidth": "2", "style": "filled,dotted"},
    "changed": {"penwidth": "2.5", "style": "filled,bold"},
}
BIG = 200  # from this many edges on, a quick layout is better than the best one
HUGE = 600  # and from this many on, arrows are straight: bending them around boxes takes ten times as long


def to_dot(graph: Graph, links: bool = False) -> str:
    """The DOT text: the same for the same graph, byte for byte. With `links` each box leads to "#its key"."""
    return _Writer(graph, links).text()


class _Writer:
    def __init__(self, graph: Graph, links: bool) -> None:
        self.graph, self.links = graph, links
        self.view: Look = graph.view
        self.style: Style = STYLES[graph.view.style]
        self.scale: Scale | None = scale_of(graph.view.color, graph.nodes)
        self.boxes = {node.key: node for node in graph.nodes}

    def text(self) -> str:
        import graphviz

        graph, style = self.graph, self.style
        settings = {"rankdir": graph.direction, "bgcolor": style.background, "fontname": FONT, "fontsize": "11",
                    "fontcolor": style.text, "nodesep": "0.3", "ranksep": "0.35", "charset": "UTF-8"}  # fmt: skip
        if len(graph.edges) > BIG:
            settings |= {"nslimit": "1", "nslimit1": "1", "mclimit": "0.2", "splines": "polyline"}
        if len(graph.edges) > HUGE:
            settings |= {"nslimit": "0.3", "nslimit1": "0.3", "mclimit": "0.05", "splines": "line"}
        sentences = re.split(r"(?<=[.]) ", graph.caption) if graph.caption else []
        if self.scale is not None and not self.scale.numbers:
            sentences.append(f"Nothing here has a {clean(self.scale.title)} to be coloured by.")
        if sentences:
            lines = "\\l".join(escape(clean(sentence, 200)) for sentence in sentences)
            settings |= {"label": f"{lines}\\l", "labelloc": "b", "labeljust": "l"}
        dot = graphviz.Digraph(
            "compute_graph",
            graph_attr=settings,
            node_attr={"fontname": FONT, "fontsize": "11", "fontcolor": style.text, "style": "filled",
                       "color": style.line, "margin": "0.1,0.05"},
            edge_attr={"color": style.line, "arrowsize": "0.7"},
        )  # fmt: skip
        for node in graph.nodes:
            dot.node(node.key, self.label(node), **self.attributes(node))
        inside: dict[str, list[Group]] = {}
        for group in graph.groups:
            inside.setdefault(group.parent, []).append(group)
        for group in inside.get("", []):
            self.frame(dot, group, inside)
        far = {id(edge): i for i, edge in enumerate(far_edges(graph))}
        for edge in graph.edges:
            source = edge.source
            if id(edge) in far:
                source = f"s{far[id(edge)]}"
                dot.node(source, **self.stub(self.boxes[edge.source], source))
            self.arrow(dot, edge, source)
        if self.scale is not None and self.scale.numbers:
            self.legend(dot, self.scale)
        return str(dot.source)

    # ---- boxes -------------------------------------------------------------------------------------------------------

    def attributes(self, node: GraphNode) -> dict[str, str]:
        kind = "output" if node.output and node.kind != "gradient" else node.kind
        look = {**SHAPES[kind], "fillcolor": self.style.fill[kind]}
        if node.kind == "input" and node.shape is None:
            look["style"] = "filled,dashed"
        if node.kind == "gradient" and node.output:
            look["penwidth"] = "2"
        step = self.scale.step(node.key) if self.scale is not None else None
        if step is not None:
            look |= {"fillcolor": self.style.palette[step], "fontcolor": self.style.inverse[step]}
        elif self.scale is not None:
            look["fillcolor"] = self.style.background
        if node.mark:
            look |= MARKS[node.mark]
        look |= {"tooltip": tooltip(node), "id": node.key, "class": " ".join(filter(None, (node.kind, node.mark)))}
        if self.links:
            look["URL"] = f"#{node.key}-details"
        return look

    def label(self, node: GraphNode) -> str:
        """Title and shape, formula, value, gradient, what is kept: below each other."""
        show = self.view.show
        head = [f"{SIGNS[node.mark]} {title(node)}" if node.mark else title(node)]
        head += [kind_of(node)] if "shape" in show else []
        if node.kind == "folded" and node.detail:
            head.append(f"{node.count:,} operation{'' if node.count == 1 else 's'}")
        if "params" in show and node.parameters > 1:
            head.append(f"{node.parameters:,} parameters")
        if "key" in show:
            head.insert(0, node.key)
        fields = [head]
        if "formula" in show:
            fields.append([clean(line, 60) for line in node.formula[:4]])
        if node.value is not None and "value" in show:
            word = "" if node.kind == "input" else "grad" if node.kind == "gradient" else "value"
            fields.append(_labelled(word, node.value.lines()))
        if node.kind == "gradient" and node.value is None:
            fields.append(["-"])
        if node.note:
            fields.append([node.note])
        gradient = gradient_lines(node) if "grad" in show else None
        if gradient is not None:
            fields.append(_labelled("grad", gradient))
        if "retained" in show and node.retained:
            fields.append([("kept " if node.freed else "keeps ") + ", ".join(node.retained)])
        fields.append(self.facts(node))
        texts = ["\\n".join(escape(clean(text, 60)) for text in lines if text) for lines in fields]
        texts = [text for text in texts if text]
        if "record" in SHAPES["output" if node.output and node.kind != "gradient" else node.kind]["shape"]:
            label = "|".join(texts)
            return label if self.graph.direction == "LR" else f"{{{label}}}"
        return "\\n".join(texts)

    def facts(self, node: GraphNode) -> list[str]:
        """Time, bytes, place, and the number that gives the colour."""
        show, facts = self.view.show, []
        coloured = self.scale.title if self.scale is not None else ""
        if "time" in show and node.seconds is not None and coloured != "time":
            facts.append(f"time {unit('time', node.seconds)}")
        if "bytes" in show and node.bytes and coloured != "bytes":
            facts.append(unit("bytes", node.bytes))
        if "site" in show and node.site:
            facts.append(node.site)
        if self.scale is not None and node.key in self.scale.numbers:
            number = unit(self.scale.title, self.scale.numbers[node.key])
            facts.append(f"{clean(self.scale.title, 24)} {number}")
        return facts

    def stub(self, node: GraphNode, key: str) -> dict[str, str]:
        """A small box that stands for one drawn elsewhere."""
        return {
            "label": escape(clean(node.name) or node.key),
            "tooltip": tooltip(node),
            "shape": "ellipse",
            "fillcolor": self.attributes(node)["fillcolor"],
            "margin": "0.03,0.01",
            "height": "0.25",
            "id": key,
            "class": f"stub of-{node.key}",
        }

    # ---- arrows, frames, legend --------------------------------------------------------------------------------------

    def arrow(self, dot: Any, edge: Edge, source: str) -> None:
        look = {"id": edge.key, "class": edge.flow}
        start, end = self.boxes[edge.source], edge.target
        if edge.flow == "retained":
            look |= {"style": "dotted", "arrowhead": "empty", "constraint": "false"}
        elif edge.flow == "backward":
            look |= {"style": "bold", "arrowhead": "vee"}
            if any(other.flow == "forward" for other in self.graph.edges):  # beside the forward pass, which goes down
                look["dir"] = "back"
                look["arrowtail"] = look.pop("arrowhead")
                source, end = end, source
        elif not edge.needs_grad:
            look["style"] = "dashed"
        if edge.mark:
            look["class"] += f" {edge.mark}"
            look |= {"label": SIGNS[edge.mark], "fontcolor": self.style.text, "penwidth": "2.5"}
            if edge.mark == "removed":
                look["style"] = "dotted"
        if start.kind in ("operation", "folded") and source == edge.source and edge.flow == "forward":
            look["weight"] = "4"  # the way from operation to operation is drawn straight, leaves stand beside it
        dot.edge(source, end, **look)

    def frame(self, dot: Any, group: Group, inside: dict[str, list[Group]]) -> None:
        with dot.subgraph(name=f"cluster_{group.key or self.graph.groups.index(group)}") as frame:
            frame.attr(label=escape(clean(group.label)), color=self.style.line, fontcolor=self.style.text,
                       style="rounded", labeljust="l", labelloc="t", id=group.key, **{"class": "frame"})  # fmt: skip
            for key in group.nodes:
                frame.node(key)
            for inner in inside.get(group.key, []) if group.key else []:
                self.frame(frame, inner, inside)

    def legend(self, dot: Any, scale: Scale) -> None:
        """One table: boxes of their own would stand as far apart as those of the graph."""
        rows = [f'<TR><TD BORDER="0" ALIGN="LEFT">{escape(clean(scale.title))}</TD></TR>']
        for i, (low, high) in enumerate(itertools.pairwise(unit(scale.title, number) for number in scale.edges)):
            text = f"{escape(low)} ... {escape(high)}" if low != high else escape(low)
            rows.append(
                f'<TR><TD ID="legend{i}" BGCOLOR="{self.style.palette[i]}">'
                f'<FONT COLOR="{self.style.inverse[i]}">{text}</FONT></TD></TR>'
            )
        table = f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="4">{"".join(rows)}</TABLE>'
        dot.node("legend", f"<{table}>", shape="box", style="dashed", id="legend", **{"class": "legend"})


def _labelled(word: str, lines: list[str]) -> list[str]:
    """A word before the only line, or above the rows of a matrix."""
    if not word:
        return lines
    if len(lines) > 1 and lines[0].startswith("["):
        return [word, *lines]
    return [f"{word} {lines[0]}", *lines[1:]]


def tooltip(node: GraphNode) -> str:
    """Where it was done, or what is inside."""
    where = f"{node.site}  {node.source}" if node.site else node.contents or node.kind
    return escape(clean(where, 200)).replace("\\\\", "\u2216")  # some versions read backslashes in tooltips twice


def escape(text: str) -> str:
    """Characters that mean something in DOT, as entities; the backslash doubled."""
    return re.sub(r'[{}|<>"&]', lambda match: f"&#{ord(match[0])};", text.replace("\\", "\\\\"))
