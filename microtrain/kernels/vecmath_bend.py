"""The last step of tanh and erf in float32: v - 4/27 v**3.

Both functions are that of some function v which is x near 0 (x 2/sqrt(pi) for erf) and goes to 3/2, the top of the cubic,
where its slope is 0. So v may be x plus a correction: where that is small its rounding errors are, and where it is large
the cubic takes them away. Computed without such a step, as one quotient, tanh has errors of 5 ulp.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

from .vecmath_bits import FORMAT, bits, constants, fma, from_bits, kernel_function

BEND = 4 / 27
(_MINUS_BEND,) = constants("float32", -BEND)
_SIGN = FORMAT["float32"].sign_mask


@kernel_function
def bent(v, x):
    """v - BEND v**3 with the sign of x: a v of -0 is hard to get, as -0 + 0 is 0."""
    y = fma(v * v, _MINUS_BEND * v, v)
    return from_bits(bits(y) | (bits(x) & _SIGN), x)
