"""The error function."""

# mypy: allow-untyped-defs
from __future__ import annotations

from typing import Any

from .vecmath_bend import bent
from .vecmath_bits import FORMAT, bits, constants, fma, for_each_float, from_bits, horner, kernel_function, select
from .vecmath_exp import exp_inside

# erf(x) / x - 1 in x**2 for |x| <= 1; minimax as in vecmath_exp, error in erf 2**-56.0.
ERF_NEAR = (
    0.12837916709551256, -0.37612638903183404, 0.1128379167094174, -0.026866170643015747, 0.005223977607122574,
    -0.0008548326038254971, 0.0001205529809885558, -1.4924815837776333e-05, 1.6448548338055341e-06,
    -1.6217871735154206e-07, 1.3762934906285606e-08, -7.878645261011153e-10,
)  # fmt: skip

# log(1 - erf(x)) in x for 1 <= x <= 6, weighted with (1 - erf) / erf; error in erf 2**-57.0.
LOG_ERFC = (
    -5.02839260794243e-07, -1.1283740895686722, -0.636643627718077, -0.10270344040278198, 0.01899018024362055,
    0.0004106264525916449, -0.0019159424321651413, 0.0007706430782249558, -0.000135050727625506,
    -2.026624173007883e-05, 2.2822240032477502e-05, -8.667052421299715e-06, 2.1356431060176753e-06,
    -3.7329517806439464e-07, 4.642165677453917e-08, -3.934127993786221e-09, 2.0448780677191414e-10,
    -4.928375259987387e-12,
)  # fmt: skip

# v / x - 1 in x**2 for |x| <= 3.92, where `bent` of v is erf(x); error in erf 2**-27.3.
UNBENT = (
    0.12837917, -0.16328229, 0.020438544, -0.0019288249, 0.00013940383, -7.8430176e-06, 3.4476312e-07, -1.1486449e-08,
    2.5960751e-10, -2.9178485e-12,
)  # fmt: skip


def by_exponential() -> Any:
    """Near 0 an odd polynomial, further out 1 - e**polynomial."""
    kind = "float64"
    form = FORMAT[kind]
    one, last = constants(kind, 1, 6)  # beyond the last, erf is 1 to the last bit
    near_coefficients, far_coefficients = constants(kind, *ERF_NEAR), constants(kind, *LOG_ERFC)
    exp_of = exp_inside[kind]

    @kernel_function
    def erf(x):
        a = abs(x)
        a = select(a > last, last, a)
        near = fma(a, horner(a * a, near_coefficients), a)
        far = one - exp_of(horner(a, far_coefficients))
        return from_bits(bits(select(a < one, near, far)) | (bits(x) & form.sign_mask), x)

    return erf


def by_polynomial() -> Any:
    """An odd polynomial, bent. In float64 it would need thirty terms."""
    kind = "float32"
    (last,) = constants(kind, 3.924)  # erf is 1 to the last bit from here on, and the polynomial gives just that here
    coefficients = constants(kind, *UNBENT)

    @kernel_function
    def erf(x):
        inside = select(x > last, last, select(x < -last, -last, x))
        return bent(fma(horner(inside * inside, coefficients), inside, inside), x)

    return erf


@for_each_float
def erf(kind: str) -> Any:
    """By an exponential for float64, by a polynomial for float32. At most 2 ulp."""
    return by_exponential() if kind == "float64" else by_polynomial()
