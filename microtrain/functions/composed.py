"""Functions of PyTorch that are made of others: no rows of their own, so their derivatives come by themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..ops.arithmetic import clamp, neg, sub
from ..ops.comparison import where_row
from ..ops.exponential import log, log1p
from ..ops.indexing import getitem_row, setitem_row
from ..ops.joining import along, cat
from ..ops.primitive import operation
from ..ops.products import matmul
from ..ops.reductions import mean, std, var
from ..ops.shapes import Dims, broadcast_to, common_shape, normalise_dim, reshape
from ..tensor import Tensor, wrap

# ---- products --------------------------------------------------------------------------------------------------------


def _blend(input: Any, product: Any, beta: float, alpha: float) -> Any:
    """beta * input + alpha * product; with beta = 0 not even a NaN of the input is seen."""
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return scaled + where_row(True, 0, input)
    return (input if beta == 1 else input * beta) + scaled


@operation(inplace=True)
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * mat1 @ mat2."""
    return _blend(input, matmul(mat1, mat2), beta, alpha)


@operation(inplace=True)
def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * mat @ vec."""
    return addmm(input, mat, vec, beta=beta, alpha=alpha)


@operation(inplace=True)
def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * batch1 @ batch2, for batches of matrices."""
    return addmm(input, batch1, batch2, beta=beta, alpha=alpha)


@operation()
def inner(input: Any, other: Any) -> Any:
    """Sums of products over the last axes: x . y for vectors."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(f"inner(): the last axes of {input.shape} and {other.shape} differ in length.")
    left = reshape(input, shape=(-1, input.shape[-1]))
    right = reshape(other, shape=(-1, other.shape[-1]))
    return reshape(left @ right.mT, shape=(*input.shape[:-1], *other.shape[:-1]))


@operation()
def vdot(input: Any, other: Any) -> Any:
    """The sum of products of two vectors."""
    return input.dot(other)


@operation(inplace=True)
def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * input + alpha * the outer product of two vectors."""
    return _blend(input, vec1.outer(vec2), beta, alpha)


@operation(method=False)
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sums of products over axes: the last `dims` of a and the first of b, or ([axes of a], [axes of b])."""
    if isinstance(dims, int):
        ours, theirs = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        ours, theirs = ([d % x.ndim for d in axes] for axes, x in zip(dims, (a, b), strict=True))
    if [a.shape[i] for i in ours] != [b.shape[i] for i in theirs]:
        raise ShapeError(f"tensordot(): axes {ours} of {a.shape} and {theirs} of {b.shape} differ in length.")
    left = [i for i in range(a.ndim) if i not in ours]
    right = [i for i in range(b.ndim) if i not in theirs]
    rows = math.prod(a.shape[i] for i in left)
    columns = math.prod(b.shape[i] for i in right)
    inside = math.prod(a.shape[i] for i in ours)
    product = a.permute(*left, *ours).reshape(rows, inside) @ b.permute(*theirs, *right).reshape(inside, columns)
    return product.reshape(*[a.shape[i] for i in left], *[b.shape[i] for i in right])


@operation()
def kron(input: Any, other: Any) -> Any:
    """The Kronecker product: each element of `input` times the whole of `other`."""
    rank = max(input.ndim, other.ndim)
    a = reshape(input, shape=(1,) * (rank - input.ndim) + input.shape)
    b = reshape(other, shape=(1,) * (rank - other.ndim) + other.shape)
    product = reshape(a, shape=tuple(x for n in a.shape for x in (n, 1))) * reshape(
        b, shape=tuple(x for n in b.shape for x in (1, n))
    )
    return reshape(product, shape=tuple(n * m for n, m in zip(a.shape, b.shape, strict=True)))


@operation()
def cross(input: Any, other: Any, dim: int = -1) -> Any:
    """The cross product of vectors of length 3 along an axis."""
    a, b = broadcast_tensors(input, other)
    axis = normalise_dim(dim, a.ndim)
    if a.ndim == 0 or a.shape[axis] != 3:
        raise ShapeError(f"cross() takes vectors of length 3 along axis {dim}, not shape {a.shape}.")
    return a.roll(-1, axis) * b.roll(-2, axis) - a.roll(-2, axis) * b.roll(-1, axis)


@operation()
def matrix_power(input: Any, n: int) -> Any:
    """A square matrix multiplied by itself: n - 1 products, or fewer by repeated squaring. n < 0 inverts it first."""
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise ShapeError(f"matrix_power() takes square matrices, not shape {input.shape}.")
    square, n = (input, n) if n >= 0 else (input.inv(), -n)
    result = None
    while n:
        if n & 1:
            result = square if result is None else result @ square
        n >>= 1
        square = square @ square if n else square
    unit = broadcast_to(wrap(np.eye(input.shape[-1], dtype=input.dtype)), shape=input.shape).clone()
    return unit if result is None else result


@operation(method=False)
def chain_matmul(*matrices: Any) -> Any:
    """The product of several matrices, from left to right."""
    result = matrices[0]
    for matrix in matrices[1:]:
        result = result @ matrix
    return result


@operation(method=False)
def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str | None = None) -> Any:
    """The distance of each row of x1 (..., n, d) to each row of x2 (..., m, d): shape (..., n, m).

    Always from the differences, which lose no digits; so `compute_mode` says nothing.
    """
    return (x1.unsqueeze(-2) - x2.unsqueeze(-3)).norm(p, -1)


# ---- parts -----------------------------------------------------------------------------------------------------------


@operation()
def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    """The part of an axis from `start`, `length` long; a view. Raises `ArgumentError` outside the axis."""
    axis = normalise_dim(dim, input.ndim)
    size = input.shape[axis] if input.ndim else 0
    start = start + size if start < 0 else start
    if not (start >= 0 and length >= 0 and start + length <= size):
        raise ArgumentError(f"narrow({dim}, {start}, {length}) of an axis of length {size}.")
    return getitem_row(input, index=along(axis, slice(start, start + length)))


@operation()
def select(input: Any, dim: int, index: int) -> Any:
    """One slice along an axis; a view."""
    return input[along(normalise_dim(dim, input.ndim), index)]


@operation()
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along an axis, n times; with other tensors before and after `input` along it, if given.

    Raises `ArgumentError` for a negative n.
    """
    if input.ndim == 0:
        raise ShapeError("diff() of a tensor without axes (shape ()).")
    if n < 0:
        raise ArgumentError(f"diff(): n is {n}, and nothing can be done {n} times.")
    axis = normalise_dim(dim, input.ndim)
    parts = [x for x in (prepend, input, append) if x is not None]
    input = cat(parts, axis) if len(parts) > 1 and n else input
    for _ in range(n):
        input = getitem_row(input, index=along(axis, slice(1, None))) - getitem_row(input, index=along(axis, slice(-1)))
    return input


