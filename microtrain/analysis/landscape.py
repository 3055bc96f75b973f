"""Pictures of a loss: exact on the plane of two parameters, otherwise on a plane cut through many.

A plane through theta is theta + a u + b v. Which u and v decides what one sees: random directions, scaled as each
filter's weights are (Li et al. 2018), or the directions in which training moved most (PCA of its path), which come with
the share of the movement that they show. Of thousands of directions a picture shows two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from ..random import Generator
from .lanczos import lanczos
from .objective import Array, Loss, Objective, Params, objective
from .trajectory import Path

MEMORY = 1 << 26  # bytes of the points that are looked at together


@dataclass(frozen=True)
class Plane:
    """The plane `center` + a `axes[0]` + b `axes[1]` in the space of the parameters; `axes` (2, P).

    `captured` is the share of a path's variance along each axis, where the axes come from one.
    """

    center: Array
    axes: Array
    names: tuple[str, str] = ("direction 1", "direction 2")
    captured: tuple[float, float] | None = None

    def points(self, a: Any, b: Any) -> Array:
        """The parameters (..., P) at plane coordinates."""
        a, b = np.asarray(a)[..., None], np.asarray(b)[..., None]
        return self.center + a * self.axes[0] + b * self.axes[1]  # type: ignore[no-any-return]

    def coordinates(self, points: Any) -> Array:
        """The coordinates (K, 2) of the points of the plane that are nearest to these (K, P)."""
        offset = (np.atleast_2d(np.asarray(points, float)) - self.center).T
        return np.linalg.lstsq(self.axes.T, offset, rcond=None)[0].T  # type: ignore[no-any-return]

    def distances(self, points: Any) -> Array:
        """How far each point (K, P) is from the plane, (K,)."""
        points = np.atleast_2d(np.asarray(points, float))
        c = self.coordinates(points)
        away: Array = np.linalg.norm(points - self.points(c[:, 0], c[:, 1]), axis=1)
        return away


@dataclass(frozen=True)
class Landscape:
    """The loss on a grid: `values[j, i]` at `x[i]`, `y[j]`. `paths` are drawn on it, in coordinates of the plane."""

    x: Array
    y: Array
    values: Array
    plane: Plane
    paths: dict[str, Array] = field(default_factory=dict)

    def with_paths(self, **paths: Path | Array) -> Landscape:
        """The same landscape with these runs (points (T, P)), projected on its plane."""
        new = {name: self.plane.coordinates(p.points if isinstance(p, Path) else p) for name, p in paths.items()}
        return replace(self, paths={**self.paths, **new})

    @property
    def lowest(self) -> tuple[float, float, float]:
        """(x, y, loss) of the lowest grid point; NaN if the loss is nowhere defined."""
        if np.isnan(self.values).all():
            return float("nan"), float("nan"), float("nan")
        j, i = np.unravel_index(np.nanargmin(self.values), self.values.shape)
        return float(self.x[i]), float(self.y[j]), float(self.values[j, i])

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw it as a heat map with contours and the paths; returns the Axes."""
        from ..viz.plots import landscape as draw

        return draw(self, ax=ax, **options)

    def __repr__(self) -> str:
        x, y, value = self.lowest
        shown = "" if self.plane.captured is None else f", showing {100 * sum(self.plane.captured):.1f} % of the path"
        return f"<Landscape {len(self.x)} x {len(self.y)}: lowest {value:.5g} at ({x:.4g}, {y:.4g}){shown}>"


def _axis(limits: Any, resolution: int) -> Array:
    low, high = (float(v) for v in limits)
    if not (np.isfinite([low, high]).all() and low < high) or resolution < 2:
        raise ArgumentError(f"A landscape from {low} to {high} in {resolution} points.")
    return np.linspace(low, high, resolution)


