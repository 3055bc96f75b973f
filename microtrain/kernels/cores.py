"""Threads that share a job belong on different cores; what sees to that, in machine code, on Linux.

A helper that is woken may land on a core where another thread of the team works already, though others are free. The
scheduler sorts that out when it next balances the load, milliseconds later, and meanwhile a job takes up to twice as
long. So every thread that begins a job sets the bit of its core in an integer of the team, and a helper that finds
its bit set by another goes elsewhere. It may run anywhere again as soon as it is there.
"""

from __future__ import annotations

import sys

from numba import types
from numba.extending import intrinsic

from .job import BUFFERS, CORES, TEAM
from .native import helper, integers, show

MASK = 16  # integers of a set of cores: 1024 of them, as in the C library
KNOWN = 63  # cores from this number on have no bit

sched_getcpu = types.ExternalFunction("sched_getcpu", types.int32())
_of_a_set = types.int32(types.int32, types.int64, types.int64)  # thread (0: this one), bytes, address
sched_getaffinity = types.ExternalFunction("sched_getaffinity", _of_a_set)
sched_setaffinity = types.ExternalFunction("sched_setaffinity", _of_a_set)


@intrinsic
def mark(typing_context, integers, k, bits):
    """Set these bits in the k-th integer; its value before. Atomic."""

    def emit(context, builder, signature, args):
        return builder.atomic_rmw("or", builder.gep(args[0], [args[1]]), args[2], "seq_cst")

    return types.int64(types.CPointer(types.int64), types.int64, types.int64), emit


@helper
def own_bit():
    """The bit of the core that this thread is on."""
    core = sched_getcpu()
    return 1 << core if 0 <= core < KNOWN else 0


@helper
def leave(taken, room):
    """Move this thread to a core that is not taken, if it may use one; `room` is for two sets of cores."""
    allowed, free = integers(room), integers(room + 8 * MASK)
    if sched_getaffinity(0, 8 * MASK, room) < 0:
        return
    for k in range(MASK):
        free[k] = allowed[k]
    free[0] &= ~taken
    if sched_setaffinity(0, 8 * MASK, room + 8 * MASK) == 0:  # fails if that leaves none
        sched_setaffinity(0, 8 * MASK, room)


@helper
def lead_here(mine):
    """The thread that has a job is here; nobody else has come yet."""
    show(integers(mine[TEAM]), CORES, own_bit())


@helper
def keep_apart(mine):
    """A helper comes: it leaves if somebody else is here."""
    bit = own_bit()
    taken = mark(integers(mine[TEAM]), CORES, bit)
    if taken & bit:
        leave(taken, mine[BUFFERS])


@helper
def anywhere(mine):
    """Where a thread is can't be asked."""


if sys.platform != "linux":
    lead_here = keep_apart = anywhere