@operation(inplace=True)
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """input, with the slices of `source` added at these numbers along an axis; a number may occur several times.

    Raises `ShapeError` if `source` does not have one slice for each number.
    """
    numbers = index if isinstance(index, Tensor) else wrap(np.asarray(index))
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
        raise DtypeError(f"index_add(): the index is a vector of integers, not {numbers.dtype} of {numbers.shape}.")
    axis = normalise_dim(dim, input.ndim)
    fitting = (*input.shape[:axis], len(numbers), *input.shape[axis + 1 :]) if input.ndim else ()
    if source.shape != fitting:
        raise ShapeError(
            f"index_add() of {source.shape} into {input.shape}, along axis {axis} at {len(numbers)} places.",
            "Each number gets one slice of the source, as large as the input's.",
            f"The source has to have shape {fitting}.",
        )
    wide = tuple(-1 if k == axis else 1 for k in range(source.ndim))
    spread = broadcast_to(reshape(numbers, shape=wide), shape=source.shape)
    return input.scatter_add(axis, spread, source if alpha == 1 else source * alpha)


@operation(inplace=True)
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """input, with one value at these numbers along an axis."""
    numbers = np.asarray(index._data if isinstance(index, Tensor) else index)
    return setitem_row(input, value, index=along(normalise_dim(dim, input.ndim), numbers))


# ---- elements --------------------------------------------------------------------------------------------------------


@operation(inplace=True)
def clamp_min(input: Any, min: Any) -> Any:
    """input, but at least `min`."""
    return clamp(input, min=min)


@operation(inplace=True)
def clamp_max(input: Any, max: Any) -> Any:
    """input, but at most `max`."""
    return clamp(input, max=max)


@operation(inplace=True)
def nan_to_num(input: Any, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Numbers in place of NaN and infinities: 0, and the largest and smallest of the dtype."""
    if input.dtype.kind != "f":
        return input.clone()
    limits = np.finfo(input.dtype)
    output = where_row(input != input, 0.0 if nan is None else nan, input)
    output = where_row(output == np.inf, limits.max if posinf is None else posinf, output)
    return where_row(output == -np.inf, limits.min if neginf is None else neginf, output)


@operation(inplace=True)
def logit(input: Any, eps: float | None = None) -> Any:
    """ln(p / (1 - p)), the inverse of sigmoid; with `eps`, p is first limited to [eps, 1 - eps]."""
    p = input if eps is None else clamp(input, eps, 1 - eps)
    return sub(log(p), log1p(neg(p)))


@operation()
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements are not 0."""
    return (input != 0).sum(dim)


# ---- statistics ------------------------------------------------------------------------------------------------------


@operation()
def var_mean(
    input: Any, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """(variance, mean); see `var`."""
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, _axes(dim), keepdim)


def _axes(dim: Any) -> Any:
    """What `var` takes for dim: True and False mean all axes, and say `unbiased`."""
    return None if isinstance(dim, bool) else dim


@operation()
def std_mean(
    input: Any, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Any:
    """(standard deviation, mean); see `var`."""
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, _axes(dim), keepdim)


# ---- shapes ----------------------------------------------------------------------------------------------------------


@operation(method=False)
def broadcast_tensors(*tensors: Any) -> Any:
    """All in their common shape, as views."""
    shape = common_shape([t.shape for t in tensors], "broadcast_tensors()")
    return tuple(broadcast_to(t, shape=shape) for t in tensors)


@operation(method=False)
def meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    """Vectors x, y ... as grids: with "ij" the first runs along axis 0, with "xy" along axis 1 (as for pictures)."""
    vectors: Sequence[Any] = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f"meshgrid(): indexing is {indexing!r}.", fix='Use "ij" or "xy".')
    if any(v.ndim > 1 for v in vectors):
        raise ShapeError(f"meshgrid() takes vectors, not shapes {[v.shape for v in vectors]}.")
    swap = indexing == "xy" and len(vectors) > 1
    order = [1, 0, *range(2, len(vectors))] if swap else list(range(len(vectors)))
    lengths = tuple(vectors[k].numel() for k in order)
    grids = []
    for k, v in enumerate(vectors):
        wide = tuple(-1 if order[axis] == k else 1 for axis in range(len(vectors)))
        grids.append(broadcast_to(reshape(v, shape=wide), shape=lengths))
    return tuple(grids)
