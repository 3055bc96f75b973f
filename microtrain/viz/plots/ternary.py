"""Distributions over three outcomes, in a triangle: each corner is one of them, certain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...analysis.simplex import CORNERS, to_triangle, triangle_grid
from .axes import new_axes


def ternary(
    f: Callable[[Any], Any] | None = None, ax: Any = None, *, names: Sequence[str] = ("$p_1$", "$p_2$", "$p_3$"),
    levels: Any = 12, label: str = "", resolution: int = 60, margin: float = 0.0, cmap: str = "viridis",
) -> Any:  # fmt: skip
    """The triangle, and in it the level lines of a function; returns the Axes.

    Further points and curves are drawn on it at `analysis.to_triangle(p).T`.

    Args:
        f: distributions (M, 3) -> values (M,). Without one the triangle is empty.
        levels: how many level lines, or which.
        label: of the colours.
        margin: the smallest probability at which f is asked, for functions that are infinite at the sides.
    """
    ax = ax or new_axes((5.6, 4.6))
    if f is not None:
        p = triangle_grid(resolution, margin)
        values = np.asarray(f(p), float)
        x, y = to_triangle(p).T
        known = np.isfinite(values)
        beyond = "neither"  # values outside of the given levels have the colour of the last one
        if np.ndim(levels):
            low, high = values[known].min() < np.min(levels), values[known].max() > np.max(levels)
            beyond = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((low, high), beyond)
        filled = ax.tricontourf(x[known], y[known], values[known], levels=levels, cmap=cmap, extend=beyond)
        ax.tricontour(x[known], y[known], values[known], levels=filled.levels, colors="black", linewidths=0.4)
        ax.figure.colorbar(filled, ax=ax, label=label, fraction=0.046, shrink=0.85)
    ax.plot(*CORNERS[[0, 1, 2, 0]].T, color="black", linewidth=1)
    for corner, name, (dx, dy) in zip(CORNERS, names, ((-0.05, -0.04), (0.05, -0.04), (0, 0.05)), strict=True):
        ax.text(corner[0] + dx, corner[1] + dy, name, ha="center", va="center")
    ax.set(xlim=(-0.12, 1.12), ylim=(-0.1, 0.97), aspect="equal")
    ax.set_axis_off()
    return ax
