"""What a recorder writes down: the boxes and lines of the graph, and the steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .formulas import Formula
    from .updates import Update

Places = dict[str, "int | None"]  # what a step is made of: places in the table of values


@dataclass(eq=False)
class Box:
    """A node of the graph: a tensor that was there (a leaf), or an operation with its output."""

    kind: str  # "parameter", "input" or "operation"
    name: str = ""  # what the learner calls the tensor
    operation: str = ""
    detail: str = ""
    where: tuple[Any, int] | None = None
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    tensor: Any = None  # kept alive, so that its id stays its own
    number: Any = None  # a plain number that takes part in the formulas as itself
    value: int | None = None  # its place in the table
    lost: bool = False  # was it overwritten after it was used, so that nobody knows its value?
    updated: bool = False  # has a step told that this parameter was written?
    inputs: list[Box] = field(default_factory=list)
    count: int = 0  # how many operations it stands for, if it is folded
    during: int = 0  # 0 in the forward pass; made by the backward pass with this number
    key: str = ""
    symbol: str = ""  # in formulas


@dataclass(eq=False)
class Line:
    """An edge of the graph."""

    source: Box
    target: Box
    index: int
    key: str = ""


@dataclass
class Step:
    """One thing that happened. What is not of its phase stays None."""

    phase: str  # "forward", "seed", "backward", "accumulate", "update" or "folded"
    box: Box  # what it happened to: for "backward" the input, whose gradient grows
    line: Line | None = None  # "backward": the edge, from that input to the operation
    numbers: Places = field(default_factory=dict)
    formulas: dict[str, Formula] = field(default_factory=dict)
    axes: tuple[int, ...] = ()
    jacobian: Any = None
    walk: int = 0  # which backward pass
    note: str = ""
    count: int = 0  # of operations, if they are folded into this step,
    way: str = ""  # which was "forward" or "backward"
    update: Update | None = None
