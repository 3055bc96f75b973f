"""Which minimum gradient descent finds, for many starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from .critical_points import newton
from .objective import Array, Loss, Objective, objective


@dataclass(frozen=True)
class Basins:
    """Which minimum gradient descent reaches from each start of a grid: `labels[j, i]` at `x[i]`, `y[j]`; -1 for none.

    `minima` (M, 2) are the ends that were found, by loss; `values` (M,) their losses.
    """

    x: Array
    y: Array
    labels: Array
    minima: Array
    values: Array

    @property
    def shares(self) -> Array:
        """The share of the starts that end in each minimum."""
        return np.array([(self.labels == k).mean() for k in range(len(self.minima))])

    def plot(self, ax: Any = None) -> Any:
        """Colour the starts by where they end; returns the Axes."""
        from ..viz.plots import basins as draw

        return draw(self, ax=ax)

    def __repr__(self) -> str:
        shown = ", ".join(f"{v:.4g} ({100 * s:.1f} %)" for v, s in zip(self.values[:5], self.shares, strict=False))
        return f"<Basins of {len(self.minima)} minima: loss {shown}>"


def descend(
    loss: Loss | Objective, starts: Any, *, lr: Any, steps: int, momentum: float = 0.0, bound: float = 1e6
) -> Array:
    """The ends (K, P) of gradient descent from many starts at once; NaN where it diverged.

    `lr` may be one rate, one for each start, or a function of the step.
    """
    points = np.array(starts, float)
    if points.ndim != 2 or not len(points):
        raise ShapeError(f"The starts have shape {points.shape}; (K, P) is needed.")
    found = objective(loss, points[0])
    velocity = np.zeros_like(points)
    alive = np.ones(len(points), bool)
    with np.errstate(all="ignore"):
        for step in range(steps):
            rate = np.broadcast_to(np.asarray(lr(step) if callable(lr) else lr, float), len(points))
            if not alive.any():
                break
            velocity[alive] = momentum * velocity[alive] + found.gradients(points[alive])
            points[alive] -= rate[alive, None] * velocity[alive]
            alive &= (np.abs(points) < bound).all(1)
    points[~alive] = np.nan
    return points


def basins(
    loss: Loss | Objective, x: Any, y: Any, *, lr: float, steps: int = 1000, resolution: int = 60, same: float = 1e-2
) -> Basins:
    """Gradient descent from every point of a grid, then Newton's method from where it got to.

    Ends closer than `same` times the grid's extent are one minimum. -1 is for runs that diverged, and for those that
    were not near a minimum after `steps`: in a plain without end, say.
    """
    xs, ys = np.linspace(x[0], x[1], resolution), np.linspace(y[0], y[1], resolution)
    a, b = np.meshgrid(xs, ys)
    starts = np.stack([a.ravel(), b.ravel()], 1)
    found = objective(loss, starts[0])
    ends = descend(found, starts, lr=lr, steps=steps)
    extent = max(float(np.ptp(xs)), float(np.ptp(ys)))
    alive = np.flatnonzero(np.isfinite(ends).all(1))
    minimum = np.zeros(len(ends), bool)
    if len(alive):
        refined, _, critical = newton(found, ends[alive], 1e-9, 60, 0.05 * extent)
        critical[critical] = (
            np.linalg.eigvalsh(found.hessians(refined[critical]))[:, 0] > 0 if critical.any() else False
        )
        near = np.linalg.norm(refined - ends[alive], axis=1) < 0.3 * extent
        minimum[alive] = critical & near
        ends[alive] = refined
    labels = np.full(len(ends), -1)
    minima: list[Array] = []
    for k in np.flatnonzero(minimum):
        if labels[k] < 0:
            labels[minimum & (labels < 0) & (np.linalg.norm(ends - ends[k], axis=1) < same * extent)] = len(minima)
            minima.append(ends[k])
    places = np.array(minima).reshape(-1, 2)
    values = found.values(places) if len(places) else np.zeros(0)
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(order) + 1, int)
    rank[order], rank[-1] = np.arange(len(order)), -1
    return Basins(xs, ys, rank[labels].reshape(resolution, resolution), places[order], values[order])
