"""The threads that share the work of large kernels.

Work comes in chunks of fixed size, taken with an atomic counter inside the machine code (`native.py`). So the result does
not depend on how many threads there are or which of them come in time: while the cores are busy with a BLAS, the calling
thread does most of the chunks itself and waits for nobody who has not begun.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from _thread import allocate_lock
from array import array
from collections.abc import Callable
from operator import index
from typing import Any

from ..errors import ArgumentError
from . import program
from .job import ARGUMENTS, BLOCK, CHUNKS, NUMBER, TEAM_SIZE, TURN, divide
from .loading import NOTHING, immortal

MOST_OPERANDS = 32  # of one kernel, its result included
ROOM = 8 * ARGUMENTS + MOST_OPERANDS * 8 * BLOCK  # bytes of a thread's buffers
PATIENCE = 1000  # how often a helper without work looks for some before it sleeps (a look takes about 0.3 microseconds)

_team = (ctypes.c_int64 * TEAM_SIZE)()
_team_address = ctypes.addressof(_team)

immortal(_team)  # a thread in machine code may still look at it when Python is gone


class _Mine(threading.local):
    """What each thread has of its own: buffers, and a list to call machine code with."""

    def __init__(self) -> None:
        self.memory = ctypes.create_string_buffer(ROOM + 64)
        buffers = (ctypes.addressof(self.memory) + 63) // 64 * 64
        self.list = array("q", (_team_address, buffers, 0, PATIENCE, 0, 0))
        self.address = self.list.buffer_info()[0]
        self.pair = array("q", (0, buffers))
        self.pair_address = self.pair.buffer_info()[0]


_mine = _Mine()


class _Helper(threading.Thread):
    def __init__(self, number: int, serve: Callable[..., int]) -> None:
        super().__init__(name=f"microtrain-{number}", daemon=True)
        self.number, self.serve = number, serve
        self.bell = allocate_lock()
        self.bell.acquire()
        self.asleep = False

    def run(self) -> None:
        mine = _mine
        immortal(mine.memory)
        immortal(mine.list)
        while True:
            self.serve(NOTHING, NOTHING, self.number, mine.address)
            self.asleep = True
            if _team[TURN] == mine.list[NUMBER]:  # no job has come in the meantime
                self.bell.acquire()
            self.asleep = False


_helpers: list[_Helper] = []
_busy = allocate_lock()  # the helpers serve one caller at a time; others work alone


def default_threads() -> int:
    """`MICROTRAIN_NUM_THREADS`, else `OMP_NUM_THREADS`, else the cores this process may use."""
    for variable in ("MICROTRAIN_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "").partition(",")[0].strip()
        if value.isdigit() and int(value) > 0:
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


threads = default_threads()


def set_num_threads(n: int) -> None:
    """Let kernels use up to `n` threads. The results do not depend on it. Raises `ArgumentError` unless n is 1, 2 ..."""
    global threads
    if isinstance(n, bool) or not hasattr(n, "__index__") or index(n) < 1:
        raise ArgumentError(f"set_num_threads({n!r}): a whole number of threads has to do the work, at least one.")
    threads = index(n)


def get_num_threads() -> int:
    """How many threads a kernel may use."""
    return threads


def run(work: Any, job: array[int], together: bool) -> None:
    """Do a job with `work`, alone or with the help of other threads if they are free.

    Raises `KernelError` if the machine code for sharing can't be had.
    """
    helpers = min(threads, job[CHUNKS]) - 1 if together else 0
    mine = _mine
    if helpers < 1 or not _busy.acquire(False):
        mine.pair[0] = job.buffer_info()[0]
        work.call(NOTHING, NOTHING, 0, mine.pair_address)
        return
    try:
        lead = program.lead().call
        while len(_helpers) < helpers:
            helper = _Helper(len(_helpers) + 1, program.serve().call)
            helper.start()
            _helpers.append(helper)
        for helper in _helpers[:helpers]:
            if helper.asleep and helper.bell.locked():
                helper.bell.release()
        divide(job, helpers + 1)
        mine.list[NUMBER] = job.buffer_info()[0]
        lead(NOTHING, NOTHING, 0, mine.address)
    finally:
        _busy.release()


@atexit.register
def _wait_for_helpers() -> None:
    """Python is about to end: no helper may be in machine code then."""
    deadline = time.monotonic() + 1
    while any(not helper.asleep for helper in _helpers) and time.monotonic() < deadline:
        time.sleep(0.0002)


def _forget() -> None:
    """In a forked child there are no helpers; it starts its own."""
    global _busy
    _helpers.clear()
    _busy = allocate_lock()
    ctypes.memset(_team, 0, ctypes.sizeof(_team))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
