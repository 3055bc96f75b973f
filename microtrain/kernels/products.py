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

WORTH_SHARING = 1 << 21  # multiplications from which it pays to share a product among threads (measured)
_KINDS = frozenset((np.dtype(np.float32), np.dtype(np.float64)))
_ndarray = np.ndarray


def matmul(a: Any, b: Any) -> Any:
    """NumPy's `a @ b`."""
    if a.__class__ is b.__class__ is _ndarray and a.ndim and b.ndim:
        work = a.size * (b.shape[-1] if b.ndim > 1 else 1)
        if work > DOT_ALONE and (work > BLAS_ALONE or a.ndim == b.ndim == 1) and not _has_small_kernel(a, b, work):
            return _large(a, b)
    return np.matmul(a, b)


def _has_small_kernel(a: Any, b: Any, work: int) -> bool:
    if work > SMALL_KERNELS or not a.ndim == b.ndim == 2:
        return False
    return bool(len(a) > 1 < b.shape[1] and b.flags.c_contiguous)


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
    return a.dtype == b.dtype and a.dtype in _KINDS and a.flags.aligned and b.flags.aligned


def _by_tiles(a: Any, b: Any) -> Any:
    """One product for each matrix of the batch. Raises ValueError for batches that do not go together."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = memory.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    if batch:
        a, b = (np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, b))
    for i in np.ndindex(batch):
        left, right = _in_rows(a[i]), _in_rows(b[i])
        work = _worklist(left.shape, left.strides, right.shape, right.strides, left.dtype.char)
        places = array("q", (address(left), address(right), address(out[i])))
        work.run(places.buffer_info()[0])
    return out


def _in_rows(x: Any) -> Any:
    """The matrix, or a copy of it whose rows lie side by side if neither they nor the columns do."""
    from .tiles import for_blas

    whole = not any(s % x.itemsize for s in x.strides)
    return x if whole and for_blas(x.shape, _in_elements(x.strides, x.itemsize)) else np.ascontiguousarray(x)


@lru_cache(maxsize=64)  # a training step has few different products
def _worklist(
    a_shape: tuple[int, ...],
    a_strides: tuple[int, ...],
    b_shape: tuple[int, ...],
    b_strides: tuple[int, ...],
    char: str,
) -> Any:
    from .tiles import Matrix, tiles

    dtype = np.dtype(char)
    shapes = [(a_shape, a_strides), (b_shape, b_strides), ((a_shape[0], b_shape[1]), (0, 0))]
    a, b, out = (Matrix(k, 0, shape, _in_elements(s, dtype.itemsize)) for k, (shape, s) in enumerate(shapes))
    return tiles(a, b, out, dtype)


def _in_elements(strides: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    return tuple([s // itemsize for s in strides])
