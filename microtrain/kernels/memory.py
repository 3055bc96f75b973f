"""Memory for large results, used again: fresh memory costs more than most kernels.

The first touch of each page makes the system find one and clear it, which takes two to four times as long as computing a
sigmoid there (measured, 80 MB). Up to some size the C library keeps what was freed; above that it gives everything back at
once. So results of at least `LEAST` bytes are lent: when the last array that looks at the memory is gone, it waits here for
the next result of its size. Never more than `KEPT` bytes wait, and those that have waited longest go first.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

LEAST = 1 << 21  # bytes
KEPT = 1 << 28

_waiting: dict[int, list[Any]] = {}  # by size; single operations on it are atomic, so threads need no lock


class Lendable(np.ndarray[Any, Any]):
    """Bytes that are lent again and again."""


class Lent(np.ndarray[Any, Any]):
    """What an array in lent memory has as its base. Its end is the end of the last array there.

    (Two classes, because NumPy makes the farthest base of one class the base of a view: these it can't skip.)
    """

    def __del__(self, is_over: Any = sys.is_finalizing) -> None:
        if not is_over() and type(self.base) is Lendable:  # not a piece that somebody cut out of a base
            _take_back(self.base)


def empty(shape: tuple[int, ...], dtype: Any, order: Any = "C") -> Any:
    """As `np.empty`. The array has the memory to itself, but `base` is not None."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LEAST:
        return np.empty(shape, dtype, order)
    try:
        memory = _waiting[size].pop()
    except LookupError:
        memory = Lendable(size, np.uint8)
    return np.ndarray(shape, dtype, memory.view(Lent), order=order)


def _take_back(memory: Any) -> None:
    size = memory.nbytes
    if size > KEPT:
        return
    same = _waiting.pop(size, [])
    same.append(memory)
    _waiting[size] = same  # at the end: the sizes used last go last
    excess = waiting() - KEPT
    while excess > 0:
        for oldest, found in list(_waiting.items()):
            if found:
                found.pop()
                excess -= oldest
                break
            _waiting.pop(oldest, None)
        else:
            break


def waiting() -> int:
    """Bytes that wait to be used again."""
    return sum(size * len(found) for size, found in list(_waiting.items()))


def release_memory() -> None:
    """Give all memory that waits back to the system."""
    _waiting.clear()
