"""The largest, the smallest and the middle element, and where they stand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..formula import F
from .arithmetic import maximum, minimum
from .comparison import where_row
from .indexing import gather_row
from .primitive import operation, primitive
from .reductions import restore, sum_row
from .shapes import Dims, normalise_dim, normalise_dims


def _share_ties(g: Any, y: Any, x: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
    """The gradient shared equally among the elements that attain the extreme."""
    best = restore(y, x_shape, dim, keepdim)
    hits = (x == best) | (F.isnan(x) & F.isnan(best))
    share = restore(g, x_shape, dim, keepdim) / sum_row(hits, dim=dim, keepdim=True).astype(g.dtype)
    return where_row(hits, share, 0)


def _middle(x: Any, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    """The median of all elements."""
    order = np.sort(x, axis=None)
    y = order[-1] if np.isnan(order[-1]) else order[(order.size - 1) // 2]  # NaN is sorted last
    return np.full((1,) * x.ndim, y) if keepdim else y


def _index_of_middle(x: Any, *, dim: int) -> Any:
    """Where the median stands along an axis."""
    order = np.argsort(x, axis=dim, kind="stable")
    middle = np.take(order, [(x.shape[dim] - 1) // 2], axis=dim)
    nan = np.isnan(x)
    return np.where(nan.any(axis=dim, keepdims=True), np.argmax(nan, axis=dim, keepdims=True), middle)


_TIES = "ties share the gradient equally"
amax_row = primitive(
    "amax", lambda x, *, dim, keepdim: np.max(x, axis=dim, keepdims=keepdim), [_share_ties], note=_TIES, tex=r"\max {x}"
)
amin_row = primitive(
    "amin", lambda x, *, dim, keepdim: np.min(x, axis=dim, keepdims=keepdim), [_share_ties], note=_TIES, tex=r"\min {x}"
)
median_row = primitive("median", _middle, [_share_ties], note=_TIES, tex=r"\operatorname{median} {x}")
argmax_row = primitive("argmax", lambda x, *, dim, keepdim: np.asarray(np.argmax(x, axis=dim, keepdims=keepdim)))
argmin_row = primitive("argmin", lambda x, *, dim, keepdim: np.asarray(np.argmin(x, axis=dim, keepdims=keepdim)))
median_index = primitive("median_index", _index_of_middle)


class ValuesAndIndices(NamedTuple):
    """Elements picked along an axis, and where they stood."""

    values: Any
    indices: Any


def pick_along(input: Any, indices: Any, dim: int, keepdim: bool) -> ValuesAndIndices:
    """The elements at `indices` (which has the axis, of length 1)."""
    values = gather_row(input, indices, dim=dim)
    if not keepdim:
        values, indices = values.squeeze(dim), indices.squeeze(dim)
    return ValuesAndIndices(values, indices)


def only_element(input: Any) -> ValuesAndIndices:
    """What picking from a tensor without axes gives."""
    return ValuesAndIndices(input.clone(), argmax_row(input, dim=None, keepdim=False))


def _check_not_empty(input: Any, axes: tuple[int, ...], what: str) -> None:
    if input.numel() == 0 and (not axes or 0 in (input.shape[i] for i in axes)):
        raise ShapeError(
            f"{what} of no elements: the tensor has shape {input.shape}.",
            "There is no neutral value, as 0 is for a sum.",
            "Check numel() first.",
        )


def _reduced(row: Any, input: Any, dim: Dims, keepdim: bool) -> Any:
    axes = normalise_dims(dim, input.ndim)
    _check_not_empty(input, axes, row.name)
    return row(input, dim=axes, keepdim=keepdim)


def _extreme(whole: Any, pairwise: Any, finder: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    """max and min: three functions under one name, as in PyTorch."""
    if dim is None or isinstance(dim, (tuple, list)):
        return _reduced(whole, input, dim, keepdim)
    if not isinstance(dim, (int, np.integer)):
        return pairwise(input, dim)
    axis = normalise_dim(int(dim), input.ndim)
    if input.ndim == 0:
        return only_element(input)
    _check_not_empty(input, (axis,), "max or min")
    return pick_along(input, finder(input, dim=axis, keepdim=True), axis, keepdim)


@operation()
def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; with `dim` (values, indices) along an axis; with a tensor the elementwise maximum.

    Over everything, ties share the gradient; along an axis, the first of them gets it. Raises `ShapeError` if there
    are no elements.
    """
    return _extreme(amax_row, maximum, argmax_row, input, dim, keepdim)


@operation()
def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; see `max`."""
    return _extreme(amin_row, minimum, argmin_row, input, dim, keepdim)


@operation()
def amax(input: Any, dim: Dims = None, keepdim: bool = False) -> Any:
    """The largest element over `dim`; ties share the gradient equally. Raises `ShapeError` if there are no elements."""
    return _reduced(amax_row, input, dim, keepdim)


@operation()
def amin(input: Any, dim: Dims = None, keepdim: bool = False) -> Any:
    """The smallest element over `dim`; see `amax`."""
    return _reduced(amin_row, input, dim, keepdim)


def _where_is(row: Any, input: Any, dim: int | None, keepdim: bool) -> Any:
    axis = None if dim is None else normalise_dim(dim, input.ndim)
    _check_not_empty(input, () if axis is None else (axis,), row.name)
    return row(input, dim=axis if input.ndim else None, keepdim=keepdim)


@operation()
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Where the largest element stands (the first one), along an axis or in the flattened tensor."""
    return _where_is(argmax_row, input, dim, keepdim)


@operation()
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Where the smallest element stands (the first one)."""
    return _where_is(argmin_row, input, dim, keepdim)


@operation()
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element (the lower of two); with `dim` (values, indices) along an axis. NaN if there is one.

    Over everything, ties share the gradient; along an axis, the first of them gets it. Raises `ShapeError` if there
    are no elements.
    """
    if dim is None:
        return _reduced(median_row, input, None, keepdim)
    axis = normalise_dim(dim, input.ndim)
    if input.ndim == 0:
        return only_element(input)
    _check_not_empty(input, (axis,), "median")
    return pick_along(input, median_index(input, dim=axis), axis, keepdim)
