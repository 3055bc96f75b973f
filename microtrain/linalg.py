"""Linear algebra under the names of `torch.linalg`. Matrices are the last two axes, the others are batches."""

from __future__ import annotations

from typing import Any

from .errors import UnsupportedError
from .missing import refuse
from .operators import PUBLIC
from .tensor import Tensor

cholesky = PUBLIC["cholesky"]
det = PUBLIC["det"]
eigvalsh = PUBLIC["eigvalsh"]
inv = PUBLIC["inv"]
matmul = PUBLIC["matmul"]
slogdet = PUBLIC["slogdet"]
solve = PUBLIC["solve"]


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
