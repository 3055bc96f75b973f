"""Methods that change the tensor itself: its shape, its history, some of its elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.node import memory_of
from ..engine.views import reshape_in_place
from ..errors import InplaceError
from ..ops.indexing import add_at, refuse_fractions, setitem_row
from ..ops.joining import along
from ..ops.primitive import operation
from ..ops.shapes import normalise_dim, squeeze, t, transpose, unsqueeze
from ..tensor import Tensor


@operation(function=False)
def unsqueeze_(self: Any, dim: int) -> Any:
    """`unsqueeze` of this very tensor. Raises `InplaceError` for a leaf that requires grad."""
    return reshape_in_place(self, lambda x: unsqueeze(x, dim), "unsqueeze_")


@operation(function=False)
def squeeze_(self: Any, dim: Any = None) -> Any:
    """`squeeze` of this very tensor. Raises `InplaceError` for a leaf that requires grad."""
    return reshape_in_place(self, lambda x: squeeze(x, dim), "squeeze_")


@operation(function=False, aliases=["swapaxes_", "swapdims_"])
def transpose_(self: Any, dim0: int, dim1: int) -> Any:
    """`transpose` of this very tensor. Raises `InplaceError` for a leaf that requires grad."""
    return reshape_in_place(self, lambda x: transpose(x, dim0, dim1), "transpose_")


@operation(function=False)
def t_(self: Any) -> Any:
    """`t` of this very tensor. Raises `InplaceError` for a leaf that requires grad."""
    return reshape_in_place(self, t, "t_")


@operation(function=False)
def detach_(self: Any) -> Any:
    """Cut this very tensor off the graph: it becomes a leaf that does not require grad.

    Raises `InplaceError` for a view of a tensor that requires grad, which would be tied to it again by the next write.
    """
    node = self.grad_fn
    if node is not None and self._view is not None:
        raise InplaceError("A view can't be cut off the graph in place.", fix="Use x = x.detach().")
    if node is not None and node.grad_receiver is not None and node.grad_receiver() is self:
        node.grad_receiver = None
    memory_of(self)  # shared with the node, which goes on watching it for writes
    self._node, self._tracked = None, False
    return self


@operation(function=False)
def fill_diagonal_(self: Any, fill_value: Any) -> Any:
    """Write one value to the diagonal of a matrix."""
    self.diagonal().fill_(fill_value)
    return self


@operation(inplace=True)
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """input, with the slices of `source` in the place of those at these numbers along an axis."""
    numbers = index._data if isinstance(index, Tensor) else index
    return setitem_row(input, source, index=along(normalise_dim(dim, input.ndim), numbers))


@operation(inplace=True)
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """input with `values` at `input[indices]`; with `accumulate` they are added, several to one place if need be."""
    where = tuple(index._data if isinstance(index, Tensor) else index for index in indices)
    if not accumulate:
        return setitem_row(input, values, index=where)
    spread = values if isinstance(values, Tensor) else Tensor(values)
    refuse_fractions(input, spread._data)
    places = np.broadcast_to(np.False_, input.shape)[where].shape
    return input + add_at(spread.to(input.dtype).expand(*places), shape=input.shape, index=where)
