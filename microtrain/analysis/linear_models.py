"""Where the curvature is known exactly: squared error and cross-entropy of models that are linear in their weights.

For squared error the Hessian is the same everywhere, a multiple of X^T X (section 4.2.3). For cross-entropy it depends
on the weights, but never exceeds a bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from ..nn.losses.reduction import as_tensor

Array = np.ndarray[Any, Any]

# d^2/dr^2 of the loss of one residual, and whether the losses are averaged: sum r^2, mean r^2, 1/(2N) sum r^2 ...
SCALES = {"sum": (2.0, False), "mean": (2.0, True), "half_sum": (1.0, False), "half_mean": (1.0, True)}


@dataclass(frozen=True)
class Constants:
    """The strong convexity constant `mu` and the Lipschitz constant `lipschitz` (L) of the gradient.

    `exact` says whether they are the best ones, everywhere; else `lipschitz` is an upper bound that is approached.
    `mu_nonzero` is the smallest eigenvalue that is not 0, which is what gradient descent feels where mu is 0.
    """

    mu: float
    lipschitz: float
    mu_nonzero: float
    exact: bool
    source: str

    @property
    def condition_number(self) -> float:
        """kappa = L / mu; infinite where mu is 0."""
        return self.lipschitz / self.mu if self.mu > 0 else float("inf")

    @property
    def largest_stable_rate(self) -> float:
        """2 / L: gradient descent with a fixed rate above it diverges on a quadratic."""
        return 2 / self.lipschitz if self.lipschitz else float("inf")

    @property
    def optimal_rate(self) -> float:
        """2 / (L + mu), the fixed rate that contracts fastest on a quadratic."""
        return 2 / (self.lipschitz + self.mu) if self.lipschitz + self.mu else float("inf")

    def __repr__(self) -> str:
        kappa = f"kappa = {self.condition_number:.4g}"
        return f"<Constants ({self.source}): mu = {self.mu:.5g}, L = {self.lipschitz:.5g}, {kappa}>"


def design(x: Any, bias: bool = False) -> Array:
    """The inputs as a matrix (N, d), with a column of ones for a bias. Raises `ShapeError` for other shapes."""
    matrix = np.asarray(as_tensor(x).detach(), float)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or not len(matrix):
        raise ShapeError(f"Inputs of a linear model are (N, d) with N >= 1, not {matrix.shape}.")
    return np.column_stack([matrix, np.ones(len(matrix))]) if bias else matrix


@steady
def mse_constants(x: Any, reduction: str = "mean", *, bias: bool = False) -> Constants:
    """mu and L of the squared error of a linear model with inputs (N, d): eigenvalues of c X^T X, the same everywhere.

    c is 2 for "sum", 2/N for "mean", 1 for "half_sum" and 1/N for "half_mean". mu is 0 when the columns depend on each
    other (or N < d). Raises `ArgumentError` for another reduction.
    """
    if reduction not in SCALES:
        raise ArgumentError(f"reduction is {reduction!r}.", fix="Use " + ", ".join(SCALES) + ".")
    matrix = design(x, bias)
    scale, averaged = SCALES[reduction]
    singular = np.linalg.svd(matrix, compute_uv=False)
    values = np.zeros(matrix.shape[1])
    values[: len(singular)] = np.where(singular > singular[0] * max(matrix.shape) * np.finfo(float).eps, singular**2, 0)
    values *= scale / (len(matrix) if averaged else 1)
    nonzero = values[values > 0]
    smallest = float(nonzero.min()) if len(nonzero) else 0.0
    return Constants(
        float(values.min()), float(values.max()), smallest, True, f"squared error, {reduction}, linear model"
    )


@steady
def ce_lipschitz_bound(x: Any, kind: str = "softmax", reduction: str = "mean", *, bias: bool = False) -> float:
    """An upper bound on L of the cross-entropy of a linear model: lambda_max(X^T X) times the curvature of one sample.

    That is at most 1/4 for "binary" (the sigmoid's slope) and 1/2 for "softmax" (Boehning 1992), divided by N
    for the mean; section 4.2.3 has the 1/4 for softmax. Raises `ArgumentError` for another kind or reduction.
    """
    curvatures = {"binary": 0.25, "softmax": 0.5}
    if kind not in curvatures or reduction not in ("mean", "sum"):
        raise ArgumentError(
            f"ce_lipschitz_bound(kind={kind!r}, reduction={reduction!r}).",
            fix='"binary" or "softmax"; "mean" or "sum".',
        )
    matrix = design(x, bias)
    top = float(np.linalg.norm(matrix, 2) ** 2)
    return curvatures[kind] * top / (len(matrix) if reduction == "mean" else 1)


def ce_constants(x: Any, kind: str = "softmax", reduction: str = "mean", *, bias: bool = False) -> Constants:
    """L (an upper bound) and mu of the cross-entropy of a linear model. mu is 0: far out its Hessian vanishes."""
    bound = ce_lipschitz_bound(x, kind, reduction, bias=bias)
    return Constants(0.0, bound, 0.0, False, f"{kind} cross-entropy, {reduction}, linear model")


@steady
def softmax_ce_hessian(x: Any, weight: Any, reduction: str = "mean") -> Array:
    """The exact Hessian of softmax cross-entropy in W: sum_n (diag p_n - p_n p_n^T) kron x_n x_n^T (section 4.2.3).

    Inputs (N, d), weight (C, d) as in `nn.Linear`, the Hessian (C d, C d) for the flattened weight. The labels do not
    matter: the logits are linear in W.
    """
    matrix, w = design(x), np.asarray(as_tensor(weight).detach(), float)
    if w.ndim != 2 or w.shape[1] != matrix.shape[1]:
        raise ShapeError(f"Weights of shape {w.shape} for inputs {matrix.shape}.", fix="The weight is (classes, d).")
    logits = matrix @ w.T
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    curvature = p[:, :, None] * np.eye(len(w)) - p[:, :, None] * p[:, None, :]
    full = np.einsum("nab,ni,nj->aibj", curvature, matrix, matrix, optimize=True)
    size = w.size
    return full.reshape(size, size) / (len(matrix) if reduction == "mean" else 1)  # type: ignore[no-any-return]


@steady
def binary_ce_hessian(x: Any, weight: Any, reduction: str = "mean") -> Array:
    """The exact Hessian of logistic regression: X^T diag(s (1 - s)) X with s = sigmoid(X w); weight (d,)."""
    matrix, w = design(x), np.asarray(as_tensor(weight).detach(), float)
    s = 0.5 * (1 + np.tanh(0.5 * (matrix @ w)))
    full = matrix.T @ (matrix * (s * (1 - s))[:, None])
    return full / (len(matrix) if reduction == "mean" else 1)  # type: ignore[no-any-return]
