"""Pictures: the compute graph (`microtrain.graph(loss)`), and recordings of everything that was computed."""

from .graph import Graph, Recording, graph, record

__all__ = ["Graph", "Recording", "graph", "record"]
