"""Is the loss convex? Chords, slopes and curvatures can prove that it is not; that it is, they only make likely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from ..random import Generator
from .hessian import eigenvalues
from .objective import Loss, Objective, Params, objective
from .sampling import Sampler, draw

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ConvexityProbe:
    """What the probes found. `counterexample` is the worst pair (a, b, t), or None if every chord lay above the loss.

    `violation` is f(t a + (1 - t) b) - (t f(a) + (1 - t) f(b)) there: positive means not convex.
    """

    probes: int
    violations: int
    violation: float
    counterexample: tuple[Array, Array, float] | None

    def __bool__(self) -> bool:
        """No counterexample was found."""
        return self.counterexample is None

    def __repr__(self) -> str:
        if self.counterexample is None:
            return f"<ConvexityProbe: all {self.probes} chords lie above the loss>"
        below = f"{self.violations} of {self.probes} chords lie below it, by up to {self.violation:.4g}"
        return f"<ConvexityProbe: not convex, {below}>"


def chord_probe(
    loss: Loss | Objective, params: Params = None, *, probes: int = 1000, sampler: Sampler = None,
    generator: Generator | None = None, tol: float = 1e-10,
) -> ConvexityProbe:  # fmt: skip
    """Compare the loss with its chords between random points; one chord below it proves that it is not convex.

    `sampler` says where the points are (see `sampling.draw`). Differences below `tol` times the losses are rounding.
    """
    found = objective(loss, params)
    random = generator or Generator(0)
    a, b = (draw(sampler, probes, found.theta, random) for _ in range(2))
    t = random.numpy.uniform(0.02, 0.98, probes)
    values = found.values(np.concatenate([a, b, t[:, None] * a + (1 - t[:, None]) * b])).reshape(3, -1)
    with np.errstate(all="ignore"):
        gap = values[2] - (t * values[0] + (1 - t) * values[1])
    known = np.isfinite(gap)
    if not known.any():
        raise ArgumentError(
            f"None of the {probes} chords has finite losses at its ends.",
            "The points lie where the loss is NaN or infinite.",
            "Give a sampler that stays where the loss is defined.",
        )
    beyond = known & (gap > tol * np.abs(values).max(0))
    if not beyond.any():
        return ConvexityProbe(int(known.sum()), 0, float(gap[known].max()), None)
    worst = int(np.argmax(np.where(beyond, gap, -np.inf)))
    return ConvexityProbe(int(known.sum()), int(beyond.sum()), float(gap[worst]), (a[worst], b[worst], float(t[worst])))


def chord_violation(f: Loss | Objective, a: Any, b: Any, t: Any = 0.5, params: Params = None) -> Array | float:
    """f(t a + (1 - t) b) - (t f(a) + (1 - t) f(b)) for one pair of points: positive means not convex."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    found = objective(f, np.ravel(a) if params is None else params)
    t = np.atleast_1d(np.asarray(t, float))
    points = t[:, None] * np.ravel(a) + (1 - t[:, None]) * np.ravel(b)
    gap = found.values(points) - (t * found(np.ravel(a)) + (1 - t) * found(np.ravel(b)))
    return gap if len(gap) > 1 else float(gap[0])


@dataclass(frozen=True)
class CurvatureProbe:
    """The smallest and largest curvature over the points looked at, and where they are."""

    lowest: float
    highest: float
    where_lowest: Array
    where_highest: Array
    negative: int  # at how many points some curvature is negative
    points: int

    def __repr__(self) -> str:
        return (
            f"<CurvatureProbe of {self.points} points: eigenvalues from {self.lowest:.4g} to {self.highest:.4g}, "
            f"some negative at {self.negative}>"
        )


def curvature_on(loss: Loss | Objective, points: Any, params: Params = None, *, tol: float = 1e-10) -> CurvatureProbe:
    """The extreme eigenvalues of the Hessian over given points (K, P): a positive lowest one means convex there."""
    points = np.atleast_2d(np.asarray(points, float))
    found = objective(loss, points[0] if params is None else params)
    values = np.array([eigenvalues(h) for h in found.hessians(points)])
    low, high = int(values[:, 0].argmin()), int(values[:, -1].argmax())
    negative = int((values[:, 0] < -tol * np.abs(values).max()).sum())
    return CurvatureProbe(
        float(values[low, 0]), float(values[high, -1]), points[low], points[high], negative, len(points)
    )


def curvature_probe(
    loss: Loss | Objective, params: Params = None, *, points: int = 100, sampler: Sampler = None,
    generator: Generator | None = None,
) -> CurvatureProbe:  # fmt: skip
    """`curvature_on` random points."""
    found = objective(loss, params)
    return curvature_on(found, draw(sampler, points, found.theta, generator))


@steady
def pseudoconvex_violations(
    f: Loss | Objective, points: Any, *, strict: bool = False, quasi: bool = False, tol: float = 1e-12
) -> list[tuple[Array, Array]]:
    """Pairs (x, y) with a slope at x that does not fall towards y, and yet f(y) < f(x): proof against pseudoconvexity.

    Every pair of the given points (K, P) is looked at. `strict` also wants f(y) > f(x) for other y with no slope down.
    `quasi` is content with a slope that does not rise: only rising ones count then, which is quasiconvexity.
    """
    points = np.asarray(points, float)
    points = points[:, None] if points.ndim == 1 else points
    found = objective(f, points[0])
    values, slopes = found.values(points), found.gradients(points)
    rise = slopes @ points.T - (slopes * points).sum(1)[:, None]  # <grad f(x), y - x>
    size = tol * max(1.0, float(np.abs(values).max()))
    lower = values[None, :] <= values[:, None] - (0 if strict else size)
    bad = (rise > size if quasi else rise >= -size) & lower & ~np.eye(len(points), dtype=bool)
    if not strict:
        bad &= values[None, :] < values[:, None] - size
    return [(points[i], points[j]) for i, j in np.argwhere(bad)]
