"""The form in which work is handed to `native.work`: a list of integers whose places have these names."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain

# The head.
COUNTERS = 0  # where the counters are: the only integers that are written
PARTS = 1  # how many: each thread begins with a part of its own
CHUNKS, CHUNK = 2, 3  # how many chunks; how many elements (or rows) one has
SIZE = 4  # elements altogether, or rows of a reduction
LENGTH = 5  # of a row
LAST = 6  # elements of the last row, if that is shorter
STEP = 7  # elements that the kernel is called with at a time
KERNEL = 8  # the kernel's address
OPERANDS = 9  # how many
NDIM = 10  # of the shape, which is needed where operands are copied
RESULT = 11  # where the folded rows go
BUFFER = 12  # bytes of one operand's buffer
WORK = 13  # the address of the function that does the job
HEAD = 16  # then NDIM lengths of axes, the records, and the counters, COUNTER apart so that each has its own cache line
COUNTER = 8

# One record for each operand: these, then NDIM strides in bytes.
BASE, STRIDE, MODE, SIZEOF, RECORD = 0, 1, 2, 3, 4

# Its mode.
SIDE_BY_SIDE = 0  # element i is at base + i * stride; a single number has stride 0
REPEATED = 1  # the same value for all elements: the buffer is filled with it once
COPIED_IN = 2  # somehow strided: copied to the buffer, block by block
COPIED_OUT = 3  # computed in the buffer and copied to where it belongs
COPIED_BOTH = 4  # copied to the buffer, overwritten there, and copied back
SCRATCH = 5  # the buffer itself

BLOCK = 1024  # elements of a buffer: with some operands it still fits the first-level cache
ARGUMENTS = 64  # integers at the beginning of a thread's buffers: the addresses that the kernel gets

# What a thread's call of `sharing.lead` and `sharing.serve` gets: the team, its buffers, and a number or two.
TEAM, BUFFERS, NUMBER, PATIENCE, SPARE = range(5)  # SPARE: two places for the arguments of the job's function

# The team: what the threads that share work tell each other. One cache line for each.
TURN = 0  # counts the jobs
JOB = 8  # the address of the job that is open to helpers, or 0
ACTIVE = 16  # how many helpers may be working on it
CORES = 24  # a bit for each core that a thread of the team is on
TEAM_SIZE = 32


def new_job(
    kernel: int, records: Sequence[Sequence[int]], chunks: int, chunk: int, size: int, *, length: int = 0, last: int = 0,
    step: int = BLOCK, axes: Sequence[int] = (), result: int = 0, buffer: int = 8 * BLOCK, work: int = 0,
) -> array[int]:  # fmt: skip
    """The list, for one thread."""
    job = array("q", (
        0, 0, chunks, chunk, size, length, last, step, kernel, len(records), len(axes), result, buffer, work, 0, 0,
        *axes, *chain.from_iterable(records),
    ))  # fmt: skip
    job[COUNTERS] = len(job)
    divide(job, 1)
    return job


def divide(job: array[int], parts: int) -> None:
    """Make more parts of a job, for as many threads."""
    job.extend([0] * ((parts - job[PARTS]) * COUNTER))
    job[PARTS] = parts
