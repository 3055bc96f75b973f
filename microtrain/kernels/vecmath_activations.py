"""The functions of neural networks that are made of exponentials: sigmoid, silu, mish, logsigmoid."""

# mypy: allow-untyped-defs
from __future__ import annotations

from typing import Any

from .vecmath_bits import (
    constants,
    fma,
    for_each_float,
    horner,
    kernel_function,
    power_of_two,
    quotient_of_sums,
    select,
)
from .vecmath_exp import EXP_TAIL, exp, exp_in_parts, reduce_by_ln2
from .vecmath_log import log_of_sum

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
def mish(kind: str) -> Any:
    """x tanh(log(1 + e**x)) = x m / (1 + m) with m = e**x + e**2x / 2. At most 2 ulp."""
    zero, one, half = constants(kind, 0, 1, 0.5)
    lift, (down,) = LIFT[kind], constants(kind, 2.0 ** -LIFT[kind])
    # Below the first the result is 0, above the second x.
    lowest, highest = constants(kind, *{"float64": (-755, 20), "float32": (-110, 10)}[kind])
    in_parts, quotient = exp_in_parts[kind], quotient_of_sums[kind]

    @kernel_function
    def mish(x):
        inside = select(x > highest, highest, select(x < lowest, lowest, x))
        k, y = in_parts(inside)
        e = y * power_of_two(k + lift, y)  # 2**LIFT times e**x: that, and x m, may be too small for the format
        share = e * down * half
        m = fma(share, e, e)
        top, small = inside * m, m * down
        bottom = one + small
        right = small > one  # what is lost is known for one order of the terms; on the right that of m hardly matters
        top_lost = fma(inside, m, -top) + select(right, zero, inside * fma(share, e, e - m))
        bottom_lost = select(right, one - (bottom - small), small - (bottom - one))
        y = quotient(top, top_lost, bottom, bottom_lost) * down
        return select((x > highest) | (x == zero), x, fma(x, zero, y))  # NaN for -inf, as the product is

    return mish


@for_each_float
def logsigmoid(kind: str) -> Any:
    """log(sigmoid(x)) = min(x, 0) - log(1 + e**-|x|). At most 2 ulp."""
    zero, one = constants(kind, 0, 1)
    exp_of, log_of = exp[kind], log_of_sum[kind]

    @kernel_function
    def logsigmoid(x):
        e = exp_of(-abs(x))
        u = one + e
        return select(x > zero, zero, x) - log_of(u, e - (u - one))

    return logsigmoid
