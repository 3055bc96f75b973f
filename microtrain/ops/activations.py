"""Activation functions."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ArgumentError
from ..formula import F
from .arithmetic import minimum
from .comparison import where_row
from .conversion import in_float32
from .exponential import exp, log1p
from .primitive import elementwise, operation
from .shapes import reshape

# -1.0 * x rather than -x: unsigned integers become floats before the sign changes. Where e**-x overflows the result is
# 0, as in PyTorch, and not the subnormal number that it should be and that kernels find: a formula of as few operations
# that does so too, e**min(x, 40) over 1 more than that, is not the one that people know, and fails in float16.
sigmoid = elementwise(
    "sigmoid",
    lambda x: 1 / (1 + F.exp(-1.0 * x)),
    [lambda g, y: g * (y * (1 - y))],
    tex=r"\sigma({x})",
    aliases=["expit"],
)
logsigmoid = elementwise(
    "logsigmoid",
    lambda x: F.minimum(x, 0) - F.log1p(F.exp(-1.0 * F.abs(x))),
    [lambda g, x: g * F.sigmoid(-x)],
    tex=r"\ln \sigma({x})",
)
softplus_row = elementwise(
    "softplus",
    lambda x: F.where(x > 20, x, F.log1p(F.exp(F.minimum(x, 20)))),
    [lambda g, x: F.where(x > 20, g, g * F.sigmoid(x))],
    tex=r"\ln(1 + e^{{x}})",
    public=False,
    note="x itself above 20, as in PyTorch",
)
softsign = elementwise(
    "softsign",
    lambda x: x / (1 + F.abs(x)),
    [lambda g, x: g / F.square(1 + F.abs(x))],
    tex=r"\frac{{x}}{1 + |{x}|}",
)
relu = elementwise(
    "relu",
    lambda x: F.maximum(x, 0),
    [lambda g, y: F.where(y != 0, g, 0)],  # not g * (y > 0): an infinite g would become NaN
    tex=r"\max({x}, 0)",
    note="derivative 0 at 0, 1 at NaN",
)
relu6 = elementwise(
    "relu6",
    lambda x: F.minimum(F.maximum(x, 0), 6),
    [lambda g, x: F.where(F.logical_or(x <= 0, x >= 6), 0, g)],
    tex=r"\min(\max({x}, 0), 6)",
    note="derivative 0 at 0 and at 6",
)
leaky_relu_row = elementwise(
    "leaky_relu",
    lambda x, slope: F.where(x > 0, x, x * slope),
    [lambda g, x, slope: F.where(x > 0, g, g * slope), lambda g, x: F.where(x > 0, 0, g * x)],
    tex=r"\max({x}, {slope} {x})",
    public=False,
    note="derivative `slope` at 0",
)
prelu_row = elementwise(
    "prelu",
    lambda x, weight: F.where(x > 0, x, x * weight),
    [lambda g, x, weight: F.where(x > 0, g, g * weight), lambda g, x: F.where(x > 0, 0, g * x)],
    tex=r"\max({x}, 0) + {weight} \min({x}, 0)",
    public=False,
    note="derivative `weight` at 0",
)


def _left(x: Any) -> Any:
    """x left of 0, else 0; unlike min(x, 0) it has the slope 0 at 0, so that second derivatives there are PyTorch's."""
    return F.where(x < 0, x, 0)


elu_row = elementwise(
    "elu",
    lambda x, alpha: F.where(x > 0, x, alpha * F.expm1(F.minimum(x, 0))),
    [
        lambda g, x, alpha: F.where(x > 0, g, g * (alpha * F.exp(_left(x)))),
        lambda g, x: g * F.expm1(_left(x)),
    ],
    tex=r"({x} \text{ if } {x} > 0 \text{ else } {alpha} (e^{{x}} - 1))",
    public=False,
    note="derivative `alpha` at 0 and at NaN",
)


def _celu_in_alpha(g: Any, x: Any, alpha: Any) -> Any:
    z = _left(x) / alpha
    return g * (F.expm1(z) - z * F.exp(z))


