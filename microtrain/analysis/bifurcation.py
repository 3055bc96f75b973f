"""Where gradient descent goes in the long run, for many learning rates at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from .objective import Array, Loss, Objective, Params, objective

Rates = Any


@dataclass(frozen=True)
class Bifurcation:
    """Where gradient descent stays for each rate: `orbits` (rates, kept) values, NaN where it diverged.

    `periods` (rates,) is after how many steps the orbit repeats: 1 for convergence, 0 for none found up to `kept / 2`.
    """

    rates: Array
    orbits: Array
    periods: Array
    what: str

    def first(self, period: int) -> float | None:
        """The smallest rate with an orbit of this period; None if there is none."""
        at = np.flatnonzero(self.periods == period)
        return float(self.rates[at[0]]) if len(at) else None

    def plot(self, ax: Any = None) -> Any:
        """Draw the diagram; returns the Axes."""
        from ..viz.plots import bifurcation as draw

        return draw(self, ax=ax)

    def __repr__(self) -> str:
        found = ", ".join(f"{p or 'none'}: {int((self.periods == p).sum())}" for p in np.unique(self.periods)[:8])
        return f"<Bifurcation over {len(self.rates)} rates; rates by period: {found}>"


def bifurcation(
    loss: Loss | Objective, start: Any, rates: Rates, *, burn: int = 1000, keep: int = 64,
    observe: Callable[[Array], Array] | str = "parameter", params: Params = None, bound: float = 1e6,
) -> Bifurcation:  # fmt: skip
    """Run gradient descent with every learning rate at once and keep the last `keep` of `burn + keep` steps.

    Args:
        start: where all runs begin, (P,).
        rates: the learning rates, (R,).
        observe: what is written down: "parameter" (the first), "loss", or a function (R, P) -> (R,).
        bound: runs that leave this distance from 0 have diverged.
    """
    at = np.ravel(np.asarray(start, float))
    found = objective(loss, at if params is None else params)
    rates = np.asarray(rates, float)
    if rates.ndim != 1 or not len(rates):
        raise ShapeError(f"The learning rates have shape {rates.shape}; (R,) is needed.")
    points = np.tile(at, (len(rates), 1))
    alive = np.ones(len(rates), bool)
    orbits = np.full((len(rates), keep), np.nan)
    watch: Callable[[Array], Array]
    if callable(observe):
        watch = observe
    else:
        watch = found.values if observe == "loss" else (lambda p: p[:, 0])
    with np.errstate(all="ignore"):
        for step in range(burn + keep):
            points[alive] -= rates[alive, None] * found.gradients(points[alive]) if alive.any() else 0
            alive &= (np.abs(points) < bound).all(1)
            if step >= burn and alive.any():
                orbits[alive, step - burn] = watch(points[alive])
    orbits[~alive] = np.nan
    return Bifurcation(rates, orbits, _periods(orbits), observe if isinstance(observe, str) else "observed")


def _periods(orbits: Array, tol: float = 1e-6) -> Array:
    """The shortest period of each row, 0 if none is found, -1 where it diverged."""
    keep = orbits.shape[1]
    size = np.maximum(1, np.abs(orbits).max(1))
    periods = np.zeros(len(orbits), int)
    for p in range(keep // 2, 0, -1):
        same = (np.abs(orbits[:, p:] - orbits[:, :-p]) <= tol * size[:, None]).all(1)
        periods[same] = p
    periods[np.isnan(orbits).any(1)] = -1
    return periods
