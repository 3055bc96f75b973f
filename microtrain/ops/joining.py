"""Putting tensors together and taking them apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from .indexing import getitem_row, index_row
from .primitive import operation, primitive
from .shapes import as_sizes, broadcast_to, clone_row, normalise_dim, reshape, whole_numbers


def along(dim: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part` of axis `dim`."""
    return (*(slice(None),) * dim, part)


def _own_part(g: Any, starts: tuple[int, ...], dim: int, i: int) -> Any:
    """The part of the gradient that belongs to input i."""
    return getitem_row(g, index=along(dim, slice(starts[i], starts[i + 1])))


cat_row = primitive("cat", lambda *xs, dim, starts: np.concatenate(xs, axis=dim), [_own_part])


def _several(tensors: Any, what: str) -> list[Any]:
    if not isinstance(tensors, (list, tuple)):
        raise DtypeError(
            f"{what}() takes a list of tensors, not {type(tensors).__name__}.", fix=f"Write {what}([a, b])."
        )
    if not tensors:
        raise ArgumentError(f"{what}() of no tensors.")
    return list(tensors)


@operation(aliases=["concat", "concatenate"], method=False)
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors one after the other along an existing axis; their other lengths must agree.

    Raises `ShapeError` if they do not.
    """
    tensors = _several(tensors, "cat")
    shapes = [x.shape for x in tensors]
    if (0,) in shapes and len(set(shapes)) > 1 and () not in shapes:  # `all = tensor([])` is how some begin
        tensors = _with_axes(tensors, next(s for s in shapes if s != (0,)), dim)
        shapes = [x.shape for x in tensors]
    axis = normalise_dim(dim, len(shapes[0]))
    if not shapes[0]:
        raise ShapeError("cat() of tensors without axes (shape ()).", fix="Use stack().")
    if len({(len(s), *s[:axis], *s[axis + 1 :]) for s in shapes}) > 1:
        raise ShapeError(
            f"cat() along dim {dim} of shapes {', '.join(map(str, shapes))}.",
            "All lengths but the one along that axis must agree.",
        )
    starts = (0, *np.cumsum([s[axis] for s in shapes]).tolist())
    return cat_row(*tensors, dim=axis, starts=starts)


def _with_axes(tensors: list[Any], shape: tuple[int, ...], dim: int) -> list[Any]:
    """The empty vectors among the tensors with the axes that the others have."""
    axis = normalise_dim(dim, len(shape))
    empty = tuple(0 if i == axis else n for i, n in enumerate(shape))
    return [reshape(x, shape=empty) if x.shape == (0,) else x for x in tensors]


@operation(method=False)
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors of one shape along a new axis. Raises `ShapeError` if their shapes differ."""
    tensors = _several(tensors, "stack")
    if len({x.shape for x in tensors}) > 1:
        raise ShapeError(f"stack() of different shapes: {', '.join(str(x.shape) for x in tensors)}.")
    shape = tensors[0].shape
    axis = normalise_dim(dim, len(shape) + 1)
    return cat([reshape(x, shape=(*shape[:axis], 1, *shape[axis:])) for x in tensors], axis)


@operation(method=False)
def vstack(tensors: Sequence[Any]) -> Any:
    """Stacked as rows."""
    return cat([x.reshape(1, x.numel()) if x.ndim < 2 else x for x in _several(tensors, "vstack")], 0)


@operation(method=False)
def hstack(tensors: Sequence[Any]) -> Any:
    """Side by side: along axis 1, or along axis 0 for vectors."""
    tensors = [x.reshape(1) if x.ndim == 0 else x for x in _several(tensors, "hstack")]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def _length(x: Any, dim: int, what: str) -> tuple[int, int]:
    """(axis, its length)"""
    axis = normalise_dim(dim, x.ndim)
    if x.ndim == 0:
        raise ShapeError(f"{what}() of a tensor without axes (shape ()).")
    return axis, x.shape[axis]


@operation()
def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    """A tuple of views: pieces of that length (the last may be shorter), or of these lengths."""
    axis, length = _length(tensor, dim, "split")
    if isinstance(split_size_or_sections, (int, np.integer)):
        size = int(split_size_or_sections)
        if size <= 0:
            raise ArgumentError(f"split() of shape {tensor.shape} into pieces of length {size}.")
        sections = [min(size, length - start) for start in range(0, length, size)] or [0]
    else:
        sections = list(whole_numbers(split_size_or_sections, "The list of lengths"))
        if sum(sections) != length or min(sections, default=0) < 0:
            raise ArgumentError(
                f"split() of shape {tensor.shape} along dim {dim} into {sections}, which adds up to {sum(sections)}.",
                f"The lengths must add up to {length}.",
            )
    starts = np.cumsum([0, *sections]).tolist()
    return tuple(getitem_row(tensor, index=along(axis, slice(a, b))) for a, b in itertools.pairwise(starts))


