"""What is known in closed form about gradient descent on quadratics, for comparison with real runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from .hessian import symmetric
from .objective import Array, Loss, Objective, objective


def optimal_rate(low: float, high: float) -> tuple[float, float]:
    """(2 / (low + high), (kappa - 1) / (kappa + 1)): the best fixed rate for curvatures low ... high, and the factor
    by which the distance to the minimum shrinks each step."""
    return 2 / (low + high), (high - low) / (high + low)


def polyak_parameters(low: float, high: float) -> tuple[float, float]:
    """(rate, momentum) of the heavy ball that converges fastest for curvatures low ... high (Polyak 1964)."""
    root, top = low**0.5, high**0.5
    return 4 / (root + top) ** 2, ((top - root) / (top + root)) ** 2


@steady
def quadratic_gd(hessian: Any, start: Any, minimum: Any, lr: float, steps: Any) -> Array:
    """Where gradient descent is after `steps` on a quadratic: w* + V (1 - lr lambda)^k V^T (w0 - w*).

    `steps` is a number, for (P,), or several, for (K, P).
    """
    values, vectors = np.linalg.eigh(symmetric(hessian))
    w = np.asarray(minimum, float)
    along = vectors.T @ (np.asarray(start, float) - w)
    k = np.asarray(steps)
    return w + ((1 - lr * values) ** k[..., None] * along) @ vectors.T  # type: ignore[no-any-return]


@steady
def angle_to_minimum(loss: Loss | Objective, x: Any, minimum: Any) -> float:
    """The angle in degrees between the way of steepest descent at x and the way to the minimum; 0 would hit it."""
    at = np.ravel(np.asarray(x, float))
    down, way = -objective(loss, at).gradient(at), np.ravel(np.asarray(minimum, float)) - at
    size = float(np.linalg.norm(down) * np.linalg.norm(way))
    if not size > 0:
        raise ArgumentError("There is no angle: the gradient vanishes here, or this is the minimum.")
    return float(np.degrees(np.arccos(np.clip(down @ way / size, -1, 1))))


def directional_slopes(loss: Loss | Objective, x: Any, angles: int = 360) -> tuple[Array, Array]:
    """(angles in degrees, slopes) of a loss of two parameters in all directions: g . u, steepest along -g."""
    at = np.ravel(np.asarray(x, float))
    g = objective(loss, at).gradient(at)
    turn = 2 * np.pi * np.arange(angles) / angles
    return np.degrees(turn), np.stack([np.cos(turn), np.sin(turn)], 1) @ g


def equivalent_lr(lr: float, from_: str, to: str, n: int) -> float:
    """The rate that makes the same step when the loss is reduced otherwise: "sum", "mean", "half_sum", "half_mean"."""
    scale = {"sum": 1.0, "mean": 1 / n, "half_sum": 0.5, "half_mean": 0.5 / n}
    if from_ not in scale or to not in scale:
        raise ArgumentError(f"equivalent_lr(from_={from_!r}, to={to!r}).", fix="Use " + ", ".join(scale) + ".")
    return lr * scale[from_] / scale[to]


def momentum_weights(momentum: float, steps: int, form: str = "sum") -> Array:
    """How much each past gradient counts in the momentum after `steps`: (steps,), the latest last.

    momentum^k for form "sum", (1 - momentum) momentum^k for "ema"; found by sending a single gradient through the
    optimizer, so it is what the code does.
    """
    from ..nn.parameter import Parameter
    from ..optim import Momentum

    weights = []
    for age in range(steps):
        p = Parameter(0.0)
        optimizer = Momentum([p], lr=1.0, beta=momentum, form=form)
        before = 0.0
        for k in range(age + 1):
            before = float(p.detach())
            p.grad = p.detach() * 0 + (1.0 if k == 0 else 0.0)
            optimizer.step()
        weights.append(before - float(p.detach()))
    return np.array(weights[::-1])


def linear_rate_bound(start: float, steps: Any, mu: float, lipschitz: float, lr: float | None = None) -> Array:
    """The bound f(w_k) - f* <= (1 - lr mu)^k (f(w_0) - f*), for lr <= 1 / L (default 1 / L), mu-strongly convex f."""
    rate = 1 / lipschitz if lr is None else lr
    return start * (1 - rate * mu) ** np.asarray(steps)
