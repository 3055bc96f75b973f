"""The Hessian as something that multiplies: for methods that never need its entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .hessian import finite
from .objective import Loss, Objective, Params, given_matrix, objective

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator


Array = np.ndarray[Any, Any]
Multiply = Callable[[Array], Array]


def multiplier(loss: Loss | Objective | Array | Multiply, params: Params = None) -> tuple[Multiply, int]:
    """(v -> H v, the length of v) for a loss and its parameters, or for a symmetric matrix."""
    matrix = given_matrix(loss)
    if matrix is not None:
        whole = finite(matrix)
        return (lambda v: whole @ v), len(whole)
    found = objective(loss, params)  # type: ignore[arg-type]
    return found.product(), found.size


def hvp(loss: Loss | Objective, params: Params, vector: Any) -> Array:
    """The Hessian at the parameters times a vector (P,) or several (K, P). The Hessian itself is not computed."""
    return objective(loss, params).hvp(vector)


def hessian_operator(loss: Loss | Objective, params: Params = None) -> LinearOperator:
    """The Hessian as SciPy's `LinearOperator` (P, P): for `scipy.sparse.linalg.eigsh`, `cg` and the like."""
    from scipy.sparse.linalg import LinearOperator

    found = objective(loss, params)
    multiply = found.product()
    return LinearOperator(
        (found.size, found.size), dtype=found.flat.dtype, matvec=lambda v: multiply(np.ravel(v)),
        rmatvec=lambda v: multiply(np.ravel(v)), matmat=lambda m: multiply(np.asarray(m).T).T,
    )  # fmt: skip
