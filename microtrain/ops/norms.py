"""Log-sum-exp and vector norms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels import tier
from ..kernels.reductions import reduction
from .arithmetic import abs as absolute, sign
from .comparison import where_row
from .conversion import in_float32
from .exponential import exp
from .extremes import amax, amin
from .primitive import operation, primitive
from .reductions import over, restore, spread, sum_row
from .shapes import Dims


def _logsumexp(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    if x.size >= tier.large and (fast := reduction(x, "logsumexp", dim, keepdim)) is not None:
        return fast
    high = np.max(x, axis=dim, keepdims=True, initial=-np.inf)
    high = np.where(np.isfinite(high), high, 0).astype(x.dtype)  # inf - inf would be NaN
    y = np.log(np.sum(np.exp(x - high), axis=dim, keepdims=True)) + high
    return y if keepdim else np.squeeze(y, dim)


def _logsumexp_vjp(g: Any, y: Any, x: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
    """g times the softmax; where all elements are -inf, 0."""
    finite = where_row(y == -np.inf, 0, y)
    return spread(g, x_shape, dim, keepdim) * exp(x - restore(finite, x_shape, dim, keepdim))


logsumexp_row = primitive(
    "logsumexp",
    _logsumexp,
    [_logsumexp_vjp],
    tex=r"\ln \sum e^{{x}}",
    note="derivative 0 where all elements are -inf, and so nothing is summed (PyTorch's is NaN)",
)


@operation()
def logsumexp(input: Any, dim: Dims, keepdim: bool = False) -> Any:
    """ln of the sum of exp over `dim`, without overflow."""
    if input.dtype.kind != "f":
        input = input.to(np.float64)
    return logsumexp_row(input, **over(input, dim, keepdim))


def _norm(x: Any, *, dim: tuple[int, ...], keepdim: bool, p: float) -> Any:
    if p == 2:
        return np.sqrt(np.sum(x * x, axis=dim, keepdims=keepdim))
    return np.sum(np.abs(x) ** p, axis=dim, keepdims=keepdim) ** (1 / p)


def _norm_vjp(g: Any, y: Any, x: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool, p: float) -> Any:
    g, y = restore(g, x_shape, dim, keepdim), restore(y, x_shape, dim, keepdim)
    flat = y == 0
    unit = x / where_row(flat, 1, y)
    if p == 2:
        slope = unit
    else:  # sign(x) (|x| / y)^(p - 1), and 0 at 0
        zero = unit == 0
        slope = where_row(zero, 0, sign(unit) * absolute(where_row(zero, 1, unit)) ** (p - 1))
    return where_row(flat, 0, g * slope)


norm_row = primitive("norm", _norm, [_norm_vjp], note="derivative 0 where the norm is 0", tex=r"\|{x}\|_{p}")


@operation()
def norm(input: Any, p: Any = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The vector norm (sum |x|^p)^(1/p) over `dim`; p may be 0 (how many are not zero), 1, 2, inf, -inf or any number.

    Where the norm is 0 its derivative is taken as 0. Raises `ArgumentError` if p is not a number.
    """
    if not isinstance(p, (int, float)) and p not in ("fro", None):
        raise ArgumentError(f"norm() with p = {p!r}.", fix="p is a number: 1, 2, float('inf') ...")
    p = 2.0 if p in ("fro", None) else float(p)
    if dtype is not None or input.dtype.kind != "f":
        input = input.to(np.float64 if dtype is None else dtype)
    if p == 0:
        return sum_row(input != 0, **over(input, dim, keepdim)).to(input.dtype)
    if p == 1:
        return sum_row(absolute(input), **over(input, dim, keepdim))
    if math.isinf(p):
        return (amax if p > 0 else amin)(absolute(input), dim, keepdim)
    return in_float32(norm_row, input, **over(input, dim, keepdim), p=p)
