"""Reading and writing parts: indexing, gathering, scattering."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, IndexingError, ShapeError
from .comparison import where_row
from .primitive import Primitive, operation, primitive
from .shapes import broadcast_to, clone_row, common_shape, normalise_dim, reshape


def is_view_index(index: Any) -> bool:
    """Only integers, slices, `...` and None: NumPy gives a view for these."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, slice) or _is_number(part) for part in parts)


def numbers_first(index: tuple[Any, ...]) -> tuple[Any, Any] | None:
    """The index in two steps, where NumPy would put the axes in another order than PyTorch; None where they agree.

    In x[0, :, [1, 2]] NumPy takes the 0 for one more array, and as they stand apart their common axis comes first:
    shape (2, n). PyTorch takes the 0 alone first, x[0][:, [1, 2]], which leaves the axis in its place: (n, 2).
    """
    for part in index:  # a third of the time of any()
        if type(part) is np.ndarray:
            break
    else:
        return None
    kinds = "".join("a" if isinstance(part, np.ndarray) else "n" if _is_number(part) else " " for part in index)
    if "n" not in kinds or "a" not in kinds or " " not in kinds.strip():
        return None
    first: list[Any] = []
    for part, kind in zip(index, kinds, strict=True):
        if kind == "a":
            first += [slice(None)] * (part.ndim if part.dtype.kind == "b" else 1)
        elif part is not None:
            first.append(slice(None) if isinstance(part, slice) else part)
    return tuple(first), tuple(part for part, kind in zip(index, kinds, strict=True) if kind != "n")


def _is_number(part: Any) -> bool:
    return isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_))


def _view(x: Any, *, index: Any) -> Any:
    part = x[index]
    if isinstance(part, np.ndarray):
        return part
    return x[(*index, ...) if isinstance(index, tuple) else (index, ...)]  # the memory, where NumPy gave a number


def _add_at(g: Any, *, shape: tuple[int, ...], index: Any) -> Any:
    """Zeros, with g added at the index: an element that was read twice gets both."""
    output = np.zeros(shape, dtype=g.dtype)
    if is_view_index(index):
        output[index] = g
    else:
        np.add.at(output, index, g)
    return output


# Two rows for one derivative, because one gives views and the other copies.
getitem_row = primitive("getitem", _view, [lambda g, x_shape, index: add_at(g, shape=x_shape, index=index)], view=True)
index_row = primitive(
    "index", lambda x, *, index: x[index], [lambda g, x_shape, index: add_at(g, shape=x_shape, index=index)]
)


def get_part(x: Any, index: Any) -> Any:
    """x[index], as a view if NumPy makes one; reads arrays and tensors."""
    return (getitem_row if is_view_index(index) else index_row)(x, index=index)


add_at: Primitive = primitive("add_at", _add_at, [get_part])


def refuse_fractions(x: Any, value: Any) -> None:
    """Raise `DtypeError` if floats are to be written into, or added to, integers."""
    if np.asarray(value).dtype.kind == "f" and x.dtype.kind != "f":
        raise DtypeError(
            f"Floating-point numbers can't be written into a tensor of dtype {x.dtype} (shape {x.shape}).",
            "What comes after the point would be lost.",
            "Convert one of them: x.float() or value.long().",
        )


def _put(x: Any, value: Any, *, index: Any) -> Any:
    refuse_fractions(x, value)
    output = np.array(x)  # also of a NumPy scalar
    output[index] = value
    return output


def _winners(shape: tuple[int, ...], index: Any) -> Any:
    """Which of the written values stay: where an index occurs twice, the last one wins. None if all do."""
    if is_view_index(index):
        return None
    written = np.empty(shape, dtype=np.intp)
    order = np.arange(written[index].size).reshape(written[index].shape)
    written[index] = order
    stays = written[index] == order
    return None if stays.all() else stays


def _value_vjp(g: Any, x_shape: tuple[int, ...], value_shape: tuple[int, ...], index: Any) -> Any:
    part = get_part(g, index)
    stays = _winners(x_shape, index)
    if stays is not None:
        part = where_row(stays, part, 0)
    surplus = len(value_shape) - part.ndim  # a value may have more axes of length 1 than the place it is written to
    return reshape(part, shape=(*(1,) * surplus, *part.shape)) if surplus > 0 else part


setitem_row: Primitive = primitive("setitem", _put, [lambda g, index: setitem_row(g, 0, index=index), _value_vjp])


# ---- along an axis ---------------------------------------------------------------------------------------------------


