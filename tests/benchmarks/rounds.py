"""Timing side by side: all contestants in one process, one after the other in each round, medians over the rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def seconds(run: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def race(
    contestants: dict[str, Callable[[], object]],
    *,
    rounds: int = 11,
    target: float = 0.05,
    rest: float = 0.0,
    pick: Callable[[list[float]], float] = statistics.median,
) -> dict[str, float]:
    """The median seconds per call of each contestant; a turn lasts about `target` seconds. `pick` is what takes it.

    `rest` is a pause before each turn, in seconds: PyTorch's threads go on waiting for work, at full speed, for 0.2 s.
    After it everybody warms up for as long as is measured: threads wake, and caches fill.
    """
    calls = {}
    for name, run in contestants.items():
        run()
        calls[name] = max(1, int(target / max(seconds(run, 2), 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            if rest:
                time.sleep(rest)
                seconds(run, calls[name])
            times[name].append(seconds(run, calls[name]))
    return {name: pick(values) for name, values in times.items()}


def report(title: str, times: dict[str, float], ours: str = "microtrain") -> None:
    """One line: the times, and how many times faster than each peer we are."""
    texts = [f"{name} {1e6 * t:,.1f} us" for name, t in times.items()]
    ratios = [f"{times[name] / times[ours]:.2f}x {name}" for name in times if name != ours]
    print(f"{title:34} {'  '.join(texts):60} -> {', '.join(ratios)}")
