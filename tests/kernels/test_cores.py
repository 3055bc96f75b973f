"""Helping threads go to a core of their own, and may run anywhere afterwards."""

import ctypes
import os
import sys
import threading

import numpy as np
import pytest

numba = pytest.importorskip("numba")

import microtrain as mt  # noqa: E402
from microtrain.kernels import cores, pool  # noqa: E402
from microtrain.kernels.job import CORES  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread can't be asked where it is")


@numba.njit
def leave(taken, room):
    cores.leave(taken, room)


@numba.njit
def own_bit():
    return cores.own_bit()


def set_of(core_numbers):
    return sum(1 << core for core in core_numbers if core < cores.KNOWN)


def in_a_thread(function):
    """What it returns there, so that the tests' own thread keeps its place."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def here():
    return ctypes.CDLL(None).sched_getcpu()


def test_a_thread_knows_its_core():
    def look():
        before, bit, after = here(), own_bit(), here()
        return bit in (set_of([before]), set_of([after]))

    assert in_a_thread(look)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_a_thread_leaves_a_taken_core_and_is_not_bound_to_the_new_one():
    room = np.zeros(2 * cores.MASK, np.int64)

    def move():
        allowed, left = os.sched_getaffinity(0), 0
        for _ in range(20):
            core = here()
            leave(set_of([core]), room.ctypes.data)
            left += here() != core
        return left, os.sched_getaffinity(0) == allowed

    left, free = in_a_thread(move)
    assert left >= 15 and free  # the scheduler may move it back at any time


def test_where_all_cores_are_taken_a_thread_stays():
    room = np.zeros(2 * cores.MASK, np.int64)

    def move():
        allowed = os.sched_getaffinity(0)
        leave(set_of(range(cores.KNOWN)), room.ctypes.data)
        return allowed, os.sched_getaffinity(0)

    allowed, after = in_a_thread(move)
    assert after == allowed


def test_threads_that_share_a_job_mark_their_cores():
    before = mt.kernels.get_num_threads()
    try:
        mt.kernels.set_num_threads(3)
        x = mt.tensor(np.linspace(-3, 3, 1_000_000))
        for _ in range(5):
            assert np.allclose(mt.tanh(x).numpy(), np.tanh(x.numpy()))
        assert pool._team[CORES] or max(os.sched_getaffinity(0)) >= cores.KNOWN
    finally:
        mt.kernels.set_num_threads(before)
