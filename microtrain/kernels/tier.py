"""Which tier computes an operation: NumPy, or a compiled kernel.

    auto    kernels for arrays of at least LARGE elements, NumPy for smaller ones (the default)
    numpy   NumPy for everything
    numba   kernels for everything that they can do, down to a single element: for tests and comparisons

The two tiers agree to a few ulps, not to the last bit. So that a program gives the same bits every time, the choice
depends on the formula, the dtypes and the sizes alone: not on what has been compiled before, and not on time. Hence also small
arrays stay with NumPy when a kernel happens to be there already: a run resumed from a checkpoint must not differ from one
that was never interrupted.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ArgumentError

# Measured: a call of a kernel costs 1 us more than one of NumPy. With 2**13 elements an exp breaks even, a relu takes 2.5 us
# instead of 4, and a gelu 6 instead of 74 (float32). Fewer elements would gain time, too, but so little that a program would
# have to run for a minute to earn what it takes to compile or load the kernel ...
LARGE = 1 << 13
# ... and a single operation of plain arithmetic is all about memory: that only gains when several threads share it.
LARGE_SINGLE = 1 << 17
# An update reads and writes several arrays with a dozen operations: Adam of 2**13 elements takes NumPy longer.
LARGE_UPDATE = 1 << 13

_SMALLEST = {"auto": LARGE, "numpy": sys.maxsize, "numba": 1}

large = LARGE  # arrays of fewer elements never get near a kernel; read by `Tensor.apply` for every operation
large_update = LARGE_UPDATE
name = "auto"
disabled = False
_chosen: list[list[str]] = []  # what was chosen outside of all blocks of `use`, and in those that have not ended
_lock = threading.Lock()


def set_tier(tier: str) -> None:
    """Choose the tier, for all threads: "auto", "numpy" or "numba". Raises `ArgumentError` for anything else."""
    global large, large_update, name
    if tier not in _SMALLEST:
        raise ArgumentError(f"There is no kernel tier {tier!r}.", fix="Tiers are " + ", ".join(_SMALLEST) + ".")
    name = tier
    large = sys.maxsize if disabled else _SMALLEST[tier]
    large_update = LARGE_UPDATE if large == LARGE else large


def disable() -> None:
    """No kernels from now on: there is no Numba, or it does not work."""
    global disabled
    disabled = True
    set_tier(name)


@contextmanager
def use(tier: str) -> Iterator[None]:
    """`with mt.kernels.use("numpy"):` computes with this tier inside the block, in all threads.

    Raises `ArgumentError` unless `tier` is "auto", "numpy" or "numba".
    """
    mine = [tier]
    with _lock:
        set_tier(tier)
        _chosen.append(mine)
    try:
        yield
    finally:  # blocks of several threads need not end in the order in which they began
        with _lock:
            _chosen[:] = [each for each in _chosen if each is not mine]
            set_tier(_chosen[-1][0])


def least(single: bool = False) -> int:
    """The number of elements from which a kernel is used; a `single` operation of arithmetic is as fast as the memory."""
    return LARGE_SINGLE if single and name == "auto" else large


try:
    set_tier(os.environ.get("MICROTRAIN_KERNELS", "auto").strip().lower() or "auto")
except ArgumentError as error:
    raise ArgumentError(f"MICROTRAIN_KERNELS: {error.what}", fix=error.fix) from None
_chosen.append([name])