def landscape(
    loss: Loss | Objective, params: Params = None, x: Any = (-1, 1), y: Any = (-1, 1), *, resolution: Any = 100,
    plane: Plane | None = None,
) -> Landscape:  # fmt: skip
    """The loss on a grid. Exact for two parameters: x and y are the ranges of the first and the second.

    Other losses need a `plane` (from `random_plane`, `pca_plane` or `plane_through`); x and y are then the ranges of
    its coordinates. `resolution` is the number of points along both, or (along x, along y).
    """
    found = objective(loss, params)
    if plane is None:
        if found.size != 2:
            raise ShapeError(
                f"This loss has {found.size} parameters; only two can be drawn as they are.",
                fix="Give a plane: random_plane(loss, params), pca_plane(path) or plane_through(a, b, c).",
            )
        plane = Plane(np.zeros(2), np.eye(2), _names(params, found))
    nx, ny = (resolution, resolution) if isinstance(resolution, int) else resolution
    xs, ys = _axis(x, nx), _axis(y, ny)
    a, b = (g.ravel() for g in np.meshgrid(xs, ys))
    values = np.empty(len(a))
    step = max(1, MEMORY // (8 * found.size))
    for start in range(0, len(a), step):
        part = slice(start, start + step)
        values[part] = found.values(plane.points(a[part], b[part]))
    return Landscape(xs, ys, values.reshape(ny, nx), plane)


def _names(params: Params, found: Objective) -> tuple[str, str]:
    named = getattr(params, "named_parameters", None)
    names = [n for n, p in named() if p.requires_grad] if named is not None else []
    return (names[0], names[1]) if len(names) == 2 and len(found.params) == 2 else ("theta[0]", "theta[1]")


def line(loss: Loss | Objective, params: Params, direction: Any, t: Any) -> Array:
    """The loss along a line: f(theta + t direction) for each t, (K,)."""
    found = objective(loss, params)
    t = np.asarray(t, float)
    return found.values(found.theta + t[:, None] * np.ravel(np.asarray(direction, float)))


@steady
def filter_normalised(direction: Any, loss: Loss | Objective, params: Params = None) -> Array:
    """A direction (P,) scaled filter by filter: each row of a weight matrix gets the norm that the weights there have.

    So a step means the same in every layer whatever its scale (Li et al. 2018). Vectors (biases) and single numbers do
    not move: their part becomes 0.
    """
    found = objective(loss, params)
    scaled = np.array(direction, float)
    for p, part in zip(found.params, found.flat.parts, strict=True):
        if p.ndim < 2:
            scaled[part] = 0
            continue
        d, w = scaled[part].reshape(p.shape[0], -1), p._data.reshape(p.shape[0], -1)
        lengths = np.linalg.norm(d, axis=1, keepdims=True)
        scaled[part] = (d * np.linalg.norm(w, axis=1, keepdims=True) / np.where(lengths > 0, lengths, 1)).ravel()
    return scaled


@steady
def random_plane(
    loss: Loss | Objective, params: Params = None, *, normalise: bool = True, generator: Generator | None = None
) -> Plane:
    """Two random directions at the parameters, orthogonal before they are filter-normalised (`normalise=False`: not).

    In many dimensions random directions see almost nothing of a few sharp ones.
    """
    found = objective(loss, params)
    drawn = (generator or Generator(0)).numpy.standard_normal((found.size, 2))
    axes = np.linalg.qr(drawn)[0].T if found.size >= 2 else drawn.T
    if normalise and any(p.ndim >= 2 for p in found.params):
        axes = np.stack([filter_normalised(d, found) for d in axes])
    return Plane(found.theta, axes)


def eigen_plane(loss: Loss | Objective, params: Params = None) -> Plane:
    """The directions of largest and of smallest curvature at the parameters, by Lanczos' method."""
    found = objective(loss, params)
    ends = lanczos(found, None, 1, which="both", tol=1e-6)
    names = (f"eigenvector of {ends.values[0]:.3g}", f"eigenvector of {ends.values[-1]:.3g}")
    return Plane(found.theta, np.stack([ends.vectors[:, 0], ends.vectors[:, -1]]), names)


@steady
def pca_plane(*paths: Path | Array) -> Plane:
    """The plane of the two directions in which these runs moved most, through the end of the first one.

    Principal components of the points relative to that end (Li et al. 2018); `captured` tells which share of the
    variance they have. Beware: random walks in many dimensions also look like this, with large shares (Lorch 2016).
    """
    points = [p.points if isinstance(p, Path) else np.asarray(p, float) for p in paths]
    if not points or any(p.ndim != 2 or p.shape[1] != points[0].shape[1] for p in points) or points[0].shape[1] < 2:
        raise ShapeError(f"pca_plane() needs paths (T, P) with P >= 2, not {[p.shape for p in points]}.")
    center = points[0][-1]
    offset = np.concatenate(points) - center
    _, singular, right = np.linalg.svd(offset, full_matrices=False)
    if len(right) < 2 or not singular[0] > 0:
        raise ShapeError("These paths do not span a plane: fewer than two different points besides the end.")
    share = singular**2 / (singular**2).sum()
    a, b = float(share[0]), float(share[1])
    names = (f"component 1 ({100 * a:.1f} %)", f"component 2 ({100 * b:.1f} %)")
    return Plane(center, right[:2], names, (a, b))


@steady
def plane_through(a: Any, b: Any, c: Any) -> Plane:
    """The plane through three points (P,): a at (0, 0), b at (1, 0), c with its distance from that line on the y-axis.

    Raises `ShapeError` if they lie on a line.
    """
    a, b, c = (np.ravel(np.asarray(p, float)) for p in (a, b, c))
    u = b - a
    v = (c - a) - u * ((c - a) @ u) / max(1e-300, float(u @ u))
    if not np.linalg.norm(u) > 0 or not np.linalg.norm(v) > 1e-12 * np.linalg.norm(c - a):
        raise ShapeError("The three points lie on a line.")
    return Plane(a, np.stack([u, v]))


def plane_limits(
    plane: Plane, *paths: Path | Array, margin: float = 0.25
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of x and y that have these paths inside, with a margin."""
    every = np.concatenate([plane.coordinates(p.points if isinstance(p, Path) else p) for p in paths])
    low, high = every.min(0), every.max(0)
    room = margin * np.maximum(high - low, 1e-9 + 0.05 * (high - low).max())
    (x0, y0), (x1, y1) = low - room, high + room
    return (float(x0), float(x1)), (float(y0), float(y1))


def races(
    loss: Loss | Objective, optimizers: dict[str, Callable[[list[Any]], Any]], start: Any, *, steps: int,
    params: Params = None,
) -> dict[str, Path]:  # fmt: skip
    """One run of each optimizer from the same start (P,), by name: what `Landscape.with_paths(**paths)` draws."""
    from .trajectory import trace

    at = np.ravel(np.asarray(start, float))
    found = objective(loss, at if params is None else params)
    return {name: trace(make, found, steps=steps, start=at, name=name) for name, make in optimizers.items()}
