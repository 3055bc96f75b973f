"""Special functions: those of statistics and probability that SciPy computes, and a few of geometry and signals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..formula import F
from .primitive import elementwise, operation


def _scipy(name: str) -> Any:
    """SciPy's function, in the dtype of its input. Loading SciPy takes 50 ms, and most programs never need it."""

    def forward(x: Any) -> Any:
        from scipy import special

        y = getattr(special, name)(x)
        return y.astype(np.float16) if getattr(x, "dtype", None) == np.float16 else y  # SciPy has no float16

    return forward


def _polygamma(n: Any, x: Any) -> Any:
    from scipy import special

    return np.asarray(special.polygamma(n, x)).astype(np.result_type(x, np.float16), copy=False)[()]


def _xlogy(a: Any, b: Any) -> Any:
    return np.where((a == 0) & ~np.isnan(b), 0.0, a * np.log(b))[()]


erf = elementwise(
    "erf", _scipy("erf"), [lambda g, x: g * (2 / math.sqrt(math.pi)) * F.exp(-x * x)],
    tex=r"\operatorname{erf} {x}",
)  # fmt: skip
erfc = elementwise(
    "erfc", _scipy("erfc"), [lambda g, x: g * (-2 / math.sqrt(math.pi)) * F.exp(-x * x)],
    tex=r"\operatorname{erfc} {x}",
)  # fmt: skip
erfinv = elementwise(
    "erfinv", _scipy("erfinv"), [lambda g, y: g * (0.5 * math.sqrt(math.pi)) * F.exp(y * y)],
    tex=r"\operatorname{erf}^{-1} {x}",
)  # fmt: skip
polygamma = elementwise(
    "polygamma",
    _polygamma,
    [None, lambda g, n, x: g * F.polygamma(n + 1, x)],
    tex=r"\psi^{({n})}({x})",
    public=False,
)
digamma = elementwise("digamma", _scipy("digamma"), [lambda g, x: g * F.polygamma(1, x)], tex=r"\psi({x})")
lgamma = elementwise("lgamma", _scipy("gammaln"), [lambda g, x: g * F.digamma(x)], tex=r"\ln \Gamma({x})")
xlogy = elementwise(
    "xlogy",
    _xlogy,
    [
        lambda g, a, b: F.where(F.logical_and(a == 0, b <= 0), 0, g * F.log(b)),
        lambda g, a, b: g * (a / b),
    ],
    tex=r"{a} \ln {b}",
    note="0 where a is 0; at a = 0, b <= 0 the derivative in a is 0",
)
hypot = elementwise(
    "hypot",
    np.hypot,
    [lambda g, y, a: g * (a / F.where(y == 0, 1, y)), lambda g, y, b: g * (b / F.where(y == 0, 1, y))],
    tex=r"\sqrt{{a}^2 + {b}^2}",
    note="derivative 0 at the origin",
)
heaviside = elementwise("heaviside", np.heaviside, [], tex=r"H({a})")


def _sinc_slope(g: Any, y: Any, x: Any) -> Any:
    """(cos(pi x) - sinc x) / x; near 0, where digits cancel, its series, which has the right derivatives at 0 too."""
    near = F.abs(x) < 0.01
    u = (math.pi * x) * (math.pi * x)
    series = (-(math.pi**2) / 3) * x * (1 - u / 10 * (1 - u / 28 * (1 - u / 54)))
    return g * F.where(near, series, (F.cos(math.pi * x) - y) / F.where(near, 1.0, x))


sinc = elementwise(
    "sinc",
    lambda x: F.where(x == 0, 1.0, F.sin(math.pi * x) / F.where(x == 0, 1.0, math.pi * x)),
    [_sinc_slope],
    tex=r"\frac{\sin \pi {x}}{\pi {x}}",
)
frac = elementwise("frac", lambda x: x - F.trunc(x), [lambda g: g], tex=r"{x} - \operatorname{trunc} {x}")
deg2rad = elementwise(
    "deg2rad", lambda x: x * (math.pi / 180), [lambda g: g * (math.pi / 180)], tex=r"\frac{\pi}{180} {x}"
)
rad2deg = elementwise(
    "rad2deg", lambda x: x * (180 / math.pi), [lambda g: g * (180 / math.pi)], tex=r"\frac{180}{\pi} {x}"
)


@operation(name="polygamma", method=False)
def derivative_of_digamma(n: int, input: Any) -> Any:
    """The n-th derivative of digamma."""
    return polygamma(n, input)
