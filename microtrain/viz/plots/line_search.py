"""How a line search closed in on its step (Figure 6.10 of the book)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .axes import new_axes


def line_search(record: Any, phi: Any = None, ax: Any = None, rounds: int = 6) -> Any:
    """Draw the evaluations of a `LineSearch`, and below them its first brackets, the first on top.

    `phi`, the loss as a function of the step, adds the curve. The interior points of a bracket are dots on its bar.
    """
    ax = ax or new_axes()
    steps, values = np.array(record.evaluations).T
    height = float(np.ptp(values)) or 1.0
    if phi is not None:
        grid = np.linspace(min(steps.min(), 0.0), steps.max(), 300)
        ax.plot(grid, [float(phi(s)) for s in grid], color="#9aa5b1", linewidth=1.2, zorder=1, label="loss")
    ax.scatter(steps, values, s=16, color="#1f5fa8", zorder=3, label=f"{record.n_evals} evaluations")
    best = {"label": f"step {record.step:.4g}", "marker": "*", "color": "#d1600f"}
    ax.scatter([record.step], [record.value], s=60, zorder=4, **best)
    bottom = values.min() - 0.06 * height
    for k, bracket in enumerate(record.brackets[:rounds]):
        y = bottom - 0.05 * height * (k + 1)
        ax.plot([bracket[0], bracket[-1]], [y, y], color="#7fb069", linewidth=4, alpha=0.5, solid_capstyle="butt")
        ax.scatter(bracket[1:-1], [y] * (len(bracket) - 2), s=12, color="#3b6b2a", zorder=3)
    ax.set_xlabel("step along the line")
    ax.set_ylabel("loss")
    ax.set_title(record.method)
    ax.legend(loc="upper right")
    return ax
