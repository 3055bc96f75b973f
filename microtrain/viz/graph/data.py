"""A graph: plain data that can be drawn, compared, opened further, and saved as JSON."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from .display import Display
from .look import Look
from .nodes import Edge, GraphNode, Group
from .zoom import Zoom

SCHEMA = 1  # of `to_dict()`; a higher number means that a reader must look again


@dataclass(repr=False)
class Graph(Display, Zoom):
    """A compute graph, from inputs to outputs. Notebooks show it as a picture, `print` as a tree.

    `save("graph.svg")` (or .png, .pdf, .html, .dot, .json) writes it to a file, `svg()` and `dot` give the text.
    `look(...)` draws it in another way, `expand("n5")` opens a box, `compare(other)` tells what differs.
    """

    nodes: list[GraphNode]  # in topological order
    edges: list[Edge]
    groups: list[Group] = field(default_factory=list)  # those around before those inside
    caption: str = ""  # what the picture does not show, and why
    direction: Literal["TB", "LR"] = "TB"  # top to bottom, or left to right
    view: Look = field(default_factory=Look, compare=False)
    rows: dict[str, Any] = field(default_factory=dict, compare=False)  # key -> (row, params), for `expand`
    whole: Graph | None = field(default=None, compare=False)  # before `expand`
    opened: tuple[str, ...] = ()  # the keys of the boxes that were expanded

    @property
    def outputs(self) -> list[GraphNode]:
        """What the graph was drawn of."""
        return [node for node in self.nodes if node.output]

    def __getitem__(self, key: str) -> GraphNode:
        """The node with this key, or the only one with this name: graph["n5"], graph["loss"]."""
        return self.find(key)

    def __getstate__(self) -> dict[str, Any]:
        """Pickles and deep copies are data alone; operations can't be opened in them any more."""
        return {**self.__dict__, "rows": {}, "whole": None}

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries, lists, texts and numbers, ready for `json`; NaN and infinities are texts.

        {"schema": 1, "nodes": [...], "edges": [...], "groups": [...], "caption": "...", "direction": "TB"}, with the
        fields of `GraphNode`, `Edge` and `Group`.
        """
        plain = _plain(
            {
                "schema": SCHEMA,
                "nodes": [dataclasses.asdict(node) for node in self.nodes],
                "edges": [dataclasses.asdict(edge) for edge in self.edges],
                "groups": [dataclasses.asdict(group) for group in self.groups],
                "caption": self.caption,
                "direction": self.direction,
            }
        )
        assert isinstance(plain, dict)
        return plain


def _plain(value: Any) -> Any:
    """JSON has no tuples, NaN or infinities. The nesting is that of the dataclasses and of one array."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
