"""Matrix products. Matrices are the last two axes; the axes before them are batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels import products
from ..kernels.blas import DOT_ALONE, SMALL_KERNELS
from .primitive import operation, primitive
from .reductions import sum_row, sum_to
from .shapes import matrix_transpose, reshape

SMALL = 1 << 17  # multiplications; from there on `@` is the quicker product (measured)

# Where BLAS has small kernels but none for A B^T, a product with a copy of B^T costs less (measured) if
COPIED = 1 << 15 if SMALL_KERNELS else 0  # B has at most so many bytes: it stays in the first-level cache,
ROWS = 32  # A has at least so many rows,
MULTIPLICATIONS = range(1 << 17, SMALL_KERNELS)  # and all of it takes so many multiplications.


def column(x: Any) -> Any:
    return reshape(x, shape=(*x.shape, 1))


def row(x: Any) -> Any:
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def _rows(x: Any) -> Any:
    """All axes but the last made one: a batch of matrices as one tall matrix."""
    return reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def _left_vjp(g: Any, a_shape: tuple[int, ...], b: Any) -> Any:
    if b.ndim == 1:  # each row of a met the vector b
        return column(g) * b if len(a_shape) > 1 else g * b
    if len(a_shape) == 1:  # the vector a met each matrix of b
        return sum_to(sum_row(row(g) * b, dim=(g.ndim,), keepdim=False), a_shape)
    return matmul(g, b.mT)


def _right_vjp(g: Any, a: Any, b_shape: tuple[int, ...]) -> Any:
    if len(b_shape) == 1:  # the vector b met each row of a
        return matmul(reshape(g, shape=(math.prod(g.shape),)), _rows(a)) if a.ndim > 1 else g * a
    if a.ndim == 1:
        return column(a) * row(g)
    if len(b_shape) == 2 and a.ndim > 2:  # one matrix for the whole batch: one product instead of a batch of them
        a, g = _rows(a), _rows(g)
    return matmul(a.mT, g)


matmul = primitive("matmul", products.matmul, [_left_vjp, _right_vjp], tex="{a} {b}")


def _product(a: Any, b: Any) -> Any:
    """The product of two matrices.

    For small arrays `dot` asks BLAS for the same as `@` does, with less ado; but first it fills the result with zeros.
    """
    if a.__class__ is b.__class__ is np.ndarray:
        work = a.size * b.shape[1]
        if work <= DOT_ALONE or (work < SMALL and len(b) <= DOT_ALONE):
            return a.dot(b)
        return products.matmul(a, b)
    return matmul(a, b)


def _affine(x: Any, weight: Any, bias: Any) -> Any:
    if weight.ndim != 2:
        raise ValueError("a weight is a matrix")
    if x.ndim != 2:
        y = products.matmul(x, weight.T)
    elif weight.nbytes <= COPIED and len(x) >= ROWS and len(x) * weight.size in MULTIPLICATIONS:
        y = _product(x, weight.T.copy())
    else:
        y = _product(x, weight.T)
    if y.dtype == bias.dtype and y.shape[-1:] == bias.shape:
        y += bias
        return y
    output = y + bias
    if output.shape != y.shape:
        raise ValueError("a bias has at most the axes of the output")
    return output


def _weight_vjp(g: Any, x: Any) -> Any:
    if g.ndim != 2:
        g, x = _rows(g), _rows(x)
    return _product(g.mT, x)


def _input_vjp(g: Any, weight: Any) -> Any:
    return _product(g, weight) if g.ndim == 2 else matmul(g, weight)


linear_row = primitive("linear", _affine, [_input_vjp, _weight_vjp, lambda g: g], tex=r"{x} {weight}^T + {bias}")


@operation(method=False)
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """x W^T + b: input (..., n), weight (m, n), bias (m,); output (..., m). Raises `ShapeError` if they do not fit.

    Without a bias the weight may also be one vector (n,), as in PyTorch; the output then is (...).
    """
    if bias is None:
        return matmul(input, weight if weight.ndim == 1 else matrix_transpose(weight))
    return linear_row(input, weight, bias)


@operation(name="matmul")
def matmul_of(input: Any, other: Any) -> Any:
    """The matrix product: vectors, matrices and batches of matrices, as `@`. Raises `ShapeError` if they do not fit."""
    return matmul(input, other)


def _only(what: str, ranks: tuple[int, int], input: Any, other: Any) -> Any:
    """The product of tensors with as many axes as the name says."""
    if (input.ndim, np.ndim(getattr(other, "_data", other))) != ranks:
        kinds = {1: "a vector", 2: "a matrix", 3: "a batch of matrices"}
        raise ShapeError(
            f"{what}() takes {kinds[ranks[0]]} and {kinds[ranks[1]]}, not shapes {input.shape} and {np.shape(other)}.",
            fix="Use matmul (@), which takes all of them.",
        )
    return matmul(input, other)


@operation()
def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices."""
    return _only("mm", (2, 2), input, mat2)


@operation()
def mv(input: Any, vec: Any) -> Any:
    """The product of a matrix and a vector."""
    return _only("mv", (2, 1), input, vec)


@operation()
def bmm(input: Any, mat2: Any) -> Any:
    """The products of two batches of matrices."""
    return _only("bmm", (3, 3), input, mat2)


@operation()
def dot(input: Any, other: Any) -> Any:
    """The inner product of two vectors of one length."""
    if input.ndim != 1 or input.shape != other.shape:
        raise ShapeError(
            f"dot() takes two vectors of one length, not shapes {input.shape} and {other.shape}.",
            fix=""
            if input.ndim == other.ndim == 1
            else "What NumPy calls dot() is a @ b for matrices, a * b for numbers.",
        )
    return matmul(input, other)


@operation(aliases=["ger"])
def outer(input: Any, vec2: Any) -> Any:
    """All products of an element of one vector with an element of the other: shape (n, m)."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise ShapeError(f"outer() takes two vectors, not shapes {input.shape} and {vec2.shape}.", fix="Flatten them.")
    return column(input) * vec2
