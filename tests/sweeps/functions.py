"""Functions to be swept over, as a user would write them."""

import os
import time

import numpy as np

import microtrain as mt
from microtrain import nn, optim
from microtrain.data import DataLoader
from microtrain.nn.functional import mse_loss
from microtrain.train import fit

calls = []  # a module's state, which no trial should see another one's changes of


def line(lr=0.1, width=8, optimizer="SGD", seed=0):
    """A small network fitted to a noisy line, with global and own random streams."""
    calls.append(lr)
    g = mt.Generator(seed)
    x = mt.randn(200, 3, generator=g)
    y = (x @ mt.tensor([[1.0], [2.0], [-1.0]])) + 0.1 * mt.randn(200, 1)
    model = nn.Sequential(
        nn.Linear(3, width, generator=g), nn.Tanh(), nn.Dropout(0.1), nn.Linear(width, 1, generator=g)
    )
    kind = getattr(optim, optimizer)
    history = fit(
        model, DataLoader((x, y), 32, shuffle=True), kind(model.parameters(), lr=lr), 3, loss=mse_loss, show=False
    )
    large = mt.randn(300, 300, generator=g)
    return {
        "history": history, "noise": float(np.random.rand()), "sum": (large @ large @ large).sum().item(),
        "calls": len(calls), "path": [float(v) for v in model[0].weight[0]],
    }  # fmt: skip


def slow(lr=0.1, seed=0, seconds=0.15):
    time.sleep(seconds)
    return {"value": lr * (seed + 1) + mt.rand(1).item(), "where": str(os.getpid() > 0)}


def moody(lr, seed=0):
    if lr > 0.5:
        raise ValueError("too much")
    return lr


def deadly(lr, seed=0):
    """Kills the process that it runs in."""
    os.kill(os.getpid(), 9)


def model(lr):
    return nn.Linear(2, 2)


def nothing(lr):
    return lr


def kind(lr):
    return mt.ones(1).dtype.name


def blas_threads(lr):
    from threadpoolctl import threadpool_info

    return max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
