"""The nearest point of a set: of a subspace, of the points without negative coordinates, of a box."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels.blas import steady

Array = np.ndarray[Any, Any]


@steady
def project(y: Any, columns: Any) -> Array:
    """The point of the subspace that the columns (N, d) span that is nearest to y, (N,) or (N, k).

    The columns may depend on each other. Raises `ShapeError` if their length is not that of y.
    """
    y, x = np.asarray(y, float), np.asarray(columns, float)
    if x.ndim != 2 or y.shape[:1] != x.shape[:1]:
        raise ShapeError(f"project(): a point of shape {y.shape} and columns of shape {x.shape} do not go together.")
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    u = u[:, s > (s[0] if len(s) else 0) * max(x.shape) * np.finfo(float).eps]
    return u @ (u.T @ y)  # type: ignore[no-any-return]


def project_box(y: Any, low: Any = -np.inf, high: Any = np.inf) -> Array:
    """The nearest point with all coordinates between `low` and `high`; low=0 is the nonnegative orthant."""
    return np.clip(np.asarray(y, float), low, high)  # type: ignore[no-any-return]


@steady
def variational_inequality(y: Any, nearest: Any, others: Any) -> Array:
    """<y - nearest, z - nearest> for other points z (K, N) of the set.

    None is positive if the set is convex and `nearest` is its point nearest to y; all are 0 if it is a subspace.
    """
    nearest = np.asarray(nearest, float)
    return (np.asarray(others, float) - nearest) @ (np.asarray(y, float) - nearest)  # type: ignore[no-any-return]
