"""Many runs of stochastic descent on the Gabor model at once, for the items of this chapter."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import microtrain as mt

from ...analysis import Objective, descend

LOWEST = 0.6456961  # the loss at the global minimum


def full_loss() -> Objective:
    """The sum of squares over all 30 points (eq. 6.9), as a function of the two parameters."""
    model, (x, y) = mt.nn.Gabor(), mt.data.gabor_points()
    return Objective(lambda: mt.nn.functional.mse_loss(model(x), y, reduction="sum"), model)


def gabors(phi: mt.Tensor, x: mt.Tensor) -> mt.Tensor:
    """The model with many parameters phi (..., 2) at once, each for its own inputs x (..., N)."""
    return mt.nn.Gabor.forward(SimpleNamespace(phi_0=phi[..., :1], phi_1=phi[..., 1:]), x)  # type: ignore[arg-type]


def runs(
    make: Callable[[list[mt.Tensor]], Any], variants: int, starts: np.ndarray, steps: int, batch: int,
    rng: np.random.Generator, every: int = 1,
) -> np.ndarray:  # fmt: skip
    """Positions (steps / every + 1, variants, R, 2) of stochastic descent from `starts` (R, 2) in several variants.

    `make` gets a tensor (R, 2) for each variant. The gradient is summed over `batch` points (eq. 6.10), drawn anew
    without replacement at each step and for each of the R runs; the variants see the same batches.
    """
    inputs, targets = (np.asarray(part) for part in mt.data.gabor_points())
    phi = [mt.tensor(starts.copy(), requires_grad=True) for _ in range(variants)]
    optimizer = make(phi)
    path = [np.array([starts] * variants)]
    for step in range(1, steps + 1):
        chosen = rng.random((len(starts), len(inputs))).argpartition(batch - 1, 1)[:, :batch]
        optimizer.zero_grad()
        error = gabors(mt.stack(phi), mt.tensor(inputs[chosen])) - targets[chosen]
        (error * error).sum().backward()
        optimizer.step()
        if step % every == 0:
            path.append(np.array([p.detach().numpy() for p in phi]))
    return np.array(path)


def in_global_basin(loss: Objective, ends: np.ndarray, steps: int = 150) -> np.ndarray:
    """Does gradient descent from these points (K, 2) reach the global minimum? (The next lowest has the loss 3.36.)"""
    return loss.values(descend(loss, ends, lr=0.1, steps=steps)) < LOWEST + 1
