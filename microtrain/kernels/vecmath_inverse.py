"""The inverse trigonometric functions: atan, atan2, asin, acos.

Each folds its argument to a short interval by an identity (W. J. Cody, W. Waite, "Software Manual for the Elementary
Functions", 1980), where an odd minimax polynomial serves, and unfolds the result with multiples of pi/4 in two parts.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .vecmath_bits import (
    FORMAT,
    bits,
    constants,
    fma,
    for_each_float,
    from_bits,
    horner,
    kernel_function,
    quotient_of_sums,
    select,
)

# pi as the nearest number and the nearest to what is left; halves and quarters of both are exact.
PI = {
    "float64": (3.141592653589793, 1.2246467991473532e-16),
    "float32": (3.1415927410125732, -8.742277657347586e-08),
}

# (atan(q) / q - 1) / q**2 in q**2 for |q| <= tan(pi/8): minimax as in vecmath_exp, error in atan 2**-59.4 and 2**-30.5.
ATAN_TAIL = {
    "float64": (
        -0.333333333333332, 0.19999999999953819, -0.14285714280220638, 0.11111110784689078, -0.09090897793445415,
        0.07692060851690939, -0.06663111258382982, 0.05847941329387154, -0.05039536719924541, 0.03807039345073283,
        -0.017913533806856223,
    ),
    "float32": (-0.33333316, 0.19998531, -0.14244473, 0.10599879, -0.06092009),
}  # fmt: skip

# (asin(a) / a - 1) / a**2 in a**2 for |a| <= 1/2; error in asin 2**-55.8 and 2**-27.6.
ASIN_TAIL = {
    "float64": (
        0.16666666666665383, 0.0750000000034299, 0.04464285682348594, 0.030381959332148763, 0.022371753482332224,
        0.017359771998381755, 0.013884587035388576, 0.012173371068036579, 0.006510388136130598, 0.019575353997331697,
        -0.01629659960481405, 0.0319608578307521,
    ),
    "float32": (0.16666754, 0.07495251, 0.045476176, 0.024151314, 0.042213257),
}  # fmt: skip

TAN_OF_PI_OVER_8 = 0.41421356237309503


@for_each_float
def angle(kind: str) -> Any:
    """atan(y / x) plus a multiple of pi, for a point (|x|, |y|) given as the smaller and the larger coordinate.

    The larger one must have a reciprocal (neither be infinite nor too small).

    `turned` says that y is the larger one, `mirrored` that x is negative: the angle is then seen from the y axis, or
    from the negative x axis.
    """
    zero, one, two, four, border = constants(kind, 0, 1, 2, 4, TAN_OF_PI_OVER_8)
    quarter_pi, quarter_pi_rest = constants(kind, *(part / 4 for part in PI[kind]))
    tail = constants(kind, *ATAN_TAIL[kind])
    divide = quotient_of_sums[kind]

    @kernel_function
    def angle(smaller, larger, turned, mirrored):
        # atan(t) = pi/4 + atan((t - 1) / (t + 1)) brings what is near the diagonal to near 0.
        diagonal = smaller > border * larger
        top = select(diagonal, smaller - larger, smaller)
        bottom = select(diagonal, smaller + larger, larger)
        top_rest = select(diagonal, smaller - (top + larger), zero)
        bottom_rest = select(diagonal, smaller - (bottom - larger), zero)
        q = divide(top, top_rest, bottom, bottom_rest)
        z = q * q
        small_angle = fma(q * z, horner(z, tail), q)
        # The result is quarters * pi/4 + or - small_angle.
        quarters = select(diagonal, one, zero)
        quarters = select(turned, two - quarters, quarters)
        quarters = select(mirrored, four - quarters, quarters)
        small_angle = select(turned != mirrored, -small_angle, small_angle)
        return fma(quarters, quarter_pi, fma(quarters, quarter_pi_rest, small_angle))

    return angle


@for_each_float
def atan(kind: str) -> Any:
    """The arc tangent. At most 2 ulp."""
    form = FORMAT[kind]
    one, huge = constants(kind, 1, 2.0**60)
    angle_of = angle[kind]

    @kernel_function
    def atan(x):
        a = abs(x)
        a = select(a > huge, huge, a)
        turned = a > one
        y = angle_of(select(turned, one, a), select(turned, a, one), turned, False)
        return from_bits(bits(y) | (bits(x) & form.sign_mask), x)

    return atan


@for_each_float
def atan2(kind: str) -> Any:
    """The angle of the point (x, y), with the special cases of C's `atan2`. At most 2 ulp."""
    form = FORMAT[kind]
    zero, one, infinity = constants(kind, 0, 1, np.inf)
    # Scaled by such factors, the larger coordinate has a reciprocal and the sum of both does not overflow.
    bounds = {"float64": (2.0**1000, 2.0**-60, 2.0**-960, 2.0**60), "float32": (2.0**120, 2.0**-30, 2.0**-90, 2.0**30)}
    large, shrink, small, grow = constants(kind, *bounds[kind])
    angle_of = angle[kind]

    @kernel_function
    def atan2(y, x):
        a, b = abs(y), abs(x)
        turned = a > b
        smaller, larger = select(turned, b, a), select(turned, a, b)
        factor = select(larger > large, shrink, select(larger < small, grow, one))
        # inf / inf counts as 1 / 1, finite / inf as 0 / 1 (and NaN / inf as NaN), 0 / 0 as 0 / 1.
        infinite = larger == infinity
        of_infinite = select(smaller == infinity, one, smaller - smaller)
        smaller = select(infinite, of_infinite, smaller * factor)
        larger = select(infinite | (larger == zero), one, larger * factor)
        angle_above = angle_of(smaller, larger, turned, (bits(x) & form.sign_mask) != 0)
        return from_bits(bits(angle_above) | (bits(y) & form.sign_mask), y)

    return atan2


