"""Norms of vectors and matrices, by the names and parameters of `torch.linalg` and `numpy.linalg`."""

from __future__ import annotations

from math import inf
from typing import Any

from ..errors import ArgumentError, UnsupportedError
from ..ops.primitive import with_numpy_names
from ..ops.shapes import normalise_dim
from ..tensor import Tensor


@with_numpy_names
def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """(sum |x|^ord)^(1/ord) over `dim`, by default over everything. Where it is 0 its derivative is taken as 0.

    `dtype`: convert x to it first.
    """
    return (x if dtype is None else x.to(dtype)).norm(ord, dim, keepdim)


@with_numpy_names
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The Frobenius norm of each matrix; for ord 1 and -1 the largest and smallest sum of |a| over a column, for inf
    and -inf over a row. Raises `UnsupportedError` for the others, which need singular values.
    """
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise ArgumentError(f"matrix_norm() takes the two axes of the matrices, not dim={dim!r}.")
    A = A if dtype is None else A.to(dtype)
    if ord in (1, -1, inf, -inf):
        rows, columns = (normalise_dim(d, A.ndim) for d in dim)
        summed, compared = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = A.abs().sum(summed, keepdim=True)
        sums = sums.amax(compared, keepdim=True) if ord > 0 else sums.amin(compared, keepdim=True)
        return sums if keepdim else sums.squeeze((rows, columns))
    if ord not in ("fro", None):
        raise UnsupportedError(
            f"matrix_norm({ord!r}) is not in microtrain.",
            "It needs singular values, whose derivatives are not here.",
            "Use the Frobenius norm, 1 or inf; the spectral norm is eigvalsh(A.mT @ A).amax(-1).sqrt().",
        )
    return A.norm(2, dim, keepdim)


@with_numpy_names
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The vector norm of a vector or along one axis; of anything else the Frobenius norm, or another matrix norm.

    Raises `UnsupportedError` for norms of matrices that need singular values.
    """
    A = A if dtype is None else A.to(dtype)
    if ord in (None, "fro"):
        return A.norm(2, dim, keepdim)
    if A.ndim == 1 or isinstance(dim, int):
        return vector_norm(A, ord, dim, keepdim)
    return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim)
