"""Arithmetic, exponentials, circular functions, activations, comparisons."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

import microtrain as mt

from ..case import (
    Case, Dice, Drawn, Maker, distinct, elementwise, off_whole, off_zero, over_one, positive, probability, real, unit,
)  # fmt: skip


def unary(name: str, make: Maker = real, numpy: Any = None, torch: Any = None, **options: Any) -> Case:
    return elementwise(name, getattr(mt, name), torch or name, [make], numpy, **options)


def binary(name: str, makers: tuple[Maker, Maker], ours: Any, numpy: Any = None, torch: Any = None, **options: Any) -> Case:
    return elementwise(name, ours, torch or name, makers, numpy, **options)


def nan(*xs: Any) -> Any:
    """Where some input is NaN."""
    found = np.isnan(xs[0])
    for x in xs[1:]:
        found = found | np.isnan(x)
    return found


def whole(*xs: Any) -> Any:
    """Everywhere."""
    return np.ones(np.broadcast_shapes(*(np.shape(x) for x in xs)), dtype=bool)


def _logical(name: str) -> Case:
    return binary(name, (off_zero, off_zero), getattr(mt, name), getattr(np, name), order=0)


ARITHMETIC = [
    binary("add", (real, real), mt.add, np.add),
    binary("add with +", (real, real), operator.add, np.add, "add"),
    binary("add scaled", (real, real), lambda a, b: mt.add(a, b, alpha=3), None, lambda t, a, b: t.add(a, b, alpha=3)),
    binary("sub", (real, real), mt.sub, np.subtract),
    binary("sub with -", (real, real), operator.sub, np.subtract, "sub"),
    binary("sub scaled", (real, real), lambda a, b: mt.sub(a, b, alpha=3), None, lambda t, a, b: t.sub(a, b, alpha=3)),
    binary("mul", (real, real), mt.mul, np.multiply),
    binary("mul with *", (real, real), operator.mul, np.multiply, "mul"),
    binary("div", (real, off_zero), mt.div, np.divide),
    binary("div with /", (real, off_zero), operator.truediv, np.divide, "div"),
    binary(
        "div rounded down", (off_whole, lambda rng, shape: np.ones(shape)),
        lambda a, b: mt.div(a, b, rounding_mode="floor"), np.floor_divide,
        lambda t, a, b: t.div(a, b, rounding_mode="floor"),
        special=False,
    ),
    binary(
        "div truncated", (off_whole, lambda rng, shape: np.ones(shape)),
        lambda a, b: mt.div(a, b, rounding_mode="trunc"), None, lambda t, a, b: t.div(a, b, rounding_mode="trunc"),
        special=False,
    ),
    binary("floor_divide", (off_whole, off_zero), mt.floor_divide, np.floor_divide, order=0),
    binary("remainder", (real, off_zero), mt.remainder, np.remainder),
    binary("remainder with %", (real, off_zero), operator.mod, np.remainder, "remainder"),
    binary("fmod", (real, off_zero), mt.fmod, np.fmod),
    binary("pow", (positive, real), mt.pow, np.power),
    binary("pow with **", (positive, real), operator.pow, np.power, "pow"),
    *[
        unary_power
        for exponent in (-2, -1, 0, 1, 2, 3, 0.5, -0.5, 2.5)
        for unary_power in [
            elementwise(
                f"pow to {exponent}",
                lambda x, p=exponent: x**p,
                lambda t, x, p=exponent: x**p,
                [positive if exponent % 1 else off_zero],
                lambda x, p=exponent: x ** float(p),
            )
        ]
    ],
    elementwise("pow of 2", lambda x: 2**x, lambda t, x: 2**x, [real], lambda x: 2.0**x),
    elementwise("pow of 0", lambda x: 0.0**x, lambda t, x: 0.0**x, [positive], lambda x: 0.0**x),
    elementwise("number - x", lambda x: 2 - x, lambda t, x: 2 - x, [real], lambda x: 2 - x),
    elementwise("number / x", lambda x: 2 / x, lambda t, x: 2 / x, [off_zero], lambda x: 2 / x),
    elementwise("number % x", lambda x: 2 % x, lambda t, x: 2 % x, [off_zero], lambda x: 2 % x),
    elementwise("number // x", lambda x: 2 // x, lambda t, x: 2 // x, [off_zero], lambda x: 2 // x, order=0),
    unary("neg", real, np.negative),
    elementwise("neg with -", operator.neg, "neg", [real], np.negative),
    elementwise("positive", operator.pos, "positive", [real], np.positive),
    unary("abs", off_zero, np.abs, differs=nan, why="the slope at NaN is NaN, PyTorch's is 0"),
    elementwise(
        "abs with abs()", abs, "abs", [off_zero], np.abs,
        differs=nan, why="the slope at NaN is NaN, PyTorch's is 0",
    ),
    unary("sign", off_zero, np.sign, differs=nan, why="the sign of NaN is NaN, as in NumPy; PyTorch's is 0"),
    unary("sqrt", positive, np.sqrt),
    unary("rsqrt", positive, lambda x: 1 / np.sqrt(x)),
    unary("square", real, np.square),
    unary("reciprocal", off_zero, np.reciprocal),
    unary("floor", off_whole, np.floor),
    unary("ceil", off_whole, np.ceil),
    unary("trunc", off_whole, np.trunc),
    unary("round", off_whole, np.round),
    elementwise(
        "round to 1 decimal", lambda x: mt.round(x, decimals=1), lambda t, x: t.round(x, decimals=1), [off_whole],
        lambda x: np.round(x, 1),
    ),
    elementwise(
        "round to tens", lambda x: mt.round(x * 10, decimals=-1), lambda t, x: t.round(x * 10, decimals=-1), [off_whole],
        lambda x: np.round(x * 10, -1),
    ),
    binary("minimum", (real, real), mt.minimum, np.minimum),
    binary("maximum", (real, real), mt.maximum, np.maximum),
    elementwise("clamp", lambda x: mt.clamp(x, -1, 1), lambda t, x: t.clamp(x, -1, 1), [off_whole], lambda x: np.clip(x, -1, 1)),
    elementwise("clamp below", lambda x: mt.clamp(x, min=0.5), lambda t, x: t.clamp(x, min=0.5), [real]),
    elementwise("clamp above", lambda x: x.clamp(max=0.5), lambda t, x: t.clamp(x, max=0.5), [real]),
    elementwise(
        "clamp between tensors", mt.clamp, "clamp", [real, real, real], lambda x, a, b: np.minimum(np.maximum(x, a), b),
        special=False,
    ),
    binary("clamp below a tensor", (real, real), lambda x, a: mt.clamp(x, max=a), None, lambda t, x, a: t.clamp(x, max=a)),
    elementwise("lerp", mt.lerp, "lerp", [real, real, real], lambda a, b, w: a + w * (b - a), special=False),
    binary("lerp by a number", (real, real), lambda a, b: mt.lerp(a, b, 0.3), None, lambda t, a, b: t.lerp(a, b, 0.3), special=False),
    elementwise(
        "addcmul", lambda a, b, c: mt.addcmul(a, b, c, value=2), lambda t, a, b, c: t.addcmul(a, b, c, value=2),
        [real, real, real], lambda a, b, c: a + 2 * b * c, special=False,
    ),
    elementwise(
        "addcdiv", lambda a, b, c: mt.addcdiv(a, b, c, value=2), lambda t, a, b, c: t.addcdiv(a, b, c, value=2),
        [real, real, off_zero], lambda a, b, c: a + 2 * b / c, special=False,
    ),
]  # fmt: skip

EXPONENTIAL = [
    unary("exp", real, np.exp),
    unary("exp2", real, np.exp2),
    unary("expm1", real, np.expm1),
    unary("log", positive, np.log),
    unary("log1p", positive, np.log1p),
    unary("log2", positive, np.log2),
    unary("log10", positive, np.log10),
    binary("logaddexp", (real, real), mt.logaddexp, np.logaddexp),
    unary("erf", real, np.vectorize(math.erf, otypes=[float])),
]

TRIGONOMETRIC = [
    unary("sin", real, np.sin),
    unary("cos", real, np.cos),
    unary("tan", unit, np.tan),
    unary("asin", unit, np.arcsin),
    unary("acos", unit, np.arccos),
    unary("atan", real, np.arctan),
    binary("atan2", (off_zero, real), mt.atan2, np.arctan2),
    unary("sinh", real, np.sinh),
    unary("cosh", real, np.cosh),
    unary("tanh", real, np.tanh),
    unary("asinh", real, np.arcsinh),
    unary("acosh", over_one, np.arccosh),
    unary("atanh", unit, np.arctanh),
]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


def _prelu(dice: Dice) -> Drawn:
    shape = dice.shape(min_ndim=2)
    weight = real(dice.rng(), (shape[1],) if dice.flag() else (1,))
    return Drawn([off_zero(dice.rng(), shape), weight])


ACTIVATIONS = [
    unary("sigmoid", real, _sigmoid),
    unary("logsigmoid", real, lambda x: np.log(_sigmoid(x)), "nn.functional.logsigmoid"),
    unary("softplus", real, _softplus, "nn.functional.softplus"),
    elementwise(
        "softplus steep", lambda x: mt.softplus(x, beta=3.0, threshold=4.0),
        lambda t, x: t.nn.functional.softplus(x, beta=3.0, threshold=4.0), [real],
    ),
    unary("softsign", off_zero, lambda x: x / (1 + abs(x)), "nn.functional.softsign"),
    unary("relu", off_zero, lambda x: np.maximum(x, 0)),
    unary("relu6", off_zero, lambda x: np.clip(x, 0, 6), "nn.functional.relu6"),
    unary("leaky_relu", off_zero, lambda x: np.where(x > 0, x, 0.01 * x), "nn.functional.leaky_relu"),
    elementwise("leaky_relu steep", lambda x: mt.leaky_relu(x, 0.3), lambda t, x: t.nn.functional.leaky_relu(x, 0.3), [off_zero]),
    elementwise(
        "leaky_relu with a learnt slope", mt.leaky_relu, lambda t, x, s: t.where(x > 0, x, s * x), [off_zero, real],
        lambda x, s: np.where(x > 0, x, s * x), special=False,
    ),
    Case("prelu", mt.prelu, "prelu", _prelu),
    unary("elu", off_zero, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), "nn.functional.elu"),
    elementwise("elu with alpha", lambda x: mt.elu(x, 1.7), lambda t, x: t.nn.functional.elu(x, 1.7), [off_zero]),
    elementwise(
        "elu with a learnt alpha", mt.elu, lambda t, x, a: t.where(x > 0, x, a * t.expm1(x.clamp(max=0))), [off_zero, positive],
        special=False,
    ),
    unary("selu", off_zero, None, "selu"),
    unary("celu", off_zero, None, "celu"),
    elementwise("celu with alpha", lambda x: mt.celu(x, 1.7), lambda t, x: t.celu(x, 1.7), [off_zero]),
    elementwise(
        "celu with a learnt alpha", mt.celu, lambda t, x, a: t.where(x > 0, x, a * t.expm1(x.clamp(max=0) / a)),
        [off_zero, positive], special=False,
    ),
    unary("gelu", real, lambda x: x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2, "nn.functional.gelu"),
    elementwise(
        "gelu by tanh", lambda x: mt.gelu(x, approximate="tanh"), lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
        [real],
    ),
    unary("silu", real, lambda x: x * _sigmoid(x), "nn.functional.silu"),
    unary("mish", real, lambda x: x * np.tanh(_softplus(x)), "nn.functional.mish"),
    unary("hardtanh", off_whole, lambda x: np.clip(x, -1, 1), "nn.functional.hardtanh"),
    elementwise(
        "hardtanh between", lambda x: mt.hardtanh(x, -0.5, 2), lambda t, x: t.nn.functional.hardtanh(x, -0.5, 2), [off_whole]
    ),
    elementwise(
        "hardtanh between tensors", mt.hardtanh, lambda t, x, a, b: t.minimum(t.maximum(x, a), b),
        [real, lambda rng, shape: rng.uniform(-2, -1, shape), lambda rng, shape: rng.uniform(1, 2, shape)], special=False,
    ),
    binary(
        "bce_with_logits", (real, probability),
        lambda x, t: mt.binary_cross_entropy_with_logits(*mt_broadcast(x, t), reduction="none"), None,
        lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(*t.broadcast_tensors(x, y), reduction="none"),
        special=False,
    ),
]  # fmt: skip


def mt_broadcast(*xs: Any) -> list[Any]:
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    return [x.expand(shape) for x in xs]


def _where(dice: Dice) -> Drawn:
    mask, a, b = dice.broadcastable(3)
    return Drawn([dice.rng().random(mask) > 0.5, real(dice.rng(), a), real(dice.rng(), b)])


def _masked(dice: Dice) -> Drawn:
    shape = dice.shape()
    return Drawn([real(dice.rng(), shape), dice.rng().random(shape) > 0.5])


def _flags(dice: Dice) -> Drawn:
    return Drawn([dice.rng().random(shape) > 0.5 for shape in dice.broadcastable(2)])


COMPARISON = [
    *[binary(name, (real, real), getattr(mt, name), None, name, order=0) for name in ("eq", "ne", "lt", "le", "gt", "ge")],
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
    Case("not", lambda a, b: ~a, lambda t, a, b: ~a, _flags, lambda a, b: ~a, order=0),
    unary("isnan", real, np.isnan, order=0),
    unary("isinf", real, np.isinf, order=0),
    unary("isfinite", real, np.isfinite, order=0),
    Case("where", mt.where, "where", _where, np.where),
    Case("where as a method", lambda m, a, b: a.where(m, b), lambda t, m, a, b: t.where(m, a, b), _where, np.where),
    Case(
        "where with numbers", lambda m, a, b: mt.where(m, a, 2.0), lambda t, m, a, b: t.where(m, a, 2.0), _where,
        lambda m, a, b: np.where(m, a, 2.0),
    ),
    Case(
        "where alone", lambda m, a, b: mt.where(m), lambda t, m, a, b: t.where(m),
        lambda dice: Drawn([dice.rng().random(dice.shape(1)) > 0.5, real(dice.rng(), ()), real(dice.rng(), ())]), order=0,
    ),
    Case(
        "masked_fill", lambda x, m: mt.masked_fill(x, m, 0.5), lambda t, x, m: x.masked_fill(m, 0.5), _masked,
        lambda x, m: np.where(m, 0.5, x),
    ),
    Case(
        "nonzero", lambda x, m: m.nonzero(), lambda t, x, m: m.nonzero(), _masked, lambda x, m: np.argwhere(m), order=0
    ),
    Case(
        "isclose", lambda a, b: mt.isclose(a, b, atol=1), lambda t, a, b: t.isclose(*t.broadcast_tensors(a, b), atol=1),
        lambda dice: Drawn([real(dice.rng(), s) for s in dice.broadcastable(2)]), order=0,
    ),
    Case(
        "allclose", lambda a: mt.tensor(mt.allclose(a, a + 1e-9)), lambda t, a: t.tensor(t.allclose(a, a + 1e-9)),
        lambda dice: Drawn([distinct(dice.rng(), dice.shape())]), order=0,
    ),
    Case("float to double", lambda x: x.double(), lambda t, x: x.double(), lambda dice: Drawn([real(dice.rng(), dice.shape())])),
    Case("double to float", lambda x: x.float(), lambda t, x: x.float(), lambda dice: Drawn([real(dice.rng(), dice.shape())]), differences=False),
    Case("float to int", lambda x: x.long(), lambda t, x: x.long(), lambda dice: Drawn([off_whole(dice.rng(), dice.shape())]), order=0),
    Case("clone", lambda x: x.clone(), lambda t, x: x.clone(), lambda dice: Drawn([real(dice.rng(), dice.shape())])),
]  # fmt: skip

CASES = ARITHMETIC + EXPONENTIAL + TRIGONOMETRIC + ACTIVATIONS + COMPARISON
