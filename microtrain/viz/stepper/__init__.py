"""The stepper: a learner's own computation, one step at a time.

`microtrain.trace(loss)` makes a `Trace`. How it comes about, in the order of the files:

    boxes         what is written down: boxes and lines of the graph, and steps
    recorder      listens at the door and writes down edges of the backward pass and updates, and as Growing operations
    frames        what the learner's function calls its tensors
    existing      tells the recorder the graph that a tensor has already
    local         an edge's local derivatives, Jacobian entries, and sums over broadcast axes
    formulas      the same with symbols, from the rows of the operation table
    updates       an optimizer's rule, term by term
    folding       what becomes of long traces
    assemble      all this as plain data, in the format that schema.py describes
    drawing       the graph as SVG, at the places that layout.py finds (by Graphviz, or in layers.py)
    page          the HTML page, of page.html, page.css, page.js and words.json
    result        `Trace`, with its ways to be shown: page, terminal (with telling.py), serving
"""

from __future__ import annotations

from .make import trace
from .result import Trace

__all__ = ["Trace", "trace"]
