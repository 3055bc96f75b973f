"""Exponentials, logarithms, circular and hyperbolic functions."""

from __future__ import annotations

import numpy as np

import microtrain as mt

from ..case import (
    off_zero,
    over_one,
    positive,
    real,
    unit,
)
from .shared import binary, tiny_radius, unary

CASES = [
    unary("exp", real, np.exp),
    unary("exp2", real, np.exp2),
    unary("expm1", real, np.expm1),
    unary("log", positive, np.log),
    unary("log1p", positive, np.log1p),
    unary("log2", positive, np.log2),
    unary("log10", positive, np.log10),
    binary("logaddexp", (real, real), mt.logaddexp, np.logaddexp),
    unary("sin", real, np.sin),
    unary("cos", real, np.cos),
    unary("tan", unit, np.tan),
    unary("asin", unit, np.arcsin),
    unary("acos", unit, np.arccos),
    unary("atan", real, np.arctan),
    binary(
        "atan2",
        (off_zero, real),
        mt.atan2,
        np.arctan2,
        differs=tiny_radius,
        why="x / 1 rather than x / 0; PyTorch's slope is 0",
    ),
    unary("sinh", real, np.sinh),
    unary("cosh", real, np.cosh),
    unary("tanh", real, np.tanh),
    unary("asinh", real, np.arcsinh),
    unary("acosh", over_one, np.arccosh),
    unary("atanh", unit, np.arctanh),
]
