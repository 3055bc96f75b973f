"""How threads share a job, in machine code: `lead` is called by the thread that has one, `serve` by those that help.

Helpers that have just worked look for another job for a moment before they go to sleep: waking a thread takes as long as a small
kernel. Between looks they offer their core to whoever wants it (`sched_yield`), a BLAS for example.
"""

from __future__ import annotations

from typing import Any

from numba import types

from .cores import keep_apart, lead_here
from .elementary import ahead
from .job import ACTIVE, BUFFERS, JOB, NUMBER, PATIENCE, SPARE, TEAM, TURN, WORK
from .native import call, give_back, integers, look, show, take

sched_yield = types.ExternalFunction("sched_yield", types.int32())


def lead(me: Any, mine: Any) -> None:
    """Offer the job to the helpers, work on it, and return when it is done."""
    team, job = integers(mine[TEAM]), mine[NUMBER]
    lead_here(mine)
    show(team, JOB, job)
    take(team, TURN)
    mine[SPARE], mine[SPARE + 1] = job, mine[BUFFERS]
    call(integers(job)[WORK], me, ahead(mine, SPARE))
    show(team, JOB, 0)  # who has not begun need not
    while look(team, ACTIVE):
        sched_yield()


def serve(me: Any, mine: Any) -> None:
    """Help with every job that comes; return when there was none for a while."""
    team, last, idle = integers(mine[TEAM]), mine[NUMBER], 0
    while idle < mine[PATIENCE]:
        turn = look(team, TURN)
        if turn == last:
            idle += 1
            sched_yield()
            continue
        last, idle = turn, 0
        keep_apart(mine)
        take(team, ACTIVE)
        job = look(team, JOB)
        if job:
            mine[SPARE], mine[SPARE + 1] = job, mine[BUFFERS]
            call(integers(job)[WORK], me, ahead(mine, SPARE))
        give_back(team, ACTIVE)
    mine[NUMBER] = last
