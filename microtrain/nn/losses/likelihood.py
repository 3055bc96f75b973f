"""Negative log-likelihoods: what a loss assumes about the noise in the data.

Least squares is the likelihood of Gaussian noise, absolute errors that of Laplace noise, the cross-entropies those of
coins and dice. They are computed in the log domain, where a product of 2000 densities does not underflow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ...errors import ArgumentError
from ...formula import F
from ...ops.probability import binary_cross_entropy_with_logits, cross_entropy
from ...tensor import Tensor
from .reduction import as_tensor, loss_formula, pair, reduce
from .regression import l1_loss, mse_loss

gaussian = loss_formula(
    "gaussian_nll",
    lambda x, target, sigma: 0.5 * math.log(2 * math.pi) + F.log(sigma) + 0.5 * F.square((x - target) / sigma),
    tex=r"\frac{1}{2} \ln 2\pi {sigma}^2 + \frac{({x} - {target})^2}{2 {sigma}^2}",
)
gaussian_by_variance = loss_formula(
    "gaussian_nll_loss",
    lambda x, target, var: 0.5 * (F.log(var) + F.square(x - target) / var),
    tex=r"\frac{1}{2} (\ln {var} + \frac{({x} - {target})^2}{{var}})",
)
laplace = loss_formula(
    "laplace_nll",
    lambda x, target, scale: F.log(2 * scale) + F.abs(x - target) / scale,
    tex=r"\ln 2 {scale} + \frac{|{x} - {target}|}{{scale}}",
)
poisson_of_log = loss_formula("poisson_nll_loss", lambda x, target: F.exp(x) - target * x, tex="e^{{x}} - {target} {x}")
poisson_of_rate = loss_formula(
    "poisson_nll_of_rate", lambda x, target, eps: x - target * F.log(x + eps), tex=r"{x} - {target} \ln({x} + {eps})"
)


def gaussian_nll(input: Any, target: Any, sigma: Any = 1.0, reduction: str = "sum") -> Tensor:
    """-ln N(t; x, sigma^2), constant included (eq. 4.1.1): (N/2) ln(2 pi sigma^2) + sum (x - t)^2 / (2 sigma^2).

    So it is a positive multiple of the MSE plus a constant. (Section 4.1.7 says that the log-likelihood is proportional
    to the MSE: it is an affine, decreasing function of it.)

    Args:
        input, target: predictions and data of one shape.
        sigma: the standard deviation: a number, or a tensor (trained, or one for each sample: weighted least squares).

    Raises `ShapeError` where shapes do not fit, `ArgumentError` unless sigma > 0.
    """
    x, t = pair(input, target, "gaussian_nll")
    return reduce(gaussian(x, t, _positive(sigma, "sigma")), reduction)


def laplace_nll(input: Any, target: Any, scale: Any = 1.0, reduction: str = "sum") -> Tensor:
    """-ln of the Laplace density exp(-|x - t| / b) / (2b): a multiple of the MAE plus a constant (section 4.2.7).

    Arguments and errors as for `gaussian_nll`.
    """
    x, t = pair(input, target, "laplace_nll")
    return reduce(laplace(x, t, _positive(scale, "scale")), reduction)


def _positive(value: Any, name: str) -> Tensor:
    tensor = as_tensor(value)
    if not (tensor._data > 0).all():
        raise ArgumentError(f"'{name}' must be positive, but {tensor._data.min()} is among its values.")
    return tensor


def bernoulli_nll(input: Any, target: Any, reduction: str = "sum") -> Tensor:
    """-ln of the probability of the outcomes 0 and 1, for logits: the binary cross-entropy."""
    x, t = pair(input, target, "bernoulli_nll")
    return reduce(binary_cross_entropy_with_logits(x, t, None, "none"), reduction)


def categorical_nll(input: Any, target: Any, reduction: str = "sum") -> Tensor:
    """-ln of the probability of the labels, for logits (N, C) (section 4.1.3): the cross-entropy."""
    return reduce(cross_entropy(as_tensor(input), as_tensor(target), None, "none"), reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """PyTorch's form: (ln var + (x - t)^2 / var) / 2, with var at least eps; `full` adds ln(2 pi) / 2.

    `var` has the shape of `input`, or lacks its last axis, or has length 1 there. The limit `eps` has no derivative.
    Raises `ArgumentError` for a negative variance, `ShapeError` where shapes do not fit.
    """
    x, t = pair(input, target, "gaussian_nll_loss")
    variance = as_tensor(var)
    if (variance._data < 0).any():
        raise ArgumentError(f"gaussian_nll_loss(): a variance of {variance._data.min()}; it can't be negative.")
    if variance.shape != x.shape and variance.shape == x.shape[:-1]:
        variance = variance.unsqueeze(-1)
    if (variance._data < eps).any():
        fixed = variance.detach()
        variance = variance + (fixed.clamp(min=eps) - fixed)
    losses = gaussian_by_variance(x, t, variance)
    return reduce(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def poisson_nll_loss(
    input: Any, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
) -> Tensor:
    """-ln of the Poisson probability of counts t without ln t!: exp(x) - t x, where x is the logarithm of the rate.

    With `log_input` False x is the rate itself: x - t ln(x + eps). `full` adds Stirling's approximation of ln t!.
    """
    x, t = pair(input, target, "poisson_nll_loss")
    losses = poisson_of_log(x, t) if log_input else poisson_of_rate(x, t, eps)
    if full:
        large = t.clamp(min=1)
        stirling = large * large.log() - large + 0.5 * (2 * math.pi * large).log()
        losses = losses + stirling * (t.detach() > 1).to(losses.dtype)
    return reduce(losses, reduction)


class NoiseModel(NamedTuple):
    """The likelihood of a kind of noise, and the loss that has the same minimum."""

    nll: Callable[..., Tensor]
    loss: Callable[..., Tensor]


# The assumption is sufficient, not necessary: least squares finds the conditional mean under any noise of mean 0.
NOISE_MODELS = {
    "gaussian": NoiseModel(gaussian_nll, mse_loss),
    "laplace": NoiseModel(laplace_nll, l1_loss),
    "bernoulli": NoiseModel(bernoulli_nll, binary_cross_entropy_with_logits),
    "categorical": NoiseModel(categorical_nll, cross_entropy),
}
