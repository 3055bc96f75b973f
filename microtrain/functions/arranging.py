"""Functions of PyTorch that arrange tensors, made of others: their derivatives come by themselves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..engine.values import looked_at
from ..errors import ArgumentError, ShapeError
from ..ops.conversion import check_device
from ..ops.diagonals import from_diagonal
from ..ops.indexing import getitem_row, index_row
from ..ops.joining import along, cat, hstack, pad, stack, vstack
from ..ops.primitive import operation
from ..ops.reductions import sum_to
from ..ops.shapes import as_sizes, common_shape, flip, normalise_dim, permute, reshape, whole_numbers
from ..tensor import Tensor, wrap


def _each(tensors: tuple[Any, ...], one: Any) -> Any:
    """One tensor, or a tuple for several (or for a list of them)."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    elif len(tensors) == 1:
        return one(tensors[0])
    return tuple(map(one, tensors))


def _at_least(n: int) -> Any:
    def one(x: Any) -> Any:
        x = x if isinstance(x, Tensor) else Tensor(np.asarray(x))
        if n == 3 and x.ndim == 2:
            return x.unsqueeze(-1)  # NumPy's and PyTorch's rule
        if n == 3 and x.ndim == 1:
            return reshape(x, shape=(1, -1, 1))
        return reshape(x, shape=(1,) * (n - x.ndim) + x.shape) if x.ndim < n else x

    return one


@operation(method=False)
def atleast_1d(*tensors: Any) -> Any:
    """With at least one axis."""
    return _each(tensors, _at_least(1))


@operation(method=False)
def atleast_2d(*tensors: Any) -> Any:
    """With at least two axes: a vector becomes a row."""
    return _each(tensors, _at_least(2))


@operation(method=False)
def atleast_3d(*tensors: Any) -> Any:
    """With at least three axes."""
    return _each(tensors, _at_least(3))


# ---- joining ---------------------------------------------------------------------------------------------------------


@operation(method=False)
def column_stack(tensors: Sequence[Any]) -> Any:
    """Vectors (and matrices) as the columns of a matrix."""
    return hstack([t.reshape(-1, 1) if t.ndim < 2 else t for t in tensors])


@operation(method=False)
def row_stack(tensors: Sequence[Any]) -> Any:
    """Vectors (and matrices) as the rows of a matrix."""
    return vstack(tensors)


@operation(method=False)
def dstack(tensors: Sequence[Any]) -> Any:
    """Stacked along a third axis."""
    return cat([_at_least(3)(t) for t in tensors], 2)


@operation(method=False)
def block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of a large one, zeros elsewhere."""
    blocks = [_at_least(2)(t) for t in tensors]
    if any(b.ndim > 2 for b in blocks):
        raise ShapeError(f"block_diag() takes matrices, not shapes {[t.shape for t in blocks]}.")
    width = sum(b.shape[1] for b in blocks)
    rows, left = [], 0
    for b in blocks:
        rows.append(pad(b, (left, width - left - b.shape[1])))
        left += b.shape[1]
    return cat(rows, 0)


@operation(method=False)
def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of an element of each vector, as rows."""
    if len(tensors) == 1:
        return tensors[0]
    places = np.indices([t.numel() for t in tensors]).reshape(len(tensors), -1)
    return stack([t[wrap(p)] for t, p in zip(tensors, places, strict=True)], 1)


@operation(method=False)
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of r elements of a vector, as rows."""
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input.numel()), r)), dtype=np.int64).reshape(-1, r)
    return index_row(input, index=rows)


# ---- parts -----------------------------------------------------------------------------------------------------------


@operation()
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> Any:
    """Views: that many nearly equal parts, or cut before these places."""
    axis = normalise_dim(dim, input.ndim)
    if input.ndim == 0:
        raise ShapeError("tensor_split() of a tensor without axes (shape ()).")
    n = input.shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)) or getattr(indices_or_sections, "ndim", 1) == 0:
        (parts,) = whole_numbers([indices_or_sections], "The number of parts")
        if parts < 1:
            raise ArgumentError(f"tensor_split() into {parts} parts.")
        cuts = [n // parts * k + min(k, n % parts) for k in range(1, parts)]
    else:
        cuts = list(as_sizes((tuple(int(i) for i in indices_or_sections),), what="indices"))
    ends = [0, *cuts, n]
    return tuple(getitem_row(input, index=along(axis, slice(a, b))) for a, b in itertools.pairwise(ends))


def equal_parts(input: Any, indices_or_sections: Any, axis: int, what: str) -> Any:
    """`tensor_split`; raises `ArgumentError` if a number of parts does not divide the length of the axis."""
    if input.ndim <= axis:
        raise ShapeError(f"{what} needs at least {axis + 1} axes, not shape {input.shape}.")
    if isinstance(indices_or_sections, int) and input.shape[axis] % max(1, indices_or_sections):
        raise ArgumentError(
            f"{what}: an axis of length {input.shape[axis]} has no {indices_or_sections} equal parts.",
            fix="Use tensor_split().",
        )
    return tensor_split(input, indices_or_sections, axis)


@operation()
def vsplit(input: Any, indices_or_sections: Any) -> Any:
    """`tensor_split` along the first axis of two or more; into equal parts."""
    if input.ndim < 2:
        raise ShapeError(f"vsplit() needs at least two axes, not shape {input.shape}.")
    return equal_parts(input, indices_or_sections, 0, "vsplit()")


@operation()
def hsplit(input: Any, indices_or_sections: Any) -> Any:
    """`tensor_split` along the second axis (of a vector: the first); into equal parts."""
    return equal_parts(input, indices_or_sections, 0 if input.ndim == 1 else 1, "hsplit()")


@operation()
def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of `size` elements along an axis, every `step` elements; they lie along a new last axis (a copy)."""
    axis = normalise_dim(dimension, input.ndim)
    n = input.shape[axis] if input.ndim else 1
    if not 0 <= size <= n or step < 1:
        raise ArgumentError(f"unfold(): windows of {size} every {step} elements, along an axis of {n}.")
    starts = np.arange(0, n - size + 1, step)
    windows = index_row(input, index=along(axis, starts[:, None] + np.arange(size)))
    return windows.movedim(axis + 1, -1)


