"""Putting tensors together and taking them apart."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..case import Case, Dice, Drawn, real


def _cat(dice: Dice) -> Drawn:
    shape = dice.shape(1, 3)
    dim = dice.dim(len(shape))
    axis = dim % len(shape)
    shapes = [(*shape[:axis], dice.integer(0, 3), *shape[axis + 1 :]) for _ in range(dice.integer(1, 3))]
    return Drawn([real(dice.rng(), s) for s in shapes], {"dim": dim})


def _same(dice: Dice) -> Drawn:
    shape = dice.shape()
    count = dice.integer(1, 3)
    return Drawn([real(dice.rng(), shape) for _ in range(count)], {"dim": dice.dim(len(shape) + 1)})


def _stacked(dice: Dice) -> Drawn:
    shape = dice.shape()
    return Drawn([real(dice.rng(), shape) for _ in range(dice.integer(1, 3))])


def _along(params: Any) -> Any:
    """One tensor and an axis; `params(dice, length)` draws the rest."""

    def draw(dice: Dice) -> Drawn:
        shape = dice.shape(1, 3)
        dim = dice.dim(len(shape))
        return Drawn([real(dice.rng(), shape)], {"dim": dim, **params(dice, shape[dim])})

    return draw


def _sections(dice: Dice, length: int) -> dict[str, Any]:
    first = dice.integer(0, length)
    return {"sections": [first, length - first]}


def _pad(dice: Dice) -> Drawn:
    shape = dice.shape(1, 3, smallest=2)
    widths = [dice.integer(-1, 2) for _ in range(2 * dice.integer(1, len(shape)))]
    return Drawn([real(dice.rng(), shape)], {"pad": widths, "value": dice.pick([0.0, -1.5])})


CASES = [
    Case(
        "cat",
        lambda *xs, dim: mt.cat(xs, dim),
        lambda t, *xs, dim: t.cat(xs, dim),
        _cat,
        lambda *xs, dim: np.concatenate(xs, dim),
    ),
    Case(
        "stack",
        lambda *xs, dim: mt.stack(xs, dim),
        lambda t, *xs, dim: t.stack(xs, dim),
        _same,
        lambda *xs, dim: np.stack(xs, dim),
    ),
    Case("vstack", lambda *xs: mt.vstack(xs), lambda t, *xs: t.vstack(xs), _stacked, lambda *xs: np.vstack(xs)),
    Case("hstack", lambda *xs: mt.hstack(xs), lambda t, *xs: t.hstack(xs), _stacked, lambda *xs: np.hstack(xs)),
    Case(
        "split",
        lambda x, dim, size: mt.split(x, size, dim),
        lambda t, x, dim, size: t.split(x, size, dim),
        _along(lambda dice, n: {"size": dice.integer(1, 5)}),
    ),
    Case(
        "split into sections",
        lambda x, dim, sections: mt.split(x, sections, dim),
        lambda t, x, dim, sections: t.split(x, sections, dim),
        _along(_sections),
    ),
    Case(
        "chunk",
        mt.chunk,
        lambda t, x, dim, chunks: t.chunk(x, chunks, dim),
        _along(lambda dice, n: {"chunks": dice.integer(1, 5)}),
    ),
    Case("unbind", mt.unbind, "unbind", _along(lambda dice, n: {})),
    Case("pad", mt.pad, "nn.functional.pad", _pad),
]
