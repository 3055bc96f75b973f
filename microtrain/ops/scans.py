"""Running sums and products, and the product of all."""

from __future__ import annotations

from typing import Any

import numpy as np

from .comparison import where_row
from .primitive import operation, primitive
from .reductions import count, over, restore, sum_row, summed
from .shapes import Dims, flip_row, normalise_dim, permute, reshape, roll_row


def _cumsum_vjp(g: Any, dim: int) -> Any:
    """Element i is part of sum i and of all later ones."""
    return flip_row(cumsum_row(flip_row(g, dims=(dim,)), dim=dim), dims=(dim,))


def _cumprod_vjp(g: Any, y: Any, x: Any, dim: int) -> Any:
    if not (x == 0).any():
        return _cumsum_vjp(g * y, dim) / x
    # With zeros one can't divide. Row i of `without` has element i replaced by 1: its running products, from i on, are
    # the derivatives in x_i.
    n = x.shape[dim]
    x, g = _swap_to_last(x, dim), _swap_to_last(g, dim)
    diagonal, later = np.eye(n, dtype=bool), np.triu(np.ones((n, n), dtype=bool))
    without = where_row(diagonal, 1, reshape(x, shape=(*x.shape[:-1], 1, n)))
    slopes = where_row(later, cumprod_row(without, dim=without.ndim - 1), 0)
    weighted = slopes * reshape(g, shape=(*g.shape[:-1], 1, n))
    return _swap_to_last(sum_row(weighted, dim=(weighted.ndim - 1,), keepdim=False), dim)


def _swap_to_last(x: Any, dim: int) -> Any:
    """Axis `dim` and the last one exchanged."""
    order = list(range(x.ndim))
    order[dim], order[-1] = order[-1], order[dim]
    return permute(x, dims=tuple(order))


cumsum_row = primitive("cumsum", lambda x, *, dim: np.cumsum(x, axis=dim), [_cumsum_vjp])
cumprod_row = primitive("cumprod", lambda x, *, dim: np.cumprod(x, axis=dim), [_cumprod_vjp])


@operation(inplace=True)
def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running sums along an axis."""
    input = summed(input, dtype)
    axis = normalise_dim(dim, input.ndim)
    return cumsum_row(input, dim=axis) if input.ndim else input.clone()


@operation(inplace=True)
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running products along an axis; the derivative is right at zeros too."""
    input = summed(input, dtype)
    axis = normalise_dim(dim, input.ndim)
    return cumprod_row(input, dim=axis) if input.ndim else input.clone()


def _prod_vjp(g: Any, x: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
    """The slope of an element is the product of the others: right at zeros too, where y / x is not."""
    order = tuple(i for i in range(x.ndim) if i not in dim) + dim  # the axes that were multiplied, last
    moved = permute(x, dims=order)
    last = x.ndim - len(dim)
    flat = reshape(moved, shape=(*moved.shape[:last], count(x_shape, dim)))
    after = flip_row(_products_before(flip_row(flat, dims=(last,)), last), dims=(last,))
    others = reshape(_products_before(flat, last) * after, shape=moved.shape)
    others = permute(others, dims=tuple(order.index(i) for i in range(x.ndim)))
    return restore(g, x_shape, dim, keepdim) * others


def _products_before(x: Any, dim: int) -> Any:
    """For each element, the product of those before it."""
    return cumprod_row(where_row(np.arange(x.shape[dim]) == 0, 1, roll_row(x, shifts=1, dims=dim)), dim=dim)


prod_row = primitive(
    "prod", lambda x, *, dim, keepdim: np.prod(x, axis=dim, keepdims=keepdim), [_prod_vjp], tex=r"\prod {x}"
)


@operation()
def prod(input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product over `dim`; the derivative is right at zeros too."""
    input = summed(input, dtype)
    return prod_row(input, **over(input, dim, keepdim))