# ---- turning ---------------------------------------------------------------------------------------------------------


@operation()
def fliplr(input: Any) -> Any:
    """Left and right exchanged (axis 1)."""
    return flip(input, 1)


@operation()
def flipud(input: Any) -> Any:
    """Up and down exchanged (axis 0)."""
    return flip(input, 0)


@operation()
def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Turned k times by 90 degrees, from the first of two axes towards the second."""
    first, second = (normalise_dim(d, input.ndim) for d in dims)
    if first == second:
        raise ArgumentError(f"rot90(): {tuple(dims)} are not two axes.")
    order = list(range(input.ndim))
    order[first], order[second] = second, first
    if k % 4 == 0:
        return input.clone()
    if k % 4 == 2:
        return flip(input, first, second)
    turned = flip(input, second) if k % 4 == 1 else input
    turned = permute(turned, dims=tuple(order))
    return flip(turned, second) if k % 4 == 3 else turned.clone()


# ---- diagonals, triangles, sums --------------------------------------------------------------------------------------


@operation()
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Vectors (the last axis) as the diagonals of matrices, which lie along the axes dim1 and dim2 of the result."""
    if input.ndim == 0:
        raise ShapeError("diag_embed() of a tensor without axes (shape ()).")
    n = input.shape[-1] + abs(offset)
    first, second = (normalise_dim(d, input.ndim + 1) for d in (dim1, dim2))
    if first == second:
        raise ArgumentError(f"diag_embed() of shape {input.shape}: dim1 {dim1} and dim2 {dim2} are the same axis.")
    others = iter(input.shape[:-1])
    shape = tuple(n if axis in (first, second) else next(others) for axis in range(input.ndim + 1))
    return from_diagonal(input, shape=shape, offset=offset, dim1=first, dim2=second)


@operation()
def diagflat(input: Any, offset: int = 0) -> Any:
    """The elements as the diagonal of a matrix."""
    return diag_embed(input.reshape(-1), offset)


@operation(method=False)
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Any:
    """The indices (2, n) of the lower triangle of a row x col matrix."""
    check_device(device)
    return wrap(np.array(np.tril_indices(row, offset, col), dtypes.parse(dtype) or dtypes.int64))


@operation(method=False)
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Any:
    """The indices (2, n) of the upper triangle of a row x col matrix."""
    check_device(device)
    return wrap(np.array(np.triu_indices(row, offset, col), dtypes.parse(dtype) or dtypes.int64))


@operation(method=False)
def unravel_index(indices: Any, shape: Sequence[int]) -> Any:
    """Places in the flattened tensor as one index for each axis."""
    return tuple(wrap(np.asarray(i)) for i in np.unravel_index(looked_at(indices), as_sizes((shape,))))


@operation()
def sum_to_size(input: Any, *size: Any) -> Any:
    """Summed over the axes along which `size` would be broadcast to this shape."""
    shape = as_sizes(size)
    if common_shape([shape, input.shape], "sum_to_size()") != input.shape:
        raise ShapeError(f"sum_to_size(): {shape} does not broadcast to {input.shape}.")
    return sum_to(input, shape)


@operation()
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of a vector's elements as columns, from the highest (or the lowest) on."""
    if x.ndim != 1:
        raise ShapeError(f"vander() takes a vector, not shape {x.shape}.", fix="linalg.vander takes batches of them.")
    powers = np.arange(x.shape[0] if N is None else N)
    return x.unsqueeze(-1) ** wrap(powers if increasing else powers[::-1].copy())
