"""Losses that several tests look at."""

from __future__ import annotations

import numpy as np

import microtrain as mt


def spd(n: int) -> np.ndarray:
    m = np.random.default_rng(n).normal(size=(n, n))
    return m @ m.T + 0.1 * np.eye(n)


def mlp() -> tuple[mt.nn.Module, object]:
    model = mt.nn.Sequential(mt.nn.Linear(3, 5), mt.nn.Tanh(), mt.nn.Linear(5, 4))
    for k, p in enumerate(model.parameters()):
        p.detach().copy_(np.random.default_rng(k).normal(size=p.shape))
    x = mt.tensor(np.random.default_rng(9).normal(size=(7, 3)))
    y = mt.tensor(np.arange(7) % 4)
    return model, lambda: mt.nn.functional.cross_entropy(model(x), y)
