"""The compute graph as data, as a picture and as text.

`microtrain.graph(loss)` makes a `Graph`. How it comes about, in the order of the files:

    names      what the caller calls its tensors and modules
    sources    what a graph can be drawn of
    collect    the operations that led to a tensor, from the engine's nodes
    record     the same for everything that runs inside a `with` block
    modules    which calls of modules the operations belong to
    fold       modules, repetitions and far ends of large graphs, put into one box
    maths      formulas as text
    build      nodes and edges with stable names (nodes.py): the `Graph` of data.py
    gradients  the backward pass as boxes of its own
    zoom, opening, scalars      an operation opened into the arithmetic of single numbers
    compare    two graphs, and what differs
    text, look, dot, layout, page, display     how it is shown

What people ask of such pictures, and where the answer is:

    Must I install Graphviz?        The program `dot` is used where it is; else `pip install "microtrain[graph]"` brings
                                    one that needs no installing. Without either there is the tree, `.dot` and `.json`.
                                    `microtrain doctor` tells which.
    Forward and backward?           passes="both"; of a gradient with create_graph=True, its own graph has both too.
    Too large to read?              It folds above `limit` boxes. depth=1 closes modules, repeats=True folds loops,
                                    depth=None, repeats=False and a higher limit open everything again.
    Which names?                    named(), then parameters, then the caller's variables; names={} looks at none.
    Gradient "-"?                   backward() has not come here yet. A gradient of zero is written as 0.
    A value is missing?             The engine keeps results of up to 64 numbers. `record()` sees all.
    Where is the time, the memory?  Record the step, then color="time", "bytes", or any function of a node.
    What did my change do?          before.compare(after)
    What is inside an operation?    graph.expand("h"): a matmul as its products and sums; graph.collapse() goes back.
    For a paper?                    style="print", and .pdf or .svg. Names may have mathematical characters (x₁, ŷ, α).
    Another program?                Graph.to_dict() and .json; .dot is read by Graphviz and by many viewers.
    Whose ids?                      Ours: n0, n1 ... in the order of execution. The same program gives the same text.
    Click to open?                  save("graph.html"): a page without scripts, where a click shows all about a box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from ...errors import ArgumentError
from .build import Settings, build
from .collect import Engine
from .compare import Comparison
from .data import Graph
from .layout import LayoutError
from .look import Look, shown
from .names import Names, caller
from .nodes import Edge, GraphNode, Group
from .record import Recording, record
from .sources import resolve
from .values import Values
from .zoom import checked_direction

__all__ = [
    "Comparison",
    "Edge",
    "Graph",
    "GraphNode",
    "Group",
    "LayoutError",
    "Look",
    "Recording",
    "Values",
    "graph",
    "record",
]


def graph(
    *sources: Any,
    limit: int = 400,
    depth: int | None = None,
    repeats: bool | None = None,
    passes: Literal["forward", "backward", "both"] = "forward",
    direction: Literal["TB", "LR"] | None = None,
    show: str | Iterable[str] | None = None,
    color: str | Callable[[GraphNode], Any] | None = None,
    style: Literal["light", "dark", "print"] = "light",
    names: Mapping[str, Any] | None = None,
) -> Graph:
    """The compute graph of some tensors, of a module or function with its inputs, of a recording, or of a formula.

        mt.graph(loss)                          how a tensor (or several) came about
        mt.graph(model, x)                      what a module, or any function, does with its inputs
        mt.graph(step, x, y)                    the same for a compiled step, which is done once, for real
        mt.graph(recording)                     everything inside `with mt.viz.record() as recording:`
        mt.graph(lambda x: x * F.tanh(x))       a formula, an operation (mt.tanh), an optimizer's rule
        mt.graph(thing)                         whatever has a method __graph__() that returns one of these

    Boxes show names, shapes, formulas, values, gradients ("-" until backward() has run), numbers of parameters, and
    what an operation keeps for its backward pass. Those with a thick frame are parameters, sheets with a folded corner
    are inputs and constants, rounded ones are operations with their output, and a double frame marks what the graph was
    drawn of. No gradient comes back along dashed arrows. Frames are calls of modules. Names come from
    `tensor.named("h")`, from modules' parameters, and from the caller's variables.

    Octagons are gradients. In their formulas g is the gradient that comes in along the thick arrow and y is the
    operation's output (other letters, where something in the picture has these names); dotted arrows come from the
    values that are read again.

    Args:
        sources: what to draw.
        limit: the most boxes to draw. In larger graphs repetitions are folded, then modules from the inside, then the
            operations furthest away; the caption says so.
        depth: how many levels of modules are opened: 0 draws each module as one box, 1 shows what it consists of.
        repeats: fold repetitions: True of operations too (an unrolled loop), None of modules only, False none.
        passes: the "forward" graph, the "backward" one (each gradient with its formula), or "both", linked.
        direction: "LR" (left to right) or "TB" (top to bottom); by default what fits.
        show: what the boxes say: any of "shape", "formula", "value", "grad", "params", "retained", "site", "time",
            "bytes", "key", or "all".
        color: colour boxes by "value" (the mean), "grad_norm", "time" (recordings only), "bytes", or a function that
            gives a number, or None, for a node. A legend tells what the colours mean.
        style: "light", "dark" or "print" (black on white).
        names: what things are called: {"x": x, "model": model}. By default the variables of whoever calls; {} for none.

    Raises `DtypeError` for what has no graph, `ArgumentError` for settings out of range.
    """
    checked_direction(direction)
    if passes not in ("forward", "backward", "both"):
        raise ArgumentError(f"passes is {passes!r}.", fix='Use "forward", "backward" or "both".')
    for name, value, least in (("limit", limit, 2), ("depth", depth, 0)):
        if value is None and name == "depth":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            what = "the number of boxes to draw" if name == "limit" else "how many levels of modules to open"
            raise ArgumentError(f"{name} is {value!r}.", fix=f"Give {what}, {least} or more.")
    settings = Settings(limit, depth, repeats, passes, direction, Look(style, color, shown(show)))
    if names is not None and not isinstance(names, Mapping):
        raise ArgumentError(
            f"names is a {type(names).__name__}.", fix='Give a dictionary: names={"x": x, "model": model}.'
        )
    known = caller() if names is None else Names([dict(names)])
    found = resolve(sources)
    if isinstance(found, Graph):
        return found.look(style=style, color=color, show=show, direction=direction)
    if isinstance(found, Recording):
        found.names = known.also(found.argument_names)
        return build(found, [], settings)
    return build(Engine(found, known), found, settings)
