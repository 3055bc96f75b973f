"""Large matrix products of a step, which threads share (kernels/tiles.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels import tiles
from ..kernels.products import WORTH_SHARING
from .arrays import Array, Product


def wanted(step: Any) -> bool:
    """Is this a product that is worth sharing?"""
    if not isinstance(step, Product) or len(step.out.shape) != 2:
        return False
    return step.out.size * step.a.shape[-1] > WORTH_SHARING


def worklist(step: Product, then: Sequence[tuple[int, int]] = ()) -> tiles.Worklist:
    """One product, ready to run with the address of the addresses of all arrays. `then`: see `kernels.tiles`."""
    dtype = np.dtype(step.out.dtype)

    def matrix(x: Array) -> tiles.Matrix:
        return tiles.Matrix(x.memory.slot, dtype.itemsize * (x.memory.offset + x.offset), x.shape, x.strides)

    return tiles.tiles(matrix(step.a), matrix(step.b), matrix(step.out), dtype, then=then, exact=False)