@operation()
def chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """At most `chunks` views of equal length (the last may be shorter)."""
    (chunks,) = whole_numbers([chunks], "The number of chunks")
    if chunks <= 0:
        raise ArgumentError(f"chunk() of shape {input.shape} into {chunks} pieces.")
    _, length = _length(input, dim, "chunk")
    return split(input, -(-length // chunks) if length else [0] * chunks, dim)


@operation()
def unbind(input: Any, dim: int = 0) -> Any:
    """A tuple of the slices along an axis, which are views."""
    axis, length = _length(input, dim, "unbind")
    return tuple(getitem_row(input, index=along(axis, i)) for i in range(length))


pad_row = primitive(
    "pad",
    lambda x, *, widths, value: np.pad(x, widths, constant_values=value),
    [
        lambda g, x_shape, widths: getitem_row(
            g, index=tuple(slice(before, before + n) for (before, _), n in zip(widths, x_shape, strict=True))
        )
    ],
)


@operation(method=False)
def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Any:
    """Widened by (before, after) pairs for the last axis, then the one before it, and so on; negative widths cut.

    The new places hold `value`; with mode "reflect" what lies as far on the other side of the edge, with "replicate"
    what lies at the edge, with "circular" what comes next when the end is joined to the beginning.
    """
    pad = whole_numbers(pad, "pad")
    if mode not in _EDGES or len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ArgumentError(
            f"pad({list(pad)}, mode={mode!r}) of shape {input.shape}.",
            f"There is one (before, after) pair for each axis, counted from the last; modes are {', '.join(_EDGES)}.",
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    pairs = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    if any(n + min(a, 0) + min(b, 0) < 0 for (a, b), n in zip(pairs, input.shape, strict=True)):
        raise ShapeError(f"pad({list(pad)}) cuts off more than shape {input.shape} has.")
    if any(a < 0 or b < 0 for a, b in pairs):
        cut = tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(pairs, input.shape, strict=True))
        input = getitem_row(input, index=cut)
    widths = tuple((max(0, a), max(0, b)) for a, b in pairs)
    if mode == "constant":
        return pad_row(input, widths=widths, value=value)
    for axis, width in enumerate(widths):
        if width != (0, 0):
            _check_edges(input.shape, axis, width, mode)
            places = np.pad(np.arange(input.shape[axis]), width, mode=_EDGES[mode])  # type: ignore[call-overload]
            input = index_row(input, index=along(axis, places))
    return input


# PyTorch's names and NumPy's for what is put beyond the edges.
_EDGES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _check_edges(shape: tuple[int, ...], axis: int, width: tuple[int, int], mode: str) -> None:
    """Is the axis long enough to be continued that far?"""
    room = shape[axis] - 1 if mode == "reflect" else shape[axis]
    if not shape[axis] or (mode != "replicate" and max(width) > room):
        raise ShapeError(f"pad(mode={mode!r}) by {width} along axis {axis} of shape {shape}: there are not so many.")


def _repeated(input: Any, wide: tuple[int, ...], spread: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """The elements as `wide` (with axes of length 1) repeated to `spread`, copied, and shown as `shape`."""
    return reshape(clone_row(broadcast_to(reshape(input, shape=wide), shape=spread)), shape=shape)


@operation()
def repeat(input: Any, *sizes: Any, dims: Any = None) -> Any:
    """Copies side by side, a number of them for each axis; numbers in front of these make new axes.

    Raises `ShapeError` for fewer numbers than axes: `tile` takes them to be of the last axes.
    """
    times = as_sizes(sizes, dims, "The number of copies")
    if len(times) < input.ndim:
        raise ShapeError(
            f"repeat() of shape {input.shape} by {times}: it takes a number of copies for each axis.",
            "NumPy's repeat() copies each element instead, which is repeat_interleave() here.",
            f"Give {input.ndim} numbers, or use tile() for copies along the last axes.",
        )
    return tile(input, times)


@operation()
def tile(input: Any, *sizes: Any, dims: Any = None) -> Any:
    """Copies side by side: sizes[i] of them along axis i, counted from the last."""
    times = as_sizes(sizes, dims, "The number of copies")
    if min(times, default=0) < 0:
        raise ArgumentError(f"tile() of shape {input.shape} by {times}: a number of copies can't be negative.")
    times = (1,) * (input.ndim - len(times)) + times
    shape = (1,) * (len(times) - input.ndim) + input.shape
    wide = tuple(n for s in shape for n in (1, s))
    spread = tuple(n for r, s in zip(times, shape, strict=True) for n in (r, s))
    return _repeated(input, wide, spread, tuple(r * s for r, s in zip(times, shape, strict=True)))


@operation()
def repeat_interleave(input: Any, repeats: Any, dim: int | None = None, *, output_size: int | None = None) -> Any:
    """Each element (or slice along `dim`) `repeats` times in a row; a vector of them gives a number for each.

    `output_size`, which saves PyTorch a look at a GPU's memory, says nothing here.
    """
    if np.ndim(getattr(repeats, "_data", repeats)):
        return _repeated_by(input, tuple(repeats.tolist() if hasattr(repeats, "tolist") else repeats), dim)
    (repeats,) = whole_numbers([repeats], "The number of repeats")
    if repeats < 0:
        raise ArgumentError(f"repeat_interleave() of shape {input.shape}, {repeats} times.")
    if dim is None:
        input, dim = input.reshape(input.numel()), 0
    axis, length = _length(input, dim, "repeat_interleave")
    before, after = input.shape[: axis + 1], input.shape[axis + 1 :]
    spread = (*before, repeats, *after)
    return _repeated(input, (*before, 1, *after), spread, (*before[:-1], length * repeats, *after))


def _repeated_by(input: Any, repeats: Sequence[int], dim: int | None) -> Any:
    if dim is None:
        input, dim = input.reshape(input.numel()), 0
    axis, length = _length(input, dim, "repeat_interleave")
    times = whole_numbers(repeats, "The number of repeats")
    if len(times) not in (1, length) or min(times, default=0) < 0:
        raise ArgumentError(
            f"repeat_interleave() of shape {input.shape} along dim {dim}, {list(times)} times.",
            f"There is one number (0, 1, 2 ...) for each of the {length} slices, or one for all.",
        )
    return index_row(input, index=along(axis, np.repeat(np.arange(length), times)))
