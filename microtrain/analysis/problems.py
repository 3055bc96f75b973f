"""Small losses with known answers: functions of a tensor x (P,), for analysis, pictures and tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor


def quadratic(hessian: Any) -> Any:
    """x -> x^T H x / 2 for a symmetric H (P, P), or a diagonal given as (P,)."""
    h = np.asarray(hessian, float)

    def loss(x: Tensor) -> Tensor:
        return 0.5 * (x * (x * h if h.ndim == 1 else x @ h)).sum()

    return loss


def rosenbrock(x: Tensor) -> Tensor:
    """(1 - x)^2 + 100 (y - x^2)^2: a bent valley, with its minimum 0 at (1, 1)."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] * x[0]) ** 2


def double_well(x: Tensor) -> Tensor:
    """(x^2 - 1)^2 / 4: gradient descent doubles its period and becomes chaotic as the rate grows (from rate 1 on)."""
    return ((x * x - 1) ** 2).sum() / 4


def two_layers(x: Tensor) -> Tensor:
    """(x0 x1 - 1)^2 / 2, two linear layers of width 1 on one sample; (2,), or (2, K) for the sum over K runs.

    Not convex: a saddle at 0, and minima wherever x0 x1 = 1, whose Hessian has the eigenvalues 0 and x0^2 + x1^2.
    """
    return 0.5 * ((x[0] * x[1] - 1) ** 2).sum()


def wavy(x: Tensor) -> Tensor:
    """x^2 + 10 sin^2 x, summed: it grows like a quadratic from its minimum 0 and has others; |f''| is at most 22."""
    return (x * x + 10 * x.sin() ** 2).sum()


def hole(x: Tensor) -> Tensor:
    """1 - exp(-x^2 / 2), summed: one minimum, pseudoconvex and not convex, and almost flat far away."""
    return (1 - (-0.5 * x * x).exp()).sum()


def saturating(x: Tensor) -> Tensor:
    """(1 - sigmoid(x))^2 / 2, summed: squared error behind a sigmoid; no minimiser, and flat where it is wrong."""
    return 0.5 * ((1 - x.sigmoid()) ** 2).sum()


def strict_saddle(x: Tensor) -> Tensor:
    """x^2 / 2 - y^2 / 2 + y^4 / 4: a saddle at 0 between the minima (0, 1) and (0, -1)."""
    return 0.5 * x[0] ** 2 - 0.5 * x[1] ** 2 + 0.25 * x[1] ** 4


def plateau_valley(k: float = 25.0) -> Any:
    """1 - exp(-x^2 / 2) + k y^2: a steep valley that is flat far from its minimum at 0."""
    return lambda x: 1 - (-0.5 * x[0] ** 2).exp() + k * x[1] ** 2


def quartic_ravine(gamma: float = 100.0) -> Any:
    """x^4 / 4 + gamma y^2 / 2: flat at its minimum along x, steep along y."""
    return lambda x: 0.25 * x[0] ** 4 + 0.5 * gamma * x[1] ** 2


def adam_valley(x: Tensor) -> Tensor:
    """1 - exp(-2 y^2) exp(-(x - 0.7)^2 / 8), Figure 6.9: Hessian diag(1/4, 4) at its minimum (0.7, 0)."""
    return 1 - (-2 * x[1] ** 2 - (x[0] - 0.7) ** 2 / 8).exp()


def sharp_flat_well(a: float = 1.0, s1: float = 0.2, b: float = 1.0, s2: float = 0.7, c: float = 0.05) -> Any:
    """A narrow well near -1 and a wide one near 1: -a exp(-(x+1)^2 / 2 s1^2) - b exp(-(x-1)^2 / 2 s2^2) + c x^2."""

    def loss(x: Tensor) -> Tensor:
        return (
            -a * (-((x + 1) ** 2) / (2 * s1**2)).exp() - b * (-((x - 1) ** 2) / (2 * s2**2)).exp() + c * x * x
        ).sum()

    return loss


def rotated_descent(omega: float) -> Any:
    """The field -x + omega J x, which spirals into 0. It is no gradient: its curl is 2 omega."""
    return lambda x: Tensor(np.array([[-1.0, -omega], [omega, -1.0]])) @ x


def spiral_valley(k: float = 4.0) -> Any:
    """r^2 (1.5 + sin(angle - k ln r)): a loss, hence a gradient, whose valley spirals into its minimum at 0."""

    def loss(x: Tensor) -> Tensor:
        r2 = x[0] ** 2 + x[1] ** 2
        angle = x[1].atan2(x[0])
        return r2 * (1.5 + (angle - 0.5 * k * r2.log()).sin())

    return loss
