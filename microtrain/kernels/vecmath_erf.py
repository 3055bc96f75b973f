"""The error function."""

# mypy: allow-untyped-defs
from __future__ import annotations

from typing import Any

from .vecmath_bits import FORMAT, bits, constants, fma, for_each_float, from_bits, horner, kernel_function, select
from .vecmath_exp import exp_inside

# erf(x) / x - 1 in x**2 for |x| <= BORDER; minimax as in vecmath_exp, error in erf 2**-56.0 and 2**-26.1.
ERF_NEAR = {
    "float64": (
        0.12837916709551256, -0.37612638903183404, 0.1128379167094174, -0.026866170643015747, 0.005223977607122574,
        -0.0008548326038254971, 0.0001205529809885558, -1.4924815837776333e-05, 1.6448548338055341e-06,
        -1.6217871735154206e-07, 1.3762934906285606e-08, -7.878645261011153e-10,
    ),
    "float32": (0.12837915, -0.37612525, 0.11282367, -0.026792431, 0.0050376626, -0.0006246176),
}  # fmt: skip

# log(1 - erf(x)) in x for BORDER <= x <= LAST, weighted with (1 - erf) / erf; error in erf 2**-57.0 and 2**-29.0.
LOG_ERFC = {
    "float64": (
        -5.02839260794243e-07, -1.1283740895686722, -0.636643627718077, -0.10270344040278198, 0.01899018024362055,
        0.0004106264525916449, -0.0019159424321651413, 0.0007706430782249558, -0.000135050727625506,
        -2.026624173007883e-05, 2.2822240032477502e-05, -8.667052421299715e-06, 2.1356431060176753e-06,
        -3.7329517806439464e-07, 4.642165677453917e-08, -3.934127993786221e-09, 2.0448780677191414e-10,
        -4.928375259987387e-12,
    ),
    "float32": (-0.00013362127, -1.1279359, -0.63673776, -0.104326874, 0.02241981, -0.0030921584, 0.00020097899),
}  # fmt: skip

BORDER = {"float64": 1.0, "float32": 0.875}
LAST = {"float64": 6.0, "float32": 4.0}  # beyond, erf is 1 to the last bit


@for_each_float
def erf(kind: str) -> Any:
    """Near 0 an odd polynomial, further out 1 - e**polynomial(x). At most 2 ulp."""
    form = FORMAT[kind]
    one, border, last = constants(kind, 1, BORDER[kind], LAST[kind])
    near_coefficients, log_erfc = constants(kind, *ERF_NEAR[kind]), constants(kind, *LOG_ERFC[kind])
    exp_of = exp_inside[kind]

    @kernel_function
    def erf(x):
        a = abs(x)
        a = select(a > last, last, a)
        near = fma(a, horner(a * a, near_coefficients), a)
        far = one - exp_of(horner(a, log_erfc))
        y = select(a < border, near, far)
        return from_bits(bits(y) | (bits(x) & form.sign_mask), x)

    return erf
