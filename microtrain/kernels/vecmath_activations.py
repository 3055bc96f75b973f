"""The functions of neural networks that are made of exponentials: tanh, sigmoid, silu, softplus, logsigmoid."""

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
from .vecmath_exp import EXP_TAIL, LN2, LOG2_E, exp, reduce_by_ln2
from .vecmath_log import log_of_sum

# (tanh(s) / s - 1) / s**2 in s**2 for |s| <= 0.256; minimax as in vecmath_exp, error in the tangent 2**-57.2 and
# 2**-28.1.
TANH_TAIL = {
    "float64": (
        -0.33333333333332593, 0.13333333333044797, -0.053968253587475104, 0.02186946468103979, -0.008862434527785429,
        0.0035772841224769964, -0.0013117639509377566,
    ),
    "float32": (-0.33333227, 0.13323393, -0.05131511),
}  # fmt: skip

# So k = 1 begins where tanh(x) = 1/4 and k = 2 beyond 1/2: an ulp is twice as large from there on.
TANH_SHIFT = 0.0823


@for_each_float
def tanh(kind: str) -> Any:
    """The addition theorem for x = k ln(2)/2 + s, with t = tanh(s) and tanh(k ln(2)/2) = (2**k - 1) / (2**k + 1).

    That is (a + b t) / (b + a t) with a = 2**k - 1 and b = 2**k + 1. For larger k it is 1 - (2 - 2 t) / (b + a t), as
    rounding errors of a number near 1 would cost more than those of the small one. At most 2 ulp.
    """
    form = FORMAT[kind]
    one, two, shift, steps = constants(kind, 1, 2, TANH_SHIFT, 2 * LOG2_E)
    half_ln2, half_ln2_rest = constants(kind, *(part / 2 for part in LN2[kind]))
    (saturated,) = constants(kind, {"float64": 20, "float32": 10}[kind])  # beyond, tanh is 1 to the last bit
    to_exponent = form.to_integer + form.real(form.bias)  # has the bits of a power of two's exponent at its end
    tail = constants(kind, *TANH_TAIL[kind])

    @kernel_function
    def tanh(x):
        size = abs(x)
        size = select(size > saturated, saturated, size)
        shifted = fma(size - shift, steps, to_exponent)
        power = power_of_two(bits(shifted) - form.bias, x)
        k = shifted - to_exponent
        s = fma(-k, half_ln2_rest, fma(-k, half_ln2, size))
        z = s * s
        t = fma(s * z, horner(z, tail), s)
        a, b = power - one, power + one
        large = power > two
        quotient = fma(select(large, two, b), t, select(large, -two, a)) / fma(a, t, b)
        y = select(large, one + quotient, quotient)
        return from_bits(bits(y) | (bits(x) & form.sign_mask), x)

    return tanh


# 2**-k may be too small for the format, 2**(LIFT - k) is not.
LIFT = {"float64": 512, "float32": 64}


@for_each_float
def sigmoid_in_parts(kind: str) -> Any:
    """(a, power, d) with 2**-LIFT power / d the sigmoid of -a, and a = |x| where that and a times that are not 0.

    With e**a = 2**k (1 + t) it is 2**-k / (1 + t + 2**-k), where nothing overflows.
    """
    (one,) = constants(kind, 1)
    lift, (down,) = LIFT[kind], constants(kind, 2.0 ** -LIFT[kind])
    (highest,) = constants(kind, {"float64": 755, "float32": 110}[kind])
    reduce, tail = reduce_by_ln2[kind], constants(kind, *EXP_TAIL[kind])

    @kernel_function
    def sigmoid_in_parts(x):
        a = abs(x)
        a = select(a > highest, highest, a)
        k, r, _, _ = reduce(a)
        t = fma(r * r, horner(r, tail), r)
        power = power_of_two(lift - k, a)
        return a, power, one + (t + power * down)

    return sigmoid_in_parts


@for_each_float
def sigmoid(kind: str) -> Any:
    """1 / (1 + e**-x). At most 2 ulp."""
    zero, one, down = constants(kind, 0, 1, 2.0 ** -LIFT[kind])
    in_parts = sigmoid_in_parts[kind]

    @kernel_function
    def sigmoid(x):
        _, power, d = in_parts(x)
        y = power * down / d
        return select(x > zero, one - y, y)

    return sigmoid


@for_each_float
def silu(kind: str) -> Any:
    """x sigmoid(x), rounded less often than the product. At most 2 ulp."""
    zero, down = constants(kind, 0, 2.0 ** -LIFT[kind])
    in_parts = sigmoid_in_parts[kind]

    @kernel_function
    def silu(x):
        a, power, d = in_parts(x)
        y = a * power / d * down
        return select(x > zero, x - y, fma(x, zero, -y))  # NaN for -inf, as the product is

    return silu


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
