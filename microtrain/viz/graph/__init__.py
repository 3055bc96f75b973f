"""The compute graph as data, as a picture and as text.

`microtrain.graph(loss)` makes a `Graph`. How it comes about, in the order of the files:

    names     what the caller calls its tensors
    collect   the operations that led to a tensor, from the engine's nodes
    record    the same for everything that runs inside a `with` block
    fold      repetitions and far ends of large graphs, put into one box
    build     nodes and edges with stable names: the `Graph` of data.py
    text, dot, layout, display     how it is shown
"""

from __future__ import annotations

from typing import Any, Literal

from ...errors import ArgumentError, DtypeError
from ...tensor import Tensor
from .build import build
from .collect import Engine
from .data import Edge, Graph, GraphNode, Group
from .layout import LayoutError
from .names import caller
from .record import Recording, record
from .values import Values

__all__ = ["Edge", "Graph", "GraphNode", "Group", "LayoutError", "Recording", "Values", "graph", "record"]


def graph(*sources: Tensor | Recording, limit: int = 400, direction: Literal["TB", "LR"] | None = None) -> Graph:
    """The compute graph that led to some tensors, or everything that a recording saw.

    Boxes show names, shapes, values and gradients ("-" until backward() has run). Those with a thick frame are
    parameters, sheets with a folded corner are inputs and constants, rounded ones are operations with their output, and
    a double frame marks what the graph was drawn of. No gradient comes back along dashed arrows. Names come from
    `tensor.named("h")`, from modules' parameters, and from the caller's variables.

    Args:
        sources: tensors, or one recording made by `microtrain.viz.record()`.
        limit: the most boxes to draw. In larger graphs repetitions are folded, then the operations furthest away.
        direction: "LR" (left to right) or "TB" (top to bottom); by default what fits.

    Raises `DtypeError` for what has no graph, `ArgumentError` for settings out of range.
    """
    if direction not in (None, "TB", "LR"):
        raise ArgumentError(f"direction is {direction!r}.", fix='Use "LR" (left to right) or "TB" (top to bottom).')
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 2:
        raise ArgumentError(f"limit is {limit!r}.", fix="Give the number of boxes to draw, 2 or more.")
    names = caller()
    recording = sources[0] if len(sources) == 1 else None
    if isinstance(recording, Recording):
        recording.names = names
        return build(recording, [], names, limit, direction)
    tensors = [_tensor(source) for source in sources]
    if not tensors:
        raise ArgumentError("graph() was called without a tensor.", fix="Give it a result: microtrain.graph(loss).")
    return build(Engine(tensors, names), tensors, names, limit, direction)


def _tensor(source: Any) -> Tensor:
    if isinstance(source, Tensor):
        source.grad_fn  # noqa: B018 (a view whose memory was written takes its new history here)
        return source
    raise DtypeError(
        f"graph() draws how a tensor was computed, and {type(source).__name__} is not a tensor.",
        "Operations leave their traces in the tensors they make.",
        "Call it with a result: microtrain.graph(loss). For a module, with its output.",
    )
