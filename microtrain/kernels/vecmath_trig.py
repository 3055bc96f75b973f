"""Sine, cosine, tangent.

x = j pi/2 + r with an integer j and |r| <= pi/4; then sin x is sin r or cos r up to the sign, by j mod 4. pi/2 comes in
three numbers (W. J. Cody, W. Waite, "Software Manual for the Elementary Functions", 1980), and with an FMA each of
them may use all its bits. That is exact enough up to `RANGE`; beyond, these functions give NaN, loudly, and the
`_full` versions the right value with the C library's help.
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

# The largest |x| that the reduction by three parts of pi/2 serves. Larger ones are rare in training: a loop that wants
# them right looks whether there was one, and if so goes over the block again with the `_full` function.
RANGE = {"float64": 1e9, "float32": 1e5}

# pi/2 as three numbers of the format: the nearest, the nearest to what is left, and again.
HALF_PI = {
    "float64": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
    "float32": (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
}
TWO_OVER_PI = 0.6366197723675814

# (sin(r) / r - 1) / r**2 in r**2 for |r| <= pi/4 and a little; minimax as in vecmath_exp, error in the sine 2**-58.0
# and 2**-27.9.
SIN_TAIL = {
    "float64": (
        -0.16666666666666632, 0.008333333333322486, -0.00019841269829853355, 2.7557313705049996e-06,
        -2.505075988525366e-08, 1.5896886142991712e-10,
    ),
    "float32": (-0.16666654, 0.008332102, -0.0001950685),
}  # fmt: skip

# (cos(r) - 1 + r**2 / 2) / r**4 in r**2, likewise; error in the cosine 2**-63.9 and 2**-32.8.
COS_TAIL = {
    "float64": (
        0.041666666666666595, -0.001388888888887334, 2.4801587288999525e-05, -2.7557314216004316e-07,
        2.0875705220726283e-09, -1.1358738597331724e-11,
    ),
    "float32": (0.041666646, -0.0013887302, 2.4430989e-05),
}  # fmt: skip


@for_each_float
def sin_and_cos(kind: str) -> Any:
    """x = j pi/2 + r: (j, sine, its rest, cosine, its rest) of r. Of the integer j only the last bits count.

    Sine and cosine alone are within 0.9 ulp, with their rests within 0.4.
    """
    form = FORMAT[kind]
    one, half, two_over_pi = constants(kind, 1, 0.5, TWO_OVER_PI)
    first, second, third = constants(kind, *HALF_PI[kind])
    sin_tail, cos_tail = constants(kind, *SIN_TAIL[kind]), constants(kind, *COS_TAIL[kind])

    @kernel_function
    def sin_and_cos(x):
        shifted = fma(x, two_over_pi, form.to_integer)
        j = shifted - form.to_integer
        t = fma(-j, first, x)  # exact: small, and all its bits are bits of x or of j * first
        product = j * second
        r = t - product
        # What r lacks: what the difference lost, what the product lost, and the third part.
        low = fma(-j, third, ((t - r) - product) + fma(-j, second, product))
        z = r * r
        correction = fma(r * z, horner(z, sin_tail), low)
        sine = r + correction
        sine_rest = (r - sine) + correction
        half_square = half * z
        most = one - half_square
        lost = (one - most) - half_square
        correction = lost + fma(z * z, horner(z, cos_tail), -r * low)
        cosine = most + correction
        return bits(shifted), sine, sine_rest, cosine, (most - cosine) + correction

    return sin_and_cos


@for_each_float
def sin(kind: str) -> Any:
    """The sine for |x| <= RANGE, NaN beyond. At most 1 ulp."""
    form = FORMAT[kind]
    zero, nan, limit = constants(kind, 0, np.nan, RANGE[kind])
    both = sin_and_cos[kind]
    to_sign = np.dtype(kind).itemsize * 8 - 2  # from bit 1 of j to the sign bit

    @kernel_function
    def sin(x):
        j, sine, _, cosine, _ = both(x)
        y = select((j & 1) == 0, sine, cosine)
        y = from_bits(bits(y) ^ ((j << to_sign) & form.sign_mask), x)
        y = select(x == zero, x, y)
        return select(abs(x) <= limit, y, nan)

    return sin


@for_each_float
def cos(kind: str) -> Any:
    """The cosine for |x| <= RANGE, NaN beyond. At most 1 ulp."""
    form = FORMAT[kind]
    nan, limit = constants(kind, np.nan, RANGE[kind])
    both = sin_and_cos[kind]
    to_sign = np.dtype(kind).itemsize * 8 - 2

    @kernel_function
    def cos(x):
        j, sine, _, cosine, _ = both(x)
        y = select((j & 1) == 0, cosine, sine)
        y = from_bits(bits(y) ^ (((j + 1) << to_sign) & form.sign_mask), x)
        return select(abs(x) <= limit, y, nan)

    return cos


@for_each_float
def tan(kind: str) -> Any:
    """The tangent for |x| <= RANGE, NaN beyond. At most 2 ulp."""
    zero, nan, limit = constants(kind, 0, np.nan, RANGE[kind])
    both, divide = sin_and_cos[kind], quotient_of_sums[kind]

    @kernel_function
    def tan(x):
        j, sine, sine_rest, cosine, cosine_rest = both(x)
        even = (j & 1) == 0
        top, top_rest = select(even, sine, -cosine), select(even, sine_rest, -cosine_rest)
        bottom, bottom_rest = select(even, cosine, sine), select(even, cosine_rest, sine_rest)
        y = divide(top, top_rest, bottom, bottom_rest)
        y = select(x == zero, x, y)
        return select(abs(x) <= limit, y, nan)

    return tan


def _full(kind: str, fast: dict[str, Any], of_library: Any) -> Any:
    """The fast function inside RANGE, the C library's beyond: a branch and a call, so it does not vectorise."""
    (limit,) = constants(kind, RANGE[kind])
    real, fast_function = FORMAT[kind].real, fast[kind]

    @kernel_function
    def full(x):
        return fast_function(x) if abs(x) <= limit else real(of_library(np.float64(x)))

    return full


@for_each_float
def sin_full(kind: str) -> Any:
    """The sine of any x; slow. At most 1 ulp where the C library's is."""
    return _full(kind, sin, math.sin)


@for_each_float
def cos_full(kind: str) -> Any:
    """The cosine of any x; slow. At most 1 ulp where the C library's is."""
    return _full(kind, cos, math.cos)


@for_each_float
def tan_full(kind: str) -> Any:
    """The tangent of any x; slow. At most 2 ulp where the C library's is."""
    return _full(kind, tan, math.tan)
