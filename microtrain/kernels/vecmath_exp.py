"""The exponential and its relatives: exp, exp2, expm1, sinh, cosh; in other files also sigmoid and tanh.

All rest on one reduction (W. J. Cody, W. Waite, "Software Manual for the Elementary Functions", 1980):
x = k ln 2 + r with an integer k and |r| <= ln(2)/2, so e**x = 2**k e**r, and a short polynomial gives e**r.

The polynomials are minimax fits (Remez exchange, 180 bits, relative error); their coefficients were rounded one
at a time from the lowest power up, the rest refitted each time. The comment says what error is left.
"""

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

# ln 2 as the nearest number of the format, and the nearest to what is left.
LN2 = {
    "float64": (0.6931471805599453, 2.3190468138462996e-17),
    "float32": (0.6931471824645996, -1.9046542121259336e-09),
}
LOG2_E = 1.4426950408889634

# (e**r - 1 - r) / r**2 for |r| <= ln(2)/2; error in e**r: 2**-57.9 and 2**-28.1.
EXP_TAIL = {
    "float64": (
        0.5000000000000011, 0.16666666666666438, 0.041666666666528074, 0.00833333333348745, 0.0013888888943963177,
        0.00019841269510574648, 2.4801492885734426e-05, 2.755758844756554e-06, 2.7630291706967794e-07,
        2.4998373429041772e-08,
    ),
    "float32": (0.49999994, 0.16666517, 0.041668247, 0.00836908, 0.0013820933),
}  # fmt: skip

# The same with the error measured against e**r - 1: 2**-61.6 and 2**-28.2.
EXPM1_TAIL = {
    "float64": (
        0.5, 0.16666666666666677, 0.041666666666666685, 0.008333333333321818, 0.0013888888888893686,
        0.00019841269885249424, 2.4801587278964807e-05, 2.7557245273163607e-06, 2.755732952445297e-07,
        2.5108637161568755e-08, 2.0893938978716245e-09,
    ),
    "float32": (0.5, 0.16666636, 0.04166651, 0.008341604, 0.0013930588, 0.00014932688),
}  # fmt: skip

# (2**r - 1) / r for |r| <= 1/2; error in 2**r: 2**-59.7 and 2**-31.4.
EXP2_TAIL = {
    "float64": (
        0.6931471805599453, 0.2402265069591007, 0.05550410866482338, 0.009618129107630213, 0.0013333558146030574,
        0.00015403530389109467, 1.525273417644378e-05, 1.3215490803320614e-06, 1.0177925222329132e-07,
        7.053311166476758e-09, 4.4747962947554557e-10, 2.7982945558774324e-11,
    ),
    "float32": (0.6931472, 0.2402265, 0.05550401, 0.009618083, 0.0013342842, 0.00015453873, 1.2986637e-05),
}  # fmt: skip

# (sinh(x) / x - 1) / x**2 as a polynomial in x**2 for |x| <= 1; error in sinh: 2**-61.7 and 2**-31.5.
SINH_TAIL = {
    "float64": (
        0.16666666666666669, 0.008333333333332915, 0.00019841269841589228, 2.755731910845417e-06,
        2.5052130692379405e-08, 1.605668453193396e-10, 7.775814230493721e-13,
    ),
    "float32": (0.16666667, 0.008333311, 0.00019842635, 2.783925e-06),
}  # fmt: skip


# Beyond these e**x is inf and 0, and clamping keeps the exponent arithmetic in its range.
EXP_BOUNDS = {"float64": (-746.0, 711.0), "float32": (-104.0, 90.0)}


@for_each_float
def reduce_by_ln2(kind: str) -> Any:
    """x = k ln 2 + r: (k for power_of_two, r, high, low), |r| <= ln(2)/2 and a little.

    r is high - low in one number; high is exact, low is tiny.
    """
    form = FORMAT[kind]
    (log2_e,) = constants(kind, LOG2_E)
    ln2_high, ln2_low = constants(kind, *LN2[kind])

    @kernel_function
    def reduce(x):
        shifted = fma(x, log2_e, form.to_integer)
        k = shifted - form.to_integer
        # Exact: the difference is small and all its bits are bits of x or of k * ln2_high.
        high = fma(-k, ln2_high, x)
        return bits(shifted), fma(-k, ln2_low, high), high, k * ln2_low

    return reduce


@for_each_float
def scaled(kind: str) -> Any:
    """y 2**k, rounded once even where the result is subnormal. `shrinking` says that k <= 0, else k >= 0."""
    down, up = constants(kind, 2.0**-100, 2.0**100)

    @kernel_function
    def scale(y, k, shrinking):
        # Two factors, since 2**k may not be a number of the format where y 2**k is one.
        return y * power_of_two(k + select(shrinking, 100, -100), y) * select(shrinking, down, up)

    return scale


