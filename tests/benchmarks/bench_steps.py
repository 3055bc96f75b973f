"""A whole training step (forward, backward, Adam, float32, cross-entropy) beside PyTorch's eager mode.

    python -m tests.benchmarks.bench_steps [threads] [--rested]

`--rested` lets the cores come to rest before each turn: PyTorch's threads go on waiting for work at full speed for
0.2 s, in the time of whoever is next. (NumPy's do so too, but large products are done by threads of our own, which
do not.)
"""

from __future__ import annotations

import sys

import torch

import microtrain as mt
from microtrain import nn, optim
from microtrain.nn.functional import cross_entropy

from .rounds import race, report

SIZES = [([2, 16, 16, 2], 100), ([64, 128, 64, 10], 64), ([784, 1024, 1024, 10], 256)]


def ours(widths, batch):
    model = nn.MLP(widths, dtype=mt.float32)
    optimizer = optim.Adam(model.parameters())
    x, y = mt.randn(batch, widths[0], dtype=mt.float32), mt.randint(widths[-1], (batch,))

    def step():
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def theirs(widths, batch):
    layers = []
    for fan_in, fan_out in zip(widths[:-1], widths[1:], strict=True):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(batch, widths[0]), torch.randint(widths[-1], (batch,))

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    for threads in filter(str.isdigit, sys.argv[1:]):
        torch.set_num_threads(int(threads))
    rest = 0.3 if "--rested" in sys.argv else 0.0
    for widths, batch in SIZES:
        title = "-".join(map(str, widths)) + f", batch {batch}"
        report(title, race({"microtrain": ours(widths, batch), "torch": theirs(widths, batch)}, target=0.1, rest=rest))
