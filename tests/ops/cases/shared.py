"""What the cases of elementwise operations share: how they are written, and where we differ from PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..case import Case, Maker, elementwise, real


def unary(name: str, make: Maker = real, numpy: Any = None, torch: Any = None, **options: Any) -> Case:
    return elementwise(name, getattr(mt, name), torch or name, [make], numpy, **options)


def binary(
    name: str, makers: tuple[Maker, Maker], ours: Any, numpy: Any = None, torch: Any = None, **options: Any
) -> Case:
    return elementwise(name, ours, torch or name, makers, numpy, **options)


def nan(*xs: Any) -> Any:
    """Where some input is NaN."""
    found = np.isnan(xs[0])
    for x in xs[1:]:
        found = found | np.isnan(x)
    return found


def whole(*xs: Any) -> Any:
    """Everywhere."""
    return np.ones(np.broadcast_shapes(*(np.shape(x) for x in xs)), dtype=bool)


def minus(x: Any) -> Any:
    """Where the input is -0 or -infinity."""
    return np.signbit(x) & ((x == 0) | np.isinf(x))


def huge_quotient(a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.abs(np.float32(a)) > np.abs(np.float32(b)) * np.float32(1e38)


def tiny_radius(a: Any, b: Any) -> Any:
    """Where a^2 + b^2 is below the smallest number, and the slope can't be computed this way."""
    with np.errstate(all="ignore"):
        return (a * a + b * b == 0) & ((a != 0) | (b != 0))


HALF = {"differs": minus, "why": "IEEE's pow at -0 and -infinity; PyTorch takes sqrt instead"}
AT_NAN = {"differs": nan, "why": "the slope at NaN is NaN, PyTorch's is 0 or 1"}
OVERFLOW = {"differs": huge_quotient, "why": "PyTorch's value is NaN where a / b overflows"}
