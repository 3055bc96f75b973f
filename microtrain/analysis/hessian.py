"""All second derivatives at one point, and what they say about the loss there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from .objective import Loss, Objective, Params, given_matrix, objective

Array = np.ndarray[Any, Any]
LOPSIDED = 1e-3  # so much of the largest entry may M and M^T differ: the error of differences of gradients


def hessian(loss: Loss | Objective, params: Params = None) -> Array:
    """The second derivatives (P, P) at the parameters, exactly symmetric (eq. 6.19).

    Costs a backward pass for each parameter, many of them in one walk, and P^2 numbers of memory: see `hessian_cost`.
    """
    return objective(loss, params).hessian()


@dataclass(frozen=True)
class HessianCost:
    """What the Hessian of P parameters costs."""

    parameters: int
    entries: int  # P^2
    distinct: int  # P (P + 1) / 2, for it is symmetric
    bytes: int  # in float64
    solve_flops: float  # of one Newton step: P^3 / 3, by Cholesky

    def __repr__(self) -> str:
        return (
            f"<Hessian of {self.parameters:,} parameters: {self.entries:,} entries, {self.bytes / 2**30:,.3g} GiB, "
            f"{self.solve_flops:.3g} operations for a Newton step>"
        )


def hessian_cost(parameters: int) -> HessianCost:
    """How large the Hessian of a model with so many parameters is, and what a Newton step with it costs."""
    p = int(parameters)
    return HessianCost(p, p * p, p * (p + 1) // 2, 8 * p * p, p**3 / 3)


@dataclass(frozen=True)
class PrincipalAxes:
    """The eigenvalues (curvatures, smallest first) and, as columns, the orthonormal directions that have them."""

    values: Array
    vectors: Array
    point: Array

    def __repr__(self) -> str:
        shown = ", ".join(f"{v:.4g}" for v in self.values[:6]) + (" ..." if len(self.values) > 6 else "")
        return f"<PrincipalAxes: curvatures {shown}>"

    def plot(self, ax: Any = None) -> Any:
        """Draw the two axes of a loss of two parameters as arrows; returns the Axes."""
        from ..viz.plots import principal_axes

        return principal_axes(self, ax=ax)


@steady
def principal_axes(loss: Loss | Objective, params: Params = None) -> PrincipalAxes:
    """The directions in which the loss curves independently: the eigenvectors of its Hessian."""
    found = objective(loss, params)
    matrix = found.hessian()
    eigenvalues(matrix)  # are there any?
    values, vectors = np.linalg.eigh(matrix)
    return PrincipalAxes(values, vectors, found.theta)


def condition_number(loss: Loss | Objective | Array, params: Params = None) -> float:
    """kappa = lambda_max / lambda_min of a symmetric matrix, or of the Hessian at the parameters.

    Infinite unless all eigenvalues are positive; eigenvalues below the rounding of the largest count as 0.
    """
    matrix = given_matrix(loss)
    values = eigenvalues(hessian(loss, params) if matrix is None else matrix)  # type: ignore[arg-type]
    if values[0] <= values[-1] * len(values) * np.finfo(values.dtype).eps:
        return float("inf")
    return float(values[-1] / values[0])


@steady
def preconditioned_condition_number(matrix: Any, preconditioner: Any) -> float:
    """kappa of P^(1/2) H P^(1/2), which has the eigenvalues of P H: what preconditioning with P leaves.

    `preconditioner` is a symmetric positive definite matrix (P = H^-1 is Newton's), or a vector for a diagonal one.
    """
    h, p = symmetric(matrix), np.asarray(preconditioner, float)
    values, vectors = np.linalg.eigh(np.diag(p) if p.ndim == 1 else p)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return condition_number(root @ h @ root)


@steady
def eigenvalues(matrix: Any) -> Array:
    """All eigenvalues of a symmetric matrix, smallest first. Raises `ArgumentError` if it has NaN or infinities."""
    return np.linalg.eigvalsh(finite(matrix))


def finite(matrix: Any) -> Array:
    """`symmetric`, without NaN and infinities. Raises `ArgumentError` if it has some."""
    m = symmetric(matrix)
    if not np.isfinite(m).all():
        raise ArgumentError(
            f"The Hessian has {int((~np.isfinite(m)).sum())} entries that are NaN or infinite, of {m.size}.",
            "The loss or its gradient is not finite at this point, so there are no curvatures.",
            "Look at another point; detect_anomaly() names the operation that made the first NaN.",
        )
    return m


def symmetric(matrix: Any) -> Array:
    """A square array, (M + M^T) / 2. Raises `ShapeError` for other shapes, `ArgumentError` if it is not symmetric."""
    m = np.asarray(matrix, float)
    if m.ndim != 2 or m.shape[0] != m.shape[1] or not m.size:
        raise ShapeError(f"A Hessian is a square matrix, not an array of shape {m.shape}.")
    with np.errstate(invalid="ignore"):
        apart = float(np.abs(m - m.T).max())
    if apart > LOPSIDED * float(np.abs(m).max()):
        raise ArgumentError(
            f"The matrix is not symmetric: M and its transpose differ by up to {apart:.3g}.",
            "Second derivatives do not depend on their order, so a Hessian is symmetric.",
            "If its symmetric part is meant: (M + M.T) / 2. The eigenvalues of any matrix: numpy.linalg.eigvals.",
        )
    return (m + m.T) / 2  # type: ignore[no-any-return]
