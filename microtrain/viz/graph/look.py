"""How a graph is drawn: what the boxes show, their colours, and what a colour can stand for.

Nothing is told by colour alone: kinds of boxes differ in shape, marks are signs, and a coloured quantity is also
written into its box. All palettes go steadily from light to dark, so that they read the same in greyscale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError

if TYPE_CHECKING:
    from .nodes import GraphNode

SHOWN = ("shape", "formula", "value", "grad", "params", "retained")  # by default
MORE = ("site", "time", "bytes", "key")
QUANTITIES = ("value", "grad_norm", "time", "bytes")
STEPS = 5  # of a palette


@dataclass(frozen=True)
class Style:
    """The colours of a picture."""

    background: str
    text: str
    line: str
    fill: dict[str, str]  # by kind of box
    palette: tuple[str, ...]  # from little to much
    inverse: tuple[str, ...]  # the colour of text on these


STYLES = {
    "light": Style(
        "white",
        "#111111",
        "#555555",
        {"parameter": "#eda64f", "input": "#f4f4f0", "operation": "#d5e5f7", "output": "#9fd39b", "folded": "#dcdcdc",
         "gradient": "#f3d3e2"},
        ("#fdf7dc", "#d5e8a8", "#8dcbb0", "#4c96bb", "#2c4f8f"),
        ("#111111", "#111111", "#111111", "#111111", "#ffffff"),
    ),
    "dark": Style(
        "#15181d",
        "#f2f2f2",
        "#a8adb5",
        {"parameter": "#8a5510", "input": "#33373e", "operation": "#234a73", "output": "#2f6b37", "folded": "#4b4f57",
         "gradient": "#6d3352"},
        ("#22315a", "#2d5f8f", "#3d93a8", "#7cc6a0", "#eef0b4"),
        ("#ffffff", "#ffffff", "#111111", "#111111", "#111111"),
    ),
    "print": Style(
        "white",
        "black",
        "black",
        dict.fromkeys(("parameter", "input", "operation", "output", "folded", "gradient"), "white"),
        ("#ffffff", "#e4e4e4", "#c4c4c4", "#9c9c9c", "#5c5c5c"),
        ("black", "black", "black", "black", "white"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """The settings of a picture; `Graph.look()` changes them."""

    style: str = "light"
    color: str | Callable[[Any], Any] | None = None
    show: frozenset[str] = frozenset(SHOWN)

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ArgumentError(f"style is {self.style!r}.", fix="Use " + ", ".join(map(repr, STYLES)) + ".")
        if self.color is not None and self.color not in QUANTITIES and not callable(self.color):
            raise ArgumentError(
                f"color is {self.color!r}.",
                fix="Use " + ", ".join(map(repr, QUANTITIES)) + ", or a function that gives a number for a node.",
            )
        unknown = sorted(self.show - {*SHOWN, *MORE})
        if unknown:
            raise ArgumentError(f"show has {unknown[0]!r}.", fix="Use " + ", ".join(map(repr, SHOWN + MORE)) + ".")


def shown(wanted: str | Iterable[str] | None) -> frozenset[str]:
    """What to show: names, "all", or None for the usual."""
    if wanted is None:
        return frozenset(SHOWN)
    if isinstance(wanted, str):
        return frozenset(SHOWN + MORE) if wanted == "all" else frozenset([wanted])
    return frozenset(wanted)


def quantity(color: str | Callable[[Any], Any], node: GraphNode) -> float | None:
    """The number that a node is coloured by; None if it has none."""
    if callable(color):
        number = color(node)
    elif color == "value":
        number = node.value.mean if node.value is not None else None
    elif color == "grad_norm":
        grad = node.value if node.kind == "gradient" else node.grad
        number = grad.norm if grad is not None else None
    elif color == "time":
        number = node.seconds
    else:
        number = node.bytes or None
    if number is None:
        return None
    try:
        number = float(number)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"color gave {type(number).__name__} for the node {node.key}.",
            fix="Return a number, or None for no colour.",
        ) from None
    return number if math.isfinite(number) else None


@dataclass(frozen=True)
class Scale:
    """Which numbers get which colour of a palette."""

    title: str
    edges: tuple[float, ...]  # STEPS + 1 of them
    numbers: dict[str, float]  # by node

    def step(self, key: str) -> int | None:
        """The place of a node's colour in the palette."""
        number = self.numbers.get(key)
        if number is None:
            return None
        return next((i for i in range(len(self.edges) - 2) if number < self.edges[i + 1]), len(self.edges) - 2)


def scale_of(color: str | Callable[[Any], Any] | None, nodes: Iterable[GraphNode]) -> Scale | None:
    """Five equal steps from the smallest to the largest number; of logarithms where these are far apart."""
    if color is None:
        return None
    found = [(node.key, quantity(color, node)) for node in nodes]
    numbers = {key: number for key, number in found if number is not None}
    title = getattr(color, "__name__", "quantity").strip("<>") if callable(color) else color
    if not numbers:
        return Scale(title, (), {})
    low, high = min(numbers.values()), max(numbers.values())
    steps = STEPS if high > low else 1
    if low > 0 and high / low > 100:
        edges = tuple(math.exp(math.log(low) + i / steps * (math.log(high) - math.log(low))) for i in range(steps + 1))
    else:
        edges = tuple(low + i / steps * (high - low) for i in range(steps + 1))
    return Scale(title, edges, numbers)


def unit(color: str, number: float) -> str:
    """The number for people: "1.2 ms", "12.5 kB"."""
    from .values import number as written

    if color == "time":
        factor, name = next(((f, n) for f, n in ((1, "s"), (1e3, "ms")) if number * f >= 1), (1e6, "µs"))
        return f"{number * factor:.3g} {name}"
    if color == "bytes":
        for name in ("B", "kB", "MB"):
            if abs(number) < 1000:
                return f"{number:.3g} {name}"
            number /= 1000
        return f"{number:.3g} GB"
    return written(number)
