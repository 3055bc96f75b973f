"""Strong convexity and Lipschitz constants of any loss, from samples: estimates, and on which side they err."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from ..random import Generator
from .objective import Loss, Objective, Params, objective
from .sampling import Sampler, draw

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Estimate:
    """A number found by sampling. `side` says which kind of bound it is; `at` is the pair of points that gave it."""

    value: float
    side: str  # "lower" or "upper" bound
    at: tuple[Array, Array]
    samples: int

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        return f"<{self.value:.6g}, {self.side} bound from {self.samples} samples>"


def _best(ratios: Array) -> int:
    """Where the largest is; raises `ArgumentError` if there is no number."""
    known = np.isfinite(ratios)
    if not known.any():
        raise ArgumentError(
            f"The loss or its gradient is NaN or infinite for all {len(ratios)} samples.",
            fix="Give a sampler that stays where the loss is defined.",
        )
    return int(np.argmax(np.where(known, ratios, -np.inf)))


def lipschitz_secant(
    loss: Loss | Objective, params: Params = None, *, pairs: int = 1000, sampler: Sampler = None,
    generator: Generator | None = None,
) -> Estimate:  # fmt: skip
    """The largest |grad f(x) - grad f(y)| / |x - y| over random pairs: L is at least that."""
    found = objective(loss, params)
    random = generator or Generator(0)
    x, y = (draw(sampler, pairs, found.theta, random) for _ in range(2))
    slopes = found.gradients(np.concatenate([x, y]))
    ratio = np.linalg.norm(slopes[:pairs] - slopes[pairs:], axis=1) / np.linalg.norm(x - y, axis=1)
    best = _best(ratio)
    return Estimate(float(ratio[best]), "lower", (x[best], y[best]), pairs)


def lipschitz_by_gradient_norm(
    loss: Loss | Objective, params: Params = None, *, points: int = 1000, sampler: Sampler = None,
    generator: Generator | None = None,
) -> float:  # fmt: skip
    """The largest gradient norm over random points, which the book offers as an estimate of L.

    It is not one: it bounds how fast the loss changes, not its gradient. For f(w) = 1e6 w it gives 1e6, and L is 0. It
    is here to be compared with `lipschitz_secant` and `lambda_max`.
    """
    found = objective(loss, params)
    slopes = found.gradients(draw(sampler, points, found.theta, generator))
    return float(np.linalg.norm(slopes, axis=1).max())


def strong_convexity(
    loss: Loss | Objective, params: Params = None, *, pairs: int = 1000, sampler: Sampler = None,
    generator: Generator | None = None,
) -> Estimate:  # fmt: skip
    """The smallest (f(y) - f(x) - <grad f(x), y - x>) / (|y - x|^2 / 2) over random pairs: mu is at most that.

    Negative: the loss is not convex, and the pair is the proof.
    """
    found = objective(loss, params)
    random = generator or Generator(0)
    x, y = (draw(sampler, pairs, found.theta, random) for _ in range(2))
    values = found.values(np.concatenate([x, y]))
    slopes = found.gradients(x)
    apart = y - x
    ratio = (values[pairs:] - values[:pairs] - (slopes * apart).sum(1)) / (0.5 * (apart * apart).sum(1))
    best = _best(-ratio)
    return Estimate(float(ratio[best]), "upper", (x[best], y[best]), pairs)


def quadratic_growth(
    loss: Loss | Objective, minimum: Any, *, points: int = 1000, sampler: Sampler = None,
    generator: Generator | None = None,
) -> Estimate:  # fmt: skip
    """The smallest (f(x) - f(w*)) / (|x - w*|^2 / 2) over random points: what strong convexity implies, but not it.

    x^2 + 10 sin^2 x grows like a quadratic from its minimum and is not convex.
    """
    center = np.ravel(np.asarray(minimum, float))
    found = objective(loss, center)
    x = draw(sampler, points, center, generator)
    ratio = (found.values(x) - found(center)) / (0.5 * ((x - center) ** 2).sum(1))
    best = _best(-ratio)
    return Estimate(float(ratio[best]), "upper", (center, x[best]), points)


@steady
def descent_gap(loss: Loss | Objective, x: Any, y: Any, lipschitz: float) -> float:
    """f(x) + <grad f(x), y - x> + L/2 |y - x|^2 - f(y): the descent lemma says that it is never negative."""
    x, y = np.ravel(np.asarray(x, float)), np.ravel(np.asarray(y, float))
    found = objective(loss, x)
    value, slope = found.value_and_gradient(x)
    return float(value + slope @ (y - x) + 0.5 * lipschitz * ((y - x) ** 2).sum() - found(y))
