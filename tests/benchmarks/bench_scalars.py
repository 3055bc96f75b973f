"""A chain of multiplications of single numbers, forward and backward, per operation, beside PyTorch and micrograd.

    python -m tests.benchmarks.bench_scalars

micrograd walks its graph by recursion, so the recursion limit is lifted for it and it runs in a thread with a large
stack.
"""

from __future__ import annotations

import sys
import threading

import torch

import microtrain as mt

from .rounds import race, report

try:
    from micrograd.engine import Value
except ImportError:
    Value = None


def chain(make, length):
    def run():
        x = y = make(1.0001)
        for _ in range(length):
            y = y * x
        y.backward()

    return run


def main():
    for length in (100, 1000, 10_000):
        contestants = {
            "microtrain": chain(lambda v: mt.tensor(v, requires_grad=True), length),
            "torch": chain(lambda v: torch.tensor(v, requires_grad=True), length),
        }
        if Value is not None:
            contestants["micrograd"] = chain(Value, length)
        times = race(contestants)
        report(f"{length} multiplications, each", {name: t / length for name, t in times.items()})


if __name__ == "__main__":
    sys.setrecursionlimit(1_000_000)
    threading.stack_size(512 * 2**20)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
