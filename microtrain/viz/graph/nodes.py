"""What a graph consists of: boxes, arrows and frames, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .values import Values

Kind = Literal["parameter", "input", "operation", "folded", "gradient"]
Flow = Literal["forward", "backward", "retained"]


@dataclass
class GraphNode:
    """A parameter, an input (data or a constant), an operation together with its output, or a gradient."""

    key: str  # "n0", "n1" ...: inputs come before what is made of them; "g5" is the gradient of "n5"
    kind: Kind
    name: str = ""  # of the tensor, where it has one
    operation: str = ""  # what was done ("matmul"), for operations; what was folded, for folded nodes
    detail: str = ""  # the operation's settings: "dim=(1,)"
    formula: list[str] = field(default_factory=list)  # "x · w + b"; of gradients, one line for each operation
    shape: tuple[int, ...] | None = None  # None where it isn't known any more
    dtype: str = ""
    value: Values | None = None
    needs_grad: bool = False
    grad: Values | None = None  # None until backward() has come here
    forgotten: bool = False  # did backward() come here, and nobody kept the gradient?
    output: bool = False  # is this what the graph was drawn of?
    note: str = ""  # why a value is missing or is not the one that was used
    site: str = ""  # "file.py:12"
    source: str = ""  # the text of that line
    count: int = 1  # how many operations this node stands for
    contents: str = ""  # which: "20 linear, 10 tanh"
    parameters: int = 0  # how many numbers are trained here (in a folded box: inside)
    retained: list[str] = field(default_factory=list)  # what the operation keeps for backward(): "x (2, 3)"
    freed: bool = False  # has backward() let go of that?
    bytes: int = 0  # of the value
    seconds: float | None = None  # of the operation, where it was recorded
    group: str = ""  # the key of the innermost group
    mark: Literal["", "added", "removed", "changed"] = ""  # where two graphs are compared


@dataclass
class Edge:
    """A tensor going into an operation, or a gradient coming back."""

    source: str
    target: str
    index: int  # which input of the operation
    needs_grad: bool  # does a gradient come back along it?
    flow: Flow = "forward"  # "retained": a value that is read again for a gradient
    mark: Literal["", "added", "removed"] = ""

    @property
    def key(self) -> str:
        """Its id in an SVG."""
        return f"{self.source}-{self.target}-{self.index}"


@dataclass
class Group:
    """Nodes that belong together and are drawn in one frame: a call of a module, or what an operation consists of."""

    label: str
    nodes: list[str]  # those that lie in no group inside this one
    key: str = ""
    parent: str = ""  # the key of the group around it
