"""Reading and writing parts."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..case import Case, Dice, Drawn, Shape, real


def _slice(dice: Dice, n: int) -> slice:
    step = dice.pick([None, 1, 2, -1, -2])
    return slice(dice.pick([None, 0, 1, -1, -n, n]), dice.pick([None, 0, 1, -1, n, n + 2]), step)


def basic_index(dice: Dice, shape: Shape) -> Any:
    """Integers, slices, `...` and None: what gives a view."""
    parts: list[Any] = []
    for n in shape[: dice.integer(0, len(shape))]:
        if n and dice.integer(0, 2) == 0:
            parts.append(dice.integer(-n, n - 1))
        else:
            parts.append(_slice(dice, n))
        if dice.integer(0, 3) == 0:
            parts.append(None)
    if dice.integer(0, 3) == 0:
        parts.insert(dice.integer(0, len(parts)), Ellipsis)
    return parts[0] if len(parts) == 1 else tuple(parts)


def array_index(dice: Dice, shape: Shape, unique: bool = False) -> Any:
    """With integer arrays, which may repeat elements and stand among slices."""
    if not shape or 0 in shape:
        return ()
    rng = dice.rng()
    parts: list[Any] = []
    for n in shape:
        kind = dice.integer(0, 2)
        if kind == 0:
            parts.append(dice.pick([slice(None), slice(None, None, -1), slice(1)]))
        elif kind == 1 and not unique:
            parts.append(rng.integers(-n, n, dice.pick([(3,), (2, 1), ()])))
        elif kind == 1 and not any(isinstance(p, np.ndarray) for p in parts):
            parts.append(rng.permutation(n)[: dice.integer(1, n)])
        else:
            parts.append(dice.integer(-n, n - 1))
    return tuple(parts)


def mask_index(dice: Dice, shape: Shape) -> Any:
    """A boolean mask over the first axes."""
    axes = dice.integer(0 if not shape else 1, len(shape))
    mask = dice.rng().random(shape[:axes]) > 0.5
    return (mask, slice(None, None, -1)) if axes < len(shape) and dice.flag() else mask


def any_unique_index(dice: Dice, shape: Shape) -> Any:
    """An index that reads no element twice."""
    kind = dice.pick([basic_index, mask_index, array_index])
    return kind(dice, shape, True) if kind is array_index else kind(dice, shape)


def _places(shape: Shape, index: Any) -> Any:
    """Where the elements of x[index] stand in x laid flat: NumPy's rules in a form that PyTorch can follow."""
    return np.arange(int(np.prod(shape))).reshape(shape)[index]


def _read(t: Any, x: Any, index: Any) -> Any:
    places = _places(tuple(x.shape), index)
    return x.reshape(-1)[t.as_tensor(np.array(places)).reshape(-1)].reshape(places.shape)


def _write(t: Any, x: Any, value: Any, index: Any) -> Any:
    places = np.array(_places(tuple(x.shape), index))
    flat = x.reshape(-1).clone()
    while value.ndim > places.ndim:
        value = value[0]
    flat[t.as_tensor(places).reshape(-1)] = value.broadcast_to(places.shape).reshape(-1)
    return flat.reshape(x.shape)


def _indexed(index: Any) -> Any:
    def draw(dice: Dice) -> Drawn:
        shape = dice.shape(0, 3)
        return Drawn([real(dice.rng(), shape)], {"index": index(dice, shape)})

    return draw


def _getitem(name: str, index: Any) -> Case:
    return Case(f"getitem {name}", lambda x, index: x[index], _read, _indexed(index), lambda x, index: x[index])


def _set(dice: Dice) -> Drawn:
    shape = dice.shape(0, 3)
    index = any_unique_index(dice, shape)
    target = _places(shape, index).shape
    kind = dice.integer(0, 3)
    value = target if kind == 0 else () if kind == 1 else (1, *target) if kind == 2 else target[1:]
    return Drawn([real(dice.rng(), shape), real(dice.rng(), value)], {"index": index})


def _put(x: Any, value: Any, index: Any) -> Any:
    output = x.clone() if isinstance(x, mt.Tensor) else x.copy()
    output[index] = value
    return output


def _through_view(x: Any) -> Any:
    """Writing into views of a result, then using the whole."""
    y = x * 2
    y[..., ::2].mul_(3)
    return y.T * 1


def _along(dice: Dice) -> tuple[Shape, int, Shape]:
    """(shape of the input, axis, shape of the indices)"""
    shape = dice.shape(1, 3, smallest=1)
    dim = dice.dim(len(shape))
    indices = [dice.integer(1, n) for n in shape]
    indices[dim] = dice.integer(0, 5)
    return shape, dim, tuple(indices)


def _gather(dice: Dice) -> Drawn:
    shape, dim, indices = _along(dice)
    return Drawn([real(dice.rng(), shape), dice.rng().integers(0, shape[dim], indices)], {"dim": dim})


