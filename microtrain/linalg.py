"""Linear algebra under the names of `torch.linalg`. Matrices are the last two axes, the others are batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .calling.operators import PUBLIC
from .calling.signatures import explain_functions
from .errors import ArgumentError as LinAlgError, ShapeError
from .functions.creation import arange
from .functions.norms import matrix_norm, norm, vector_norm
from .ops.primitive import with_numpy_names
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


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 0, 1 ... N - 1 of the elements of vectors (the last axis) as columns; N is their number if not given.

    (`microtrain.vander` has the highest power first, as NumPy's.)
    """
    if x.ndim == 0:
        raise ShapeError("vander() takes vectors, not a tensor without axes (shape ()).")
    return x.unsqueeze(-1) ** arange(x.shape[-1] if N is None else N).to(x.dtype)


@with_numpy_names
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products of vectors along an axis."""
    return (x * y).sum(dim)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, from left to right."""
    return PUBLIC["chain_matmul"](*tensors)  # type: ignore[no-any-return]


explain_functions(globals(), ["diagonal", "matrix_norm", "multi_dot", "norm", "vander", "vecdot", "vector_norm"])


def __getattr__(name: str) -> Any:
    return refuse(__name__, name, globals())
