"""Changing the shape: views where NumPy can make one."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, IndexingError, ShapeError
from .primitive import Primitive, operation, primitive

Dims = int | Sequence[int] | None


def normalise_dim(dim: Any, ndim: int) -> int:
    """A dim counted from 0; raises `IndexingError` when there is no such axis."""
    if type(dim) is not int:
        (dim,) = whole_numbers([dim], "dim")
    if not -ndim <= dim < ndim and not (ndim == 0 and dim in (0, -1)):
        raise IndexingError(
            f"dim {dim} does not exist in a tensor with {ndim} axes.", fix=f"Use {-ndim} to {ndim - 1}." if ndim else ""
        )
    return dim % ndim if ndim else 0


def normalise_dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The axes meant by `dim`: one, several, or None for all."""
    if dim is None:
        return tuple(range(ndim))
    axes = tuple(normalise_dim(d, ndim) for d in (dim if isinstance(dim, Sequence) else [dim]))
    if len(set(axes)) != len(axes):
        raise ArgumentError(f"dim {dim} names an axis twice.")
    return axes if ndim else ()


def whole_numbers(values: Sequence[Any], what: str) -> tuple[int, ...]:
    """As Python integers; raises `ArgumentError` for anything that is not one."""
    try:
        if not any(isinstance(value, bool) for value in values):
            return tuple(operator.index(value) for value in values)
    except TypeError:
        pass
    raise ArgumentError(f"{what} is made of whole numbers, not {list(values)}.")


def as_sizes(sizes: tuple[Any, ...], keyword: Any = None, what: str = "A shape") -> tuple[int, ...]:
    """`f(2, 3)`, `f((2, 3))` and `f(keyword=(2, 3))` mean the same."""
    if keyword is not None:
        if sizes:
            raise ArgumentError(f"{what} was given twice: {sizes} and {keyword}.")
        sizes = (keyword,)
    if len(sizes) == 1 and isinstance(sizes[0], (Sequence, np.ndarray)):
        sizes = tuple(sizes[0])
    return whole_numbers(sizes, what)


