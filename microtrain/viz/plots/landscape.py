"""Losses from above: heat map, contours, and the ways that optimizers took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import ArgumentError
from .axes import new_axes

COLOURS = ("#e4572e", "#ffffff", "#ffd23f", "#4cc9f0", "#f497da", "#a7e8bd", "#ff9f1c", "#c8b6ff")
DASHES = ("-", "--", "-.", ":")
BASINS = ("#4e79a7", "#f2b447", "#76b7b2", "#e15759", "#b07aa1", "#9c755f", "#59a14f", "#ff9da7")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")


def landscape(
    result: Any, ax: Any = None, *, levels: int = 18, scale: str = "auto", paths: Mapping[str, Any] | None = None
) -> Any:
    """A `Landscape` as a heat map with contours, its paths drawn on it; returns the Axes.

    Args:
        scale: of the colours: "linear", "log" (of the height above the lowest point), or "auto": log where a tenth of
            the picture would be one colour.
        paths: further paths, {name: points (T, 2) in coordinates of the plane}.
    """
    ax = ax or new_axes((6.8, 5.2))
    from matplotlib.colors import LogNorm

    values = np.ma.masked_invalid(result.values)
    if not values.count():
        raise ArgumentError("There is nothing to draw: the loss is NaN or infinite on the whole grid.")
    low, high = float(values.min()), float(values.max())
    floor = 1e-4 * (high - low) or 1.0
    above = values - low + floor
    tenth = float(np.percentile(above.compressed(), 10))
    logarithmic = scale == "log" or (scale == "auto" and high - low > 50 * max(tenth - floor, floor))
    shown = above if logarithmic else values
    norm = LogNorm(floor, float(above.max())) if logarithmic else None
    mesh = ax.pcolormesh(result.x, result.y, shown, cmap="viridis", norm=norm, shading="gouraud", rasterized=True)
    if high > low:
        edges = (
            np.geomspace(floor * 1.5, float(above.max()), levels)
            if logarithmic
            else np.linspace(low, high, levels + 2)[1:-1]
        )
        ax.contour(result.x, result.y, shown, levels=edges, colors="black", linewidths=0.4, alpha=0.5)
    label = "loss" if not logarithmic else f"loss {'−' if low > floor else '+'} {abs(floor - low):.3g}"
    ax.figure.colorbar(mesh, ax=ax, label=label, fraction=0.046)
    x, y, lowest = result.lowest
    ax.plot([x], [y], marker="x", color="white", markersize=7, markeredgewidth=2, linestyle="none", zorder=5)
    ax.plot([x], [y], marker="x", color="black", markersize=6, markeredgewidth=1, linestyle="none", zorder=6,
            label=f"lowest on the grid: {lowest:.3g}")  # fmt: skip
    for k, (name, points) in enumerate({**result.paths, **(paths or {})}.items()):
        draw_path(ax, points, name, k)
    ax.set_xlim(result.x[0], result.x[-1])
    ax.set_ylim(result.y[0], result.y[-1])
    ax.set_xlabel(result.plane.names[0])
    ax.set_ylabel(result.plane.names[1])
    legend = ax.legend(fontsize=8, loc="upper right", framealpha=0.85, facecolor="#555b63", labelcolor="white")
    legend.set_zorder(10)
    return ax


def draw_path(ax: Any, points: Any, name: str, number: int) -> None:
    """A path with its start (open) and end (filled), told apart from the others by colour, dashes and mark."""
    from matplotlib import patheffects

    points = np.asarray(points, float)
    colour, dash, mark = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)], MARKS[number % len(MARKS)]
    outline = [patheffects.Stroke(linewidth=2.8, foreground="#222222"), patheffects.Normal()]
    every = max(1, len(points) // 15)
    ax.plot(
        *points.T, color=colour, linestyle=dash, linewidth=1.5, marker=mark, markersize=4.5, markevery=every,
        markeredgecolor="#222222", markeredgewidth=0.5, path_effects=outline, label=f"{name} ({len(points) - 1} steps)",
        zorder=4,
    )  # fmt: skip
    ax.plot(*points[:1].T, marker="o", markersize=8, markerfacecolor="none", markeredgecolor=colour,
            markeredgewidth=1.8, zorder=5)  # fmt: skip
    ax.plot(*points[-1:].T, marker=mark, markersize=8, color=colour, markeredgecolor="#222222", zorder=7)


def basins(result: Any, ax: Any = None) -> Any:
    """A `Basins`: each start in the colour of the minimum it leads to; the minima are numbered by their losses."""
    ax = ax or new_axes((6.4, 4.8))
    from matplotlib.colors import BoundaryNorm, ListedColormap

    count = min(len(result.minima), len(BASINS))  # the others, which have fewer starts, share a colour
    largest = sorted(np.argsort(-result.shares)[:count].tolist())
    place = np.full(len(result.minima) + 1, count + 1)
    place[largest], place[-1] = np.arange(1, count + 1), 0
    colours = ["#22252a", *BASINS[:count], "#d9d9d9"]
    norm = BoundaryNorm(np.arange(-0.5, count + 2.5), len(colours))
    ax.pcolormesh(result.x, result.y, place[result.labels], cmap=ListedColormap(colours), norm=norm, shading="nearest")
    for k in largest:
        point, colour = result.minima[k], colours[place[k]]
        if result.x[0] <= point[0] <= result.x[-1] and result.y[0] <= point[1] <= result.y[-1]:
            ax.plot(*point, "o", color="white", markeredgecolor="black", markersize=14, zorder=5)
            ax.text(*point, str(place[k]), ha="center", va="center", fontsize=8, zorder=6)
        text = f"{place[k]}: loss {result.values[k]:.3g}, {100 * result.shares[k]:.0f} % of the starts"
        ax.plot([], [], "s", color=colour, markeredgecolor="black", label=text)
    for number, colour, what in ((count + 1, colours[-1], "other minima"), (0, colours[0], "no minimum")):
        share = float((place[result.labels] == number).mean())
        if share:
            text = f"{what}: {100 * share:.{3 if share > 0.995 else 2}g} %"
            ax.plot([], [], "s", color=colour, markeredgecolor="black", label=text)
    ax.set_xlim(result.x[0], result.x[-1])
    ax.set_ylim(result.y[0], result.y[-1])
    ax.set_xlabel("theta[0] at the start")
    ax.set_ylabel("theta[1] at the start")
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    return ax
