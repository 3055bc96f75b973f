"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from .primitive import Primitive, operation, primitive
from .shapes import normalise_dim, whole_numbers


def _from_diagonal(g: Any, *, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Any:
    """Zeros, with g on the diagonal."""
    output = np.zeros(shape, dtype=g.dtype)
    view = np.diagonal(output, offset, dim1, dim2)
    view.flags.writeable = True
    view[...] = g
    return output


def _diagonal(x: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    """A view; NumPy's is read-only for no reason of ours."""
    view = np.diagonal(x, offset, dim1, dim2)
    view.flags.writeable = x.flags.writeable
    return view


diagonal_row = primitive(
    "diagonal",
    _diagonal,
    [
        lambda g, x_shape, offset, dim1, dim2: from_diagonal(g, shape=x_shape, offset=offset, dim1=dim1, dim2=dim2),
    ],
    view=True,
)
from_diagonal: Primitive = primitive(
    "from_diagonal",
    _from_diagonal,
    [lambda g, offset, dim1, dim2: diagonal_row(g, offset=offset, dim1=dim1, dim2=dim2)],
)
tril_row: Primitive = primitive("tril", lambda x, *, k: np.tril(x, k), [lambda g, k: tril_row(g, k=k)])
triu_row: Primitive = primitive("triu", lambda x, *, k: np.triu(x, k), [lambda g, k: triu_row(g, k=k)])


@operation()
def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The elements with equal indices along two axes, as a new last axis: a view, so writes to it reach the matrix."""
    if input.ndim < 2:
        raise ShapeError(f"A diagonal needs at least two axes, not shape {input.shape}.")
    first, second = normalise_dim(dim1, input.ndim), normalise_dim(dim2, input.ndim)
    if first == second:
        raise ArgumentError(f"diagonal() of shape {input.shape}: dim1 {dim1} and dim2 {dim2} are the same axis.")
    return diagonal_row(input, offset=offset, dim1=first, dim2=second)


@operation()
def diag(input: Any, diagonal: int = 0) -> Any:
    """A vector as a diagonal matrix, or the diagonal of a matrix (a copy)."""
    (diagonal,) = whole_numbers([diagonal], "diagonal")
    if input.ndim == 1:
        n = input.shape[0] + abs(diagonal)
        return from_diagonal(input, shape=(n, n), offset=diagonal, dim1=0, dim2=1)
    if input.ndim != 2:
        raise ShapeError(f"diag() takes a vector or a matrix, not shape {input.shape}.")
    return diagonal_row(input, offset=diagonal, dim1=0, dim2=1).clone()


@operation()
def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeError(f"trace() takes a matrix, not shape {input.shape}.")
    return diagonal_row(input, offset=0, dim1=0, dim2=1).sum()


def _triangle(row: Any, input: Any, diagonal: int) -> Any:
    if input.ndim < 2:
        raise ShapeError(f"{row.name}() takes matrices, not shape {input.shape}.")
    return row(input, k=whole_numbers([diagonal], "diagonal")[0])


@operation(inplace=True)
def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle of each matrix, zeros above."""
    return _triangle(tril_row, input, diagonal)


@operation(inplace=True)
def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle of each matrix, zeros below."""
    return _triangle(triu_row, input, diagonal)
