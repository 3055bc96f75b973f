"""Rows behind writing in place. The memory is written by `Tensor.overwrite`; these say where gradients go."""

from __future__ import annotations

from typing import Any

import numpy as np

from .primitive import Primitive, operation, primitive


def _copied(x: Any, value: Any) -> Any:
    if value is None:
        raise TypeError("None is not a number")
    return np.broadcast_to(value, x.shape).astype(x.dtype)


copy_row = primitive(
    "copy_",
    _copied,
    [lambda g: g * 0, lambda g: g],
)


def _write_view(base: Any, piece: Any, *, view: Any, settings: dict[str, Any]) -> Any:
    output = np.array(base, order="C")
    view.forward(output, **settings)[...] = piece
    return output


# The whole after one of its views was written: outside the view the gradient is the whole's, inside it is the view's.
write_view: Primitive = primitive(
    "write_view",
    _write_view,
    [
        lambda g, view, settings: write_view(g, 0, view=view, settings=settings),
        lambda g, view, settings: view(g, **settings),
    ],
)


@operation(function=False)
def copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """Write the values of `src`, broadcast to this shape."""
    return self.overwrite(copy_row(self, src), "copy_")


@operation(function=False)
def fill_(self: Any, value: Any) -> Any:
    """Write one value everywhere."""
    return self.overwrite(copy_row(self, value), "fill_")


@operation(function=False)
def zero_(self: Any) -> Any:
    """Write zeros everywhere."""
    return self.overwrite(copy_row(self, 0), "zero_")
