"""What all losses share: formulas, shapes that must go together, and what is made of the losses of many samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...dtypes import to_array
from ...errors import ShapeError
from ...ops import loss_reduction
from ...ops.primitive import Primitive
from ...tensor import Tensor, wrap

reduce: Callable[..., Tensor] = loss_reduction.reduce


def loss_formula(name: str, forward: Callable[..., Any], vjps: Sequence[Any] | None = None, *, tex: str) -> Primitive:
    """An elementwise row: the loss of one element. Without `vjps` the derivative is derived from the formula."""
    return Primitive(name, forward, vjps, tex=tex, elementwise=True)


def as_tensor(x: Any) -> Tensor:
    """The tensor itself, or one made of an array, a list or a number."""
    return x if isinstance(x, Tensor) else wrap(to_array(x))


def pair(input: Any, target: Any, who: str) -> tuple[Tensor, Tensor]:
    """Prediction and target as tensors whose shapes go together.

    Raises `ShapeError` where broadcasting would compare every prediction with every target, (N, 1) with (N,).
    """
    input, target = as_tensor(input), as_tensor(target)
    if input.shape != target.shape:
        try:
            shape = np.broadcast_shapes(input.shape, target.shape)
        except ValueError:
            shape = None
        if shape not in (input.shape, target.shape):
            raise ShapeError(
                f"{who}(): predictions {input.shape} and targets {target.shape} differ in shape.",
                f"They broadcast to {shape}: each prediction would be compared with each target." if shape else "",
                "Reshape one of them: target.reshape(input.shape), or input.squeeze(-1).",
            )
    if input.is_floating_point() and not target.is_floating_point():
        target = target.to(input.dtype)  # 0 and 1, say; int64 would make float32 into float64
    return input, target


def weighted(losses: Tensor, weight: Any, reduction: str, who: str, *, by_share: bool = False) -> Tensor:
    """`reduce`, after a factor for each loss. `by_share`: "mean" divides by the sum of the weights."""
    if weight is None:
        return reduce(losses, reduction)
    weight = as_tensor(weight)
    if not weight.is_floating_point():
        weight = weight.to(losses.dtype)  # counts, say; int64 would make float32 into float64
    losses = loss_reduction.times(losses, weight, who)
    return reduce(losses, reduction, weight.expand(losses.shape) if by_share else None)