@for_each_float
def exp_in_parts(kind: str) -> Any:
    """(k, y): e**x = 2**k y for x within EXP_BOUNDS; y is within 0.9 ulp."""
    series = constants(kind, 1, 1, *EXP_TAIL[kind])
    reduce = reduce_by_ln2[kind]

    @kernel_function
    def exp_in_parts(x):
        k, r, _, _ = reduce(x)
        return k, horner(r, series)

    return exp_in_parts


@for_each_float
def exp(kind: str) -> Any:
    """e**x. At most 1 ulp."""
    (zero,) = constants(kind, 0)
    in_parts, scale = exp_in_parts[kind], scaled[kind]
    lowest, highest = constants(kind, *EXP_BOUNDS[kind])

    @kernel_function
    def exp(x):
        x = select(x < lowest, lowest, x)  # NaN goes through: comparisons with it fail
        x = select(x > highest, highest, x)
        k, y = in_parts(x)
        return scale(y, k, x < zero)

    return exp


@for_each_float
def exp_inside(kind: str) -> Any:
    """e**x where the result is a normal number: for an argument known to be small. At most 1 ulp."""
    in_parts = exp_in_parts[kind]

    @kernel_function
    def exp_inside(x):
        k, y = in_parts(x)
        return y * power_of_two(k, y)

    return exp_inside


@for_each_float
def half_exp_of_abs(kind: str) -> Any:
    """e**|x| / 2, also where e**|x| alone would overflow. At most 1 ulp."""
    in_parts, scale = exp_in_parts[kind], scaled[kind]
    (highest,) = constants(kind, EXP_BOUNDS[kind][1])

    @kernel_function
    def half_exp_of_abs(x):
        x = abs(x)
        k, y = in_parts(select(x > highest, highest, x))
        return scale(y, k - 1, False)

    return half_exp_of_abs


@for_each_float
def exp2(kind: str) -> Any:
    """2**x; exact for integers. At most 1 ulp."""
    form = FORMAT[kind]
    zero, one = constants(kind, 0, 1)
    tail = constants(kind, *EXP2_TAIL[kind])
    lowest, highest = constants(kind, *{"float64": (-1076, 1025), "float32": (-151, 129)}[kind])
    scale = scaled[kind]

    @kernel_function
    def exp2(x):
        x = select(x < lowest, lowest, x)
        x = select(x > highest, highest, x)
        shifted = x + form.to_integer
        r = x - (shifted - form.to_integer)
        return scale(fma(r, horner(r, tail), one), bits(shifted), x < zero)

    return exp2


@for_each_float
def expm1(kind: str) -> Any:
    """e**x - 1 without the cancellation near 0. At most 2 ulp."""
    half, two = constants(kind, 0.5, 2)
    # The result is -1 below the first, inf above the second, and x, to the last bit, for |x| below the third.
    bounds = {"float64": (-40, 709.79, 2.0**-54), "float32": (-20, 88.73, 2.0**-25)}
    lowest, highest, tiny = constants(kind, *bounds[kind])
    tail = constants(kind, *EXPM1_TAIL[kind])
    reduce = reduce_by_ln2[kind]

    @kernel_function
    def expm1(x):
        clamped = select(x < lowest, lowest, x)
        k, r, high, low = reduce(select(clamped > highest, highest, clamped))
        expm1_of_r = high + fma(r * r, horner(r, tail), -low)
        # 2**k (1 + expm1(r)) - 1, halved and doubled because 2**k overflows a little before the result does.
        scale = power_of_two(k - 1, x)
        y = two * fma(scale, expm1_of_r, scale - half)
        return select(abs(x) < tiny, x, y)

    return expm1


@for_each_float
def sinh(kind: str) -> Any:
    """(e**x - e**-x) / 2; up to |x| = 1 an odd polynomial, for the cancellation. At most 2 ulp."""
    form = FORMAT[kind]
    one, quarter = constants(kind, 1, 0.25)
    tail = constants(kind, *SINH_TAIL[kind])
    half_exp_of = half_exp_of_abs[kind]

    @kernel_function
    def sinh(x):
        z = x * x
        small = fma(x * z, horner(z, tail), x)
        growing = half_exp_of(x)
        large = growing - quarter / growing
        large = from_bits(bits(large) | (bits(x) & form.sign_mask), x)
        return select(abs(x) < one, small, large)

    return sinh


@for_each_float
def cosh(kind: str) -> Any:
    """(e**x + e**-x) / 2. At most 2 ulp."""
    (quarter,) = constants(kind, 0.25)
    half_exp_of = half_exp_of_abs[kind]

    @kernel_function
    def cosh(x):
        growing = half_exp_of(x)
        return growing + quarter / growing

    return cosh
