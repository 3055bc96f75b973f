"""The functions of neural networks that are made of exponentials: tanh, sigmoid, softplus, logsigmoid."""

# mypy: allow-untyped-defs
from __future__ import annotations

from typing import Any

from .vecmath_bits import (
    FORMAT,
    bits,
    constants,
    fma,
    for_each_float,
    from_bits,
    horner,
    kernel_function,
    power_of_two,
    select,
)
from .vecmath_exp import EXP_BOUNDS, exp, exp_in_parts, expm1_in_parts
from .vecmath_log import log_of_sum

# (tanh(x) / x - 1) / x**2 = P(x**2) / Q(x**2) for |x| <= 0.625 (rational Remez, 180 bits); error in tanh 2**-60.6
# and 2**-27.7.
TANH_NUMERATOR = {
    "float64": (-0.33333333333333326, -0.02049680352026298, -0.00019908967967299026),
    "float32": (-0.33333308, -0.0015417526),
}
TANH_DENOMINATOR = {
    "float64": (1.0, 0.4614904105607741, 0.023288671358822986, 0.00020643910676767542),
    "float32": (1.0, 0.40461296),
}


@for_each_float
def tanh(kind: str) -> Any:
    """1 - 2 / (e**2x + 1), but near 0 a rational function, for the cancellation. At most 2 ulp."""
    form = FORMAT[kind]
    one, two, border = constants(kind, 1, 2, 0.625)
    (saturated,) = constants(kind, {"float64": 20, "float32": 10}[kind])  # beyond, tanh is 1 to the last bit
    numerator, denominator = constants(kind, *TANH_NUMERATOR[kind]), constants(kind, *TANH_DENOMINATOR[kind])
    exp_in_parts_of = exp_in_parts[kind]

    @kernel_function
    def tanh(x):
        a = abs(x)
        a = select(a > saturated, saturated, a)
        z = a * a
        small = a < border
        k, e = exp_in_parts_of(two * a)
        # Both sides are start + top / bottom, so one division serves both.
        start = select(small, a, one)
        top = select(small, a * z * horner(z, numerator), -two)
        bottom = select(small, horner(z, denominator), fma(e, power_of_two(k, x), one))
        y = start + top / bottom
        return from_bits(bits(y) | (bits(x) & form.sign_mask), x)

    return tanh


@for_each_float
def sigmoid(kind: str) -> Any:
    """1 / (1 + e**-x). At most 2 ulp."""
    zero, one, lowest, highest = constants(kind, 0, 1, {"float64": -60, "float32": -40}[kind], -EXP_BOUNDS[kind][0])
    (beyond,) = constants(kind, {"float64": 35, "float32": 15}[kind])  # from where on 1 + 2**k is not exact
    # Where e**-x or its reciprocal leave the format, all is scaled down and up again.
    large, factor = constants(kind, *{"float64": (700, 2.0**-100), "float32": (80, 2.0**-50)}[kind])
    exponent = {"float64": 100, "float32": 50}[kind]
    in_parts = expm1_in_parts[kind]

    @kernel_function
    def sigmoid(x):
        x = -x
        x = select(x < lowest, lowest, x)
        x = select(x > highest, highest, x)
        k, t = in_parts(x)
        is_large = x > large
        power, scale = power_of_two(k - select(is_large, exponent, 0), x), select(is_large, factor, one)
        # 1 + e**-x = 1 + 2**k + 2**k t, what is exact and what is small first
        inner, outer = select(x > beyond, scale, scale + power), select(x > beyond, power, zero)
        return one / (fma(power, t, inner) + outer) * scale

    return sigmoid


@for_each_float
def log1p_exp_of_minus_abs(kind: str) -> Any:
    """log(1 + e**-|x|), what softplus and logsigmoid share."""
    (one,) = constants(kind, 1)
    exp_of, log_of = exp[kind], log_of_sum[kind]

    @kernel_function
    def log1p_exp_of_minus_abs(x):
        e = exp_of(-abs(x))
        u = one + e
        return log_of(u, e - (u - one))

    return log1p_exp_of_minus_abs


@for_each_float
def softplus(kind: str) -> Any:
    """log(1 + e**x) = max(x, 0) + log(1 + e**-|x|). At most 2 ulp."""
    (zero,) = constants(kind, 0)
    even_part = log1p_exp_of_minus_abs[kind]

    @kernel_function
    def softplus(x):
        return select(x < zero, zero, x) + even_part(x)

    return softplus


@for_each_float
def logsigmoid(kind: str) -> Any:
    """log(sigmoid(x)) = min(x, 0) - log(1 + e**-|x|). At most 2 ulp."""
    (zero,) = constants(kind, 0)
    even_part = log1p_exp_of_minus_abs[kind]

    @kernel_function
    def logsigmoid(x):
        return select(x > zero, zero, x) - even_part(x)

    return logsigmoid