def common_shape(shapes: Sequence[tuple[int, ...]], what: str) -> tuple[int, ...]:
    """What the shapes broadcast to; raises `ShapeError` if they do not."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"{what}: {' and '.join(map(str, shapes))} do not go together.",
            "Compared from the last axis on, lengths must be equal or 1.",
        ) from None


reshape: Primitive = primitive(
    "reshape", lambda x, *, shape: x.reshape(shape), [lambda g, x_shape: reshape(g, shape=x_shape)], view=True
)
permute: Primitive = primitive(
    "permute",
    lambda x, *, dims: x.transpose(dims),
    [lambda g, dims: permute(g, dims=tuple(dims.index(i) for i in range(len(dims))))],
    view=True,
)
broadcast_to = primitive(
    "broadcast_to", lambda x, *, shape: np.broadcast_to(x, shape), [lambda g: g], view=True
)  # the backward walk sums over the broadcast axes
flip_row: Primitive = primitive(
    "flip", lambda x, *, dims: np.array(np.flip(x, dims), order="C"), [lambda g, dims: flip_row(g, dims=dims)]
)  # a copy, as in PyTorch
roll_row: Primitive = primitive(
    "roll",
    lambda x, *, shifts, dims: np.roll(x, shifts, dims),
    [lambda g, shifts, dims: roll_row(g, shifts=_negated(shifts), dims=dims)],
)
clone_row = primitive("clone", lambda x: np.array(x, order="C"), [lambda g: g])


def _negated(shifts: Any) -> Any:
    return tuple(-s for s in shifts) if isinstance(shifts, tuple) else -shifts


@operation(name="reshape")
def reshape_to(input: Any, *sizes: Any, shape: Any = None) -> Any:
    """The same elements in another shape; one length may be -1. A view where possible.

    Raises `ShapeError` if the number of elements differs.
    """
    return reshape(input, shape=_known(input.shape, as_sizes(sizes, shape)))


def _known(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """`new` with its -1 filled in."""
    rest = math.prod(n for n in new if n != -1)
    total = math.prod(old)
    unknown = new.count(-1)
    if unknown > 1 or any(n < -1 for n in new) or (total % rest if unknown and rest else rest != total):
        raise ShapeError(
            f"A tensor of shape {old} can't be reshaped to {new}.",
            f"It has {total} elements; the new shape must have as many, with at most one -1.",
        )
    if unknown and rest == 0:
        raise ShapeError(
            f"Reshaping {old} to {new}: with no elements, -1 could be any length.", fix="Give all lengths."
        )
    return tuple(total // rest if n == -1 else n for n in new)


@operation()
def view(input: Any, *shape: Any) -> Any:
    """A view of the same memory in another shape.

    Raises `ShapeError` where the memory does not allow it (after a transpose, say): use `reshape`.
    """
    if len(shape) == 1 and isinstance(shape[0], (np.dtype, type)):
        raise ArgumentError("view(dtype) reinterprets memory, which has no derivative.", fix="Use x.to(dtype).")
    output = reshape_to(input, *shape)
    if input.numel() and not np.shares_memory(output._array(), input._array()):
        raise ShapeError(
            f"view() can't show this tensor of shape {input.shape} as {output.shape} without copying it.",
            "Its elements do not lie in memory in the order of its axes.",
            "Use reshape(), which copies when it must, or contiguous().view().",
        )
    return output


@operation()
def view_as(input: Any, other: Any) -> Any:
    """`input` in the shape of `other`."""
    return view(input, *other.shape)


@operation()
def reshape_as(input: Any, other: Any) -> Any:
    """`input` in the shape of `other`."""
    return reshape(input, shape=_known(input.shape, other.shape))


@operation(aliases=["ravel"])
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Axes start_dim to end_dim made one."""
    start, end = normalise_dim(start_dim, input.ndim), normalise_dim(end_dim, input.ndim)
    if input.ndim == 0:
        return reshape(input, shape=(1,))
    if start > end:
        raise ArgumentError(f"flatten() of shape {input.shape}: start_dim {start_dim} comes after end_dim {end_dim}.")
    shape = input.shape
    return reshape(input, shape=(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@operation()
def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    """Axis `dim` made several, of lengths `sizes`; the inverse of `flatten`."""
    axis = normalise_dim(dim, input.ndim)
    shape = input.shape
    if not shape:
        raise ShapeError("unflatten() of a tensor without axes (shape ()).")
    return reshape(input, shape=(*shape[:axis], *_known((shape[axis],), as_sizes((sizes,))), *shape[axis + 1 :]))


@operation()
def squeeze(input: Any, dim: Dims = None) -> Any:
    """Without the axes of length 1 (or those among `dim`)."""
    axes = normalise_dims(dim, input.ndim)
    return reshape(input, shape=tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in axes))


@operation(name="unsqueeze", aliases=["expand_dims"])
def unsqueeze(input: Any, dim: int) -> Any:
    """With a new axis of length 1 at position `dim`."""
    at = normalise_dim(dim, input.ndim + 1)
    return reshape(input, shape=(*input.shape[:at], 1, *input.shape[at:]))


@operation(name="permute")
def permute_dims(input: Any, *order: Any, dims: Any = None) -> Any:
    """The axes in another order."""
    wanted = as_sizes(order, dims, "The order of the axes")
    axes = tuple(normalise_dim(d, input.ndim) for d in wanted)
    if sorted(axes) != list(range(input.ndim)):
        raise ArgumentError(f"permute() of shape {input.shape}: {wanted} does not name each of the axes once.")
    return permute(input, dims=axes)


@operation(aliases=["swapaxes", "swapdims"])
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two axes exchanged."""
    order = list(range(input.ndim))
    a, b = normalise_dim(dim0, input.ndim), normalise_dim(dim1, input.ndim)
    if input.ndim:
        order[a], order[b] = order[b], order[a]
    return permute(input, dims=tuple(order))


@operation(aliases=["moveaxis"])
def movedim(input: Any, source: Dims, destination: Dims) -> Any:
    """Axes moved to other places; the others keep their order."""
    sources, destinations = normalise_dims(source, input.ndim), normalise_dims(destination, input.ndim)
    if len(sources) != len(destinations):
        raise ArgumentError(f"movedim() of shape {input.shape}: {source} and {destination} are not equally many axes.")
    order = [i for i in range(input.ndim) if i not in sources]
    for to, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, axis)
    return permute(input, dims=tuple(order))


@operation()
def t(input: Any) -> Any:
    """The transpose of a matrix; vectors and numbers as they are."""
    if input.ndim > 2:
        raise ShapeError(f"t() is for matrices, not for shape {input.shape}.", fix="Use mT, or transpose(dim0, dim1).")
    return transpose(input, 0, 1) if input.ndim == 2 else input


def matrix_transpose(x: Any) -> Any:
    """The last two axes exchanged; reads arrays and tensors."""
    n = x.ndim
    if n < 2:
        raise ShapeError(f"A matrix transpose needs at least two axes, not shape {x.shape}.")
    return permute(x, dims=(*range(n - 2), n - 1, n - 2))


def _expanded(input: Any, new: tuple[int, ...], what: str) -> Any:
    old = (1,) * (len(new) - input.ndim) + input.shape
    if len(old) != len(new) or any(o not in (1, n) or n < 0 for o, n in zip(old, new, strict=True)):
        raise ShapeError(
            f"{what}: a tensor of shape {input.shape} can't be repeated to {new}.",
            "Counted from the last axis, only axes of length 1 (and missing ones) can be repeated.",
        )
    return broadcast_to(input, shape=new)


@operation(name="broadcast_to")
def broadcast_shape(input: Any, *shape: Any, size: Any = None) -> Any:
    """`input` repeated along new axes and axes of length 1, without copying: a read-only view."""
    return _expanded(input, as_sizes(shape, size), "broadcast_to()")


@operation()
def expand(input: Any, *sizes: Any, size: Any = None) -> Any:
    """`broadcast_to`, where -1 keeps the length of an axis."""
    new = as_sizes(sizes, size)
    missing = len(new) - input.ndim  # axes that the tensor does not have yet
    if missing >= 0:
        new = tuple(input.shape[i - missing] if n == -1 and i >= missing else n for i, n in enumerate(new))
    return _expanded(input, new, "expand()")


@operation()
def expand_as(input: Any, other: Any) -> Any:
    """`input` broadcast to the shape of `other`."""
    return _expanded(input, other.shape, "expand_as()")


@operation()
def flip(input: Any, *axes: Any, dims: Any = None) -> Any:
    """Reversed along these axes, or along all (a copy)."""
    chosen = as_sizes(axes, dims, "dims") if axes or dims is not None else None
    return flip_row(input, dims=normalise_dims(chosen, input.ndim))


@operation()
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Shifted along axes; what falls out at the end comes in at the start. Without `dims` as one flat vector."""
    by = as_sizes((shifts,), what="shifts")
    axes = None if dims is None else as_sizes((dims,), what="dims")
    if len(by) != (1 if axes is None else len(axes)):
        raise ArgumentError(f"roll() of shape {input.shape}: shifts {shifts} and dims {dims} are not equally many.")
    if axes is None:
        return roll_row(input, shifts=by[0], dims=None)
    return roll_row(input, shifts=by, dims=tuple(normalise_dim(d, input.ndim) for d in axes))


@operation()
def clone(input: Any, *, memory_format: Any = None) -> Any:
    """A copy in new memory, still part of the graph."""
    return clone_row(input)


@operation()
def contiguous(input: Any, *, memory_format: Any = None) -> Any:
    """The tensor itself if its elements lie in memory in order, else a copy."""
    return input if input.is_contiguous() else clone_row(input)
