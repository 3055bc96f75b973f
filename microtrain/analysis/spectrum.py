"""The eigenvalues of the Hessian: all of them, or their density where there are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.blas import steady
from ..random import Generator
from .hessian import eigenvalues
from .lanczos import tridiagonal
from .objective import Loss, Objective, Params, given_matrix, objective
from .operator import multiplier

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues, smallest first, each with a weight; the weights add up to 1.

    From `spectrum` every eigenvalue of the Hessian is here and weighs 1/P. From `spectral_density` the values are
    nodes, which stand for that share of all eigenvalues.
    """

    values: Array
    weights: Array
    parameters: int
    exact: bool

    @property
    def trace(self) -> float:
        """The sum of all eigenvalues."""
        return float(self.parameters * (self.values * self.weights).sum())

    @property
    def condition_number(self) -> float:
        """lambda_max / lambda_min; infinite unless all are positive."""
        low, high = float(self.values[0]), float(self.values[-1])
        return high / low if low > high * self.parameters * np.finfo(float).eps else float("inf")

    def share(self, below: float = 0.0) -> float:
        """The share of eigenvalues smaller than `below`."""
        return float(self.weights[self.values < below].sum())

    def plot(self, ax: Any = None) -> Any:
        """Draw them as a histogram, the single ones as ticks; returns the Axes."""
        from ..viz.plots import spectrum as draw

        return draw(self, ax=ax)

    def __repr__(self) -> str:
        kind = "" if self.exact else ", estimated"
        return (
            f"<Spectrum of {self.parameters} eigenvalues{kind}: {self.values[0]:.4g} to {self.values[-1]:.4g}, "
            f"{100 * self.share():.3g} % negative>"
        )


def spectrum(loss: Loss | Objective | Array, params: Params = None) -> Spectrum:
    """All eigenvalues of the Hessian at the parameters, or of a symmetric matrix."""
    matrix = given_matrix(loss)
    values = eigenvalues(objective(loss, params).hessian() if matrix is None else matrix)  # type: ignore[arg-type]
    return Spectrum(values, np.full(len(values), 1 / len(values)), len(values), True)


@steady
def spectral_density(
    loss: Loss | Objective | Array, params: Params = None, *, steps: int = 60, samples: int = 8,
    generator: Generator | None = None,
) -> Spectrum:  # fmt: skip
    """The distribution of the eigenvalues from `steps * samples` products: stochastic Lanczos quadrature.

    Each random vector gives a Gauss quadrature of the distribution with `steps` nodes (Ghorbani, Krishnan and Xiao
    2019); the outermost are close to the extreme eigenvalues.
    """
    multiply, size = multiplier(loss, params)
    random = (generator or Generator(0)).numpy
    nodes, weights = [], []
    for _ in range(samples):
        start = random.standard_normal(size)
        alphas, betas, _ = tridiagonal(multiply, start, min(steps, size))
        values, vectors = np.linalg.eigh(np.diag(alphas) + np.diag(betas, 1) + np.diag(betas, -1))
        nodes.append(values)
        weights.append(vectors[0] ** 2 / samples)
    flat = np.concatenate(nodes)
    order = np.argsort(flat)
    return Spectrum(flat[order], np.concatenate(weights)[order], size, False)
