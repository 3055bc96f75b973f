"""Special functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

import microtrain as mt

from ..case import off_whole, off_zero, positive, real, unit
from .shared import binary, nan, unary, whole


def _at_nan_or_infinity(*xs: Any) -> Any:
    return ~np.isfinite(np.asarray(xs[0], float))


def _huge(*xs: Any) -> Any:
    """Where SciPy and PyTorch differ: at poles, beyond 1e4, and at what is no number."""
    x = np.asarray(xs[0], float)
    return ~(np.abs(x) < 1e4) | (x < 1e-3)


POLES = {"differs": _huge, "why": "PyTorch and SciPy take different sides at poles, and round differently far out"}

CASES = [
    unary("erf", real, np.vectorize(math.erf, otypes=[float])),
    unary("erfc", real, special.erfc),
    unary("erfinv", unit, special.erfinv, differs=whole, why="beyond [-1, 1] all is NaN, with one sign or the other"),
    unary("lgamma", positive, special.gammaln, tolerance=10, **POLES),
    unary("digamma", positive, special.digamma, tolerance=10, special=False),  # PyTorch rounds it to 1e-9
    binary("xlogy", (off_zero, positive), mt.xlogy, special.xlogy, differs=_at_nan_or_infinity, why="0 * inf"),
    binary("hypot", (off_zero, real), mt.hypot, np.hypot, differs=whole, why="PyTorch's slope at the origin is NaN"),
    binary(
        "heaviside",
        (off_zero, real),
        mt.heaviside,
        np.heaviside,
        order=0,
        differs=nan,
        why="PyTorch's is 0 or 1 at NaN",
    ),
    unary("sinc", off_zero, np.sinc, differs=_huge, why="sin of large numbers times pi"),
    unary("frac", off_whole, lambda x: x - np.trunc(x)),
    unary("deg2rad", real, np.deg2rad),
    unary("rad2deg", real, np.rad2deg),
]
