"""Comparisons, logic, choosing, converting."""

from __future__ import annotations

import operator

import numpy as np

import microtrain as mt

from ..case import (
    Case,
    Dice,
    Drawn,
    distinct,
    elementwise,
    off_whole,
    off_zero,
    real,
)
from .shared import binary, unary


def _logical(name: str) -> Case:
    return binary(name, (off_zero, off_zero), getattr(mt, name), getattr(np, name), order=0)


def _where(dice: Dice) -> Drawn:
    mask, a, b = dice.broadcastable(3)
    return Drawn([dice.rng().random(mask) > 0.5, real(dice.rng(), a), real(dice.rng(), b)])


def _masked(dice: Dice) -> Drawn:
    shape = dice.shape()
    return Drawn([real(dice.rng(), shape), dice.rng().random(shape) > 0.5])


def _flags(dice: Dice) -> Drawn:
    return Drawn([dice.rng().random(shape) > 0.5 for shape in dice.broadcastable(2)])


def _few(dice: Dice) -> Drawn:
    return Drawn([dice.rng().integers(0, 20, shape) for shape in dice.broadcastable(2)])


CASES = [
    *[
        binary(name, (real, real), getattr(mt, name), None, name, order=0)
        for name in ("eq", "ne", "lt", "le", "gt", "ge")
    ],
    *[
        elementwise(symbol, getattr(operator, name), name, [off_whole, off_whole], getattr(operator, name), order=0)
        for name, symbol in {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items()
    ],
    _logical("logical_and"),
    _logical("logical_or"),
    _logical("logical_xor"),
    unary("logical_not", off_zero, np.logical_not, order=0),
    Case("and", operator.and_, lambda t, a, b: a & b, _flags, np.bitwise_and, order=0),
    Case("or", operator.or_, lambda t, a, b: a | b, _flags, np.bitwise_or, order=0),
    Case("xor", operator.xor, lambda t, a, b: a ^ b, _flags, np.bitwise_xor, order=0),
    Case("shift left", operator.lshift, lambda t, a, b: a << b, _few, np.left_shift, order=0),
    Case("shift right", operator.rshift, lambda t, a, b: a >> b, _few, np.right_shift, order=0),
    Case("not", lambda a, b: ~a, lambda t, a, b: ~a, _flags, lambda a, b: ~a, order=0),
    unary("isnan", real, np.isnan, order=0),
    unary("isinf", real, np.isinf, order=0),
    unary("isfinite", real, np.isfinite, order=0),
    Case("where", mt.where, "where", _where, np.where),
    Case("where as a method", lambda m, a, b: a.where(m, b), lambda t, m, a, b: t.where(m, a, b), _where, np.where),
    Case(
        "where with numbers",
        lambda m, a, b: mt.where(m, a, 2.0),
        lambda t, m, a, b: t.where(m, a, 2.0),
        _where,
        lambda m, a, b: np.where(m, a, 2.0),
    ),
    Case(
        "where alone",
        lambda m, a, b: mt.where(m),
        lambda t, m, a, b: t.where(m),
        lambda dice: Drawn([dice.rng().random(dice.shape(1)) > 0.5, real(dice.rng(), ()), real(dice.rng(), ())]),
        order=0,
    ),
    Case(
        "masked_fill",
        lambda x, m: mt.masked_fill(x, m, 0.5),
        lambda t, x, m: x.masked_fill(m, 0.5),
        _masked,
        lambda x, m: np.where(m, 0.5, x),
    ),
    Case(
        "nonzero", lambda x, m: m.nonzero(), lambda t, x, m: m.nonzero(), _masked, lambda x, m: np.argwhere(m), order=0
    ),
    Case(
        "isclose",
        lambda a, b: mt.isclose(a, b, atol=1),
        lambda t, a, b: t.isclose(*t.broadcast_tensors(a, b), atol=1),
        lambda dice: Drawn([real(dice.rng(), s) for s in dice.broadcastable(2)]),
        order=0,
    ),
    Case(
        "allclose",
        lambda a: mt.tensor(mt.allclose(a, a + 1e-9)),
        lambda t, a: t.tensor(t.allclose(a, a + 1e-9)),
        lambda dice: Drawn([distinct(dice.rng(), dice.shape())]),
        order=0,
    ),
    Case(
        "float to double",
        lambda x: x.double(),
        lambda t, x: x.double(),
        lambda dice: Drawn([real(dice.rng(), dice.shape())]),
    ),
    Case(
        "double to float",
        lambda x: x.float(),
        lambda t, x: x.float(),
        lambda dice: Drawn([real(dice.rng(), dice.shape())]),
        differences=False,
    ),
    Case(
        "float to int",
        lambda x: x.long(),
        lambda t, x: x.long(),
        lambda dice: Drawn([off_whole(dice.rng(), dice.shape())]),
        order=0,
    ),
    Case("clone", lambda x: x.clone(), lambda t, x: x.clone(), lambda dice: Drawn([real(dice.rng(), dice.shape())])),
]
