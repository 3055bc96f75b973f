"""Writing in place, and tensors that share memory.

A write goes to the memory at once; the graph follows. Each piece of memory counts its writes (`Memory`), so that nodes
notice that a value they kept is gone. A tensor that is a view remembers what it is a view of: writing to the view makes
the whole the result of that write, and a view that was taken before a write is taken again when it is next used.

For example, with x a leaf that requires grad and `v = x * 1`:

    p = v[:2]     `Tensor.apply` computes it, and `note_view` notes in p that it is v[:2] and shares v's memory
    q = v[1:]     the same
    p *= 10       is `overwrite(p, p * 10)`: `writable` asks whether it may be written, the numbers go into the memory,
                  `count_write` counts one more write to it, and `take_history_with_bases` makes p the result of the
                  multiplication and v the result of "write p over v[:2]" (the row `write_view`)
    q.sum()       q was taken before that write: `refresh` takes v[1:] again, from the new v, so that the gradient
                  of q[0] comes by way of the multiplication
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import DtypeError, InplaceError, ShapeError
from ..ops.primitive import Primitive
from ..ops.writing import write_view
from .node import Node, count_writes, memory_of
from .recording import MODE, grad_mode
from .sites import call_site

if TYPE_CHECKING:
    from ..tensor import Tensor


class View(NamedTuple):
    """How a tensor that shares another's memory was taken from it."""

    base: Tensor
    primitive: Primitive
    params: dict[str, Any]
    without_history: bool  # taken from a tensor that requires grad, but under no_grad: so it stays
    base_array: Any  # to notice if the base was given another shape in place


def note_view(output: Tensor, base: Tensor, primitive: Primitive, params: dict[str, Any]) -> None:
    """Note that `output` shares the memory of `base`, if it does."""
    data, owner = base._data, output._data.base
    if owner is not data and (owner is None or owner is not data.base) and output._data is not data:
        return  # NumPy had to copy
    output._memory = memory = memory_of(base)
    output._view = View(base, primitive, params, base._tracked and not MODE.get().grad, data)
    output._view_version = memory.version


def refresh(tensor: Tensor) -> None:
    """Take a view again if its memory was written since, so that it knows where its values came from."""
    stale = []
    while tensor._view is not None and tensor._memory is not None and tensor._view_version != tensor._memory.version:
        stale.append(tensor)
        tensor = tensor._view.base
    for view in reversed(stale):
        assert view._view is not None and view._memory is not None
        view._view_version = view._memory.version
        base, primitive, params, without_history, base_array = view._view
        if base._memory is not view._memory:  # the base was given other memory: this is a tensor of its own now
            view._view = None
        elif not without_history:
            _check_shape(base, base_array)
            with grad_mode(True):
                take_history(view, base.apply(primitive, base, **params))


def count_write(tensor: Tensor, what: str, depth: int = 4) -> None:
    """Count a write, for the nodes that keep this memory and the views of it; for `depth` see `call_site`."""
    count_writes([memory_of(tensor)], (what, call_site(depth)))


def writable(tensor: Tensor, what: str) -> np.ndarray[Any, Any]:
    """The memory of a tensor, if it may be written here. Raises `InplaceError` if not."""
    root = tensor
    while root._view is not None and root._view.base._memory is root._memory:
        root = root._view.base
    if root._tracked and root._node is None and MODE.get().grad:
        raise InplaceError(
            f"'{what}' would change a leaf that requires grad{'' if root is tensor else ' (through a view of it)'}.",
            "A leaf is where gradients end; its value can't also be the result of an operation.",
            "To update a parameter write inside `with microtrain.no_grad():`; else make a new tensor.",
        )
    memory = tensor._array()
    if not memory.flags.writeable:
        raise InplaceError(
            f"'{what}' can't write to this tensor of shape {tensor.shape}: its memory is read-only.",
            "It is an expanded view, where one element stands for many, or a gradient inside a hook.",
            "Write to x.clone().",
        )
    return memory