@for_each_float
def asin_in_parts(kind: str) -> Any:
    """(a, rest, folded): asin |x| = a + rest up to |x| = 1/2, and pi/2 - (a + rest) beyond ("folded")."""
    two, half = constants(kind, 2, 0.5)
    tail = constants(kind, *ASIN_TAIL[kind])

    @kernel_function
    def asin_in_parts(x):
        a = abs(x)
        folded = a > half
        # asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)); the square root of a negative number makes the NaN for a > 1.
        z = select(folded, half - half * a, a * a)
        a = select(folded, two * math.sqrt(z), a)
        return a, a * z * horner(z, tail), folded

    return asin_in_parts


@for_each_float
def asin(kind: str) -> Any:
    """The arc sine. At most 2 ulp."""
    form = FORMAT[kind]
    half_pi, half_pi_rest = constants(kind, *(part / 2 for part in PI[kind]))
    in_parts = asin_in_parts[kind]

    @kernel_function
    def asin(x):
        a, rest, folded = in_parts(x)
        high = half_pi - a
        lost = (half_pi - high) - a
        y = select(folded, high + (lost + (half_pi_rest - rest)), a + rest)
        return from_bits(bits(y) | (bits(x) & form.sign_mask), x)

    return asin


@for_each_float
def acos(kind: str) -> Any:
    """The arc cosine. At most 2 ulp."""
    form = FORMAT[kind]
    half, pi, pi_rest = constants(kind, 0.5, *PI[kind])
    half_pi, half_pi_rest = constants(kind, *(part / 2 for part in PI[kind]))
    in_parts = asin_in_parts[kind]

    @kernel_function
    def acos(x):
        a, rest, folded = in_parts(x)
        # pi/2 - asin x in the middle (with the sign of x), pi - (a + rest) on the left, a + rest on the right.
        sign = select(folded, 0, bits(x) & form.sign_mask)
        a, rest = from_bits(bits(a) ^ sign, x), from_bits(bits(rest) ^ sign, x)
        start, start_rest = select(folded, pi, half_pi), select(folded, pi_rest, half_pi_rest)
        return select(x > half, a + rest, start - (a + (rest - start_rest)))

    return acos
