"""The hyperbolic tangent."""

# mypy: allow-untyped-defs
from __future__ import annotations

from typing import Any

from .vecmath_bend import bent
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
from .vecmath_exp import LN2, LOG2_E

# (tanh(s) / s - 1) / s**2 in s**2 for |s| <= 0.256; minimax as in vecmath_exp, error in the tangent 2**-57.2.
TANH_TAIL = (
    -0.33333333333332593, 0.13333333333044797, -0.053968253587475104, 0.02186946468103979, -0.008862434527785429,
    0.0035772841224769964, -0.0013117639509377566,
)  # fmt: skip

# So k = 1 begins where tanh(x) = 1/4 and k = 2 beyond 1/2: an ulp is twice as large from there on.
TANH_SHIFT = 0.0823

# (v / x - 1) / x**2 as a quotient in x**2 for |x| <= 9.02, where `bent` of v is tanh(x): minimax as in vecmath_exp, error in
# tanh 2**-27.2.
UNBENT_TOP = (-0.18518503, -0.086887926, -0.010781238, -0.00036609432, -2.1220487e-06)
UNBENT_BOTTOM = (1, 0.74474436, 0.1767969, 0.01528212, 0.00042619038, 2.2019433e-06)


def by_exponential() -> Any:
    """The addition theorem for x = k ln(2)/2 + s, with t = tanh(s) and tanh(k ln(2)/2) = (2**k - 1) / (2**k + 1).

    That is (a + b t) / (b + a t) with a = 2**k - 1 and b = 2**k + 1. For larger k it is 1 - (2 - 2 t) / (b + a t), as
    rounding errors of a number near 1 would cost more than those of the small one.
    """
    kind = "float64"
    form = FORMAT[kind]
    one, two, shift, steps = constants(kind, 1, 2, TANH_SHIFT, 2 * LOG2_E)
    half_ln2, half_ln2_rest = constants(kind, *(part / 2 for part in LN2[kind]))
    (saturated,) = constants(kind, 20)  # beyond, tanh is 1 to the last bit
    to_exponent = form.to_integer + form.real(form.bias)  # has the bits of a power of two's exponent at its end
    tail = constants(kind, *TANH_TAIL)

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


def by_quotient() -> Any:
    """x plus a correction that is a quotient, then bent: at this precision less work than an exponential."""
    kind = "float32"
    (saturated,) = constants(kind, 9.02)  # from where on tanh is 1 to the last bit
    top, bottom = constants(kind, *UNBENT_TOP), constants(kind, *UNBENT_BOTTOM)

    @kernel_function
    def tanh(x):
        inside = select(x > saturated, saturated, select(x < -saturated, -saturated, x))
        z = inside * inside
        return bent(fma(z * horner(z, top) / horner(z, bottom), inside, inside), x)

    return tanh


@for_each_float
def tanh(kind: str) -> Any:
    """By exponentials for float64, by a rational function for float32. At most 2 ulp."""
    return by_exponential() if kind == "float64" else by_quotient()
