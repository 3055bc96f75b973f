"""Orders: sort, argsort, topk. Equal elements keep their order; NaN counts as the largest."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from .extremes import ValuesAndIndices, only_element
from .indexing import gather_row, getitem_row
from .primitive import operation, primitive
from .shapes import normalise_dim


def _order(x: Any, *, dim: int, descending: bool) -> Any:
    if x.ndim == 0:
        return np.zeros((), dtype=np.int64)
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    # The ascending order of the reversed tensor, read backwards: equal elements keep their order this way too.
    backwards = np.argsort(np.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(backwards, dim)


argsort_row = primitive("argsort", _order)


@operation()
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The indices that sort the tensor along an axis."""
    return argsort_row(input, dim=normalise_dim(dim, input.ndim), descending=descending)


@operation()
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """(values, indices) in order along an axis."""
    indices = argsort(input, dim, descending)
    if input.ndim == 0:
        return only_element(input)
    return ValuesAndIndices(gather_row(input, indices, dim=normalise_dim(dim, input.ndim)), indices)


@operation()
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """(values, indices) of the k largest (or smallest) elements along an axis, in order.

    Raises `ArgumentError` if there are fewer than k.
    """
    axis = normalise_dim(dim, input.ndim)
    length = input.shape[axis] if input.ndim else 1
    if not 0 <= k <= length:
        raise ArgumentError(f"topk() of shape {input.shape}: k = {k}, but axis {dim} has {length} elements.")
    if input.ndim == 0:
        return only_element(input)
    indices = getitem_row(argsort(input, axis, descending=largest), index=(slice(None),) * axis + (slice(k),))
    return ValuesAndIndices(gather_row(input, indices, dim=axis), indices)
