"""The path that an optimizer takes through the parameters, and its geometry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from ..optim.whole import WholeOptimizer
from .objective import Array, Loss, Objective, Params, objective


@dataclass(frozen=True)
class Path:
    """T + 1 points of a run: `points` (T+1, P), `losses` (T+1,) and `gradient_norms` (T+1,)."""

    points: Array
    losses: Array
    gradient_norms: Array
    name: str = ""

    @property
    def end(self) -> Array:
        return self.points[-1]  # type: ignore[no-any-return]

    @property
    def arc_length(self) -> float:
        """The length of the way."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())

    @property
    @steady
    def chord(self) -> float:
        """The distance from start to end, as the crow flies."""
        return float(np.linalg.norm(self.points[-1] - self.points[0]))

    @property
    @steady
    def max_deviation(self) -> float:
        """The largest distance from the chord, relative to its length: 0 for a straight way."""
        if not self.chord:
            return 0.0
        along = (self.points[-1] - self.points[0]) / self.chord
        offset = self.points - self.points[0]
        return float(np.linalg.norm(offset - np.outer(offset @ along, along), axis=1).max() / self.chord)

    def iterations_to(self, tol: float, relative: bool = True) -> int | None:
        """The first step after which the loss is at most `tol` (times the first loss, if relative); None if never."""
        reached = np.flatnonzero(self.losses <= tol * (self.losses[0] if relative else 1))
        return int(reached[0]) if len(reached) else None

    @steady
    def sign_changes(self, direction: Any, around: Any = None) -> int:
        """How often the coordinate along `direction` (P,), measured from `around` (default 0), changes its sign."""
        center = 0 if around is None else np.asarray(around, float)
        signs = np.sign((self.points - center) @ np.asarray(direction, float))
        signs = signs[signs != 0]
        return int((signs[1:] != signs[:-1]).sum())

    @property
    def turning_cosines(self) -> Array:
        """The cosine between each step and the next, (T - 1,): -1 is a turn about, 0 a right angle."""
        steps = np.diff(self.points, axis=0)
        lengths = np.linalg.norm(steps, axis=1)
        return (steps[1:] * steps[:-1]).sum(1) / np.maximum(lengths[1:] * lengths[:-1], 1e-300)  # type: ignore[no-any-return]

    def plot(self, ax: Any = None) -> Any:
        """Draw it (see `viz.plots.path`); returns the Axes."""
        from ..viz.plots import path as draw

        return draw(self, ax=ax)

    def __repr__(self) -> str:
        return (
            f"<Path {self.name or 'of'} {len(self.points) - 1} steps: "
            f"loss {self.losses[0]:.4g} -> {self.losses[-1]:.4g}, "
            f"length {self.arc_length:.4g} for a distance of {self.chord:.4g}>"
        )


@steady
def trace(
    optimizer: Callable[[list[Any]], Any] | Any, loss: Loss | Objective, params: Params = None, *, steps: int,
    start: Any = None, batch_loss: Callable[[int], Any] | None = None, scheduler: Any = None, tol: float | None = None,
    name: str = "",
) -> Path:  # fmt: skip
    """Run an optimizer and write down every point.

    Args:
        optimizer: a function of the list of parameters (`lambda p: SGD(p, lr=0.1)`), or an optimizer of them.
        loss: what is recorded, and minimised unless `batch_loss` is given.
        start: where to begin, (P,); default where the parameters are. They stay where the run ends.
        batch_loss: step -> the loss to descend at that step, from a mini-batch (a closure over the same parameters).
        scheduler: a function of the optimizer, stepped after each update.
        tol: stop when the gradient norm is below it.
    """
    if steps < 0:
        raise ArgumentError(f"trace(): steps is a number from 0, not {steps}.")
    found = objective(loss, params)
    if start is not None:
        at = np.ravel(np.asarray(start, float))
        if at.shape != (found.size,):
            raise ArgumentError(f"A start with {at.size} numbers for {found.size} parameters.")
        found.flat.write(at)
    made: Any = optimizer(found.params) if isinstance(optimizer, type) or not hasattr(optimizer, "step") else optimizer
    schedule = scheduler(made) if scheduler is not None else None
    points = [found.theta]
    for k in range(steps):
        closure = found.closure if batch_loss is None else (lambda k=k: batch_loss(k))

        def evaluate(closure: Callable[[], Any] = closure) -> Any:
            made.zero_grad()
            value = closure()
            value.backward()
            return value

        made.step(closure if isinstance(made, WholeOptimizer) else evaluate)  # Newton's method differentiates twice
        if schedule is not None:
            schedule.step()
        points.append(found.theta)
        if not np.isfinite(points[-1]).all():
            break
        if tol is not None and np.linalg.norm(found.gradient()) < tol:
            break
    visited = np.array(points)
    with np.errstate(all="ignore"):
        slopes = found.gradients(visited)
        return Path(visited, found.values(visited), np.linalg.norm(slopes, axis=1), name or type(made).__name__)
