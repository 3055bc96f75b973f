"""What a graph is: plain data that can be drawn, compared, folded, and saved as JSON."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from .display import Display
from .values import Values

Kind = Literal["parameter", "input", "operation", "folded"]


@dataclass
class GraphNode:
    """A parameter, an input (data or a constant), or an operation together with its output."""

    key: str  # "n0", "n1" ...: inputs come before what is made of them
    kind: Kind
    name: str = ""  # of the tensor, where it has one
    operation: str = ""  # what was done ("matmul"), for operations; what was folded, for folded nodes
    detail: str = ""  # the operation's settings: "dim=(1,)"
    shape: tuple[int, ...] | None = None  # None where it isn't known any more
    dtype: str = ""
    value: Values | None = None
    needs_grad: bool = False
    grad: Values | None = None  # None until backward() has come here
    output: bool = False  # is this what the graph was drawn of?
    note: str = ""  # why a value is missing or is not the one that was used
    site: str = ""  # "file.py:12"
    source: str = ""  # the text of that line
    count: int = 1  # how many operations this node stands for


@dataclass
class Edge:
    """A tensor going into an operation."""

    source: str
    target: str
    slot: int  # which input of the operation
    needs_grad: bool  # does a gradient come back along it?


@dataclass
class Group:
    """Nodes that belong together and are drawn in one frame."""

    label: str
    nodes: list[str]


@dataclass(repr=False)
class Graph(Display):
    """A compute graph, from inputs to outputs. Notebooks show it as a picture, `print` as a tree.

    `save("graph.svg")` (or .png, .pdf, .dot, .json) writes it to a file, `svg()` and `dot` give the text.
    """

    nodes: list[GraphNode]  # in topological order
    edges: list[Edge]
    groups: list[Group] = field(default_factory=list)
    caption: str = ""  # what the picture does not show, and why
    direction: Literal["TB", "LR"] = "TB"  # top to bottom, or left to right

    @property
    def outputs(self) -> list[GraphNode]:
        return [node for node in self.nodes if node.output]

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries, lists, texts and numbers, ready for `json`; NaN and infinities are texts."""
        plain = _plain(dataclasses.asdict(self))
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
