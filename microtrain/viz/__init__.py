"""Pictures: the compute graph (`microtrain.graph(loss)`), recordings of everything that was computed,
and traces to step through (`microtrain.trace(loss)`)."""

from .graph import Graph, Recording, graph, record
from .stepper import Trace, trace

__all__ = ["Graph", "Recording", "Trace", "graph", "record", "trace"]
