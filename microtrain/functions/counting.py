"""Functions of PyTorch that count elements and look them up: distinct values, histograms, sorted boundaries."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.values import looked_at
from ..errors import ArgumentError, ShapeError
from ..ops.primitive import operation
from ..ops.shapes import normalise_dim
from ..tensor import Tensor, wrap


@operation()
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often 0, 1, 2 ... occur in a vector of integers, or the sums of their weights."""
    if input.dtype.kind not in "iu" or input.ndim != 1 or (input._data < 0).any():
        raise ArgumentError("bincount() takes a vector of integers 0, 1, 2 ...", fix="Flatten it, or use x.long().")
    given = None if weights is None else looked_at(weights)
    return wrap(np.bincount(looked_at(input), given, minlength))


@operation()
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of `bins` equal intervals from min to max (of the data, if both are equal).

    Elements outside are not counted. Raises `ArgumentError` for limits that are not finite, or in the wrong order.
    """
    raw = looked_at(input)
    low, high = (float(np.min(raw)), float(np.max(raw))) if min == max and raw.size else (min, max)
    if low == high:
        low, high = low - 1, high + 1
    counts = np.histogram(raw if raw.dtype != bool else raw.astype(int), bins, (low, high))[0]
    return wrap(counts.astype(raw.dtype) if raw.dtype.kind == "f" else counts)


# ---- distinct values -------------------------------------------------------------------------------------------------


def _with(values: Any, *extras: tuple[bool, Any]) -> Any:
    """The values alone, or in a tuple with what else was asked for."""
    asked = [wrap(np.asarray(extra)) for wanted, extra in extras if wanted]
    return (wrap(values), *asked) if asked else wrap(values)


@operation()
def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values in order, or the different slices along `dim`.

    With, if asked, the number of the value that each element (or slice) has, and how often each value occurs. A NaN
    equals nothing: each is a value of its own.
    """
    axis = None if dim is None else normalise_dim(dim, input.ndim)
    values, inverse, counts = np.unique(
        looked_at(input), return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    shape = input.shape if axis is None else (-1,)
    return _with(values, (return_inverse, inverse.reshape(shape)), (return_counts, counts))


@operation()
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Without elements (or slices along `dim`) that equal the one before; without `dim` the tensor is flattened.

    With, if asked, the number of the value that each element has, and how many equal ones follow each other.
    """
    raw = looked_at(input)
    axis = 0 if dim is None else normalise_dim(dim, input.ndim)
    values = raw.reshape(-1) if dim is None or raw.ndim == 0 else np.moveaxis(raw, axis, 0)
    n = len(values)
    new = np.ones(n, dtype=bool)
    new[1:] = (values[1:] != values[:-1]).any(axis=tuple(range(1, values.ndim)))
    starts = np.flatnonzero(new)
    inverse = (np.cumsum(new) - 1).reshape(raw.shape if dim is None else (n,))
    counts = np.diff(starts, append=n)
    return _with(np.moveaxis(values[starts], 0, axis), (return_inverse, inverse), (return_counts, counts))


@operation(method=False)
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Elementwise: is it among the others? `assume_unique` saves time where no element occurs twice in either."""
    others = looked_at(test_elements) if isinstance(test_elements, Tensor) else test_elements
    raw = looked_at(elements) if isinstance(elements, Tensor) else elements
    return wrap(np.isin(raw, others, assume_unique=assume_unique, invert=invert))


# ---- sorted boundaries -----------------------------------------------------------------------------------------------


@operation(method=False)
def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where each element belongs in a sorted vector: before equal ones, or after them with right=True.

    Rows of a sorted (..., n) each go with the same row of the input (..., m). `sorter` is the order (from argsort) in
    which an unsorted sequence is sorted. Raises `ShapeError` if the axes before the last differ.
    """
    values = looked_at(sorted_sequence)
    if sorter is not None:
        values = np.take_along_axis(values, np.asarray(looked_at(sorter) if isinstance(sorter, Tensor) else sorter), -1)
    raw = np.asarray(looked_at(input) if isinstance(input, Tensor) else input)
    if values.ndim == 0 or (values.ndim > 1 and values.shape[:-1] != raw.shape[:-1]):
        raise ShapeError(
            f"searchsorted(): a sorted sequence of shape {values.shape} and elements of shape {raw.shape}.",
            "The sequence is a vector for all of them, or has one row for each row of elements.",
        )
    if side not in (None, "left", "right"):
        raise ArgumentError(f"searchsorted(): side is {side!r}.", fix='Use "left" or "right".')
    how: Any = side or ("right" if right else "left")
    places = np.empty(raw.shape, dtype=np.int32 if out_int32 else np.int64)
    for row in np.ndindex(values.shape[:-1]):
        places[row] = np.searchsorted(values[row], raw[row], how)
    return wrap(places)


@operation(method=False)
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """The number of the interval between the boundaries (a sorted vector) that each element lies in."""
    limits = boundaries if isinstance(boundaries, Tensor) else Tensor(np.asarray(boundaries))
    if limits.ndim != 1:
        raise ShapeError(f"bucketize() takes a vector of boundaries, not shape {limits.shape}.")
    return searchsorted(limits, input, out_int32=out_int32, right=right)
