"""One `optimizer.step()` beside PyTorch's, for every optimizer that both have (float32, gradients given).

    python -m tests.benchmarks.bench_optimizers [threads] [names ...]

The small network is compared with PyTorch's default, the large one with the fastest of its implementations.
"""

from __future__ import annotations

import sys

import torch

import microtrain as mt
from microtrain import optim

from .rounds import race, report

NAMES = "SGD Momentum Adagrad RMSprop Adadelta Adam AdamW Adamax NAdam RAdam Rprop ASGD".split()
OPTIONS = {"Momentum": {"lr": 1e-4, "momentum": 0.9}}
CLASS = {"Momentum": "SGD"}
FUSED = ("SGD", "Momentum", "Adam", "AdamW", "Adagrad")
TURNS = {"rounds": 7, "target": 0.02, "rest": 0.25}
SMALL, LARGE = [2, 16, 16, 2], [784, 1024, 1024, 10]


def shapes(widths):
    pairs = list(zip(widths[:-1], widths[1:], strict=True))
    return [shape for a, b in pairs for shape in ((b, a), (b,))]


def stepper(lib, name, widths, **options):
    generator = mt.Generator(0)
    params = []
    for shape in shapes(widths):
        value, gradient = (mt.randn(*shape, dtype=mt.float32, generator=generator).numpy() for _ in range(2))
        params.append(lib.tensor(value * 0.1, requires_grad=True))
        params[-1].grad = lib.tensor(gradient * 1.0)
    module = torch.optim if lib is torch else optim
    return getattr(module, CLASS.get(name, name))(params, **OPTIONS.get(name, {"lr": 1e-4}), **options).step


def main(names):
    for name in names:
        ours, theirs = stepper(mt, name, SMALL), stepper(torch, name, SMALL)
        report(f"{name}, small", race({"microtrain": ours, "default": theirs}, **TURNS))
        contestants = {"microtrain": stepper(mt, name, LARGE), "foreach": stepper(torch, name, LARGE, foreach=True)}
        if name in FUSED:
            contestants["fused"] = stepper(torch, name, LARGE, fused=True)
        report(f"{name}, large", race(contestants, **TURNS))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments and arguments[0].isdigit():
        mt.kernels.set_num_threads(int(arguments[0]))
        torch.set_num_threads(int(arguments.pop(0)))
    main(arguments or NAMES)
