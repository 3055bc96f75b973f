"""For figures that move: lines that are drawn already grow, step by step, with a dot where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Show = Callable[[int], object]


def moments(last: int, frames: int, *, log: bool = False) -> np.ndarray:
    """The steps 0 ... last that the frames show, evenly, or in even ratios (1, 2, 4 ...): (frames,), whole numbers."""
    if log:
        return np.concatenate([[0], np.rint(np.geomspace(1, last, frames - 1))]).astype(int)
    return np.rint(np.linspace(0, last, frames)).astype(int)


def grow(steps: np.ndarray, *lines: Any, heads: bool = True, begin: int = 0, every: int = 1) -> Show:
    """What shows frame k of these lines: their points up to step steps[k].

    Args:
        lines: matplotlib's, with all their points. One with fewer points than others has arrived, and stays.
        heads: with a dot at the newest point.
        begin: the step of the first point.
        every: steps between two points.
    """
    points = [np.array(line.get_data()) for line in lines]
    dots = [
        line.axes.plot([], [], "o", color=line.get_color(), markeredgecolor="black", markersize=7, zorder=9)[0]
        for line in (lines if heads else ())
    ]

    def show(k: int) -> None:
        count = max(0, (int(steps[k]) - begin) // every + 1)
        for line, (x, y) in zip(lines, points, strict=True):
            line.set_data(x[:count], y[:count])
        for dot, (x, y) in zip(dots, points, strict=False):
            at = min(count, len(x))
            dot.set_data(x[max(0, at - 1) : at], y[max(0, at - 1) : at])

    return show


def together(*shows: Show) -> Show:
    """Several of them as one."""

    def show(k: int) -> None:
        for each in shows:
            each(k)

    return show
