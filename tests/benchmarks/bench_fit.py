"""What `fit` costs beside a loop written by hand: an epoch of the digits MLP (64-128-64-10, Adam, float32, batches of 32).

    python -m tests.benchmarks.bench_fit [rounds]

"bare" does nothing but train; "by hand" also sums the loss, as every loop does. `fit` has to stay within 5 % of it. The
other lines show what accuracy, statistics of every step and checkpoints cost.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import microtrain as mt
from microtrain import nn, optim
from microtrain.data import DataLoader, load_digits
from microtrain.nn.functional import cross_entropy
from microtrain.train import accuracy, fit

DIGITS = load_digits(mt.float32)


def parts():
    g = mt.Generator(0)
    model = nn.MLP([64, 128, 64, 10], dtype=mt.float32, generator=g)
    loader = DataLoader((DIGITS.train_images, DIGITS.train_labels), 32, shuffle=True, generator=g)
    return model, loader, optim.Adam(model.parameters())


def bare(epochs):
    model, loader, optimizer = parts()
    model.train()
    for _ in range(epochs):
        for inputs, targets in loader:
            optimizer.zero_grad()
            cross_entropy(model(inputs), targets).backward()
            optimizer.step()


def by_hand(epochs):
    model, loader, optimizer = parts()
    losses = []
    for _ in range(epochs):
        model.train()
        total = count = 0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
            count += len(inputs)
        losses.append(total / count)
    return losses


def with_fit(epochs, **options):
    model, loader, optimizer = parts()
    return fit(model, loader, optimizer, epochs, show=False, **options)["train_loss"]


def saving(epochs):
    with tempfile.TemporaryDirectory() as folder:
        with_fit(epochs, out=Path(folder) / "run", save_seconds=1.0)


CONTESTANTS = {
    "bare": bare,
    "by hand": by_hand,
    "fit": with_fit,
    "fit, accuracy": lambda n: with_fit(n, metrics={"accuracy": accuracy}),
    "fit, statistics": lambda n: with_fit(n, statistics=1),
    "fit, saving": saving,
}


def main(rounds, epochs=3):
    assert by_hand(2) == with_fit(2)
    times = {name: [] for name in CONTESTANTS}
    for _ in range(rounds):
        for name, run in CONTESTANTS.items():
            start = time.perf_counter()
            run(epochs)
            times[name].append(time.perf_counter() - start)
    hand = times["by hand"]
    for name, values in times.items():
        ratio = statistics.median(x / y for x, y in zip(values, hand, strict=True))
        per_step = 1e6 * statistics.median(values) / (epochs * 45)
        print(f"{name:16} {per_step:7.1f} us a step, {100 * (ratio - 1):+6.1f} % against by hand (median of {rounds})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
