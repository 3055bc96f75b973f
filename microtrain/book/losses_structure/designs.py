"""Data and small networks that several items of this chapter share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.nn.functional import binary_cross_entropy_with_logits, mse_loss

WEIGHTS = np.arange(1.0, 6.0)


def design() -> tuple[np.ndarray, np.ndarray]:
    """Inputs (200, 5) whose columns differ in size, and targets X (1, 2, 3, 4, 5) + noise (200,)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5)) * (1, 1, 2, 0.5, 3)
    return x, x @ WEIGHTS + 0.1 * rng.standard_normal(200)


def dependent_design() -> np.ndarray:
    """Inputs (200, 3) of rank 2: the third column is the sum of the first two."""
    x = design()[0]
    return np.column_stack([x[:, 0], x[:, 1], x[:, 0] + x[:, 1]])


def least_squares(x: np.ndarray, y: np.ndarray, reduction: str = "half_mean") -> analysis.Objective:
    """The squared error of a linear model without a bias, 1/(2N) |X w - y|^2 unless said otherwise."""
    model = mt.nn.LinearRegression(x.shape[1], bias=False)
    inputs, targets = mt.tensor(x), mt.tensor(y)
    return analysis.Objective(lambda: model.loss(inputs, targets, reduction), model)


def squared(x: Any, y: Any) -> Callable[[mt.Tensor], mt.Tensor]:
    """w -> |X w - y|^2 / (2N)."""
    inputs, targets = mt.tensor(x), mt.tensor(y)
    return lambda w: mse_loss(inputs @ w, targets, "half_mean")


def cross_entropy(x: Any, y: Any) -> Callable[[mt.Tensor], mt.Tensor]:
    """w -> the mean cross-entropy of logistic regression without a bias; labels 0 and 1, or False and True."""
    inputs, targets = mt.tensor(x), mt.tensor(np.asarray(y, float))
    return lambda w: binary_cross_entropy_with_logits(inputs @ w, targets)


def separable_points(wrong: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """91 points (N, 3), the last input 1, that a plane through 0 separates, and labels 0 or 1, a share of them wrong."""
    x, y = (np.asarray(part, float) for part in mt.data.make_separable(generator=mt.Generator(0)))
    return x, np.where(np.random.default_rng(1).random(len(y)) < wrong, 1 - y, y)


def moons(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) of two half circles at random angles, with noise 0.25; labels 0, 1, 0, 1 ... (n,)."""
    rng = np.random.default_rng(seed)
    t, label = np.pi * rng.random(n), np.arange(n) % 2
    upper, lower = np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], 1)
    return np.where(label[:, None] == 0, upper, lower) + 0.25 * rng.normal(size=(n, 2)), label


def units(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random directions: vectors of length 1 along the last axis."""
    v = rng.standard_normal(shape)
    return v / np.linalg.norm(v, axis=-1, keepdims=True)  # type: ignore[no-any-return]


def tanh_network(rng: np.random.Generator, inputs: int, hidden: int, outputs: int = 1) -> mt.nn.Sequential:
    """inputs-hidden-outputs with tanh units, all weights and biases standard normal."""
    net = mt.nn.Sequential(mt.nn.Linear(inputs, hidden), mt.nn.Tanh(), mt.nn.Linear(hidden, outputs))
    for p in net.parameters():
        p.detach().copy_(rng.standard_normal(p.shape))
    return net


def network_loss(net: mt.nn.Sequential, x: np.ndarray, y: np.ndarray) -> analysis.Objective:
    """The squared error 1/(2N) |f(x) - y|^2 of a network with one output; targets (N,)."""
    data, targets = mt.tensor(x), mt.tensor(y)
    return analysis.Objective(lambda: mse_loss(net(data).squeeze(1), targets, "half_mean"), net)


def xor_network(rng: np.random.Generator) -> analysis.Objective:
    """The loss of a network 2-8-1 (33 parameters) on 50 points of the exclusive or, at random weights."""
    x = rng.standard_normal((50, 2))
    return network_loss(tanh_network(rng, 2, 8), x, (x[:, 0] * x[:, 1] > 0).astype(float))


def placed(objective: analysis.Objective, theta: np.ndarray) -> analysis.Objective:
    """The same objective, with its parameters moved to theta."""
    objective.flat.write(theta)
    return objective
