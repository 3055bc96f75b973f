"""What is made of the losses of many samples: the conventions of PyTorch and of the book."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError


def reduce(losses: Any, reduction: str, shares: Any = None) -> Any:
    """One number for the losses of all elements, in one of the conventions in use.

    "mean" divides by the number of elements, "batchmean" by the length of the first axis (the samples, 1/N in the
    book), "sum" by nothing (eq. 6.5), and "none" leaves them as they are. With "half_" before it there is a factor 1/2
    (1/(2N) is "half_batchmean", (1/2) r^2 is "half_none"), so that the derivative of a square has no factor 2.

    `shares` are weights that are in the losses already: "mean" divides by their sum instead of by the number.

    Raises `ArgumentError` for another name.
    """
    name = reduction.removeprefix("half_") if isinstance(reduction, str) else ""
    if name == "mean":
        value = losses.mean() if shares is None else losses.sum() / shares.sum()
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


def times(losses: Any, weight: Any, who: str) -> Any:
    """Each loss times its weight. Raises `ShapeError` for weights that would make more losses of them."""
    given = tuple(weight.shape) if hasattr(weight, "shape") else np.shape(weight)
    try:
        fits = np.broadcast_shapes(given, losses.shape) == losses.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{who}(): weights {given} for losses {losses.shape}.",
            "There is one weight for each loss, or one for each entry of the last axes.",
            "Reshape the weights: weight.reshape(input.shape), or weight[:, None] for one a sample.",
        )
    return losses * weight
