"""How sharp a minimum is: by its curvatures, by the worst point near it, by noise, by the room below a level.

None of these belongs to the function that a network computes: scaling one ReLU layer up and the next one down leaves
every prediction as it is and changes all of them (Dinh et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from ..random import Generator
from .lanczos import lambda_max
from .objective import Loss, Objective, Params, objective

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sharpness:
    """Measures at one point.

    loss             the loss there
    lambda_max       the largest curvature
    trace            the sum of all curvatures (with its standard error, if it was estimated)
    worst            how much the loss rises at the worst point found within `radius` (SAM)
    noise            how much it rises on average under noise N(0, sigma^2): sigma^2 trace / 2 for a small sigma
    """

    loss: float
    lambda_max: float
    trace: float
    trace_error: float
    worst: float
    noise: float
    radius: float
    sigma: float

    def __repr__(self) -> str:
        return (
            f"<Sharpness: lambda_max {self.lambda_max:.4g}, trace {self.trace:.4g}, loss {self.loss:.4g} rises by "
            f"{self.worst:.4g} within {self.radius:g} and by {self.noise:.4g} under noise of {self.sigma:g}>"
        )


def sharpness(
    loss: Loss | Objective, params: Params = None, *, radius: float = 0.05, sigma: float = 0.05, samples: int = 200,
    generator: Generator | None = None,
) -> Sharpness:  # fmt: skip
    """All the measures of `Sharpness` at the parameters. Raises `ArgumentError` unless radius and sigma are > 0."""
    found = objective(loss, params)
    random = generator or Generator(0)
    trace, error = hessian_trace(found, generator=random)
    worst = worst_in_ball(found, radius=radius)
    noise = perturbed_rise(found, sigma=sigma, samples=samples, generator=random)
    return Sharpness(found(), lambda_max(found), trace, error, worst, noise, radius, sigma)


def hessian_trace(
    loss: Loss | Objective, params: Params = None, *, samples: int = 100, generator: Generator | None = None
) -> tuple[float, float]:
    """(trace of the Hessian, standard error): exact up to 500 parameters, else from random signs (Hutchinson 1990)."""
    found = objective(loss, params)
    if found.size <= 500:
        return float(np.trace(found.hessian())), 0.0
    signs = (generator or Generator(0)).numpy.choice([-1.0, 1.0], (samples, found.size))
    terms = (signs * found.hvp(signs)).sum(1)
    return float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(samples))


@steady
def worst_in_ball(loss: Loss | Objective, params: Params = None, *, radius: float = 0.05, steps: int = 20) -> float:
    """The largest rise of the loss found within a distance: max over |e| <= radius of f(theta + e) - f(theta).

    Ascent projected on the ball, from the gradient's direction (one such step is what SAM takes, Foret et al. 2021) and
    from both directions of largest curvature. A lower bound on the true maximum.
    """
    if not 0 < radius < np.inf:
        raise ArgumentError(f"worst_in_ball(): a ball has a positive radius, not {radius}.")
    found = objective(loss, params)
    center = found.theta
    start, slope = found.value_and_gradient(center)
    best = 0.0
    from .lanczos import lanczos

    top = lanczos(found, None, 1, tol=1e-3).vectors[:, 0]
    for direction in (slope, top, -top):
        norm = float(np.linalg.norm(direction))
        if not norm > 0:
            continue
        offset = radius * direction / norm
        for _ in range(steps):
            value, g = found.value_and_gradient(center + offset)
            best = max(best, value - start)
            norm = float(np.linalg.norm(g))
            if not norm > 0:
                break
            # on the sphere the maximum points along its own gradient
            moved = (
                radius * (offset / radius + g / norm) / max(1e-300, float(np.linalg.norm(offset / radius + g / norm)))
            )
            if np.linalg.norm(moved - offset) <= 1e-6 * radius:
                break
            offset = moved
    return best


def perturbed_rise(
    loss: Loss | Objective, params: Params = None, *, sigma: float = 0.05, samples: int = 200,
    generator: Generator | None = None,
) -> float:  # fmt: skip
    """The mean rise of the loss under normal noise of standard deviation `sigma` on every parameter.

    Noise comes in pairs +e, -e, so the gradient's part cancels exactly: for small sigma it is sigma^2 trace(H) / 2.
    """
    if not 0 < sigma < np.inf:
        raise ArgumentError(f"perturbed_rise(): noise has a positive standard deviation, not {sigma}.")
    found = objective(loss, params)
    half = sigma * (generator or Generator(0)).numpy.standard_normal((max(1, samples // 2), found.size))
    values = found.values(found.theta + np.concatenate([half, -half]))
    return float(values.mean() - found())


def flat_volume(
    loss: Loss | Objective, params: Params = None, *, level: float = 0.1, directions: int = 200,
    longest: float = 100.0, generator: Generator | None = None,
) -> Array:  # fmt: skip
    """How far one can go in random directions before the loss has risen by `level`: distances (directions,).

    Their mean of P-th powers is the volume of the region that can be seen from the minimum; the logarithms are easier
    to compare. Distances are found by bisection, up to `longest`.
    """
    found = objective(loss, params)
    center, limit = found.theta, found() + level
    unit = (generator or Generator(0)).numpy.standard_normal((directions, found.size))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    reach = np.full(directions, 1e-3)
    while True:  # double until above the level
        inside = (found.values(center + reach[:, None] * unit) < limit) & (reach < longest)
        if not inside.any():
            break
        reach = np.where(inside, 2 * reach, reach)
    low, high = np.where(reach > 1e-3, reach / 2, 0), reach
    for _ in range(40):
        middle = 0.5 * (low + high)
        inside = found.values(center + middle[:, None] * unit) < limit
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.minimum(low, longest)
