"""Losses of predicted numbers. Each is the formula for one element, and what `reduction` makes of them."""

from __future__ import annotations

import math
from typing import Any

from ...errors import ArgumentError
from ...formula import F
from ...tensor import Tensor
from .reduction import loss_formula, pair, reduce, weighted

squared_error = loss_formula("squared_error", lambda x, target: F.square(x - target), tex=r"({x} - {target})^2")
absolute_error = loss_formula("absolute_error", lambda x, target: F.abs(x - target), tex=r"|{x} - {target}|")


def _huber(x: Any, target: Any, delta: Any) -> Any:
    r = F.abs(x - target)
    return F.where(r <= delta, 0.5 * r * r, delta * (r - 0.5 * delta))


def _smooth_l1(x: Any, target: Any, beta: Any) -> Any:
    r = F.abs(x - target)
    return F.where(r < beta, 0.5 * r * r / beta, r - 0.5 * beta)


def _log_cosh(x: Any, target: Any) -> Any:
    """ln cosh r as ln(1 + 2 sinh^2(r/2)) near 0, where it keeps its digits, and as |r| + ... where cosh overflows."""
    r = F.abs(x - target)
    near = F.log1p(2 * F.square(F.sinh(0.5 * F.minimum(r, 1))))
    return F.where(r < 1, near, r + F.log1p(F.exp(-2 * r)) - math.log(2))


huber_error = loss_formula(
    "huber",
    _huber,
    [
        lambda g, x, target, delta: g * F.clamp(x - target, -1 * delta, delta),
        lambda g, x, target, delta: -g * F.clamp(x - target, -1 * delta, delta),
        lambda g, x, target, delta: g * F.relu(F.abs(x - target) - delta),
    ],
    tex=r"\frac{r^2}{2} \text{ if } |r| \le {delta} \text{ else } {delta} (|r| - {delta}/2), \quad r = {x} - {target}",
)
smooth_error = loss_formula(
    "smooth_l1",
    _smooth_l1,
    [
        lambda g, x, target, beta: g * F.clamp((x - target) / beta, -1, 1),
        lambda g, x, target, beta: -g * F.clamp((x - target) / beta, -1, 1),
        lambda g, x, target, beta: -0.5 * g * F.minimum(F.square((x - target) / beta), 1),
    ],
    tex=r"\frac{r^2}{2 {beta}} \text{ if } |r| < {beta} \text{ else } |r| - {beta}/2, \quad r = {x} - {target}",
)
log_cosh_error = loss_formula(
    "log_cosh",
    _log_cosh,
    [lambda g, x, target: g * F.tanh(x - target), lambda g, x, target: -g * F.tanh(x - target)],
    tex=r"\ln \cosh({x} - {target})",
)


def mse_loss(input: Any, target: Any, reduction: str = "mean", *, weight: Any = None) -> Tensor:
    """The squared error (x - t)^2, by default its mean: the loss of Gaussian noise (section 4.1.2).

    The conventions of the book, for N samples: (1/N) sum r^2 is "mean", the sum of eq. 6.5 is "sum", (1/(2N)) sum r^2
    is "half_mean", and (1/2) r^2 of one sample (eq. 4.2.5) is "half_sum". The Hessian of a linear model is X^T X / N
    with "half_mean" and twice that with "mean".

    Args:
        input, target: of one shape, or one of them broadcast to the other.
        reduction: see `microtrain.nn.losses.reduce`.
        weight: a factor for each squared error; "mean" then divides by the sum of the factors, as in PyTorch.

    Raises `ShapeError` where shapes do not fit (or would broadcast to more than either), `ArgumentError` for another
    reduction.
    """
    return weighted(squared_error(*pair(input, target, "mse_loss")), weight, reduction, "mse_loss", by_share=True)


def l1_loss(input: Any, target: Any, reduction: str = "mean", *, weight: Any = None) -> Tensor:
    """The absolute error |x - t|, by default its mean: the loss of Laplace noise (section 4.2.7). Derivative 0 at 0.

    Arguments and errors as for `mse_loss`.
    """
    return weighted(absolute_error(*pair(input, target, "l1_loss")), weight, reduction, "l1_loss", by_share=True)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Tensor:
    """Half the squared error up to `delta`, straight beyond (Huber 1964): outliers pull with a constant force.

    Arguments and errors as for `mse_loss`, but the "mean" of weighted errors is over their number (PyTorch's choice);
    raises `ArgumentError` unless delta > 0.
    """
    if not delta > 0:
        raise ArgumentError(f"huber_loss(): delta is {delta}; it must be positive.")
    return weighted(huber_error(*pair(input, target, "huber_loss"), delta), weight, reduction, "huber_loss")


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """The Huber loss divided by its `delta`, called `beta`: slope 1 far away; beta 0 gives the absolute error.

    Arguments and errors as for `mse_loss`; raises `ArgumentError` if beta < 0.
    """
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss(): beta is {beta}; it can't be negative.")
    x, t = pair(input, target, "smooth_l1_loss")
    return reduce(smooth_error(x, t, beta) if beta else absolute_error(x, t), reduction)


def log_cosh_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """ln cosh(x - t): like r^2/2 near 0, like |r| - ln 2 far away, and smooth throughout; no overflow.

    Arguments and errors as for `mse_loss`.
    """
    return reduce(log_cosh_error(*pair(input, target, "log_cosh_loss")), reduction)
