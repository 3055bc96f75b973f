"""Everything about one point of a loss on one line: slope, curvatures, what kind of point it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .critical_points import kind_of
from .hessian import eigenvalues
from .linear_models import Constants
from .objective import Loss, Objective, Params, objective


@dataclass(frozen=True)
class Geometry:
    """The loss at a point, its gradient's norm, and its curvatures.

    `kind` is "minimum", "maximum", "saddle" or "degenerate" where the gradient vanishes, else "not critical".
    """

    loss: float
    gradient_norm: float
    lambda_max: float
    lambda_min: float
    negative: int  # how many curvatures are negative
    zero: int  # and how many vanish
    trace: float
    condition_number: float
    kind: str
    parameters: int

    def __repr__(self) -> str:
        return (
            f"<Geometry of {self.parameters} parameters: {self.kind}, loss {self.loss:.5g}, "
            f"|gradient| {self.gradient_norm:.3g}, curvatures {self.lambda_min:.4g} to {self.lambda_max:.4g} "
            f"({self.negative} negative, {self.zero} zero), condition number {self.condition_number:.4g}>"
        )


def geometry(loss: Loss | Objective, params: Params = None, *, gtol: float = 1e-6, etol: float = 1e-8) -> Geometry:
    """Slope and curvatures at the parameters, from the whole Hessian.

    A curvature counts as 0 below `etol` times the largest, a gradient below `gtol`.
    """
    found = objective(loss, params)
    value, slope = found.value_and_gradient()
    values = eigenvalues(found.hessian())
    zero = etol * max(1e-300, float(np.abs(values).max()))
    low, high = float(values[0]), float(values[-1])
    norm = float(np.linalg.norm(slope))
    kind = kind_of(values, etol) if norm <= gtol else "not critical"
    negative, flat = int((values < -zero).sum()), int((np.abs(values) <= zero).sum())
    kappa = high / low if low > zero else float("inf")
    return Geometry(value, norm, high, low, negative, flat, float(values.sum()), kappa, kind, found.size)


def local_constants(loss: Loss | Objective, params: Params = None) -> Constants:
    """The smallest and the largest curvature at the parameters, as if the loss were the quadratic that it is here.

    mu is 0 where it is not convex. Elsewhere they may be others: see `strong_convexity` and `lipschitz_secant`.
    """
    values = eigenvalues(objective(loss, params).hessian())
    positive = values[values > 1e-12 * max(1e-300, float(np.abs(values).max()))]
    smallest = float(positive[0]) if len(positive) else 0.0
    mu = float(values[0]) if len(positive) == len(values) else 0.0
    return Constants(mu, float(np.abs(values).max()), smallest, False, "the Hessian at one point")