def _scatter(dice: Dice) -> Drawn:
    shape, dim, indices = _along(dice)
    source = tuple(n + dice.integer(0, 1) for n in indices)
    arrays = [real(dice.rng(), shape), dice.rng().integers(0, shape[dim], indices), real(dice.rng(), source)]
    return Drawn(arrays, {"dim": dim})


def _scatter_unique(dice: Dice) -> Drawn:
    """Each place is written once: what happens otherwise PyTorch does not say."""
    shape = dice.shape(1, 3, smallest=1)
    dim = dice.dim(len(shape))
    order = np.argsort(dice.rng().random(shape), axis=dim)
    return Drawn([real(dice.rng(), shape), order, real(dice.rng(), shape)], {"dim": dim})


def _take_along(dice: Dice) -> Drawn:
    shape = dice.shape(1, 3, smallest=1)
    dim = dice.dim(len(shape))
    mine = tuple(1 if dice.integer(0, 3) == 0 and i != dim % len(shape) else n for i, n in enumerate(shape))
    indices = [1 if dice.integer(0, 3) == 0 else n for n in shape]
    indices[dim] = dice.integer(1, 3)
    return Drawn([real(dice.rng(), mine), dice.rng().integers(0, shape[dim], tuple(indices))], {"dim": dim})


def _select(dice: Dice) -> Drawn:
    shape = dice.shape(1, 3, smallest=1)
    dim = dice.dim(len(shape))
    return Drawn([real(dice.rng(), shape), dice.rng().integers(0, shape[dim], dice.integer(0, 5))], {"dim": dim})


def _masked(dice: Dice) -> Drawn:
    shape, mask = dice.broadcastable(2)
    return Drawn([real(dice.rng(), shape), dice.rng().random(mask) > 0.5])


CASES = [
    _getitem("by integers and slices", basic_index),
    _getitem("by integer arrays", array_index),
    _getitem("by a mask", mask_index),
    Case("setitem", _put, lambda t, x, value, index: _write(t, x, value, index), _set, None),
    Case(
        "setitem of a number",
        lambda x, index: _put(x, 1.5, index),
        lambda t, x, index: _write(t, x, t.tensor(1.5, dtype=x.dtype), index),
        _indexed(any_unique_index),
        lambda x, index: _put(x, 1.5, index),
    ),
    Case(
        "writing through views",
        _through_view,
        lambda t, x: t.cat([x[..., :1] * 6, x[..., 1:] * 2], -1).T,
        lambda dice: Drawn([real(dice.rng(), (dice.integer(1, 3), 2))]),
    ),
    Case(
        "copy_",
        lambda x, y: (x * 1).copy_(y),
        lambda t, x, y: (x * 1).copy_(y),
        lambda dice: Drawn([real(dice.rng(), (2, *(shape := dice.shape(0, 2)))), real(dice.rng(), shape)]),
    ),
    Case(
        "fill_",
        lambda x: (x * 1).fill_(2) * x,
        lambda t, x: (x * 1).fill_(2) * x,
        lambda dice: Drawn([real(dice.rng(), dice.shape())]),
    ),
    Case(
        "zero_",
        lambda x: (x * 1).zero_() * x,
        lambda t, x: (x * 1).zero_() * x,
        lambda dice: Drawn([real(dice.rng(), dice.shape())]),
    ),
    Case("gather", lambda x, i, dim: mt.gather(x, dim, i), lambda t, x, i, dim: t.gather(x, dim, i), _gather),
    Case("take_along_dim", mt.take_along_dim, "take_along_dim", _take_along),
    Case(
        "take_along_dim flat",
        lambda x, i, dim: mt.take_along_dim(x, i * 0),
        lambda t, x, i, dim: x.reshape(-1)[i.reshape(-1) * 0],
        _take_along,
    ),
    Case(
        "scatter_add",
        lambda x, i, y, dim: mt.scatter_add(x, dim, i, y),
        lambda t, x, i, y, dim: t.scatter_add(x, dim, i, y[tuple(slice(n) for n in i.shape)]),
        _scatter,
    ),
    Case(
        "scatter",
        lambda x, i, y, dim: mt.scatter(x, dim, i, y),
        lambda t, x, i, y, dim: t.scatter(x, dim, i, y),
        _scatter_unique,
    ),
    Case(
        "scatter of a number",
        lambda x, i, y, dim: mt.scatter(x, dim, i, 0.5) * y,
        lambda t, x, i, y, dim: t.scatter(x, dim, i, 0.5) * y,
        _scatter_unique,
    ),
    Case(
        "index_select",
        lambda x, i, dim: mt.index_select(x, dim, i),
        lambda t, x, i, dim: t.index_select(x, dim, i),
        _select,
        lambda x, i, dim: np.take(x, i, dim),
    ),
    Case("masked_select", mt.masked_select, "masked_select", _masked),
    Case(
        "one_hot",
        lambda i: mt.one_hot(i, 4),
        lambda t, i: t.nn.functional.one_hot(i, 4),
        lambda dice: Drawn([dice.rng().integers(0, 4, dice.shape(0, 2))]),
        lambda i: np.eye(4, dtype=int)[i],
        order=0,
    ),
]
