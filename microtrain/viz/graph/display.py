"""How a graph shows itself: pictures in notebooks, a tree in terminals, files."""

from __future__ import annotations

import base64
import html
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ...errors import ArgumentError
from ...files import atomically
from . import layout, text
from .dot import to_dot
from .page import to_html

if TYPE_CHECKING:
    from .data import Graph

PICTURES = ("svg", "png", "pdf")
SUFFIXES = (*PICTURES, "html", "dot", "json")


class Display:
    """The methods of `Graph` that show it. Showing never raises: without Graphviz there is the tree."""

    @property
    def dot(self) -> str:
        """The graph in Graphviz's language; needs nothing installed."""
        return to_dot(cast("Graph", self))

    def svg(self, engine: str = "auto") -> str:
        """The picture as SVG text; boxes have their keys as ids ("n5"), arrows `Edge.key` ("n2-n5-0").

        `engine` is "dot" (the program), "pygraphviz", or "auto": the first that is there. Raises `LayoutError` if there
        is no Graphviz, if it fails, or if it takes longer than 8 seconds.
        """
        return layout.render(self.dot, "svg", engine).decode("utf-8")

    def positions(self, engine: str = "auto") -> dict[str, layout.Box]:
        """Where the boxes are in the picture, by key: x and y of the middle, width and height, in points.

        These are the coordinates of the SVG's viewBox: y grows downwards.
        """
        keys = {node.key for node in cast("Graph", self).nodes}
        return {key: box for key, box in layout.positions(self.dot, engine).items() if key in keys}

    def html(self, engine: str = "auto") -> str:
        """A web page with the picture, where a click on a box shows all about it. Without Graphviz it has the text."""
        graph = cast("Graph", self)
        try:
            svg = layout.render(to_dot(graph, links=True), "svg", engine).decode("utf-8")
        except layout.LayoutError as error:
            return to_html(graph, None, _one_line(error))
        return to_html(graph, svg)

    def save(self, path: str | os.PathLike[str], engine: str = "auto") -> Path:
        """Write the graph to a file; its ending says how: .svg, .png, .pdf, .html, .dot or .json.

        Raises `ArgumentError` for another ending, `LayoutError` if a picture needs Graphviz and there is none.
        """
        path = Path(path)
        suffix = path.suffix.lower().lstrip(".")
        if suffix not in SUFFIXES:
            raise ArgumentError(
                f"save({str(path)!r}): the ending does not name a format.",
                fix="Use one of ." + ", .".join(SUFFIXES) + ".",
            )
        if suffix in PICTURES:
            content = layout.render(self.dot, suffix, engine)
        elif suffix == "html":
            content = self.html(engine).encode("utf-8", "replace")
        elif suffix == "dot":
            content = self.dot.encode("utf-8")
        else:
            data = cast("Graph", self).to_dict()
            content = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1).encode("utf-8", "replace")
        with atomically(path) as temporary:
            temporary.write_bytes(content)
        return path

    def __str__(self) -> str:
        return text.tree(cast("Graph", self))

    def __repr__(self) -> str:
        return f"<Graph: {text.summary(cast('Graph', self))}; print() shows it as a tree, save() writes a picture>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """For notebooks: the picture as an <img>, which untrusted notebooks show too, and the tree."""
        tree = str(self)
        try:
            picture = base64.b64encode(layout.render(self.dot, "svg")).decode("ascii")
        except Exception as error:  # a display never raises
            return {"text/plain": f"{tree}\n{_one_line(error)}"}
        alt = html.escape(text.summary(cast("Graph", self)), quote=True)
        image = f'<img alt="Graph: {alt}" style="max-width:100%;height:auto" src="data:image/svg+xml;base64,{picture}">'
        return {"text/html": image, "text/plain": tree}


def _one_line(error: Exception) -> str:
    what, fix = getattr(error, "what", str(error)), getattr(error, "fix", "")
    return " ".join(f"No picture: {what} {fix}".split())
