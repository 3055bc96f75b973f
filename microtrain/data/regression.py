"""Data drawn for regression. Every draw comes from `generator`: the same seed gives the same points."""

from __future__ import annotations

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from ..random import Generator, stream
from ..tensor import Tensor
from .points import Samples


def at_least(n: int, least: int, who: str) -> None:
    """Raise `ArgumentError` for too few samples."""
    if not isinstance(n, (int, np.integer)) or n < least:
        raise ArgumentError(f"{who}: n is {n!r}.", fix=f"n is a whole number, at least {least}.")


def make_line(
    n: int = 12, phi: tuple[float, float] = (0.7, 0.55), noise: float = 0.1, *, generator: Generator | None = None
) -> Samples:
    """phi_0 + phi_1 x + noise N(0, 1) with x uniform on [0, 2], in increasing order."""
    at_least(n, 1, "make_line()")
    random = stream(generator)
    x = np.sort(random.uniform(0, 2, n))
    return Samples(Tensor(x), Tensor(phi[0] + phi[1] * x + noise * random.standard_normal(n)))


def make_gabor(
    n: int = 28, phi: tuple[float, float] = (0.0, 16.6), noise: float = 0.15, *, generator: Generator | None = None
) -> Samples:
    """A Gabor function (eq. 6.8) of x uniform on [-15, 15], plus noise N(0, 1)."""
    at_least(n, 1, "make_gabor()")
    random = stream(generator)
    x = random.uniform(-15, 15, n)
    u = phi[0] + 0.06 * phi[1] * x
    return Samples(Tensor(x), Tensor(np.sin(u) * np.exp(-u * u / 32) + noise * random.standard_normal(n)))


@steady
def make_collinear(
    n: int = 500, rho: float = 0.99, weights: tuple[float, float] = (1.0, -1.0), noise: float = 0.0, *,
    generator: Generator | None = None,
) -> Samples:  # fmt: skip
    """Two columns whose correlation is exactly rho, and y = X w + noise: inputs (n, 2), targets (n,).

    X^T X / n is exactly [[1, rho], [rho, 1]], so its condition number is (1 + rho) / (1 - rho), and that is what
    gradient descent has to cope with. Raises `ArgumentError` unless -1 <= rho <= 1 and n >= 3.
    """
    at_least(n, 3, "make_collinear()")
    if not -1 <= rho <= 1:
        raise ArgumentError(f"make_collinear(): a correlation is between -1 and 1, not {rho}.")
    random = stream(generator)
    drawn = random.standard_normal((n, 2))
    a, b = np.linalg.qr(drawn - drawn.mean(0))[0].T * np.sqrt(n)
    x = np.column_stack([a, rho * a + np.sqrt(1 - rho * rho) * b])
    return Samples(Tensor(x), Tensor(x @ np.asarray(weights, float) + noise * random.standard_normal(n)))


@steady
def make_regression(
    n: int = 200, d: int = 10, noise: float = 0.1, *, unit_rows: bool = False, generator: Generator | None = None
) -> Samples:
    """y = X w + noise with normal X (n, d) and normal w, drawn in the order X, w, noise.

    With `unit_rows` every row of X has length 1, so that one rate suits all samples.
    """
    at_least(n, 1, "make_regression()")
    random = stream(generator)
    x = random.standard_normal((n, d))
    if unit_rows:
        x /= np.linalg.norm(x, axis=1, keepdims=True)
    w = random.standard_normal(d)
    return Samples(Tensor(x), Tensor(x @ w + noise * random.standard_normal(n)))
