"""Arithmetic."""

from __future__ import annotations

import operator

import numpy as np

import microtrain as mt

from ..case import (
    elementwise,
    off_whole,
    off_zero,
    positive,
    real,
)
from .shared import AT_NAN, HALF, OVERFLOW, binary, nan, unary

CASES = [
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
        "div rounded down",
        (off_whole, lambda rng, shape: np.ones(shape)),
        lambda a, b: mt.div(a, b, rounding_mode="floor"),
        np.floor_divide,
        lambda t, a, b: t.div(a, b, rounding_mode="floor"),
        special=False,
    ),
    binary(
        "div truncated",
        (off_whole, lambda rng, shape: np.ones(shape)),
        lambda a, b: mt.div(a, b, rounding_mode="trunc"),
        None,
        lambda t, a, b: t.div(a, b, rounding_mode="trunc"),
        special=False,
    ),
    binary("floor_divide", (off_whole, off_zero), mt.floor_divide, np.floor_divide, order=0),
    binary("remainder", (real, off_zero), mt.remainder, np.remainder, **OVERFLOW),
    binary("remainder with %", (real, off_zero), operator.mod, np.remainder, "remainder", **OVERFLOW),
    binary("fmod", (real, off_zero), mt.fmod, np.fmod, **OVERFLOW),
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
                **(HALF if abs(exponent) == 0.5 else {}),
            )
        ]
    ],
    elementwise("pow of 2", lambda x: 2**x, lambda t, x: 2**x, [real], lambda x: 2.0**x),
    elementwise("pow of 0", lambda x: 0.0**x, lambda t, x: 0.0**x, [positive], lambda x: 0.0**x, order=1),
    elementwise("number - x", lambda x: 2 - x, lambda t, x: 2 - x, [real], lambda x: 2 - x),
    elementwise("number / x", lambda x: 2 / x, lambda t, x: 2 / x, [off_zero], lambda x: 2 / x),
    elementwise("number % x", lambda x: 2 % x, lambda t, x: t.full_like(x, 2) % x, [off_zero], lambda x: 2 % x),
    elementwise("number // x", lambda x: 2 // x, lambda t, x: 2 // x, [off_zero], lambda x: 2 // x, order=0),
    unary("neg", real, np.negative),
    elementwise("neg with -", operator.neg, "neg", [real], np.negative),
    elementwise("positive", operator.pos, "positive", [real], np.positive),
    unary("abs", off_zero, np.abs, **AT_NAN),
    elementwise("abs with abs()", abs, "abs", [off_zero], np.abs, **AT_NAN),
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
        "round to 1 decimal",
        lambda x: mt.round(x, decimals=1),
        lambda t, x: t.round(x, decimals=1),
        [off_whole],
        lambda x: np.round(x, 1),
    ),
    elementwise(
        "round to tens",
        lambda x: mt.round(x * 10, decimals=-1),
        lambda t, x: t.round(x * 10, decimals=-1),
        [off_whole],
        lambda x: np.round(x * 10, -1),
    ),
    binary("minimum", (real, real), mt.minimum, np.minimum),
    binary("maximum", (real, real), mt.maximum, np.maximum),
    elementwise(
        "clamp", lambda x: mt.clamp(x, -1, 1), lambda t, x: t.clamp(x, -1, 1), [off_whole], lambda x: np.clip(x, -1, 1)
    ),
    elementwise("clamp below", lambda x: mt.clamp(x, min=0.5), lambda t, x: t.clamp(x, min=0.5), [real]),
    elementwise("clamp above", lambda x: x.clamp(max=0.5), lambda t, x: t.clamp(x, max=0.5), [real]),
    elementwise(
        "clamp between tensors",
        mt.clamp,
        lambda t, *xs: t.clamp(*t.broadcast_tensors(*xs)),
        [real, real, real],
        lambda x, a, b: np.minimum(np.maximum(x, a), b),
        special=False,
    ),
    binary(
        "clamp below a tensor", (real, real), lambda x, a: mt.clamp(x, max=a), None, lambda t, x, a: t.clamp(x, max=a)
    ),
    elementwise("lerp", mt.lerp, "lerp", [real, real, real], lambda a, b, w: a + w * (b - a), special=False),
    binary(
        "lerp by a number",
        (real, real),
        lambda a, b: mt.lerp(a, b, 0.3),
        None,
        lambda t, a, b: t.lerp(a, b, 0.3),
    ),
    elementwise(
        "addcmul",
        lambda a, b, c: mt.addcmul(a, b, c, value=2),
        lambda t, a, b, c: t.addcmul(a, b, c, value=2),
        [real, real, real],
        lambda a, b, c: a + 2 * b * c,
        special=False,
    ),
    elementwise(
        "addcdiv",
        lambda a, b, c: mt.addcdiv(a, b, c, value=2),
        lambda t, a, b, c: t.addcdiv(a, b, c, value=2),
        [real, real, off_zero],
        lambda a, b, c: a + 2 * b / c,
        special=False,
    ),
]
