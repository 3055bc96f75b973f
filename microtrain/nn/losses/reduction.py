"""What all losses share: formulas, shapes that must go together, and what is made of the losses of many samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...dtypes import to_array
from ...errors import ArgumentError, ShapeError
from ...ops.primitive import Primitive
from ...tensor import Tensor, wrap


def formula(name: str, forward: Callable[..., Any], vjps: Sequence[Any] | None = None, *, tex: str) -> Primitive:
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


def reduce(losses: Tensor, reduction: str) -> Tensor:
    """One number for the losses of all elements, in one of the conventions in use.

    "mean" divides by the number of elements, "batchmean" by the length of the first axis (the samples, 1/N in the
    book), "sum" by nothing (eq. 6.5), and "none" leaves them as they are. With "half_" before it there is a factor 1/2
    (1/(2N) is "half_batchmean", (1/2) r^2 is "half_none"), so that the derivative of a square has no factor 2.

    Raises `ArgumentError` for another name.
    """
    name = reduction.removeprefix("half_") if isinstance(reduction, str) else ""
    if name == "mean":
        value = losses.mean()
    elif name == "sum":
        value = losses.sum()
    elif name == "none":
        value = losses
    elif name == "batchmean":
        value = losses.sum() / (losses.shape[0] if losses.ndim else 1)
    else:
        raise ArgumentError(
            f"reduction is {reduction!r}.",
            fix='Use "mean", "sum", "none" or "batchmean", or one of them with "half_" before it for the factor 1/2.',
        )
    return value if name == reduction else value * 0.5


def weighted(losses: Tensor, weight: Any, reduction: str) -> Tensor:
    """`reduce`, after a factor for each loss."""
    return reduce(losses if weight is None else losses * as_tensor(weight), reduction)
