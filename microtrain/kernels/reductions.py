"""Kernels for rows of the table that are not elementwise: sums and extremes, softmax, cross-entropy.

The rows' own functions ask here first when their array is large (`tier.large`). Every function returns None where NumPy is to
do it: other dtypes, axes that are not the last ones, arrays below the size from which it pays, no Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import numpy as np

from ..errors import KernelError
from . import memory, tier
from .fused import give_up

KINDS = {np.dtype(np.float64).num: "float64", np.dtype(np.float32).num: "float32"}
Function = TypeVar("Function", bound=Callable[..., Any])


def _or_numpy(function: Function) -> Function:
    """None instead of a `KernelError`, which is reported once."""

    @wraps(function)
    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except KernelError as error:
            give_up(error)
            return None

    return call  # type: ignore[return-value]


def kind_of(x: Any) -> str:
    """The dtype, if kernels can read the array."""
    if type(x) is not np.ndarray or not x.size or not x.dtype.isnative or not x.flags.aligned:
        return ""
    return KINDS.get(x.dtype.num, "")


# ---- sums and extremes -----------------------------------------------------------------------------------------------


def _sum(y: Any) -> Any:
    return np.add.reduce(y, dtype=np.float64).astype(y.dtype)


_FINISH: dict[str, Callable[[Any], Any]] = {"sum": _sum, "max": np.maximum.reduce, "min": np.minimum.reduce}


def finished(y: Any, how: str, shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
    """What a fold gave, as the reduction of an array of this shape over `dim`: its last axes, or all."""
    rest = len(shape) - len(dim)
    if rest == 0:
        y = _FINISH[how](y) if how != "logsumexp" else _logsumexp(y)
        return np.full((1,) * len(shape), y) if keepdim else y
    return y.reshape(shape[:rest] + (1,) * len(dim) if keepdim else shape[:rest])


def rows_of(shape: tuple[int, ...], dim: tuple[int, ...]) -> int | None:
    """How many rows a reduction over the last axes has; None if it is over all of them."""
    return math.prod(shape[: len(shape) - len(dim)]) if len(dim) < len(shape) else None


def _logsumexp(y: Any) -> Any:
    high = np.max(y)
    if not np.isfinite(high):
        return high
    return np.log(np.sum(np.exp(y - high))) + high


@_or_numpy
def reduction(x: Any, how: str, dim: tuple[int, ...], keepdim: bool) -> Any:
    """The sum, max, min or logsumexp of x over `dim`."""
    from .kernel import fold_array

    if not kind_of(x) or not x.flags.c_contiguous or x.size < tier.least(how != "logsumexp"):
        return None
    if not dim or sorted(dim) != list(range(x.ndim - len(dim), x.ndim)):
        return None
    rows = rows_of(x.shape, dim)
    if rows is not None and x.size // rows < 64:
        return None  # NumPy adds up short rows as quickly
    return finished(fold_array(x, how, rows), how, x.shape, dim, keepdim)


# ---- softmax and cross-entropy ---------------------------------------------------------------------------------------


@cache
def row_program(name: str, kind: str) -> Any:
    """The machine code of a kernel in rows.py."""
    from .program import MachineCode

    text = f'from microtrain.kernels import rows\n\nkernel = rows.{name}("{kind}")\n'
    return MachineCode(f"{name} ({kind})", text)


def _rows(name: str, kind: str, count: int, width: int, arrays: list[Any], *more: Any) -> None:
    """Run a kernel of rows.py. An array has `count` rows or numbers; then come numbers."""
    from . import pool, program
    from .job import SIDE_BY_SIDE, new_job
    from .kernel import CHUNK, TOGETHER
    from .layout import address

    numbers = [np.array([width], np.int64), *more]
    records = [(address(x), x.nbytes // count, SIDE_BY_SIDE, 0) for x in arrays]
    records += [(address(x), 0, SIDE_BY_SIDE, 0) for x in numbers]
    chunk, kernel = max(1, CHUNK // width), row_program(name, kind).address
    job = new_job(kernel, records, -(-count // chunk), chunk, count, step=chunk, work=program.loop().address)
    pool.run(program.loop(), job, count * width >= TOGETHER)


def _last(x: Any, dim: int) -> str:
    """The dtype, if x is large and its rows along `dim` lie side by side."""
    kind = kind_of(x)
    return kind if kind and dim in (-1, x.ndim - 1) and x.flags.c_contiguous and x.size >= tier.large else ""


@_or_numpy
def softmax(x: Any, dim: int, log: bool = False) -> Any:
    """softmax(x) along an axis, or its logarithm."""
    kind = _last(x, dim)
    if not kind:
        return None
    y = memory.empty(x.shape, x.dtype)
    _rows("log_softmax" if log else "softmax", kind, x.size // x.shape[-1], x.shape[-1], [x, y])
    return y


@_or_numpy
def softmax_vjp(g: Any, y: Any, dim: int, log: bool = False) -> Any:
    """The derivative of `softmax`, whose value was y, times g."""
    kind = _last(y, dim)
    if not kind or kind_of(g) != kind or g.shape != y.shape or not g.flags.c_contiguous:
        return None
    result = memory.empty(y.shape, y.dtype)
    _rows("log_softmax_vjp" if log else "softmax_vjp", kind, y.size // y.shape[-1], y.shape[-1], [g, y, result])
    return result


@_or_numpy
def cross_entropy(x: Any, target: Any, scale: float | None) -> Any:
    """(-ln softmax(x)[target] for each row, and with a `scale` also scale (softmax(x) - one hot), else None).

    The labels must have been checked.
    """
    kind = _last(x, -1)
    if not kind or target.dtype.kind not in "iu" or target.shape != x.shape[:-1]:
        return None
    labels = np.ascontiguousarray(target, np.int64).reshape(target.shape)
    losses = np.empty(target.shape, x.dtype)
    width = x.shape[-1]
    if scale is None:
        _rows("surprise", kind, labels.size, width, [x, labels, losses])
        return losses, None
    slope = memory.empty(x.shape, x.dtype)
    _rows("cross_entropy", kind, labels.size, width, [x, labels, losses, slope], np.array([scale], x.dtype))
    return losses, slope
