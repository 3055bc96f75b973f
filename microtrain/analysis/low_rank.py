"""Matrices and their nuclear norm, for what gradient descent prefers among many solutions; ranks of predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..calculus import many_vjps
from ..engine.recording import grad_mode
from ..errors import ShapeError
from ..kernels.blas import steady
from ..tensor import Tensor
from .objective import Array, Objective, Params


@steady
def nuclear_norm(matrix: Any) -> float:
    """The sum of the singular values."""
    return float(np.linalg.svd(np.asarray(matrix, float), compute_uv=False).sum())


@steady
def balanced_factors(matrix: Any) -> tuple[Array, Array]:
    """(U S^1/2, S^1/2 V^T): of all A B = M the pair with the smallest |A|^2 + |B|^2: twice the nuclear norm."""
    u, s, v = np.linalg.svd(np.asarray(matrix, float), full_matrices=False)
    root = np.sqrt(s)
    return u * root, root[:, None] * v


@steady
def min_nuclear_norm(a: Any, y: Any, shape: tuple[int, int], *, steps: int = 5000, tol: float = 1e-10) -> Array:
    """The matrix M of smallest nuclear norm with A vec(M) = y (row by row), by Douglas-Rachford splitting.

    `a` is (m, rows * columns). The points alternate between the solutions of the equations and matrices with smaller
    singular values.
    """
    a, y = np.asarray(a, float), np.asarray(y, float)
    if a.shape != (len(y), shape[0] * shape[1]):
        raise ShapeError(f"min_nuclear_norm(): a has shape {a.shape}, but {(len(y), shape[0] * shape[1])} is needed.")
    inverse = np.linalg.pinv(a)
    z = inverse @ y
    size = max(1e-300, float(np.linalg.norm(z)))
    for _ in range(steps):
        x = z - inverse @ (a @ z - y)
        u, s, v = np.linalg.svd((2 * x - z).reshape(shape), full_matrices=False)
        shrunk = (u * np.maximum(s - 0.1 * size / min(shape), 0)) @ v
        change = shrunk.ravel() - x
        z = z + change
        if np.linalg.norm(change) <= tol * size:
            break
    return (z - inverse @ (a @ z - y)).reshape(shape)  # type: ignore[no-any-return]


def prediction_jacobian(outputs: Callable[..., Tensor], params: Params) -> Array:
    """The derivatives of all predictions by all parameters, (outputs, P). `outputs` is a closure over these."""
    found = Objective(outputs, params)
    with grad_mode(True):
        return np.concatenate(many_vjps.rows(found.closure(), found.params), axis=1)


@steady
def solution_dimension(outputs: Callable[..., Tensor], params: Params) -> int:
    """How many directions leave all predictions as they are: parameters less the rank of the Jacobian."""
    jacobian = prediction_jacobian(outputs, params)
    return int(jacobian.shape[1] - np.linalg.matrix_rank(jacobian))
