"""The power x**y.

x**y = 2**(y log2 x), and y log2 x may be near 1024: half an ulp of error in it would be hundreds of ulps in the
result. So the logarithm is carried as the sum of two numbers, high + low, with about twice the digits (T. Dekker, "A
floating-point technique for extending the available precision", Numerische Mathematik 18, 1971).
"""

# mypy: allow-untyped-defs
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .vecmath_bits import FORMAT, bits, constants, fma, for_each_float, from_bits, horner, kernel_function, select
from .vecmath_exp import EXP2_TAIL, scaled
from .vecmath_log import split

# log2(m) = s (c1 + s**2 (c3 + s**2 tail(s**2))) with s = (m - 1) / (m + 1): c1 = 2 / ln 2 and c3 = 2 / (3 ln 2) in two
# parts, the tail a minimax polynomial as in vecmath_exp; error in the logarithm 2**-66.3 and 2**-36.8.
C1 = {
    "float64": (2.8853900817779268, 4.0710547481862066e-17),
    "float32": (2.885390043258667, 3.851926067000022e-08),
}
C3 = {
    "float64": (0.9617966939259756, 5.0577616648125907e-17),
    "float32": (0.9617967009544373, -7.028461812552678e-09),
}
LOG2_TAIL = {
    "float64": (
        0.577078016355618, 0.4121985830919388, 0.32059890227393206, 0.26230770108251805, 0.2219840001507062,
        0.191255096608979, 0.19038610057476224,
    ),
    "float32": (0.5770802, 0.4118499, 0.33782205),
}  # fmt: skip


@for_each_float
def log2_in_two(kind: str) -> Any:
    """(high, low): log2 |x| for finite x != 0, as a sum."""
    (one,) = constants(kind, 1)
    c1, c1_rest = constants(kind, *C1[kind])
    c3, c3_rest = constants(kind, *C3[kind])
    tail = constants(kind, *LOG2_TAIL[kind])
    split_x = split[kind]

    @kernel_function
    def log2_in_two(x):
        e, m = split_x(x)
        # s = (m - 1) / (m + 1): divide, then divide what the product lacks.
        numerator = m - one
        denominator = m + one
        denominator_rest = m - (denominator - one)
        reciprocal = one / denominator
        s = numerator * reciprocal
        s_rest = fma(-s, denominator_rest, fma(-s, denominator, numerator)) * reciprocal
        z = s * s
        z_rest = fma(s + s, s_rest, fma(s, s, -z))
        # The series from inside out; the name_rest is always what the number before it lacks.
        t = z * horner(z, tail)
        b = c3 + t
        b_rest = ((c3 - b) + t) + c3_rest
        p = z * b
        p_rest = fma(z_rest, b, fma(z, b_rest, fma(z, b, -p)))
        a = c1 + p
        a_rest = ((c1 - a) + p) + (p_rest + c1_rest)
        q = s * a
        q_rest = fma(s_rest, a, fma(s, a_rest, fma(s, a, -q)))
        high = e + q
        return high, ((e - high) + q) + q_rest

    return log2_in_two


@for_each_float
def oddness(kind: str) -> Any:
    """(has y a fraction, is it an odd integer); infinity counts as an even integer."""
    (border,) = constants(kind, 2.0 ** FORMAT[kind].fraction_bits)  # from here on every number is an integer
    (even,) = constants(kind, 2.0 ** (FORMAT[kind].fraction_bits + 1))  # and from here on an even one

    @kernel_function
    def oddness(y):
        a = abs(y)
        small = a < border
        integer_in_last_bits = select(small, a + border, a)
        rounded = select(small, integer_in_last_bits - border, a)
        is_odd = (rounded == a) & ((bits(integer_in_last_bits) & 1) == 1) & (a < even)
        return rounded != a, is_odd

    return oddness


@for_each_float
def pow(kind: str) -> Any:
    """x**y with the special cases of C's `pow` (IEEE 754-2008, 9.2.1). At most 2 ulp."""
    form = FORMAT[kind]
    zero, one, infinity, nan = constants(kind, 0, 1, np.inf, np.nan)
    # A larger exponent gives the same result: |log2 x| >= 1.4 * 2**-53 (2**-24) unless x = 1.
    largest_exponent, saturated = constants(kind, *{"float64": (2.0**70, 1100), "float32": (2.0**40, 155)}[kind])
    tail = constants(kind, *EXP2_TAIL[kind])
    log2_of, parity, scale = log2_in_two[kind], oddness[kind], scaled[kind]

    @kernel_function
    def pow(x, y):
        absolute = abs(x)
        exponent = select(y > largest_exponent, largest_exponent, y)
        exponent = select(exponent < -largest_exponent, -largest_exponent, exponent)
        log_high, log_low = log2_of(x)
        high = exponent * log_high
        low = fma(exponent, log_low, fma(exponent, log_high, -high))

        # 2**(high + low)
        low = select(abs(high) > saturated, zero, low)
        high = select(high > saturated, saturated, high)
        high = select(high < -saturated, -saturated, high)
        shifted = high + form.to_integer
        r = (high - (shifted - form.to_integer)) + low
        size = scale(fma(r, horner(r, tail), one), bits(shifted), high < zero)

        vanishing = absolute == zero
        size = select(vanishing | (absolute == infinity), select(vanishing == (y < zero), infinity, zero), size)
        has_fraction, is_odd = parity(y)
        sign = select(is_odd, bits(x) & form.sign_mask, 0)
        result = from_bits(bits(size) | sign, x)
        no_real_power = (x < zero) & (absolute < infinity) & has_fraction
        result = select(no_real_power, nan, result)
        result = select(math.isnan(x) | math.isnan(y), nan, result)
        return select((x == one) | (y == zero), one, result)

    return pow