celu_row = elementwise(
    "celu",
    lambda x, alpha: F.where(x > 0, x, alpha * F.expm1(F.minimum(x, 0) / alpha)),
    [
        lambda g, x, alpha: F.where(x > 0, g, g * F.exp(_left(x) / alpha)),
        _celu_in_alpha,
    ],
    tex=r"({x} \text{ if } {x} > 0 \text{ else } {alpha} (e^{{x}/{alpha}} - 1))",
    public=False,
)
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934  # Klambauer et al. 2017, eq. 2 and appendix
SELU_LEFT = SELU_SCALE * SELU_ALPHA  # in one number: a second product to round would make it more than 2 ulp
selu = elementwise(
    "selu",
    lambda x: F.where(x > 0, SELU_SCALE * x, SELU_LEFT * F.expm1(F.minimum(x, 0))),
    [lambda g, x: g * F.where(x > 0, SELU_SCALE, SELU_LEFT * F.exp(_left(x)))],
    tex=r"\operatorname{selu}({x})",
)
gelu_row = elementwise(
    "gelu",
    lambda x: 0.5 * x * (1 + F.erf(x * math.sqrt(0.5))),
    [lambda g, x: g * (0.5 * (1 + F.erf(x * math.sqrt(0.5))) + x * F.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi)))],
    tex=r"{x} \Phi({x})",
    public=False,
)
gelu_tanh = elementwise(
    "gelu_tanh",
    lambda x: 0.5 * x * (1 + F.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))),
    public=False,
    tex=r"\frac{{x}}{2} (1 + \tanh(\sqrt{2/\pi} ({x} + 0.044715 {x}^3)))",
)
silu = elementwise(
    "silu",
    lambda x: x * F.sigmoid(x),
    [lambda g, x: g * (F.sigmoid(x) * (1 + x * (1 - F.sigmoid(x))))],
    tex=r"{x} \sigma({x})",
    aliases=["swish"],
)


def _mish_slope(g: Any, x: Any) -> Any:
    """t + x s (1 - t^2) with s = sigmoid(x), c = 1 - s and t = tanh(softplus(x)) = s (1 + c) / (1 + c^2).

    Where t is almost 1, 1 - t^2 would have lost the digits that 2c / (1 + c^2), its root, still has.
    """
    s = F.sigmoid(x)
    c = 1 - s
    d = 1 + c * c
    return g * (s * (1 + c) / d + x * (s * F.square(2 * c / d)))


mish = elementwise("mish", lambda x: x * F.tanh(F.softplus(x)), [_mish_slope], tex=r"{x} \tanh(\ln(1 + e^{{x}}))")
hardtanh_row = elementwise(
    "hardtanh",
    lambda x, low, high: F.minimum(F.maximum(x, low), high),
    [
        lambda g, x, low, high: F.where(F.logical_or(x <= low, x >= high), 0, g),
        lambda g, x, low: F.where(x <= low, g, 0),
        lambda g, x, high: F.where(x >= high, g, 0),
    ],
    tex=r"\min(\max({x}, {low}), {high})",
    public=False,
    note="derivative 0 at the corners",
)


@operation()
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """ln(1 + exp(beta x)) / beta; x itself where beta x > threshold."""
    if beta == 1 and threshold == 20:
        return in_float32(softplus_row, input)
    scaled = input * beta
    return where_row(scaled > threshold, input, log1p(exp(minimum(scaled, threshold))) / beta)


@operation(inplace=True)
def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """x for x > 0, negative_slope * x elsewhere."""
    return leaky_relu_row(input, negative_slope)


@operation()
def prelu(input: Any, weight: Any) -> Any:
    """x for x > 0, weight * x elsewhere; `weight` has one element, or one for each channel (axis 1)."""
    if input.ndim == 0:
        weight = reshape(weight, shape=())
    elif weight.numel() != 1 and input.ndim > 2:
        weight = reshape(weight, shape=(weight.numel(), *[1] * (input.ndim - 2)))
    return prelu_row(input, weight)


@operation(inplace=True)
def elu(input: Any, alpha: float = 1.0) -> Any:
    """x for x > 0, alpha * (exp(x) - 1) elsewhere."""
    return elu_row(input, alpha)


@operation(inplace=True)
def celu(input: Any, alpha: float = 1.0) -> Any:
    """x for x > 0, alpha * (exp(x / alpha) - 1) elsewhere."""
    return celu_row(input, alpha)


@operation(inplace=True)
def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x limited to [min_val, max_val]; at the corners the derivative is 0."""
    return hardtanh_row(input, min_val, max_val)


@operation()
def gelu(input: Any, approximate: str = "none") -> Any:
    """x Phi(x), Phi the normal distribution function; approximate="tanh" is the cheaper form (Hendrycks, Gimpel 2016).

    Raises `ArgumentError` for another `approximate`.
    """
    forms = {"none": gelu_row, "tanh": gelu_tanh}
    if approximate not in forms:
        raise ArgumentError(f"approximate is {approximate!r}.", fix='Use "none" or "tanh".')
    return forms[approximate](input)