def _along(indices: Any, dim: int) -> tuple[Any, ...]:
    """The full index that means indices[i, j ...] along `dim` and i, j ... along the other axes."""
    ones = (1,) * indices.ndim
    return tuple(
        indices if axis == dim else np.arange(n).reshape((-1, *ones[axis + 1 :]))
        for axis, n in enumerate(indices.shape)
    )


def _add_along(g: Any, indices: Any, *, shape: tuple[int, ...], dim: int) -> Any:
    output = np.zeros(shape, dtype=g.dtype)
    np.add.at(output, _along(indices, dim), g)
    return output


gather_row = primitive(
    "gather",
    lambda x, indices, *, dim: x[_along(indices, dim)],
    [lambda g, indices, x_shape, dim: add_along(g, indices, shape=x_shape, dim=dim), None],
)
add_along: Primitive = primitive(
    "add_along", _add_along, [lambda g, indices, dim: gather_row(g, indices, dim=dim), None]
)


def _scatter_add(x: Any, indices: Any, source: Any, *, dim: int) -> Any:
    refuse_fractions(x, source)
    output = x.copy()
    np.add.at(output, _along(indices, dim), source[tuple(slice(n) for n in indices.shape)])
    return output


def _source_vjp(g: Any, indices: Any, source_shape: tuple[int, ...], dim: int) -> Any:
    part = gather_row(g, indices, dim=dim)
    if part.shape == source_shape:
        return part
    return add_at(part, shape=source_shape, index=tuple(slice(n) for n in part.shape))


scatter_add_row = primitive("scatter_add", _scatter_add, [lambda g: g, None, _source_vjp])


def _as_indices(index: Any) -> Any:
    """Indices as a tensor or array; a copy of an array, which may be overwritten before the backward pass."""
    return index if hasattr(index, "_data") else np.array(index)


def _indices(index: Any, length: int, what: str) -> Any:
    """Integer indices, checked against the length of their axis."""
    index = _as_indices(index)
    raw = getattr(index, "_data", index)
    if raw.dtype.kind not in "iu":
        raise DtypeError(f"{what}: indices must be integers, not {raw.dtype}.", fix="Convert them: indices.long().")
    if raw.size and (raw.min() < -length or raw.max() >= length):
        bad = raw[(raw < -length) | (raw >= length)].flat[0]
        raise IndexingError(f"{what}: index {bad} is outside an axis of length {length}.")
    return index


def _index_along(input: Any, dim: int, index: Any, what: str, others: tuple[Any, ...] = ()) -> tuple[int, Any]:
    """(axis, indices) of gather and scatter, after checking that they fit `input` (and the sources, if there are)."""
    axis = normalise_dim(dim, input.ndim)
    indices = _indices(index, input.shape[axis], f"{what}() of shape {input.shape}")
    for role, shape in [("input", input.shape), *(("src", source.shape) for source in others)]:
        free = axis if role == "input" else -1  # along it, there may be more indices than elements
        fits = len(shape) == indices.ndim and all(
            i == free or m <= n for i, (m, n) in enumerate(zip(indices.shape, shape, strict=True))
        )
        if not fits:
            raise ShapeError(
                f"{what}() along dim {dim}: indices of shape {indices.shape} do not fit {role} of shape {shape}.",
                f"They need as many axes, and none longer than those of {role}"
                + (f" (but for axis {axis})." if role == "input" else "."),
            )
    return axis, indices


def _vector(x: Any) -> Any:
    """A tensor or array without axes as one with one element: to gathering and scattering they are the same."""
    return x.reshape(1) if x.ndim == 0 else x


@operation()
def gather(input: Any, dim: int, index: Any) -> Any:
    """output[i][j] = input[index[i][j]][j] for dim 0; `index` may be shorter than `input` along the other axes."""
    index = _as_indices(index)
    if input.ndim == 0 or index.ndim == 0:
        return gather(_vector(input), dim, _vector(index)).reshape(index.shape)
    axis, indices = _index_along(input, dim, index, "gather")
    return gather_row(input, indices, dim=axis)


@operation(aliases=["take_along_axis"])
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """The elements at `indices` along an axis; the other axes broadcast. Without `dim` both are flattened."""
    if not hasattr(indices, "_data"):
        indices = np.array(indices)
    if dim is None:
        input, indices, dim = input.reshape(input.numel()), indices.reshape(-1), 0
    axis = normalise_dim(dim, input.ndim)
    indices = _indices(indices, input.shape[axis] if input.ndim else 0, f"take_along_dim() of shape {input.shape}")
    if indices.ndim != input.ndim:
        raise ShapeError(f"take_along_dim(): indices {indices.shape} and input {input.shape} have different axes.")

    def others(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:axis], 1, *shape[axis + 1 :])

    what = f"take_along_dim() along dim {dim}, of shapes {input.shape} and {indices.shape}"
    common = common_shape([others(input.shape), others(indices.shape)], what)

    def widened(x: Any) -> Any:
        return broadcast_to(x, shape=(*common[:axis], x.shape[axis], *common[axis + 1 :]))

    return gather_row(widened(input), widened(indices), dim=axis)


