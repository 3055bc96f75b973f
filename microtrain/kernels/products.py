"""Matrix products of arrays, with the same bits whatever the number of threads.

BLAS divides a large product among as many threads as it has, and their number changes the last bits: of x @ w for
images of 784 numbers, for example. So what it would divide is either cut into tiles by us, whose size depends on the
shapes alone (`tiles`), or done by one thread.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import KernelError
from . import memory, tier
from .blas import BLAS_ALONE, DOT_ALONE, SMALL_KERNELS, one_thread_each
from .fused import give_up
from .layout import address
from .reductions import kind_of

WORTH_SHARING = 1 << 21  # multiplications from which it pays to share a product among threads (measured)
_ndarray = np.ndarray


def matmul(a: Any, b: Any) -> Any:
    """NumPy's `a @ b`."""
    if a.__class__ is b.__class__ is _ndarray and a.ndim and b.ndim:
        work = a.size * (b.shape[-1] if b.ndim > 1 else 1)
        # a matrix with one row, times one with one column, is a product of vectors for NumPy
        if work > DOT_ALONE and (work > BLAS_ALONE or a.shape[-1] > DOT_ALONE) and not _has_small_kernel(a, b, work):
            return _large(a, b)
    return np.matmul(a, b)


def _has_small_kernel(a: Any, b: Any, work: int) -> bool:
    if work > SMALL_KERNELS or not a.ndim == b.ndim == 2:
        return False
    if not (len(a) > 1 < b.shape[1] and b.flags.c_contiguous):
        return False
    return address(a) != address(b)  # A A^T is done by another function of BLAS, which has none (dsyrk)


def _large(a: Any, b: Any) -> Any:
    if b.ndim == 2 < a.ndim and a.flags.c_contiguous and a.shape[-1] == len(b):  # one tall matrix instead of many
        return matmul(a.reshape(-1, len(b)), b).reshape(*a.shape[:-1], b.shape[1])
    with one_thread_each:
        if a.ndim > 1 < b.ndim and a.shape[-2] * a.shape[-1] * b.shape[-1] > WORTH_SHARING and _for_tiles(a, b):
            try:
                return _by_tiles(a, b)
            except KernelError as error:
                give_up(error)
        return np.matmul(a, b)


def _for_tiles(a: Any, b: Any) -> bool:
    if a.shape[-1] != b.shape[-2] or min(a.shape[-2], b.shape[-1]) == 1 or tier.large > WORTH_SHARING:
        return False
    return kind_of(a) == kind_of(b) != ""


def _by_tiles(a: Any, b: Any) -> Any:
    """One product for each matrix of the batch. Raises ValueError for batches that do not go together."""
    if a.ndim == b.ndim == 2:
        out = memory.empty((len(a), b.shape[1]), a.dtype)
        _one(a, b, out)
        return out
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = memory.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    a, b = (np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, b))
    for i in np.ndindex(batch):
        _one(a[i], b[i], out[i])
    return out


def _one(a: Any, b: Any, out: Any) -> None:
    copy_a, copy_b, work = _worklist(a.shape, a.strides, b.shape, b.strides, a.dtype.char)
    a = np.ascontiguousarray(a) if copy_a else a
    b = np.ascontiguousarray(b) if copy_b else b
    places = array("q", (address(a), address(b), address(out)))
    work.run(places.buffer_info()[0])


@lru_cache(maxsize=64)  # a training step has few different products
def _worklist(
    a_shape: tuple[int, int],
    a_strides: tuple[int, int],
    b_shape: tuple[int, int],
    b_strides: tuple[int, int],
    char: str,
) -> tuple[bool, bool, Any]:
    """(has A to be copied first? B? the work)."""
    from .tiles import Matrix, for_blas, tiles

    dtype = np.dtype(char)

    def matrix(slot: int, shape: tuple[int, int], steps: tuple[int, int]) -> tuple[bool, Matrix]:
        strides = tuple(s // dtype.itemsize for s in steps)
        copy = any(s % dtype.itemsize for s in steps) or not for_blas(shape, strides)
        return copy, Matrix(slot, 0, shape, (shape[1], 1) if copy else strides)

    (copy_a, a), (copy_b, b) = matrix(0, a_shape, a_strides), matrix(1, b_shape, b_strides)
    out = Matrix(2, 0, (a_shape[0], b_shape[1]), (b_shape[1], 1))
    return copy_a, copy_b, tiles(a, b, out, dtype)
