"""Logarithms: log, log2, log10, log1p.

x = 2**e m with sqrt(1/2) <= m < sqrt(2), so log x = e ln 2 + log m. With f = m - 1 and s = f / (2 + f),
log m = 2 artanh s: a series in s**2 <= 0.03 that needs few terms. It is used as a correction to f - f**2 / 2, which
keeps the rounding error of the division small (the method of the Fortran and C libraries since the 1980s; P. Tang,
"Table-driven implementation of the logarithm function in IEEE floating-point arithmetic", ACM TOMS 16, 1990,
discusses it).
"""

# mypy: allow-untyped-defs
from __future__ import annotations

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
    power_of_two,
    select,
    shift_right,
)

# (2 artanh(s) - 2 s) / s**3 in s**2 for |s| <= (sqrt(2) - 1) / (sqrt(2) + 1): minimax as in vecmath_exp, error in the
# logarithm 2**-59.5 and 2**-30.2.
ARTANH_TAIL = {
    "float64": (
        0.6666666666666734, 0.3999999999941642, 0.2857142874211297, 0.22222198593383435, 0.18183563589768956,
        0.1531406298976374, 0.1479587841965138,
    ),
    "float32": (0.66666776, 0.3997758, 0.2987093),
}  # fmt: skip

# One binary digit in each base, as a number so short that its product with any exponent is exact, and the rest.
LN2_SHORT = {
    "float64": (0.6931471805598903, 5.497923018708371e-14),
    "float32": (0.693145751953125, 1.428606765330187e-06),
}
LOG10_2_SHORT = {
    "float64": (0.30102999566395283, 2.8363394551044964e-14),
    "float32": (0.30103302001953125, -3.024355464731343e-06),
}
# log2(e) and log10(e): the nearest number and the nearest to what is left.
LOG2_E = {
    "float64": (1.4426950408889634, 2.0355273740931033e-17),
    "float32": (1.4426950216293335, 1.925963033500011e-08),
}
LOG10_E = {
    "float64": (0.4342944819032518, 1.098319650216765e-17),
    "float32": (0.4342944920063019, -1.0103049952192578e-08),
}


@for_each_float
def split_normal(kind: str) -> Any:
    """(e, m) with x = 2**e m, sqrt(1/2) <= m < sqrt(2), for a positive normal x; e as a float."""
    form = FORMAT[kind]
    root_half = int(form.real(np.sqrt(0.5)).view(f"i{form.real().itemsize}"))
    # Less the bits of sqrt(1/2), the exponent field steps where m should wrap around.
    shift_of_steps = (form.bias << form.fraction_bits) - root_half
    fraction_mask = (1 << form.fraction_bits) - 1
    (bias,) = constants(kind, form.bias)

    @kernel_function
    def split_normal(x):
        stepped = bits(x) + shift_of_steps
        # Integer to float: the biased exponent as the last bits of a big number, which is then subtracted.
        biased = from_bits(shift_right(stepped, form.fraction_bits, x) + form.to_integer_bits, x)
        m = from_bits((stepped & fraction_mask) + root_half, x)
        return biased - (form.to_integer + bias), m

    return split_normal


@for_each_float
def split(kind: str) -> Any:
    """(e, m) as of `split_normal` for |x|, subnormal or not. For 0, inf and NaN any numbers."""
    form = FORMAT[kind]
    lift, lifted_by, zero = constants(kind, 2.0 ** (form.fraction_bits + 2), form.fraction_bits + 2, 0)
    of_normal = split_normal[kind]

    @kernel_function
    def split(x):
        x = abs(x)
        subnormal = x < form.smallest_normal
        e, m = of_normal(select(subnormal, x * lift, x))
        return e - select(subnormal, lifted_by, zero), m

    return split


@for_each_float
def log1p_shortfall(kind: str) -> Any:
    """f - log(1 + f) for sqrt(1/2) - 1 <= f <= sqrt(2) - 1, to about 1 ulp of itself."""
    half, two = constants(kind, 0.5, 2)
    tail = constants(kind, *ARTANH_TAIL[kind])

    @kernel_function
    def log1p_shortfall(f):
        half_square = half * f * f
        s = f / (two + f)
        z = s * s
        return fma(-s, fma(z, horner(z, tail), half_square), half_square)

    return log1p_shortfall


