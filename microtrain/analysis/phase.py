"""The field that gradient flow follows, for two parameters, with some of its lines and its critical points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from .critical_points import CriticalPoint, critical_points
from .flow import Field, field_at, flow, gradient_flow
from .objective import Array, Loss, Objective, objective


@dataclass(frozen=True)
class PhasePortrait:
    """Velocities (ny, nx, 2) at `x[i]`, `y[j]`; flow lines, each (T, 2); critical points."""

    x: Array
    y: Array
    velocity: Array
    lines: tuple[Array, ...]
    points: tuple[CriticalPoint, ...]

    def plot(self, ax: Any = None) -> Any:
        """Draw the field as arrows, with the lines and the points; returns the Axes."""
        from ..viz.plots import phase_portrait as draw

        return draw(self, ax=ax)

    def __repr__(self) -> str:
        kinds = ", ".join(point.kind for point in self.points) or "no critical points"
        return f"<PhasePortrait {len(self.x)} x {len(self.y)}: {len(self.lines)} flow lines, {kinds}>"


def phase_portrait(
    loss: Loss | Objective, x: tuple[float, float], y: tuple[float, float], *, starts: Sequence[Any] = (),
    t_end: float = 10.0, resolution: int = 24, points: bool = True,
) -> PhasePortrait:  # fmt: skip
    """Gradient flow of a loss of two parameters, with lines from `starts` followed for the time `t_end`."""
    xs, ys, grid = _grid(x, y, resolution)
    found = objective(loss, grid[0])
    if found.size != 2:
        raise ShapeError(f"A phase portrait shows two parameters; this loss has {found.size}.")
    velocity = -found.gradients(grid).reshape(resolution, resolution, 2)
    times = np.linspace(0, t_end, 200)
    lines = tuple(gradient_flow(found, t_end=t_end, start=s, times=times).points for s in starts)
    critical = critical_points(found, grid, bounds=[x, y]) if points else []
    return PhasePortrait(xs, ys, velocity, lines, tuple(critical))


def field_portrait(
    velocity: Field, x: tuple[float, float], y: tuple[float, float], *, starts: Sequence[Any] = (), t_end: float = 10.0,
    resolution: int = 24,
) -> PhasePortrait:  # fmt: skip
    """The same of any field of the plane, written for a tensor (2,): one that is no gradient may turn in circles."""
    xs, ys, grid = _grid(x, y, resolution)
    arrows = np.array([field_at(velocity, p) for p in grid]).reshape(resolution, resolution, 2)
    times = np.linspace(0, t_end, 200)
    lines = tuple(flow(velocity, s, t_end=t_end, times=times).points for s in starts)
    return PhasePortrait(xs, ys, arrows, lines, ())


def _grid(x: tuple[float, float], y: tuple[float, float], resolution: int) -> tuple[Array, Array, Array]:
    xs, ys = np.linspace(*x, resolution), np.linspace(*y, resolution)
    a, b = np.meshgrid(xs, ys)
    return xs, ys, np.stack([a.ravel(), b.ravel()], 1)
