"""The curvature of a space whose distances are given by a metric, from the metric's derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..calculus.derivatives import hessian, jacobian
from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from ..tensor import Tensor
from .simplex import on_simplex

Array = np.ndarray[Any, Any]
Metric = Callable[[Tensor], Tensor]  # from coordinates (d,) to a symmetric positive definite matrix (d, d)


def hessian_metric(phi: Callable[[Tensor], Tensor]) -> Metric:
    """The metric that belongs to the Bregman divergence of phi: D(x + dx, x) is half of dx^T (Hessian of phi) dx."""
    return lambda x: hessian(phi, x, create_graph=True)


def riemann_tensor(metric: Metric, x: Any) -> Array:
    """R_abcd (d, d, d, d) at the coordinates x (d,), all indices down: 0 where space is flat.

    From the first and the second derivatives of the metric, by autodiff. Raises `ShapeError` unless the metric is a
    matrix (d, d).
    """
    point = Tensor(np.asarray(x, float))
    g = metric(point).detach().numpy()
    if point.ndim != 1 or g.shape != 2 * point.shape:
        raise ShapeError(f"A metric is a matrix (d, d) for coordinates (d,); here {g.shape} for {point.shape}.")
    first = jacobian(metric, point).detach().numpy()  # [a, b, c]: d g_ab / d x_c
    second = jacobian(lambda t: jacobian(metric, t, create_graph=True), point).detach().numpy()
    lower = 0.5 * (first.transpose(0, 2, 1) + first - first.transpose(2, 1, 0))  # Christoffel symbols [e, b, c], e down
    products = np.einsum("ef,ebc,fad->abcd", np.linalg.inv(g), lower, lower)
    bends = 0.5 * (second.transpose(0, 2, 3, 1) + second.transpose(2, 0, 1, 3))  # g_ad,bc and g_bc,ad
    curved = bends + products
    return curved - curved.swapaxes(2, 3)  # type: ignore[no-any-return]


def sectional_curvature(metric: Metric, x: Any, u: Any = None, v: Any = None) -> float:
    """The curvature of the surface through x in the directions u and v (the first two coordinates if not given).

    1/r^2 on a sphere of radius r, 0 in flat space, negative where the angles of a triangle add up to less than 180
    degrees. In two dimensions it is the Gaussian curvature. Raises `ArgumentError` for parallel directions, or fewer
    than two dimensions (a curve has no curvature of its own).
    """
    axes = np.eye(max(2, np.size(x)))[:, : np.size(x)]
    a, b = (np.asarray(axis if given is None else given, float) for axis, given in zip(axes, (u, v), strict=False))
    g = metric(Tensor(np.asarray(x, float))).detach().numpy()
    area = (a @ g @ a) * (b @ g @ b) - (a @ g @ b) ** 2
    if not area > 1e-14 * (a @ g @ a) * (b @ g @ b):
        raise ArgumentError(f"The directions {a.tolist()} and {b.tolist()} span no surface.")
    return float(np.einsum("abcd,a,b,c,d->", riemann_tensor(metric, x), a, b, a, b) / area)


def fisher_length(path: Any) -> float:
    """The length of a path (T, n) of distributions in the metric of Fisher information, ds^2 = sum dp_i^2 / p_i."""
    points = _distributions(path, 2)
    middle = (points[1:] + points[:-1]) / 2
    return float(np.sqrt((np.diff(points, axis=0) ** 2 / middle).sum(1)).sum())


def fisher_rao_distance(p: Any, q: Any) -> Any:
    """2 arccos(sum sqrt(p q)) of distributions (..., n): the length of the shortest path between them.

    2 sqrt(p) lies on a sphere of radius 2, and the metric of Fisher information is the sphere's.
    """
    p, q = _distributions(p), _distributions(q)
    return 2 * np.arccos(np.clip(np.sqrt(p * q).sum(-1), 0, 1))


@steady
def fisher_geodesic(p: Any, q: Any, points: int = 101) -> Array:
    """The shortest path (points, n) from p to q: the great circle between 2 sqrt(p) and 2 sqrt(q), squared."""
    a, b = np.sqrt(_distributions(p, 1)), np.sqrt(_distributions(q, 1))
    angle = float(np.arccos(np.clip(a @ b, 0, 1)))
    t = np.linspace(0, 1, points)[:, None]
    if angle < 1e-8:
        return ((1 - t) * a + t * b) ** 2
    return ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)) ** 2  # type: ignore[no-any-return]


def _distributions(p: Any, ndim: int | None = None) -> Array:
    p = np.asarray(p, float)
    if p.ndim == 0 or (ndim and p.ndim != ndim):
        raise ShapeError(
            f"Distributions have shape {'(..., n)' if not ndim else ('(n,)', '(T, n)')[ndim - 1]}, not {p.shape}."
        )
    if (p < 0).any() or not on_simplex(p, 1e-6).all():
        raise ArgumentError("Probabilities are at least 0 and add up to 1.")
    return p  # type: ignore[no-any-return]
