"""Points to look at: drawn by a function of the caller's, or normal around where the parameters are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..random import Generator

Array = np.ndarray[Any, Any]
Sampler = Callable[[np.random.Generator], Any] | Array | float | None


def draw(sampler: Sampler, count: int, center: Array, generator: Generator | None) -> Array:
    """`count` points (count, P).

    `sampler` is a function of a NumPy generator that gives one point, an array (n, P) of points to choose from, or the
    standard deviation of normal ones around `center` (None: 1).
    """
    random = (generator or Generator(0)).numpy
    if callable(sampler):
        points = np.array([np.ravel(sampler(random)) for _ in range(count)], float)
    elif isinstance(sampler, np.ndarray) and sampler.ndim == 2:
        points = sampler[random.integers(0, len(sampler), count)]
    else:
        spread = 1.0 if sampler is None else float(sampler)
        points = center + spread * random.standard_normal((count, len(center)))
    if points.shape != (count, len(center)):
        raise ShapeError(f"The sampler gave points of shape {points.shape[1:]} for {len(center)} parameters.")
    return points
