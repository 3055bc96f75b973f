"""What training left behind: curves with their spread over seeds, norms and updates of every layer, schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError
from .axes import new_axes, whole_numbers

COLOURS = ("#1f5fa8", "#d1600f", "#3b8f4e", "#9b3f9b", "#7a6a20", "#16878c", "#b02a3a", "#555555")
BESIDE = 3  # with more lines the legend stands beside the picture, where it covers nothing
DASHES = ("-", "--", "-.", ":")  # so that lines are told apart without colours too
LABELS = {
    "gradient_norm": "norm of the gradient",
    "weight_norm": "norm of the parameter",
    "update_ratio": "norm of the update / norm of the parameter",
}


def curves_with_spread(curves: Mapping[str, Any], what: str = "loss", ax: Any = None, most: int = 8) -> Any:
    """The mean over the seeds of each curve, in a band of one standard deviation.

    Args:
        curves: {label: array of shape (seeds, epochs)}, NaN where a run had ended.
        most: draw at most so many of them, from the one that ends lowest to the one that ends highest.
    """
    drawn = _selected(curves, most)
    ax = ax or new_axes((6.4, 4.2) if len(drawn) <= BESIDE else (8.2, 4.2))
    logarithmic = "loss" in what and all(values.min() > 0 for values in drawn.values())
    for k, (label, values) in enumerate(drawn.items()):
        epochs = np.arange(1, values.shape[1] + 1)
        mean = values.mean(axis=0)
        style = {"color": COLOURS[k % len(COLOURS)], "linestyle": DASHES[(k // len(COLOURS) + k) % len(DASHES)]}
        marker = "o" if values.shape[1] < 4 else None
        seeds = f" ({len(values)} seeds)" if len(values) > 1 else ""
        ax.plot(epochs, mean, label=label + seeds, linewidth=1.6, marker=marker, **style)
        if len(values) > 1:
            deviation = values.std(axis=0, ddof=1)
            low = mean - deviation
            if logarithmic:  # there a band that reached 0 would fill the picture
                low = np.maximum(low, values.min(axis=0))
            ax.fill_between(epochs, low, mean + deviation, color=style["color"], alpha=0.18, linewidth=0)
    if logarithmic:
        ax.set_yscale("log")
    ax.set_xlabel("epoch")
    whole_numbers(ax.xaxis)
    ax.set_ylabel(f"{what}, mean ± standard deviation" if any(len(c) > 1 for c in drawn.values()) else what)
    ax.grid(alpha=0.3)
    if not drawn:
        return ax
    left_out = len(curves) - len(drawn)
    _legend(ax, len(drawn), f"{left_out} more are not drawn" if left_out else None)
    return ax


def _selected(curves: Mapping[str, Any], most: int) -> dict[str, Any]:
    """At most so many curves, in their order, from the lowest end to the highest; masked where they are not finite."""
    arrays = {label: np.ma.masked_invalid(np.atleast_2d(c), copy=True) for label, c in curves.items() if np.size(c)}
    if len(arrays) <= most:
        return arrays
    ends = {label: float(np.ma.filled(values[:, -1].mean(), np.inf)) for label, values in arrays.items()}
    ranked = sorted(ends, key=ends.__getitem__)
    chosen = {ranked[k] for k in np.linspace(0, len(ranked) - 1, most).round().astype(int)}
    return {label: values for label, values in arrays.items() if label in chosen}


def layer_curves(history: Any, what: str = "gradient_norm", ax: Any = None) -> Any:
    """A norm of every parameter over the steps, from the first layer (dark) to the last (light); biases are dashed.

    `what` is "gradient_norm", "weight_norm" or "update_ratio"; a ratio around 0.001 is usual, and marked. Raises
    `ArgumentError` if the history does not have it.
    """
    from matplotlib import colormaps

    columns = history.layers(what)
    if not columns:
        raise ArgumentError(
            f"The history has no {what!r} of the layers.",
            fix=f"There are {', '.join(LABELS)}, measured by fit(..., statistics=1) or the callback LayerStatistics.",
        )
    ax = ax or new_axes((7.4, 4.2))
    steps = history.steps["step"]
    shades = colormaps["viridis"](np.linspace(0.0, 0.88, len(columns)))
    for (name, values), colour in zip(columns.items(), shades, strict=True):
        shown = np.where(np.asarray(values, dtype=float) > 0, values, np.nan)
        ax.plot(steps, shown, label=name, color=colour, linestyle="--" if "bias" in name else "-", linewidth=1.3)
    if what == "update_ratio":
        ax.axhline(1e-3, color="#888888", linewidth=0.8, linestyle=":")
        ax.annotate("0.001", (0.995, 1e-3), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8,
                    color="#666666")  # fmt: skip
    ax.set_yscale("log")
    ax.set_xlabel("step")
    ax.set_ylabel(LABELS.get(what, what))
    ax.grid(alpha=0.3)
    _legend(ax, len(columns), None)
    return ax


def schedule(steps: Sequence[float], rates: Sequence[float], ax: Any = None) -> Any:
    """The learning rate over the steps."""
    ax = ax or new_axes((6.4, 3.2))
    ax.plot(steps, rates, color=COLOURS[0], drawstyle="steps-post", marker="o" if len(steps) < 4 else None)
    ax.set_xlabel("step")
    ax.set_ylabel("learning rate")
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    return ax


def schedules(named: Mapping[str, Any], steps: int, ax: Any = None, *, lr: float | None = None) -> Any:
    """Several schedules, {label: schedule or function of the step}, over their first `steps` steps.

    `lr` is the rate that they start from, for schedules that do not say themselves.
    """
    ax = ax or new_axes((6.8, 3.8))
    times = np.arange(steps + 1)
    for k, (label, rate) in enumerate(named.items()):
        rates = [float(rate(t, lr)) if lr is not None else float(rate(t)) for t in times]
        style = {"color": COLOURS[k % len(COLOURS)], "linestyle": DASHES[k % len(DASHES)]}
        stairs = 4 * len(set(rates)) <= len(rates)  # else a curve, whose steps would blur its dashes
        ax.plot(times, rates, label=label, linewidth=1.6, drawstyle="steps-post" if stairs else "default", **style)
    ax.set_xlabel("step")
    ax.set_ylabel("learning rate")
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    if named:
        _legend(ax, len(named), None)
    return ax


def against_setting(
    name: str, points: Mapping[str, Sequence[tuple[float, float, float]]], what: str, ax: Any = None, *,
    joined: bool = True,
) -> Any:  # fmt: skip
    """A result against a setting: {label: (value of the setting, mean, standard deviation or NaN)}, with error bars.

    The points of a label are joined by a line, unless other settings differ among them (`joined=False`).
    """
    ax = ax or new_axes()
    values = np.array([x for line in points.values() for x, _, _ in line], dtype=float)
    for k, (label, line) in enumerate(points.items()):
        x, mean, deviation = np.array(sorted(line), dtype=float).T
        ax.errorbar(
            x, mean, yerr=deviation if np.isfinite(deviation).any() else None, label=label, capsize=3, marker="o",
            markersize=4, linewidth=1.3, color=COLOURS[k % len(COLOURS)],
            linestyle=DASHES[k % len(DASHES)] if joined else "none",
        )  # fmt: skip
    if len(values) and (values > 0).all() and values.max() > 9.99 * values.min():  # 0.01 is no whole multiple of 0.001
        ax.set_xscale("log")
    ax.set_xlabel(name)
    several = any(np.isfinite(deviation) for line in points.values() for _, _, deviation in line)
    ax.set_ylabel(f"{what}, mean ± standard deviation" if several else what)
    ax.grid(alpha=0.3)
    if any(points):
        ax.legend(fontsize=8)
    return ax


def _legend(ax: Any, lines: int, title: str | None) -> None:
    outside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "ncols": 1 + lines // 20} if lines > BESIDE else {}
    ax.legend(fontsize=8, title=title, title_fontsize=8, **outside)
