"""What a classifier takes for what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .axes import new_axes


def confusion(counts: Any, names: Sequence[str] | None = None, ax: Any = None) -> Any:
    """A confusion matrix: rows are the true classes, columns what they were taken for."""
    counts = np.asarray(counts)
    ax = ax or new_axes((5.6, 5.2))
    names = names or [str(k) for k in range(len(counts))]
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    shade = np.where(np.eye(len(counts), dtype=bool), 0.12, 0.9 * wrong / max(3, wrong.max()))
    ax.imshow(shade, cmap="Oranges", vmin=0, vmax=1.3)
    for i, j in np.ndindex(*counts.shape):
        if counts[i, j]:
            color = "white" if shade[i, j] > 0.8 else "black"
            ax.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=10, color=color)
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set_title(f"{np.trace(counts)} of {counts.sum()} right; mistakes shaded by their number", fontsize=11)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    return ax


def images(pictures: Any, titles: Sequence[str], columns: int = 8, ax: Any = None) -> Any:
    """Small grey pictures (n, height, width) in rows, each under its title, drawn on one Axes."""
    pictures = np.asarray(pictures)
    n = len(pictures)
    rows = max(1, math.ceil(n / columns))
    pitch = 1.26  # a square picture, and two lines of text above it
    ax = ax or new_axes((1.05 * columns, 1.05 * pitch * rows + 0.1))
    ax.set_axis_off()
    for k, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        x, y = k % columns, k // columns * pitch
        ax.imshow(picture, cmap="gray_r", extent=(x + 0.06, x + 0.94, y + 1.2, y + 0.32), vmin=0)
        ax.text(x + 0.5, y + 0.28, title, ha="center", va="bottom", fontsize=8.5)
    if not n:
        ax.text(columns / 2, 0.5, "none", ha="center", va="center")
    ax.set_xlim(0, columns)
    ax.set_ylim(rows * pitch, 0)
    ax.set_aspect("equal")
    return ax
