"""Linear algebra under the names of `torch.linalg`. Matrices are the last two axes, the others are batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .calling.operators import PUBLIC
from .errors import ArgumentError as LinAlgError, UnsupportedError
from .pytorch.missing import refuse
from .tensor import Tensor

cholesky = PUBLIC["cholesky"]
cross = PUBLIC["cross"]
det = PUBLIC["det"]
eigh = PUBLIC["eigh"]
eigvalsh = PUBLIC["eigvalsh"]
inv = PUBLIC["inv"]
matmul = PUBLIC["matmul"]
matrix_power = PUBLIC["matrix_power"]
slogdet = PUBLIC["slogdet"]
solve = PUBLIC["solve"]
vander = PUBLIC["vander"]

__all__ = [
    "LinAlgError",
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "slogdet",
    "solve",
    "vander",
    "vecdot",
    "vector_norm",
]


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices (the last two axes); a view."""
    return A.diagonal(offset, dim1, dim2)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products of vectors along an axis."""
    return (x * y).sum(dim)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, from left to right."""
    return PUBLIC["chain_matmul"](*tensors)  # type: ignore[no-any-return]


def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """(sum |x|^ord)^(1/ord) over `dim`, by default over everything. Where it is 0 its derivative is taken as 0."""
    return x.norm(ord, dim, keepdim)


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """The Frobenius norm of each matrix. Raises `UnsupportedError` for the others, which need singular values."""
    if ord not in ("fro", None):
        raise UnsupportedError(
            f"matrix_norm({ord!r}) is not in microtrain.",
            "It needs singular values, whose derivatives are not here.",
            "Use the Frobenius norm; the spectral norm is eigvalsh(A.mT @ A).amax(-1).sqrt().",
        )
    return A.norm(2, dim, keepdim)


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The vector norm of a vector or along one axis, the Frobenius norm of anything else.

    Raises `UnsupportedError` for other norms of matrices.
    """
    if ord in (None, "fro"):
        return A.norm(2, dim, keepdim)
    if A.ndim == 1 or isinstance(dim, int):
        return vector_norm(A, ord, dim, keepdim)
    return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim)


def __getattr__(name: str) -> Any:
    return refuse(__name__, name, globals())
