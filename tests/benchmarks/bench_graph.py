"""Graphs: a thousand nodes to SVG, a million operations folded, and what a recorder that is off costs.

    python -m tests.benchmarks.bench_graph

Goals: 1,000 nodes to SVG in under 1.5 s; never more than 10 s; a recorder that is off costs an operation under 1 %.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

import microtrain as mt
from microtrain.engine.recording import MODE
from microtrain.viz.graph import layout


def scalar_network() -> mt.Tensor:
    """2-16-16-1 of single numbers: about a thousand nodes."""
    choose = random.Random(0)
    values = [mt.tensor(choose.random()) for _ in range(2)]
    for width in (16, 16, 1):
        layer = []
        for _ in range(width):
            total = mt.tensor(choose.random(), requires_grad=True)
            for value in values:
                total = total + mt.tensor(choose.random(), requires_grad=True) * value
            layer.append(total.tanh())
        values = layer
    return values[0]


def chain(count: int) -> mt.Tensor:
    factor = mt.tensor(1.0000001, requires_grad=True)
    y = factor
    for _ in range(count):
        y = y * factor
    return y


def encoder() -> mt.Tensor:
    """Sixty layers of several operations each, in modules."""
    layers = [mt.nn.Sequential(mt.nn.Linear(8, 8), mt.nn.LayerNorm(8), mt.nn.GELU()) for _ in range(60)]
    return mt.nn.Sequential(*layers)(mt.ones(4, 8)).sum()


def median(run: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        layout.render.cache_clear()
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    print("engine:", ", ".join(name for name, _ in layout.engines()) or "none")
    for name, make in (("scalar network", scalar_network), ("chain", lambda: chain(1000)), ("encoder", encoder)):
        y = make()
        nodes = len(mt.graph(y, limit=5000, repeats=False).nodes)
        seconds = median(lambda y=y: mt.graph(y, limit=5000, repeats=False).svg())
        print(f"{name:16} {nodes:6,} nodes to SVG: {seconds:.2f} s")
    for count in (100_000, 1_000_000):
        y = chain(count)
        print(f"{'chain, folded':16} {count:9,} operations to SVG: {median(lambda y=y: mt.graph(y).svg(), 3):.2f} s")
        del y

    recorder_off()


def recorder_off() -> None:
    """What `Tensor.apply` does for recorders when there is none, against a whole multiplication."""
    x = mt.tensor(2.0, requires_grad=True)
    mode = MODE.get()

    def asking(count: int) -> None:
        for _ in range(count):
            if mode.listeners:
                raise AssertionError

    def nothing(count: int) -> None:
        for _ in range(count):
            pass

    def multiplying(count: int) -> None:
        for _ in range(count):
            x * x

    times: dict[str, list[float]] = {"asking": [], "nothing": [], "multiplying": []}
    for _ in range(41):
        for run, count in ((asking, 100_000), (nothing, 100_000), (multiplying, 5_000)):
            start = time.perf_counter()
            run(count)
            times[run.__name__].append((time.perf_counter() - start) / count)
    cost = min(times["asking"]) - min(times["nothing"])
    whole = min(times["multiplying"])
    print(f"a recorder that is off: {1e9 * cost:.0f} ns of {1e9 * whole:.0f} ns, {cost / whole:.2%}")


if __name__ == "__main__":
    main()
