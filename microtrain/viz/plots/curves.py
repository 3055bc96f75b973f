"""Numbers over the epochs of a run."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError
from .axes import new_axes, whole_numbers

STYLES = {"train": {"color": "#1f5fa8", "linestyle": "-"}, "test": {"color": "#d1600f", "linestyle": "--"}}


def learning_curves(history: Any, what: str = "loss", ax: Any = None) -> Any:
    """Training and test curves of `what` ("loss", "accuracy" ...) over the epochs of a `History`.

    Raises `ArgumentError` if it has neither.
    """
    there = [part for part in STYLES if f"{part}_{what}" in history]
    if not there:
        raise ArgumentError(f"There is no training or test curve of {what!r}.", fix=f"The history is {history!r}.")
    ax = ax or new_axes()
    for part in there:
        values = history[f"{part}_{what}"]
        marker = "o" if len(values) < 4 else None
        ax.plot(history["epoch"], values, label=f"{part} ({values[-1]:.3g} at the end)", marker=marker, **STYLES[part])
    ax.set_xlabel("epoch")
    ax.set_ylabel(what)
    numbers = [value for part in there for value in history[f"{part}_{what}"]]
    if what == "loss" and 0 < 4 * min(numbers) < max(numbers):  # within a factor of 4 it tells nothing more
        ax.set_yscale("log")
    whole_numbers(ax.xaxis)
    ax.grid(alpha=0.3)
    ax.legend()
    return ax
