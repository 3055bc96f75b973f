"""The probability simplex: distributions over n outcomes as points, and where they lie in a triangle."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError

Array = np.ndarray[Any, Any]
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])  # of the triangle: where one outcome is certain


def on_simplex(p: Any, tol: float = 1e-9) -> Array:
    """Which points (..., n) are distributions: no entry below -tol, and a sum within tol of 1."""
    p = np.asarray(p, float)
    return (p >= -tol).all(-1) & (np.abs(p.sum(-1) - 1) <= tol)  # type: ignore[no-any-return]


def tangent_basis(n: int) -> Array:
    """Orthonormal directions (n - 1, n) that keep the sum: those in which a distribution can move."""
    rows = np.tril(np.ones((n - 1, n)))
    k = np.arange(1, n)
    rows[k - 1, k] = -k
    return rows / np.sqrt(k * (k + 1))[:, None]  # type: ignore[no-any-return]


def to_triangle(p: Any) -> Array:
    """Distributions over three outcomes, (..., 3), as points (..., 2) of a triangle with sides of length 1.

    The corners are (0, 0), (1, 0) and (1/2, sqrt(3)/2), for the first, second and third outcome. Raises `ShapeError`
    for another number of outcomes.
    """
    p = np.asarray(p, float)
    if p.shape[-1:] != (3,):
        raise ShapeError(f"A triangle has room for 3 outcomes, not for points of shape {p.shape}.")
    return p @ CORNERS  # type: ignore[no-any-return]


def triangle_grid(resolution: int = 40, margin: float = 0.0) -> Array:
    """Distributions over three outcomes, (M, 3), evenly over the triangle.

    There are resolution + 1 of them along a side; `margin` (at most 1/3) is the smallest probability.
    """
    i, j = np.meshgrid(np.arange(resolution + 1), np.arange(resolution + 1), indexing="ij")
    inside = i + j <= resolution
    p = np.column_stack([i[inside], j[inside], resolution - i[inside] - j[inside]]) / resolution
    return margin + (1 - 3 * margin) * p
