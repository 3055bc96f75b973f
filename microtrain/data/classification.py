"""Data drawn for classification: inputs (n, d), classes (n,). Every draw comes from `generator`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from ..random import Generator, stream
from ..tensor import Tensor
from .points import Samples
from .regression import at_least


def _samples(x: Any, y: Any) -> Samples:
    return Samples(Tensor(x), Tensor(np.asarray(y, dtype=np.int64)))


def make_moons(n: int = 100, noise: float = 0.25, *, generator: Generator | None = None) -> Samples:
    """Two half circles, one inside the other's bend, with noise N(0, 1): classes 0 (first half of the rows) and 1."""
    at_least(n, 2, "make_moons()")
    random = stream(generator)
    upper = n // 2
    a, b = np.linspace(0, np.pi, upper), np.linspace(0, np.pi, n - upper)
    x = np.concatenate([np.column_stack([np.cos(a), np.sin(a)]), np.column_stack([1 - np.cos(b), 0.5 - np.sin(b)])])
    return _samples(x + noise * random.standard_normal(x.shape), np.arange(n) >= upper)


def make_spirals(
    n: int = 300, arms: int = 3, turn: float = 2.5, noise: float = 0.08, *, generator: Generator | None = None
) -> Samples:
    """Arms of a spiral, class i % arms: angle turn t + 2 pi class / arms, radius 2 (0.1 + t), t uniform on [0, 1]."""
    at_least(n, 1, "make_spirals()")
    if arms < 1:
        raise ArgumentError(f"make_spirals(): {arms} arms.")
    random = stream(generator)
    classes = np.arange(n) % arms
    t = random.random(n)
    angle, radius = turn * t + 2 * np.pi * classes / arms, 2 * (0.1 + t)
    x = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return _samples(x + noise * random.standard_normal((n, 2)), classes)


def make_blobs(
    n: int = 100, centers: Any = 3, d: int = 2, spread: float = 1.0, distance: float = 3.0, *,
    generator: Generator | None = None,
) -> Samples:  # fmt: skip
    """Normal clouds of standard deviation `spread`, class i % classes.

    `centers` are given (classes, d), or so many are drawn before the points, normal with standard deviation `distance`.
    """
    at_least(n, 1, "make_blobs()")
    random = stream(generator)
    if isinstance(centers, (int, np.integer)):
        if centers < 1:
            raise ArgumentError(f"make_blobs(): {centers} centers.")
        middle = distance * random.standard_normal((int(centers), d))
    else:
        middle = np.asarray(centers, float)
        if middle.ndim != 2 or not len(middle):
            raise ShapeError(f"make_blobs(): centers are (classes, d), not {middle.shape}.")
    classes = np.arange(n) % len(middle)
    return _samples(middle[classes] + spread * random.standard_normal((n, middle.shape[1])), classes)


def make_imbalanced(
    counts: tuple[int, int] = (1900, 100), shift: float = 1.5, d: int = 2, *, generator: Generator | None = None
) -> Samples:
    """Many of class 0 from N(0, I) and few of class 1 from N((shift, ...), I), in this order."""
    at_least(min(counts), 1, "make_imbalanced()")
    random = stream(generator)
    many, few = random.standard_normal((counts[0], d)), shift + random.standard_normal((counts[1], d))
    return _samples(np.concatenate([many, few]), np.repeat([0, 1], counts))


@steady
def make_separable(
    n: int = 100, margin: float = 0.3, weights: tuple[float, ...] = (2.0, -1.0, 0.5), *,
    generator: Generator | None = None,
) -> Samples:  # fmt: skip
    """Classes that a line separates: inputs [x_1, x_2 ..., 1] with normal x, class 1 where x . weights > 0.

    Points with |x . weights| <= margin are left out, so there are fewer than n.
    """
    at_least(n, 1, "make_separable()")
    random = stream(generator)
    w = np.asarray(weights, float)
    x = np.column_stack([random.standard_normal((n, len(w) - 1)), np.ones(n)])
    m = x @ w
    kept = np.abs(m) > margin
    return _samples(x[kept], m[kept] > 0)


def make_xor(n: int = 50, *, generator: Generator | None = None) -> Samples:
    """Normal points in the plane, class 1 where both coordinates have one sign: no line separates them."""
    at_least(n, 1, "make_xor()")
    x = stream(generator).standard_normal((n, 2))
    return _samples(x, x[:, 0] * x[:, 1] > 0)


def make_wilson(n: int = 60, positive: float = 0.75, *, generator: Generator | None = None) -> Samples:
    """The data on which adaptive methods fit everything and learn nothing (Wilson et al. 2017): inputs (n, 3 + 5 n).

    Targets are -1 and 1 (for least squares). Feature 0 is the target, features 1 and 2 are 1, and each sample has
    features of its own: one if it is positive, five if it is negative. New samples have the first three alone.
    """
    at_least(n, 1, "make_wilson()")
    y = np.where(stream(generator).random(n) < positive, 1, -1)
    x = np.zeros((n, 3 + 5 * n))
    x[:, 0], x[:, 1:3] = y, 1
    for i, label in enumerate(y):
        start = 3 + 5 * i
        x[i, start : start + (1 if label > 0 else 5)] = 1
    return _samples(x, y)
