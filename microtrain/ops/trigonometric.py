"""Circular and hyperbolic functions and their inverses, under PyTorch's and NumPy's names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formula import F
from .primitive import elementwise

sin = elementwise("sin", np.sin, [lambda g, x: g * F.cos(x)], tex=r"\sin {x}")
cos = elementwise("cos", np.cos, [lambda g, x: -g * F.sin(x)], tex=r"\cos {x}")
tan = elementwise("tan", np.tan, [lambda g, y: g * (1 + y * y)], tex=r"\tan {x}")
asin = elementwise("asin", np.arcsin, [lambda g, x: g / F.sqrt(1 - x * x)], tex=r"\arcsin {x}", aliases=["arcsin"])
acos = elementwise("acos", np.arccos, [lambda g, x: -g / F.sqrt(1 - x * x)], tex=r"\arccos {x}", aliases=["arccos"])
atan = elementwise("atan", np.arctan, [lambda g, x: g / (1 + x * x)], tex=r"\arctan {x}", aliases=["arctan"])


def _squared_radius(a: Any, b: Any) -> Any:
    r = a * a + b * b
    return F.where(r == 0, 1, r)


atan2 = elementwise(
    "atan2",
    np.arctan2,
    [lambda g, a, b: g * b / _squared_radius(a, b), lambda g, a, b: -g * a / _squared_radius(a, b)],
    note="derivative 0 at (0, 0)",
    tex=r"\operatorname{atan2}({a}, {b})",
    aliases=["arctan2"],
)
sinh = elementwise("sinh", np.sinh, [lambda g, x: g * F.cosh(x)], tex=r"\sinh {x}")
cosh = elementwise("cosh", np.cosh, [lambda g, x: g * F.sinh(x)], tex=r"\cosh {x}")
tanh = elementwise("tanh", np.tanh, [lambda g, y: g * (1 - y * y)], tex=r"\tanh {x}")
asinh = elementwise(
    "asinh", np.arcsinh, [lambda g, x: g / F.sqrt(x * x + 1)], tex=r"\operatorname{arsinh} {x}", aliases=["arcsinh"]
)
acosh = elementwise(
    "acosh", np.arccosh, [lambda g, x: g / F.sqrt(x * x - 1)], tex=r"\operatorname{arcosh} {x}", aliases=["arccosh"]
)
atanh = elementwise(
    "atanh", np.arctanh, [lambda g, x: g / (1 - x * x)], tex=r"\operatorname{artanh} {x}", aliases=["arctanh"]
)
