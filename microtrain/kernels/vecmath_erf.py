"""The error function."""

# mypy: allow-untyped-defs
from __future__ import annotations

from typing import Any

from .vecmath_bits import FORMAT, bits, constants, fma, for_each_float, from_bits, horner, kernel_function, select
from .vecmath_exp import exp_inside

# erf(x) / x - 1 in x**2 for |x| <= BORDER; minimax as in vecmath_exp, error in erf 2**-56.0 and 2**-27.2.
ERF_NEAR = {
    "float64": (
        0.12837916709551256, -0.37612638903183404, 0.1128379167094174, -0.026866170643015747, 0.005223977607122574,
        -0.0008548326038254971, 0.0001205529809885558, -1.4924815837776333e-05, 1.6448548338055341e-06,
        -1.6217871735154206e-07, 1.3762934906285606e-08, -7.878645261011153e-10,
    ),
    "float32": (
        0.12837917, -0.37612602, 0.11283256, -0.02683922, 0.0051602554, -0.00077657815, 7.0635244e-05,
    ),
}  # fmt: skip

# log(1 - erf(x)) in x for BORDER <= x <= LAST, weighted with (1 - erf) / erf; error in erf 2**-57.0.
LOG_ERFC = (
    -5.02839260794243e-07, -1.1283740895686722, -0.636643627718077, -0.10270344040278198, 0.01899018024362055,
    0.0004106264525916449, -0.0019159424321651413, 0.0007706430782249558, -0.000135050727625506,
    -2.026624173007883e-05, 2.2822240032477502e-05, -8.667052421299715e-06, 2.1356431060176753e-06,
    -3.7329517806439464e-07, 4.642165677453917e-08, -3.934127993786221e-09, 2.0448780677191414e-10,
    -4.928375259987387e-12,
)  # fmt: skip

# (1 - erf(x))**(1/4) in x, weighted likewise; error in erf 2**-26.6.
ROOT_OF_ERFC = (
    1.0054572, -0.3086181, -0.063711606, -0.050214496, 0.06597761, -0.022167284, 0.0032261866, -0.00017891334,
)  # fmt: skip

BORDER = {"float64": 1.0, "float32": 1.125}
LAST = {"float64": 6.0, "float32": 4.0}  # beyond, erf is 1 to the last bit


def far_from_0(kind: str) -> Any:
    """erf(a) for BORDER <= a <= LAST.

    float64 is 1 - e**polynomial(a). For float32 a fourth power serves as well, and an exponential is three times the
    work; it takes four times the relative error of its base, but 1 - erf is small here. (The form of this is M.
    Abramowitz, I. Stegun, "Handbook of Mathematical Functions", 1964, 7.1.28.)
    """
    (one,) = constants(kind, 1)
    series = constants(kind, *(LOG_ERFC if kind == "float64" else ROOT_OF_ERFC))
    exp_of = exp_inside[kind]

    @kernel_function
    def by_exponential(a):
        return one - exp_of(horner(a, series))

    @kernel_function
    def by_power(a):
        root = horner(a, series)
        square = root * root
        return fma(-square, square, one)

    return by_exponential if kind == "float64" else by_power


@for_each_float
def erf(kind: str) -> Any:
    """Near 0 an odd polynomial, further out 1 minus something small. At most 2 ulp."""
    form = FORMAT[kind]
    border, last = constants(kind, BORDER[kind], LAST[kind])
    near_coefficients, far_of = constants(kind, *ERF_NEAR[kind]), far_from_0(kind)

    @kernel_function
    def erf(x):
        a = abs(x)
        a = select(a > last, last, a)
        near = fma(a, horner(a * a, near_coefficients), a)
        y = select(a < border, near, far_of(a))
        return from_bits(bits(y) | (bits(x) & form.sign_mask), x)

    return erf
