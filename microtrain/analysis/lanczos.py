"""The extreme eigenvalues of a symmetric matrix of which one only knows how it multiplies.

Lanczos (1950): multiply a random vector again and again, keep the results orthogonal, and the matrix becomes a small
tridiagonal one whose outer eigenvalues are soon those of the large one. Power iteration keeps only the last vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from ..random import Generator
from .objective import Loss, Objective, Params
from .operator import Multiply, multiplier

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Eigenvalues:
    """Some eigenvalues, the largest first, with eigenvectors as columns.

    `residuals` are |H v - lambda v|: each value is that close to a true eigenvalue.
    """

    values: Array
    vectors: Array
    residuals: Array
    products: int  # how many Hessian-vector products were needed
    converged: bool

    def __repr__(self) -> str:
        shown = ", ".join(f"{v:.5g}" for v in self.values[:6]) + (" ..." if len(self.values) > 6 else "")
        end = "" if self.converged else f", not converged: errors up to {self.residuals.max():.2g}"
        return f"<Eigenvalues {shown} ({self.products} products{end})>"


def _start(size: int, generator: Generator | None) -> Array:
    v = (generator or Generator(0)).numpy.standard_normal(size)
    return v / np.linalg.norm(v)  # type: ignore[no-any-return]


@steady
def tridiagonal(
    multiply: Multiply, start: Array, steps: int, again: Generator | None = None
) -> tuple[Array, Array, Array]:
    """(diagonal, off-diagonal, basis (P, m)) after at most `steps` products.

    Every vector is made orthogonal to all before it (twice: once is not enough in floating point), so no eigenvalue
    comes a second time but where the matrix has it twice. Where the products of `start` are exhausted it ends early;
    with a generator `again` it goes on from a random vector that is orthogonal to all of them.
    """
    basis = np.empty((len(start), steps))
    alphas: list[float] = []
    betas: list[float] = []
    v = start / np.linalg.norm(start)
    for k in range(steps):
        basis[:, k] = v
        w = multiply(v)
        alphas.append(float(v @ w))
        w = _orthogonal(w, basis[:, : k + 1])
        beta = float(np.linalg.norm(w))
        exhausted = not beta > 1e-13 * max(1.0, *map(abs, alphas))
        if k + 1 == steps or beta != beta or (exhausted and again is None):
            return np.array(alphas), np.array(betas), basis[:, : k + 1]
        betas.append(0.0 if exhausted else beta)
        v = _orthogonal(_start(len(start), again), basis[:, : k + 1]) if exhausted else w
        v = v / np.linalg.norm(v)
    raise AssertionError


def _orthogonal(v: Array, basis: Array) -> Array:
    for _ in range(2):
        v = v - basis @ (basis.T @ v)
    return v


@steady
def lanczos(
    loss: Loss | Objective | Array, params: Params = None, k: int = 1, *, which: str = "largest", tol: float = 1e-8,
    max_products: int = 300, generator: Generator | None = None,
) -> Eigenvalues:  # fmt: skip
    """The `k` extreme eigenvalues of the Hessian at the parameters, or of a symmetric matrix, by Lanczos' method.

    Args:
        which: "largest", "smallest", or "both" ends (k of each).
        tol: the residual to reach, relative to the largest eigenvalue in size.
        max_products: how many Hessian-vector products it may take.
        generator: of the vector to start from; by default the same one every time.

    A multiple eigenvalue is found as often as it is there where the steps span the whole space, so up to max(20, 2 k +
    10) parameters; in more it may be found once, for the products of one vector cannot show more. Raises
    `ArgumentError` for other `which`, and unless k lies between 1 and the number of parameters.
    """
    if which not in ("largest", "smallest", "both") or k < 1:
        raise ArgumentError(f"lanczos(k={k}, which={which!r}).", fix='k >= 1; "largest", "smallest" or "both".')
    multiply, size = multiplier(loss, params)
    if k > size:
        raise ArgumentError(f"lanczos(k={k}): there are {size} eigenvalues.", fix="spectrum() computes all of them.")
    start, random = _start(size, generator), Generator(1)
    steps = min(size, max(2 * k + 10, 20))
    spent = 0
    while True:
        alphas, betas, basis = tridiagonal(multiply, start, steps, random)
        spent = len(alphas)
        small, inner = np.linalg.eigh(np.diag(alphas) + np.diag(betas, 1) + np.diag(betas, -1))
        order = np.argsort(-small)
        ends = {"largest": order[:k], "smallest": order[::-1][:k][::-1]}
        chosen = ends.get(which, np.unique(np.concatenate([order[:k], order[-k:]])))
        if which == "both":
            chosen = chosen[np.argsort(-small[chosen])]
        vectors = basis @ inner[:, chosen]
        values = small[chosen]
        residuals = np.linalg.norm(np.stack([multiply(v) for v in vectors.T], 1) - vectors * values, axis=0)
        spent += len(chosen)
        done = bool(np.all(residuals <= tol * max(np.abs(small).max(), np.finfo(float).tiny)))
        if done or steps >= min(size, max_products):
            return Eigenvalues(values, vectors, residuals, spent, done)
        steps = min(size, max_products, 2 * steps)


@dataclass(frozen=True)
class PowerIteration:
    """The eigenvalue that is largest in size, its vector, and what the Rayleigh quotient was after each product."""

    value: float
    vector: Array
    history: Array
    residual: float
    converged: bool

    def __repr__(self) -> str:
        end = "" if self.converged else f", not converged: error up to {self.residual:.2g}"
        return f"<PowerIteration {self.value:.6g} after {len(self.history)} products{end}>"


@steady
def power_iteration(
    loss: Loss | Objective | Array, params: Params = None, *, iters: int = 100, tol: float = 1e-6, shift: float = 0.0,
    generator: Generator | None = None,
) -> PowerIteration:  # fmt: skip
    """The eigenvalue of the Hessian (or a symmetric matrix) that is largest in absolute value, by multiplying again.

    The error falls like |lambda_2 / lambda_1| a product: slowly where two are close, and there `lanczos` is better.
    With `shift` it is the eigenvalue farthest from the shift: shifting by lambda_max gives lambda_min.
    """
    multiply, size = multiplier(loss, params)
    v = _start(size, generator)
    history: list[float] = []
    value = residual = 0.0
    for _ in range(max(1, iters)):
        w = multiply(v) - shift * v
        value = float(v @ w)
        history.append(value + shift)
        residual = float(np.linalg.norm(w - value * v))
        norm = float(np.linalg.norm(w))
        if residual <= tol * abs(value) or norm == 0 or not np.isfinite(norm):
            break
        v = w / norm
    done = bool(residual <= tol * abs(value) or residual == 0)
    return PowerIteration(value + shift, v, np.array(history), residual, done)


def lambda_max(loss: Loss | Objective | Array, params: Params = None, *, tol: float = 1e-6) -> float:
    """The largest eigenvalue of the Hessian at the parameters, with its sign (Lanczos)."""
    return float(lanczos(loss, params, 1, tol=tol).values[0])


def lambda_min(loss: Loss | Objective | Array, params: Params = None, *, tol: float = 1e-6) -> float:
    """The smallest eigenvalue of the Hessian at the parameters, with its sign (Lanczos)."""
    return float(lanczos(loss, params, 1, which="smallest", tol=tol).values[0])
