"""Activation functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import microtrain as mt

from ..case import (
    Case,
    Dice,
    Drawn,
    elementwise,
    off_whole,
    off_zero,
    positive,
    probability,
    real,
)
from .shared import AT_NAN, binary, unary


def mt_broadcast(*xs: Any) -> list[Any]:
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    return [x.expand(shape) for x in xs]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


def _prelu(dice: Dice) -> Drawn:
    shape = dice.shape(min_ndim=2)
    weight = real(dice.rng(), (shape[1],) if dice.flag() else (1,))
    return Drawn([off_zero(dice.rng(), shape), weight])


CASES = [
    unary("sigmoid", real, _sigmoid),
    unary("logsigmoid", real, lambda x: np.log(_sigmoid(x)), "nn.functional.logsigmoid"),
    unary("softplus", real, _softplus, "nn.functional.softplus"),
    elementwise(
        "softplus steep",
        lambda x: mt.softplus(x, beta=3.0, threshold=4.0),
        lambda t, x: t.nn.functional.softplus(x, beta=3.0, threshold=4.0),
        [real],
    ),
    unary(
        "softsign",
        off_zero,
        lambda x: x / (1 + abs(x)),
        "nn.functional.softsign",
        differs=lambda x: abs(x) > 1e20,
        why="the slope there is 0 or 1e-60; PyTorch's is NaN or 0",
    ),
    unary("relu", off_zero, lambda x: np.maximum(x, 0)),
    unary("relu6", off_zero, lambda x: np.clip(x, 0, 6), "nn.functional.relu6"),
    unary("leaky_relu", off_zero, lambda x: np.where(x > 0, x, 0.01 * x), "nn.functional.leaky_relu"),
    elementwise(
        "leaky_relu steep", lambda x: mt.leaky_relu(x, 0.3), lambda t, x: t.nn.functional.leaky_relu(x, 0.3), [off_zero]
    ),
    elementwise(
        "leaky_relu with a learnt slope",
        mt.leaky_relu,
        lambda t, x, s: t.where(x > 0, x, s * x),
        [off_zero, real],
        lambda x, s: np.where(x > 0, x, s * x),
        special=False,
    ),
    Case("prelu", mt.prelu, "prelu", _prelu),
    unary("elu", off_zero, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), "nn.functional.elu", **AT_NAN),
    elementwise(
        "elu with alpha", lambda x: mt.elu(x, 1.7), lambda t, x: t.nn.functional.elu(x, 1.7), [off_zero], **AT_NAN
    ),
    elementwise(
        "elu with a learnt alpha",
        mt.elu,
        lambda t, x, a: t.where(x > 0, x, a * t.expm1(x.clamp(max=0))),
        [off_zero, positive],
        special=False,
    ),
    unary("selu", off_zero, None, "selu", **AT_NAN),
    unary("celu", off_zero, None, "celu", **AT_NAN),
    elementwise(
        "celu with alpha", lambda x: mt.celu(x, 1.5), lambda t, x: t.celu(x, 1.5), [off_zero], tolerance=1e3, **AT_NAN
    ),
    elementwise(
        "celu with a learnt alpha",
        mt.celu,
        lambda t, x, a: t.where(x > 0, x, a * t.expm1(x.clamp(max=0) / a)),
        [off_zero, positive],
        special=False,
    ),
    unary(
        "gelu",
        real,
        lambda x: x * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))) / 2,
        "nn.functional.gelu",
        differs=lambda x: np.isinf(x) | (x < -5),
        why="PyTorch's is NaN at infinity; below -5, 1 + erf(x) has no digits left",
    ),
    elementwise(
        "gelu by tanh",
        lambda x: mt.gelu(x, approximate="tanh"),
        lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
        [real],
    ),
    unary("silu", real, lambda x: x * _sigmoid(x), "nn.functional.silu"),
    unary("mish", real, lambda x: x * np.tanh(_softplus(x)), "nn.functional.mish"),
    unary("hardtanh", off_whole, lambda x: np.clip(x, -1, 1), "nn.functional.hardtanh"),
    elementwise(
        "hardtanh between",
        lambda x: mt.hardtanh(x, -0.5, 2),
        lambda t, x: t.nn.functional.hardtanh(x, -0.5, 2),
        [off_whole],
    ),
    elementwise(
        "hardtanh between tensors",
        mt.hardtanh,
        lambda t, x, a, b: t.minimum(t.maximum(x, a), b),
        [real, lambda rng, shape: rng.uniform(-1, -0.1, shape), lambda rng, shape: rng.uniform(0.1, 1, shape)],
        special=False,
    ),
    binary(
        "bce_with_logits",
        (real, probability),
        lambda x, t: mt.binary_cross_entropy_with_logits(*mt_broadcast(x, t), reduction="none"),
        None,
        lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(*t.broadcast_tensors(x, y), reduction="none"),
        special=False,
    ),
]
