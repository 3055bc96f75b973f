"""Is training chaotic? The Lyapunov exponents of a training map theta -> theta'.

Two runs that start a tiny distance apart are exp(exponent * steps) times that distance apart later. A positive exponent
means chaos, a negative one that both end in the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from ..random import Generator
from .hessian import eigenvalues
from .objective import Array, Loss, Objective, Params, objective

Map = Callable[[Array], Array]


def gd_map(loss: Loss | Objective, lr: Any, params: Params = None) -> Map:
    """theta -> theta - lr grad f(theta): gradient descent as a map of vectors (P,), or of many at once (K, P)."""
    found = objective(loss, params)

    def step(theta: Array) -> Array:
        theta = np.asarray(theta, float)
        slope = found.gradient(theta) if theta.ndim == 1 else found.gradients(theta)
        return theta - lr * slope  # type: ignore[no-any-return]

    return step


def momentum_map(loss: Loss | Objective, lr: float, momentum: float, params: Params = None) -> Map:
    """Heavy-ball momentum as a map of (theta, v), stacked (2P,): v <- momentum v + g, theta <- theta - lr v."""
    found = objective(loss, params)

    def step(state: Array) -> Array:
        theta, v = np.split(np.asarray(state, float), 2, axis=-1)
        slope = found.gradient(theta) if theta.ndim == 1 else found.gradients(theta)
        v = momentum * v + slope
        return np.concatenate([theta - lr * v, v], axis=-1)

    return step


def linearised_multipliers(loss: Loss | Objective, lr: float, params: Params = None) -> Array:
    """The eigenvalues of I - lr H at the parameters, smallest first: a step multiplies small distances by them.

    Above 1 in size the step leads away: at a saddle (H < 0), or where lr > 2 / lambda_max.
    """
    return 1 - lr * eigenvalues(objective(loss, params).hessian())[::-1]


@dataclass(frozen=True)
class Lyapunov:
    """Exponents per step, the largest first. `history` (steps, k) has the running means, to see that they settle."""

    exponents: Array
    history: Array
    end: Array
    steps: int
    diverged: bool = False

    @property
    def largest(self) -> float:
        return float(self.exponents[0])

    @property
    def chaotic(self) -> bool:
        """Is the largest exponent positive, and does the orbit stay finite?"""
        return not self.diverged and self.largest > 0

    def plot(self, ax: Any = None) -> Any:
        """Draw it (see `viz.plots.lyapunov`); returns the Axes."""
        from ..viz.plots import lyapunov as draw

        return draw(self, ax=ax)

    def __repr__(self) -> str:
        shown = ", ".join(f"{e:.4g}" for e in self.exponents[:4]) + (" ..." if len(self.exponents) > 4 else "")
        kind = "diverged" if self.diverged else "chaotic" if self.chaotic else "not chaotic"
        return f"<Lyapunov exponents {shown} over {self.steps} steps: {kind}>"


def lyapunov_spectrum(
    loss: Loss | Objective,
    params: Params = None,
    *,
    lr: float,
    steps: int = 1000,
    burn: int = 100,
    k: int | None = None,
) -> Lyapunov:
    """The exponents of gradient descent, from its exact Jacobians I - lr H (QR method, Benettin et al. 1980).

    Args:
        lr: the learning rate.
        burn: steps taken first, to come to where the orbit stays.
        k: how many of the exponents (default all P).
    """
    found = objective(loss, params)
    jacobian = lambda theta: np.eye(found.size) - lr * found.hessian(theta)
    return map_lyapunov(gd_map(found, lr), found.theta, jacobian=jacobian, steps=steps, burn=burn, k=k)


@steady
def map_lyapunov(
    step: Map, start: Any, *, jacobian: Callable[[Array], Array] | None = None, steps: int = 1000, burn: int = 100,
    k: int | None = None, epsilon: float = 1e-6,
) -> Lyapunov:  # fmt: skip
    """The exponents of any map of vectors. Without `jacobian` the derivative is taken by central differences."""
    theta = np.atleast_1d(np.asarray(start, float))
    size = len(theta)
    count = size if k is None else k
    if not 1 <= count <= size:
        raise ArgumentError(f"{count} Lyapunov exponents of a map of {size} numbers.")
    _check_steps(steps)
    derivative = jacobian or (lambda point: _differences(step, point, epsilon))
    theta = _burnt(step, theta, burn)
    frame = np.eye(size)[:, :count]
    total, history = np.zeros(count), np.zeros((steps, count))
    with np.errstate(all="ignore"):
        for n in range(steps):
            if not np.isfinite(theta).all():
                return Lyapunov(np.full(count, np.inf), history[:n], theta, n, True)
            frame, r = np.linalg.qr(derivative(theta) @ frame)
            total += np.log(np.maximum(np.abs(np.diag(r)), 1e-300))
            history[n] = total / (n + 1)
            theta = step(theta)
    order = np.argsort(-history[-1])
    return Lyapunov(history[-1][order], history[:, order], theta, steps, not bool(np.isfinite(theta).all()))


def _burnt(step: Map, theta: Array, steps: int) -> Array:
    """Where the map is after some steps; it may run away."""
    with np.errstate(all="ignore"):
        for _ in range(steps):
            theta = step(theta)
    return theta


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise ArgumentError(f"A Lyapunov exponent is a mean over steps; there are {steps}.")


def _differences(step: Map, theta: Array, epsilon: float) -> Array:
    h = epsilon * np.maximum(1, np.abs(theta))
    columns = [(step(theta + d) - step(theta - d)) / (2 * d.sum()) for d in np.diag(h)]
    return np.stack(columns, axis=1)


@steady
def twin_lyapunov(
    step: Map, start: Any, *, steps: int = 3000, burn: int = 1000, distance: float = 1e-9,
    generator: Generator | None = None,
) -> Lyapunov:  # fmt: skip
    """The largest exponent from two runs a tiny `distance` apart, brought back to that distance after every step.

    Needs nothing but the map: any optimizer, and any size.
    """
    _check_steps(steps)
    theta = _burnt(step, np.atleast_1d(np.asarray(start, float)), burn)
    offset = (generator or Generator(0)).numpy.standard_normal(len(theta))
    offset *= distance / np.linalg.norm(offset)
    total, history = 0.0, np.zeros((steps, 1))
    with np.errstate(all="ignore"):
        for n in range(steps):
            other = step(theta + offset)
            theta = step(theta)
            apart = other - theta
            length = float(np.linalg.norm(apart))
            if not np.isfinite(length):
                return Lyapunov(np.array([np.inf]), history[:n], theta, n, True)
            total += np.log(max(length, 1e-300) / distance)
            history[n] = total / (n + 1)
            offset = apart * (distance / length) if length > 0 else offset
    return Lyapunov(history[-1], history, theta, steps)