def overwrite(tensor: Tensor, new: Tensor, what: str, since: int | None = None) -> Tensor:
    """Put `new`, the result of an operation on `tensor`, in the tensor's place: values, graph and views.

    If `new` took several operations, `since` is a serial number from before them.
    """
    memory = writable(tensor, what)
    if new.shape != tensor.shape:
        raise ShapeError(
            f"'{what}' has a result of shape {new.shape}, which does not fit into {tensor.shape}.",
            "Writing in place can't change the shape.",
            "Use the form that makes a new tensor.",
        )
    if not np.can_cast(new.dtype, tensor.dtype, "same_kind"):
        raise DtypeError(
            f"'{what}' has a result of dtype {new.dtype}, which can't be written into {tensor.dtype}.",
            fix="Convert the tensor first (x.float()), or use the form that makes a new tensor.",
        )
    if new._node is not None:
        new._node._copied += (-1,)
        nodes = {new._node}
        while nodes:  # what was made for this write must not lose its operands to it
            node = nodes.pop()
            node.copy_kept(memory_of(tensor))
            if since is not None:
                nodes.update(p for p in node.parents if type(p) is Node and p.serial > since)
    np.copyto(memory, new._data, casting="same_kind")
    count_write(tensor, what)
    mode = MODE.get()
    if mode.grad and (new._tracked or tensor._tracked):
        take_history_with_bases(tensor, new if new.dtype == tensor.dtype else new.to(tensor.dtype))
    for listener in mode.listeners:
        if hasattr(listener, "write"):
            listener.write(tensor, new, what)
    return tensor


def take_history_with_bases(tensor: Tensor, new: Tensor) -> None:
    """Take over the history of `new`, and hand it on to the tensors that this one is a view of."""
    take_history(tensor, new)
    piece = tensor
    while piece._view is not None and piece._memory is not None and piece._view.base._memory is piece._memory:
        base, primitive, params, _, base_array = piece._view
        _check_shape(base, base_array)
        version = piece._memory.version
        # Also a view that was taken without history is one with history now: that of the write.
        piece._view, piece._view_version = View(base, primitive, params, False, base_array), version
        base._view_version = version  # not to be taken again: the next line gives it this write, all it lacks
        take_history(base, base.apply(write_view, base, piece, view=primitive, settings=params))
        piece = base


def take_history(tensor: Tensor, new: Tensor) -> None:
    """Become the result of the operation that made `new`; the node now watches this tensor's memory."""
    before = tensor._node
    tensor._node, tensor._tracked = node, _ = new._node, new._tracked
    if node is not None:
        node._memory = memory = memory_of(tensor)
        node._output_since = memory.written
        if before is not None and before.grad_receiver is not None:  # retain_grad() goes on with the new value
            node.grad_receiver, before.grad_receiver = before.grad_receiver, None
            node.hooks = node.hooks or []


def _check_shape(base: Tensor, base_array: Any) -> None:
    """Raise `InplaceError` if the tensor that a view was taken from has another shape by now."""
    if base._data is not base_array:
        raise InplaceError(
            f"A view was taken from a tensor of shape {base_array.shape}, which then got the shape {base.shape} "
            "in place.",
            "After the write that followed, the view can't tell any more which elements are its own.",
            "Make a new tensor instead: x = x.unsqueeze(0) for x.unsqueeze_(0).",
        )


def reshape_in_place(tensor: Tensor, view: Callable[[Tensor], Tensor], what: str) -> Tensor:
    """Give the tensor the shape of `view(tensor)`, in the same memory and with its history.

    Raises `InplaceError` for a leaf that requires grad.
    """
    if tensor._tracked and tensor._node is None:
        raise InplaceError(
            f"'{what}' would change the shape of a leaf that requires grad.",
            "Its gradient has the old shape.",
            "Make a new tensor, or change the shape before requires_grad_().",
        )
    tensor._array()
    before = tensor.detach()  # a stand-in for what the tensor was
    before._node, before._tracked = tensor._node, tensor._tracked
    before._view, before._view_version = tensor._view, tensor._view_version
    with grad_mode(True):
        new = view(before)
    take_history(tensor, new)
    tensor._data, tensor._memory, tensor._view, tensor._view_version = (
        new._data, new._memory, new._view, new._view_version,
    )  # fmt: skip
    for listener in MODE.get().listeners:
        if hasattr(listener, "reshaped"):
            listener.reshaped(tensor, new, what)
    return tensor
