"""The eigenvalues of a Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np

from .axes import new_axes


def spectrum(result: Any, ax: Any = None, bins: int = 60) -> Any:
    """A `Spectrum` as a histogram on a logarithmic axis, with a tick for each of the outermost eigenvalues."""
    ax = ax or new_axes()
    values, weights = np.asarray(result.values), np.asarray(result.weights) * result.parameters
    low, high = float(values[0]), float(values[-1])
    room = 0.03 * (high - low) or 0.5 * max(1e-12, abs(high))
    edges = np.linspace(low - room, high + room, bins + 1)
    heights, _ = np.histogram(values, edges, weights=weights)
    negative = edges[:-1] < -0.5 * (edges[1] - edges[0])
    width = edges[1] - edges[0]
    for where, colour, hatch, label in (
        (~negative, "#1f5fa8", "", "zero or positive"), (negative, "#d1600f", "////", "negative")
    ):  # fmt: skip
        if heights[where].any():
            ax.bar(edges[:-1][where], heights[where], width, align="edge", color=colour, hatch=hatch, label=label,
                   edgecolor="white", linewidth=0.3)  # fmt: skip
    outer = np.unique(np.concatenate([values[:3], values[-10:]]))
    ax.plot(outer, np.full(len(outer), -0.035), "|", color="black", markersize=8, clip_on=False,
            transform=ax.get_xaxis_transform(), label="outermost eigenvalues")  # fmt: skip
    ax.set_yscale("log")
    ax.set_ylim(bottom=min(0.5, 0.5 * float(heights[heights > 0].min())))
    ax.tick_params(axis="x", pad=10)
    ax.axvline(0, color="#666666", linewidth=0.8, linestyle=":")
    ax.set_xlabel("eigenvalue of the Hessian")
    ax.set_ylabel("how many" if result.exact else "how many (estimated)")
    kappa = result.condition_number
    count = f"{result.parameters} eigenvalue{'' if result.parameters == 1 else 's'}"
    ax.set_title(f"{count}, {low:.3g} to {high:.3g}, condition number {kappa:.3g}", fontsize=10)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return ax
