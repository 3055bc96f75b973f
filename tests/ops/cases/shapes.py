"""Shapes: nothing is computed, elements only move."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import microtrain as mt

from ..case import Case, Dice, Drawn, real


def one(
    name: str,
    ours: Any = None,
    torch: Any = None,
    params: Any = None,
    numpy: Any = None,
    min_ndim: int = 0,
    **options: Any,
) -> Case:
    """One input of any shape; `params(dice, shape)` draws the rest."""

    def draw(dice: Dice) -> Drawn:
        shape = dice.shape(min_ndim)
        return Drawn([real(dice.rng(), shape)], params(dice, shape) if params else {})

    return Case(name, ours or getattr(mt, name), torch or name, draw, numpy, **options)


def _reshape(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    n = math.prod(shape)
    pairs = [(a, n // a) for a in range(1, n + 1) if n % a == 0] or [(0, 3), (2, 0)]
    new = dice.pick([(n,), *pairs, *[(-1, b) for _, b in pairs if b], *[(a, 1, b) for a, b in pairs]])
    return {"shape": new}


def _permutation(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    order = dice.rng().permutation(len(shape)).tolist()
    return {"dims": tuple(i - len(shape) if dice.flag() else i for i in order)}


def _two_dims(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"dim0": dice.dim(len(shape)), "dim1": dice.dim(len(shape))}


def _move(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    if dice.flag():
        return {"source": dice.dim(len(shape)), "destination": dice.dim(len(shape))}
    some = dice.integer(0, len(shape))
    return {
        "source": tuple(dice.rng().permutation(len(shape))[:some].tolist()),
        "destination": tuple(dice.rng().permutation(len(shape))[:some].tolist()),
    }


def _flatten(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    start = dice.integer(0, max(0, len(shape) - 1))
    end = dice.integer(start, max(start, len(shape) - 1))
    return {"start_dim": start, "end_dim": dice.pick([end, end - max(1, len(shape))])}


def _expand(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    new = tuple(dice.integer(0, 3) if n == 1 else n for n in shape)
    return {"size": (*(dice.integer(1, 3) for _ in range(dice.integer(0, 2))), *new)}


def _roll(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    if dice.flag() or not shape:
        return {"shifts": dice.integer(-5, 5), "dims": None}
    axes = [i for i in range(len(shape)) if dice.flag()] or [-1]
    return {"shifts": tuple(dice.integer(-5, 5) for _ in axes), "dims": tuple(axes)}


def _some_dims(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"dims": tuple(i - len(shape) if dice.flag() else i for i in range(len(shape)) if dice.flag())}


def _repeat(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"sizes": tuple(dice.integer(0, 3) for _ in range(len(shape) + dice.integer(0, 1)))}


def _diagonal(dice: Dice, shape: tuple[int, ...]) -> dict[str, Any]:
    first, second = dice.rng().permutation(len(shape))[:2].tolist()
    return {"offset": dice.integer(-1, 1), "dim1": first, "dim2": second - len(shape)}


CASES = [
    one("reshape", mt.reshape, "reshape", _reshape, lambda x, shape: np.reshape(x, shape)),
    one("view", lambda x, shape: x.contiguous().view(shape), lambda t, x, shape: x.contiguous().view(shape), _reshape),
    one("flatten", params=_flatten),
    one("unflatten", lambda x: mt.unflatten(x[:0], 0, (3, 0)), lambda t, x: t.unflatten(x[:0], 0, (3, 0)), min_ndim=1),
    one("squeeze"),
    one("squeeze some", mt.squeeze, "squeeze", lambda dice, shape: {"dim": dice.dim(len(shape))}),
    one("unsqueeze", params=lambda dice, shape: {"dim": dice.dim(len(shape) + 1)}),
    one("permute", params=_permutation, numpy=lambda x, dims: np.transpose(x, dims)),
    one("transpose", params=_two_dims),
    one("movedim", params=_move),
    one("T", lambda x: x.T, lambda t, x: x.permute(tuple(reversed(range(x.ndim)))), numpy=lambda x: x.T),
    one("mT", lambda x: x.mT, lambda t, x: x.mT, min_ndim=2),
    one("expand", mt.expand, lambda t, x, size: x.expand(size), _expand),
    one("broadcast_to", mt.broadcast_to, "broadcast_to", _expand, lambda x, size: np.broadcast_to(x, size)),
    one(
        "expand_as", lambda x, size: x.expand_as(mt.zeros(size)), lambda t, x, size: x.expand_as(t.zeros(size)), _expand
    ),
    one("flip", params=_some_dims, numpy=lambda x, dims: np.flip(x, dims)),
    one("roll", params=_roll, numpy=lambda x, shifts, dims: np.roll(x, shifts, dims)),
    one(
        "repeat",
        lambda x, sizes: x.repeat(sizes),
        lambda t, x, sizes: x.repeat(sizes),
        _repeat,
        lambda x, sizes: np.tile(x, sizes),
    ),
    one("tile", lambda x: mt.tile(x, (2,)), lambda t, x: t.tile(x, (2,)), numpy=lambda x: np.tile(x, 2)),
    one(
        "repeat_interleave",
        params=lambda dice, shape: {"repeats": dice.integer(0, 3), "dim": dice.dim(len(shape)) if shape else None},
        torch=lambda t, x, repeats, dim: t.repeat_interleave(x, repeats, dim=dim),
        numpy=lambda x, repeats, dim: np.repeat(x, repeats, dim),
    ),
    one(
        "repeat_interleave flat",
        lambda x: mt.repeat_interleave(x, 2),
        lambda t, x: t.repeat_interleave(x, 2),
        numpy=lambda x: np.repeat(x, 2),
    ),
    one("contiguous", lambda x: x.T.contiguous(), lambda t, x: x.permute(tuple(reversed(range(x.ndim)))).contiguous()),
    one("diagonal", params=_diagonal, min_ndim=2),
    Case(
        "diag of a vector",
        mt.diag,
        "diag",
        lambda dice: Drawn([real(dice.rng(), dice.shape(1, 1))], {"diagonal": dice.integer(-2, 2)}),
        lambda x, diagonal: np.diag(x, diagonal),
    ),
    Case(
        "diag of a matrix",
        mt.diag,
        "diag",
        lambda dice: Drawn([real(dice.rng(), dice.shape(2, 2, smallest=1))], {"diagonal": dice.integer(-1, 1)}),
        lambda x, diagonal: np.diag(x, diagonal),
    ),
    one(
        "tril",
        params=lambda dice, shape: {"diagonal": dice.integer(-2, 2)},
        min_ndim=2,
        numpy=lambda x, diagonal: np.tril(x, diagonal),
    ),
    one(
        "triu",
        params=lambda dice, shape: {"diagonal": dice.integer(-2, 2)},
        min_ndim=2,
        numpy=lambda x, diagonal: np.triu(x, diagonal),
    ),
    Case("trace", mt.trace, "trace", lambda dice: Drawn([real(dice.rng(), dice.shape(2, 2))]), np.trace),
]