@for_each_float
def log_edges(kind: str) -> Any:
    """y, but for x = 0, x < 0, x = inf and NaN what a logarithm must be there."""
    zero, infinity, nan = constants(kind, 0, np.inf, np.nan)

    @kernel_function
    def log_edges(x, y):
        y = select(x > zero, y, select(x == zero, -infinity, nan))
        return select(x == infinity, x, y)

    return log_edges


@for_each_float
def log_of_parts(kind: str) -> Any:
    """e ln 2 + log(1 + f)."""
    ln2_short, ln2_rest = constants(kind, *LN2_SHORT[kind])
    shortfall = log1p_shortfall[kind]

    @kernel_function
    def log_of_parts(e, f):
        total = fma(e, ln2_short, f)
        lost = fma(e, ln2_short, -total) + f  # exactly what the sum lost, as |e ln2| >= |f| or e = 0 (Dekker, 1971)
        return total + (lost + fma(e, ln2_rest, -shortfall(f)))

    return log_of_parts


@for_each_float
def log(kind: str) -> Any:
    """The natural logarithm. At most 1 ulp."""
    (one,) = constants(kind, 1)
    split_x, of_parts, edges = split[kind], log_of_parts[kind], log_edges[kind]

    @kernel_function
    def log(x):
        e, m = split_x(x)
        return edges(x, of_parts(e, m - one))

    return log


@for_each_float
def log_of_sum(kind: str) -> Any:
    """log(u + lost) for a normal u > 0 and a `lost` too small to change it."""
    zero, one, huge = constants(kind, 0, 1, {"float64": 2.0**60, "float32": 2.0**30}[kind])
    form = FORMAT[kind]
    split_u, of_parts = split_normal[kind], log_of_parts[kind]

    @kernel_function
    def log_of_sum(u, lost):
        e, m = split_u(u)
        # u + lost = 2**e (m + 2**-e lost). For a huge u, 2**-e may not be a number, and `lost` is too small to matter.
        scale = select(u > huge, zero, power_of_two(bits(form.to_integer - e), u))
        return of_parts(e, fma(scale, lost, m - one))

    return log_of_sum


@for_each_float
def log1p(kind: str) -> Any:
    """log(1 + x) without the loss of the last bits of a small x. At most 2 ulp."""
    zero, one = constants(kind, 0, 1)
    of_sum, edges = log_of_sum[kind], log_edges[kind]

    @kernel_function
    def log1p(x):
        u = one + x
        lost = select(x > one, one - (u - x), x - (u - one))  # u + lost = 1 + x exactly
        return select(x == zero, x, edges(u, of_sum(u, lost)))

    return log1p


def _log_in_base(
    kind: str, short_and_rest: dict[str, tuple[float, float]], factor: dict[str, tuple[float, float]]
) -> Any:
    """e log_b(2) + log(m) log_b(e), the two products carried with about twice the digits."""
    (one,) = constants(kind, 1)
    unit_short, unit_rest = constants(kind, *short_and_rest[kind])
    factor_high, factor_low = constants(kind, *factor[kind])
    split_x, shortfall, edges = split[kind], log1p_shortfall[kind], log_edges[kind]

    @kernel_function
    def log_in_base(x):
        e, m = split_x(x)
        f = m - one
        low = fma(e, unit_rest, f * factor_low - shortfall(f) * factor_high)
        product = f * factor_high
        low += fma(f, factor_high, -product)
        total = fma(e, unit_short, product)
        lost = fma(e, unit_short, -total) + product
        return edges(x, total + (lost + low))

    return log_in_base


@for_each_float
def log2(kind: str) -> Any:
    """The logarithm to base 2; exact for powers of two. At most 2 ulp."""
    return _log_in_base(kind, {kind: (1.0, 0.0)}, LOG2_E)


@for_each_float
def log10(kind: str) -> Any:
    """The logarithm to base 10; exact for powers of ten. At most 2 ulp."""
    return _log_in_base(kind, LOG10_2_SHORT, LOG10_E)
