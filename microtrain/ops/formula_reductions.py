"""Reductions of elementwise operations: the sum, mean, maximum or log-sum-exp of a formula's values.

For large arrays one kernel computes the values and reduces them while they are in the cache; they are never stored. The
derivative computes them again where it needs them.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..formula import Operand
from ..kernels import tier
from .comparison import where_row
from .exponential import exp
from .extremes import amax_row
from .norms import logsumexp_row
from .plan import parameter_names
from .primitive import Primitive
from .reductions import count, mean_row, restore, spread, sum_row
from .shapes import broadcast_to, common_shape, normalise_dims

REDUCTIONS = {"sum": sum_row, "mean": mean_row, "max": amax_row, "logsumexp": logsumexp_row}
PARTS: dict[Primitive, tuple[Primitive, str]] = {}  # of the operations that `reduced` made: (row, how)


@cache
def reduced(row: Primitive, how: str) -> Primitive:
    """The operation "reduce the values of `row` over `dim`" for any number of inputs."""
    reduction = REDUCTIONS[how]

    def forward(*xs: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
        if max(np.size(x) for x in xs) >= tier.large and row.kernel is not None:
            folded = row.kernel.fold(xs, how, dim, keepdim)
            if folded is not None:
                return folded
        return reduction(_values(row, xs), dim=dim, keepdim=keepdim)

    def vjp(g: Any, y: Any, xs: Any, i: int, dim: tuple[int, ...], keepdim: bool) -> Any:
        shape = np.broadcast_shapes(*(np.shape(x) for x in xs))
        if row.vjp_of(i) is None:  # no gradient flows to that input
            return spread(g * 0, shape, dim, keepdim)
        values = _values(row, xs)
        if how in ("sum", "mean"):
            upstream = spread(g if how == "sum" else g / count(shape, dim), shape, dim, keepdim)
        elif how == "max":  # of the values as they are now: another tier's may differ in the last bit
            hits = values == amax_row(values, dim=dim, keepdim=True)
            share = restore(g, shape, dim, keepdim) / sum_row(hits, dim=dim, keepdim=True).astype(g.dtype)
            upstream = where_row(hits, share, 0)
        else:
            y = restore(y, shape, dim, keepdim)
            upstream = restore(g, shape, dim, keepdim) * exp(values - where_row(y == -np.inf, 0, y))
        named = {"y": values, **dict(zip(row.inputs, xs, strict=True))}
        slope = row.vjp_kernel(i)
        arguments = [named[name] for name in parameter_names(slope.formula)]
        small = isinstance(upstream, Operand) or np.size(upstream) < tier.large
        gradient = (slope.formula if small else slope.value)(upstream, *arguments)
        return gradient if gradient.shape == shape else broadcast_to(gradient, shape=shape)

    made = Primitive(f"{how} of {row.name}", forward, [vjp], tex=reduction.tex.replace("{x}", f"({row.tex})"))
    PARTS[made] = row, how
    return made


def _values(row: Primitive, xs: Any) -> Any:
    """The row's values on arrays or tensors."""
    if any(isinstance(x, Operand) for x in xs) or row.kernel is None:
        return row(*xs)
    if max(np.size(x) for x in xs) >= tier.large:
        values = row.kernel(xs)
        if values is not None:
            return values
    return row(*xs)


def reduce_formula(row: Primitive, how: str, *inputs: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """`how` ("sum", "mean", "max", "logsumexp") of the values of an elementwise operation over `dim`.

    Raises `ArgumentError` for another `how` or if there is no value, and `ShapeError` if the shapes do not go together.
    """
    if how not in REDUCTIONS:
        raise ArgumentError(f"There is no reduction {how!r} of a formula.", fix="Use " + ", ".join(REDUCTIONS) + ".")
    shape = common_shape([np.shape(x) for x in inputs], f"{how} of {row.name}")
    axes = normalise_dims(dim, len(shape))
    if how == "max" and not math.prod(shape[i] for i in axes):
        raise ArgumentError(f"max of {row.name} of no elements: the shape is {shape}.")
    return reduced(row, how)(*inputs, dim=axes, keepdim=keepdim)