@operation(inplace=True)
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """`input` with src[i][j] added at [index[i][j]][j] (for dim 0)."""
    index = _as_indices(index)
    if input.ndim == 0 or index.ndim == 0:
        return scatter_add(_vector(input), dim, _vector(index), _vector(src)).reshape(input.shape)
    axis, indices = _index_along(input, dim, index, "scatter_add", (src,))
    return scatter_add_row(input, indices, src, dim=axis)


@operation(inplace=True)
def scatter(input: Any, dim: int, index: Any, src: Any = None, value: Any = None, *, reduce: str | None = None) -> Any:
    """`input` with src[i][j] (or one `value`) written at [index[i][j]][j] (for dim 0); the last write wins.

    With reduce="add" it is added instead (`scatter_add`). Raises `ArgumentError` for another reduction.
    """
    src = value if src is None else src
    if src is None:
        raise ArgumentError("scatter() needs what is to be written: src or value.")
    index = _as_indices(index)
    if input.ndim == 0 or index.ndim == 0:
        return scatter(_vector(input), dim, _vector(index), src, reduce=reduce).reshape(input.shape)
    many = bool(getattr(src, "shape", ()))
    if reduce == "add":
        if not many:
            wide = np.shape(index)
            src = broadcast_to(src, shape=wide) if hasattr(src, "_data") else np.full(wide, src, input.dtype)
        return scatter_add(input, dim, index, src)
    if reduce is not None:
        raise ArgumentError(f"scatter(): reduce is {reduce!r}.", fix='Use "add", or leave it out.')
    axis, indices = _index_along(input, dim, index, "scatter", (src,) if many else ())
    raw = clone_row(indices)._data if hasattr(indices, "_data") else np.array(indices)
    if many:
        src = get_part(src, tuple(slice(n) for n in raw.shape))
    return setitem_row(input, src, index=_along(raw, axis))


@operation()
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The slices of `input` at these positions of an axis."""
    axis = normalise_dim(dim, input.ndim)
    if input.ndim == 0:
        return index_select(input.reshape(1), 0, index).reshape(())
    indices = _indices(index, input.shape[axis], f"index_select() of shape {input.shape}")
    if indices.ndim > 1:
        raise ShapeError(f"index_select(): the positions are a vector, not of shape {indices.shape}.")
    place = (*(slice(None),) * axis, indices.reshape(-1))
    return input[place]


@operation()
def masked_select(input: Any, mask: Any) -> Any:
    """The elements where the mask is true, as a vector."""
    if not hasattr(mask, "_data"):
        mask = np.array(mask)
    if mask.dtype.kind != "b":
        raise DtypeError(f"masked_select(): the mask must be boolean, not {mask.dtype}.", fix="Compare: x[x > 0].")
    shape = common_shape([input.shape, mask.shape], "masked_select()")
    mask = broadcast_to(mask, shape=shape) if hasattr(mask, "_data") else np.broadcast_to(mask, shape)
    return broadcast_to(input, shape=shape)[mask]


one_hot_row = primitive("one_hot", lambda x, *, num_classes: (x[..., None] == np.arange(num_classes)).astype(np.int64))


@operation(method=False)
def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Integers k as rows with a 1 at place k; shape (*, num_classes).

    Raises `IndexingError` for labels outside 0 ... num_classes - 1, `DtypeError` for labels that are not integers.
    """
    labels = _indices(tensor, np.iinfo(np.int64).max, "one_hot()")
    if num_classes == -1:
        num_classes = int(labels.max()) + 1 if np.size(getattr(labels, "_data", labels)) else 0
    raw = getattr(labels, "_data", labels)
    if raw.size and not 0 <= raw.min() <= raw.max() < num_classes:
        raise IndexingError(
            f"one_hot(): labels from {raw.min()} to {raw.max()} with {max(num_classes, 0)} classes.",
            f"Labels are 0 ... {num_classes - 1}." if num_classes > 0 else "Labels count from 0.",
        )
    return one_hot_row(labels, num_classes=num_classes)
