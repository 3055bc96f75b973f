"""Sums, means, variances; any and all. `dim` is an axis, several, or None for all."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..kernels import tier
from ..kernels.reductions import reduction
from .comparison import where_row
from .conversion import in_float32
from .primitive import operation, primitive
from .shapes import Dims, broadcast_to, normalise_dims, reshape


def kept(shape: tuple[int, ...], dim: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduction with keepdim."""
    return tuple(1 if i in dim else n for i, n in enumerate(shape))


def restore(y: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
    """A reduction's result or its gradient with the reduced axes back, of length 1."""
    return y if keepdim else reshape(y, shape=kept(x_shape, dim))


def spread(g: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
    """A reduction's gradient, repeated for each element that was reduced."""
    return broadcast_to(restore(g, x_shape, dim, keepdim), shape=x_shape)


def over(x: Any, dim: Dims, keepdim: bool) -> dict[str, Any]:
    """The parameters of a reduction."""
    return {"dim": normalise_dims(dim, x.ndim), "keepdim": keepdim}


def count(shape: tuple[int, ...], dim: tuple[int, ...]) -> int:
    """How many elements each result of a reduction is made of."""
    return math.prod(shape[i] for i in dim)


# ---- sums ------------------------------------------------------------------------------------------------------------


def _sum(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    if x.size >= tier.large and (fast := reduction(x, "sum", dim, keepdim)) is not None:
        return fast
    if len(dim) == x.ndim and not keepdim:
        return np.add.reduce(x, axis=None)
    if dim == (0,) and x.ndim == 2 and not keepdim:
        return sum_of_rows(x)
    return np.add.reduce(x, axis=dim, keepdims=keepdim)  # type: ignore[call-overload]


def sum_of_rows(x: Any) -> Any:
    """The sum of the rows of a matrix. For few columns a product with ones takes a quarter of NumPy's time."""
    # larger ones BLAS gives to threads, whose number would change the bits
    if x.size > 8192 or x.dtype.char not in "fd":
        return np.add.reduce(x, axis=0)
    return _ones(x.shape[0], x.dtype).dot(x)


_ones = lru_cache(maxsize=256)(np.ones)


sum_row = primitive("sum", _sum, [spread], tex=r"\sum {x}")


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum over the axes along which `shape` was repeated. Reads arrays and tensors."""
    extra = x.ndim - len(shape)
    if extra == 1 and type(x) is np.ndarray and x.ndim == 2 and x.shape[1:] == shape and x.size < tier.large:
        return sum_of_rows(x)  # the gradient of a bias
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1)
    if axes:
        x = sum_row(x, dim=axes, keepdim=True)
    return reshape(x, shape=shape) if x.shape != shape else x


@operation()
def sum(input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum over `dim`, of integers in int64; booleans are counted."""
    return sum_row(summed(input, dtype), **over(input, dim, keepdim))


def summed(input: Any, dtype: Any) -> Any:
    """The input in the dtype that sums and products are to have: uint8 in int64 (NumPy's uint64 has no -1)."""
    if dtype is None:
        return input if input.dtype.kind != "u" else input.to(np.int64)
    return input.to(dtype)


def _mean(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    return _sum(x, dim=dim, keepdim=keepdim) / count(x.shape, dim)


mean_row = primitive(
    "mean",
    _mean,
    [lambda g, x_shape, dim, keepdim: spread(g / count(x_shape, dim), x_shape, dim, keepdim)],
    tex=r"\operatorname{mean} {x}",
)


@operation()
def mean(input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean over `dim`; NaN over no elements."""
    if dtype is not None:
        input = input.to(dtype)
    return in_float32(mean_row, input, **over(input, dim, keepdim))


# ---- variances -------------------------------------------------------------------------------------------------------


def _freedom(shape: tuple[int, ...], dim: tuple[int, ...], correction: float) -> float:
    """What a sum of squared deviations is divided by."""
    return max(0.0, count(shape, dim) - correction)


def _var(x: Any, *, dim: tuple[int, ...], keepdim: bool, correction: float) -> Any:
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    # Measured from one of the elements, equal ones deviate by exactly 0, and a large common offset costs no digits.
    apart = x - x[tuple(slice(1) if i in dim else slice(None) for i in range(x.ndim))]
    apart = apart - _mean(apart, dim=dim, keepdim=True)
    return _sum(apart * apart, dim=dim, keepdim=keepdim) / _freedom(x.shape, dim, correction)


def _std(x: Any, *, dim: tuple[int, ...], keepdim: bool, correction: float) -> Any:
    """In float64, where squares of float32 numbers neither overflow nor vanish."""
    y = np.sqrt(_var(x.astype(np.float64, copy=False), dim=dim, keepdim=keepdim, correction=correction))
    return y.astype(x.dtype, copy=False) if x.dtype.kind == "f" else y


def _deviation(x: Any, dim: tuple[int, ...]) -> Any:
    return x - mean_row(x, dim=dim, keepdim=True)


def _std_vjp(
    g: Any, y: Any, x: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool, correction: float
) -> Any:
    flat = y == 0
    slope = where_row(flat, 0, g / (where_row(flat, 1, y) * _freedom(x_shape, dim, correction)))
    return spread(slope, x_shape, dim, keepdim) * _deviation(x, dim)


var_row = primitive(
    "var",
    _var,
    [
        lambda g, x, x_shape, dim, keepdim, correction: (
            _deviation(x, dim) * spread(2 * g / _freedom(x_shape, dim, correction), x_shape, dim, keepdim)
        )
    ],
    tex=r"\operatorname{var} {x}",
)
std_row = primitive(
    "std",
    _std,
    [_std_vjp],
    tex=r"\operatorname{std} {x}",
    note="derivative 0 where all elements are equal",
)


def _corrected(dim: Any, unbiased: bool, correction: float | None) -> tuple[Any, float]:
    """(dim, correction); PyTorch's `var(False)` means `unbiased`, over everything."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return dim, float(unbiased) if correction is None else correction


@operation()
def var(
    input: Any, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The variance; divides by n - correction, with correction 1 unless `unbiased` is False."""
    dim, correction = _corrected(dim, unbiased, correction)
    return in_float32(var_row, input, **over(input, dim, keepdim), correction=correction)


@operation()
def std(
    input: Any, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """The standard deviation; see `var`. Where all elements are equal its derivative is taken as 0."""
    dim, correction = _corrected(dim, unbiased, correction)
    return in_float32(std_row, input, **over(input, dim, keepdim), correction=correction)


# ---- booleans --------------------------------------------------------------------------------------------------------

any_row = primitive("any", lambda x, *, dim, keepdim: np.any(x, axis=dim, keepdims=keepdim))
all_row = primitive("all", lambda x, *, dim, keepdim: np.all(x, axis=dim, keepdims=keepdim))


@operation()
def any(input: Any, dim: Dims = None, keepdim: bool = False) -> Any:
    """Is some element true (not zero)?"""
    return any_row(input, **over(input, dim, keepdim))


@operation()
def all(input: Any, dim: Dims = None, keepdim: bool = False) -> Any:
    """Are all elements true (not zero)?"""
    return all_row(input, **over(input, dim, keepdim))
