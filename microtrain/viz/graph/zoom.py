"""Looking closer: finding a box, opening it into single numbers, drawing in another way, comparing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, cast

from ...errors import ArgumentError
from .compare import Comparison, compared
from .look import Look, shown
from .nodes import GraphNode
from .opening import opened

if TYPE_CHECKING:
    from .data import Graph


class Zoom:
    """The methods of `Graph` that give another graph."""

    def find(self, key: str) -> GraphNode:
        """The node with this key ("n5"), or the only one with this name ("loss").

        Raises `ArgumentError` if there is none, or several.
        """
        nodes = cast("Graph", self).nodes
        found = [node for node in nodes if node.key == key] or [node for node in nodes if node.name == key]
        if len(found) == 1:
            return found[0]
        if found:
            raise ArgumentError(
                f"{len(found)} nodes are called {key!r}.", fix="Use a key: " + ", ".join(n.key for n in found) + "."
            )
        names = [node.name for node in nodes if node.name][:20]
        raise ArgumentError(
            f"The graph has no node {key!r}.",
            fix=f"Keys go from n0 to {nodes[-1].key if nodes else 'n0'}; names are {', '.join(names) or 'not given'}.",
        )

    def expand(self, *keys: str) -> Graph:
        """The same graph with some operations opened into the arithmetic on single numbers that they are.

        A matmul of 2x3 and 3x2 becomes its 12 products and 8 sums. Keys or names say which; without any, all that can
        be opened. `collapse()` goes back. Raises `ArgumentError`, which says why, for an operation that can't be
        opened: too large, its inputs' values not known, or not arithmetic on elements (sorting, LAPACK).
        """
        graph = cast("Graph", self)
        whole = graph.whole or graph
        return opened(whole, (*graph.opened, *(whole.find(key).key for key in keys)), everything=not keys)

    def collapse(self, *keys: str) -> Graph:
        """Close opened operations again; without keys, all."""
        graph = cast("Graph", self)
        if graph.whole is None:
            return graph
        closed = {graph.whole.find(key).key for key in keys} if keys else set(graph.opened)
        left = tuple(key for key in graph.opened if key not in closed)
        return opened(graph.whole, left, everything=False) if left else graph.whole

    def look(
        self,
        *,
        style: Literal["light", "dark", "print"] | None = None,
        color: str | Callable[[GraphNode], Any] | None = None,
        show: str | Iterable[str] | None = None,
        direction: Literal["TB", "LR"] | None = None,
    ) -> Graph:
        """The same graph drawn in another way; the settings are those of `microtrain.graph`."""
        graph = cast("Graph", self)
        view = Look(
            graph.view.style if style is None else style,
            graph.view.color if color is None else color,
            graph.view.show if show is None else shown(show),
        )
        return dataclasses.replace(graph, view=view, direction=checked_direction(direction) or graph.direction)

    def compare(self, after: Graph, *, values: bool = False) -> Comparison:
        """What differs between this graph (before) and another (after): added, removed and changed nodes.

        Values and gradients of tensors are compared only with `values=True`; they differ after every step of
        training. Numbers that stand in the program are always compared.
        """
        return compared(cast("Graph", self), after, values=values)


def checked_direction(direction: Any) -> Any:
    """ "TB", "LR" or None; else `ArgumentError`."""
    if direction not in (None, "TB", "LR"):
        raise ArgumentError(f"direction is {direction!r}.", fix='Use "LR" (left to right) or "TB" (top to bottom).')
    return direction
