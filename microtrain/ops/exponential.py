"""Exponentials and logarithms."""

from __future__ import annotations

import math

import numpy as np

from ..formula import F
from .primitive import elementwise

exp = elementwise("exp", np.exp, [lambda g, y: g * y], tex="e^{{x}}")
exp2 = elementwise("exp2", np.exp2, [lambda g, y: g * (y * math.log(2))], tex="2^{{x}}")
expm1 = elementwise("expm1", np.expm1, [lambda g, y: g * (y + 1)], tex="e^{{x}} - 1")
log = elementwise("log", np.log, [lambda g, x: g / x], tex=r"\ln {x}")
log1p = elementwise("log1p", np.log1p, [lambda g, x: g / (1 + x)], tex=r"\ln(1 + {x})")
log2 = elementwise("log2", np.log2, [lambda g, x: g / (x * math.log(2))], tex=r"\log_2 {x}")
log10 = elementwise("log10", np.log10, [lambda g, x: g / (x * math.log(10))], tex=r"\log_{10} {x}")
logaddexp = elementwise(
    "logaddexp",
    np.logaddexp,
    [lambda g, a, b: g * F.sigmoid(a - b), lambda g, a, b: g * F.sigmoid(b - a)],
    tex=r"\ln(e^{{a}} + e^{{b}})",
)
