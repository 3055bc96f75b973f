"""Saddle points: how long they hold gradient descent up, and how common they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..kernels.blas import steady
from ..random import Generator
from .objective import Array, Loss, Objective, objective


@dataclass(frozen=True)
class Escape:
    """After how many steps it had left the neighbourhood (None: not within `steps`), and where it was then."""

    step: int | None
    end: Array
    steps: int

    def __repr__(self) -> str:
        return f"<Escape: {'still there' if self.step is None else 'left'} after {self.step or self.steps} steps>"


def escape_time(
    loss: Loss | Objective, start: Any, *, left: Callable[[Array], bool], lr: float | None = None, steps: int = 10000,
    optimizer: Callable[[list[Any]], Any] | None = None,
) -> Escape:  # fmt: skip
    """Count the steps until `left(theta)` is true, with gradient descent or an optimizer (`lambda p: Adam(p)`)."""
    at = np.ravel(np.asarray(start, float))
    found = objective(loss, at)
    if optimizer is None:
        for k in range(steps):
            if left(at):
                return Escape(k, at, steps)
            at = at - (lr or 0.1) * found.gradient(at)
        return Escape(steps if left(at) else None, at, steps)
    found.flat.write(at)
    made = optimizer(found.params)
    for k in range(steps):
        if left(found.theta):
            return Escape(k, found.theta, steps)
        made.zero_grad()
        found.closure().backward()
        made.step()
    return Escape(steps if left(found.theta) else None, found.theta, steps)


def predicted_escape(start: float, goal: float, curvature: float, lr: float) -> float:
    """ln(goal / start) / ln(1 + lr |curvature|): how many steps a quadratic saddle takes, with curvature < 0."""
    return float(np.log(goal / start) / np.log1p(lr * abs(curvature)))


@dataclass(frozen=True)
class RandomHessians:
    """Of symmetric Gaussian matrices of size n: the shares that would be minima, maxima and saddles."""

    n: int
    draws: int
    minima: float
    maxima: float
    saddles: float

    def __repr__(self) -> str:
        return f"<RandomHessians n = {self.n}: {100 * self.minima:.4g} % minima, {100 * self.saddles:.4g} % saddles>"


@steady
def random_hessians(n: int, draws: int = 20000, *, generator: Generator | None = None) -> RandomHessians:
    """Draw symmetric Gaussian matrices (G + G^T) / 2: with n the share of minima falls like exp(-n^2 ln 3 / 4)."""
    if n < 1 or draws < 1:
        raise ArgumentError(f"random_hessians(n={n}, draws={draws}): both are at least 1.")
    random = (generator or Generator(0)).numpy
    positive = negative = 0
    for begin in range(0, draws, 4096):
        g = random.standard_normal((min(4096, draws - begin), n, n))
        values = np.linalg.eigvalsh((g + g.swapaxes(1, 2)) / 2)
        positive += int((values[:, 0] > 0).sum())
        negative += int((values[:, -1] < 0).sum())
    return RandomHessians(n, draws, positive / draws, negative / draws, 1 - (positive + negative) / draws)
