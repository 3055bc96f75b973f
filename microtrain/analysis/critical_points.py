"""Where the gradient vanishes: finding such points, and telling minima from saddles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from .hessian import eigenvalues
from .objective import Loss, Objective, Params, objective

Array = np.ndarray[Any, Any]


def classify(matrix: Any, tol: float = 1e-8) -> str:
    """What kind of critical point has this Hessian: "minimum", "maximum", "saddle" or "degenerate".

    Eigenvalues below `tol` times the largest in size count as 0; if there is one and the others have one sign, only
    higher derivatives decide, and the point is "degenerate".
    """
    return kind_of(eigenvalues(matrix), tol)


def kind_of(values: Array, tol: float = 1e-8) -> str:
    """`classify`, from the eigenvalues."""
    zero = tol * max(1e-300, float(np.abs(values).max()))
    down, up = bool((values < -zero).any()), bool((values > zero).any())
    if down and up:
        return "saddle"
    if (np.abs(values) <= zero).any():
        return "degenerate"
    return "minimum" if up else "maximum"


@dataclass(frozen=True)
class CriticalPoint:
    """A point where the gradient vanishes, with the eigenvalues of its Hessian, smallest first."""

    point: Array
    value: float
    kind: str
    eigenvalues: Array
    gradient_norm: float

    @property
    def index(self) -> int:
        """How many directions lead down."""
        return int((self.eigenvalues < 0).sum())

    def __repr__(self) -> str:
        where = ", ".join(f"{x:.5g}" for x in self.point[:4]) + (" ..." if len(self.point) > 4 else "")
        return f"<{self.kind} at ({where}): loss {self.value:.6g}, lowest curvature {self.eigenvalues[0]:.4g}>"


@steady
def classify_critical_point(
    loss: Loss | Objective, params: Params = None, *, gtol: float = 1e-6, etol: float = 1e-8
) -> str:
    """What the parameters' present place is: "not critical" if the gradient exceeds `gtol`, else see `classify`."""
    found = objective(loss, params)
    if not np.linalg.norm(found.gradient()) <= gtol:
        return "not critical"
    return classify(found.hessian(), etol)


@steady
def critical_points(
    loss: Loss | Objective, starts: Any, *, tol: float = 1e-10, max_steps: int = 200, step_cap: float | None = None,
    same: float = 1e-5, etol: float = 1e-8, bounds: Any = None,
) -> list[CriticalPoint]:  # fmt: skip
    """Critical points reached by Newton's method from many starts (K, P), each once, those of lowest loss first.

    Newton's method on the gradient goes to minima, maxima and saddles alike. A step is at most `step_cap` long
    (default: a tenth of the starts' spread) and is halved until the gradient gets smaller; starts that get stuck are
    left out.

    Args:
        tol: the gradient norm to reach, relative to the largest at the starts.
        same: points closer than this times the spread are one.
        bounds: a pair (low, high) for each parameter; points outside are left out.
    """
    starts = np.asarray(starts, float)
    starts = starts[:, None] if starts.ndim == 1 else starts
    if starts.ndim != 2 or not len(starts):
        raise ArgumentError(f"critical_points() needs starts of shape (K, P), not {starts.shape}.")
    found = objective(loss, starts[0])
    spread = float(np.ptp(starts, axis=0).max()) or 1.0
    cap = step_cap or 0.1 * spread
    points, slopes, reached = newton(found, starts, tol, max_steps, cap)
    if bounds is not None:
        low, high = np.asarray(bounds, float).reshape(points.shape[1], 2).T
        reached &= ((points >= low) & (points <= high)).all(1)
    return _distinct(found, points[reached], slopes[reached], same * spread, etol)


def newton(found: Objective, starts: Array, tol: float, max_steps: int, cap: float) -> tuple[Array, Array, Array]:
    """(points, gradients, which of them are critical points) of Newton's method from many starts (K, P) at once."""
    points, slopes = starts.copy(), found.gradients(starts)
    active = np.isfinite(slopes).all(1)
    size = float(np.linalg.norm(slopes[active], axis=1).max(initial=0)) or 1.0
    for _ in range(max_steps):
        norms = np.linalg.norm(slopes, axis=1)
        active &= norms > tol * size
        if not active.any():
            break
        at = np.flatnonzero(active)
        steps = _newton_steps(found.hessians(points[at]), slopes[at])
        lengths = np.linalg.norm(steps, axis=1, keepdims=True)
        steps *= np.minimum(1, cap / np.maximum(lengths, 1e-300))
        moved = np.zeros(len(at), bool)
        for half in range(12):
            todo = np.flatnonzero(~moved)
            if not len(todo):
                break
            trial = points[at[todo]] + 0.5**half * steps[todo]
            new = found.gradients(trial)
            better = np.linalg.norm(new, axis=1) < norms[at[todo]] * (1 - 1e-4 * 0.5**half)
            chosen = todo[better]
            points[at[chosen]], slopes[at[chosen]] = trial[better], new[better]
            moved[chosen] = True
        active[at[~moved]] = False
    return points, slopes, np.linalg.norm(slopes, axis=1) <= max(100 * tol, 1e-12) * size


def _newton_steps(hessians: Array, slopes: Array) -> Array:
    """-H^+ g: where H is nearly singular, only along the directions that curve."""
    values, vectors = np.linalg.eigh(np.nan_to_num(hessians))
    floor = 1e-10 * np.abs(values).max(1, keepdims=True) + 1e-300
    inverse = np.where(np.abs(values) > floor, 1 / np.where(np.abs(values) > floor, values, 1), 0)
    along = np.einsum("kij,ki->kj", vectors, slopes)
    return -np.einsum("kij,kj->ki", vectors, inverse * along)  # type: ignore[no-any-return]


def _distinct(found: Objective, points: Array, slopes: Array, apart: float, etol: float) -> list[CriticalPoint]:
    kept: list[int] = []
    for k in np.argsort(np.linalg.norm(slopes, axis=1)):
        if all(np.linalg.norm(points[k] - points[j]) > apart for j in kept):
            kept.append(int(k))
    result = []
    for k in kept:
        values = np.linalg.eigvalsh(found.hessian(points[k]))
        norm = float(np.linalg.norm(slopes[k]))
        result.append(CriticalPoint(points[k], found(points[k]), kind_of(values, etol), values, norm))
    return sorted(result, key=lambda c: c.value)
