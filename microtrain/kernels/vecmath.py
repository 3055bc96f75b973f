"""Elementary functions that LLVM can vectorise.

A Numba loop over `math.exp` calls the C library once for each element, ten times slower than NumPy. The functions here
are plain arithmetic, without a branch and without a call, so LLVM inlines them into a loop and computes four to
sixteen elements at once:

    exp = TABLE["exp"]["float64"]  # or vecmath.exp_f64

    @numba.njit(error_model="numpy")
    def kernel(x, out):
        wide_vectors()
        for i in range(x.size):
            out[i] = exp(x[i])

Arguments must be of the function's own type. NaN and infinities go in and come out as in C and NumPy, zeros keep
their signs, nothing is flushed to zero, and the bits are the same on every machine. The docstring of each function
bounds its error in ulps (units in the last place of the exact result). Nothing is compiled before it is first called.

`sin`, `cos` and `tan` are good for |x| <= `RANGE[name][dtype]` and return NaN beyond. A loop that must serve every
argument notices a larger one (`large |= abs(x[i]) > limit` vectorises), and if there was one does the block again
with `FULL[name][dtype]`, which is right everywhere but calls the C library. It must not have overwritten its input
by then.
"""

from __future__ import annotations

from typing import Any

from . import (
    vecmath_activations,
    vecmath_erf,
    vecmath_exp,
    vecmath_inverse,
    vecmath_log,
    vecmath_pow,
    vecmath_tanh,
    vecmath_trig,
)
from .vecmath_bits import wide_vectors

__all__ = ["FULL", "RANGE", "TABLE", "wide_vectors"]

_FAMILIES = {
    vecmath_exp: ("exp", "exp2", "expm1", "sinh", "cosh"),
    vecmath_log: ("log", "log1p", "log2", "log10"),
    vecmath_pow: ("pow",),
    vecmath_activations: ("sigmoid", "silu", "mish", "logsigmoid"),
    vecmath_tanh: ("tanh",),
    vecmath_erf: ("erf",),
    vecmath_trig: ("sin", "cos", "tan"),
    vecmath_inverse: ("atan", "atan2", "asin", "acos"),
}

TABLE: dict[str, dict[str, Any]] = {
    name: getattr(family, name) for family, names in _FAMILIES.items() for name in names
}
FULL: dict[str, dict[str, Any]] = {name: getattr(vecmath_trig, f"{name}_full") for name in ("sin", "cos", "tan")}
RANGE: dict[str, dict[str, float]] = dict.fromkeys(FULL, vecmath_trig.RANGE)

# The same by name: exp_f64, exp_f32, ..., sin_f64_full.
for _functions in (*TABLE.values(), *FULL.values()):
    globals().update({function.__name__: function for function in _functions.values()})
del _functions
