"""Softmax, cross entropy, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

import microtrain as mt

from ..case import Case, Dice, Drawn, positive, probability, real


def _softmax(x: Any, dim: int) -> Any:
    e = np.exp(x - np.max(x, axis=dim if np.ndim(x) else None, keepdims=True, initial=-np.inf))
    return e / np.sum(e, axis=dim if np.ndim(x) else None, keepdims=True)


def _one_axis(dice: Dice) -> Drawn:
    shape = dice.shape()
    return Drawn([real(dice.rng(), shape)], {"dim": dice.dim(len(shape))})


def _logits(dice: Dice) -> tuple[Any, int]:
    """Logits (C,), (N, C) or (N, C, d1, ...), and the number of classes."""
    classes = dice.integer(1, 4)
    shape = dice.pick([(classes,), (3, classes), (1, classes), (2, classes, 3), (2, classes, 1, 2)])
    return real(dice.rng(), shape), classes


def _labels(logits: Any, classes: int, dice: Dice) -> Any:
    return dice.rng().integers(0, classes, np.delete(logits.shape, 0 if logits.ndim == 1 else 1))


def _plain(dice: Dice) -> Drawn:
    logits, classes = _logits(dice)
    return Drawn([logits, _labels(logits, classes, dice)], {"reduction": dice.pick(["mean", "sum", "none"])})


def _weighted(dice: Dice) -> Drawn:
    """With class weights, an ignored label and smoothing, each sometimes."""
    logits, classes = _logits(dice)
    params = {
        "reduction": dice.pick(["mean", "sum", "none"]),
        "ignore_index": dice.pick([-100, 0, classes - 1]),
        "label_smoothing": dice.pick([0.0, 0.2, 1.0]),
    }
    labels = _labels(logits, classes, dice)
    if params["ignore_index"] != -100 and np.all(labels == params["ignore_index"]):
        params["ignore_index"] = -100  # the mean of no losses: tested apart
    if dice.flag():
        params["weight"] = positive(dice.rng(), (classes,))
    return Drawn([logits, labels], params)


def as_ours(x: Any, params: dict[str, Any]) -> dict[str, Any]:
    """The arrays among the parameters as tensors of the dtype of x."""
    return {k: mt.tensor(v, dtype=x.dtype) if isinstance(v, np.ndarray) else v for k, v in params.items()}


def as_theirs(t: Any, x: Any, params: dict[str, Any]) -> dict[str, Any]:
    return {k: t.as_tensor(v).to(x) if isinstance(v, np.ndarray) else v for k, v in params.items()}


def _soft(dice: Dice) -> Drawn:
    logits, classes = _logits(dice)
    target = probability(dice.rng(), logits.shape)
    params = {"reduction": dice.pick(["mean", "sum", "none"]), "label_smoothing": dice.pick([0.0, 0.2])}
    if dice.flag():
        params["weight"] = positive(dice.rng(), (classes,))
    return Drawn([logits, target], params)


def _binary(dice: Dice) -> Drawn:
    shape = dice.shape(smallest=1)
    arrays = [real(dice.rng(), shape), probability(dice.rng(), shape)]
    return Drawn(arrays, {"reduction": dice.pick(["mean", "sum", "none"])})


def _binary_weighted(dice: Dice) -> Drawn:
    drawn = _binary(dice)
    shape = np.shape(drawn.inputs[0])
    if dice.flag():
        drawn.params["weight"] = np.array(positive(dice.rng(), shape))
    if dice.flag():
        drawn.params["pos_weight"] = np.array(positive(dice.rng(), shape[-1:]))
    return drawn


def _dropped(x: Any) -> Any:
    """Dropout with a mask that is known."""
    return mt.dropout(x, 0.4, generator=mt.Generator(5))


def _kept(shape: Any) -> Any:
    return (np.random.Generator(np.random.PCG64(5)).random(shape) >= 0.4) / 0.6


CASES = [
    Case("softmax", mt.softmax, "softmax", _one_axis, _softmax),
    Case("log_softmax", mt.log_softmax, "log_softmax", _one_axis, lambda x, dim: np.log(_softmax(x, dim))),
    Case("cross_entropy", mt.cross_entropy, "nn.functional.cross_entropy", _plain),
    Case(
        "cross_entropy with options",
        lambda x, labels, **params: mt.cross_entropy(x, labels, **as_ours(x, params)),
        lambda t, x, labels, **params: t.nn.functional.cross_entropy(x, labels, **as_theirs(t, x, params)),
        _weighted,
    ),
    Case(
        "cross_entropy with probabilities",
        lambda x, y, **params: mt.cross_entropy(x, y, **as_ours(x, params)),
        lambda t, x, y, **params: t.nn.functional.cross_entropy(x, y, **as_theirs(t, x, params)),
        _soft,
    ),
    Case(
        "binary_cross_entropy_with_logits",
        mt.binary_cross_entropy_with_logits,
        "nn.functional.binary_cross_entropy_with_logits",
        _binary,
    ),
    Case(
        "binary_cross_entropy_with_logits with options",
        lambda x, y, **params: mt.binary_cross_entropy_with_logits(x, y, **as_ours(x, params)),
        lambda t, x, y, **params: t.nn.functional.binary_cross_entropy_with_logits(x, y, **as_theirs(t, x, params)),
        _binary_weighted,
    ),
    Case(
        "dropout",
        _dropped,
        lambda t, x: x * t.as_tensor(_kept(x.shape), dtype=x.dtype),
        lambda dice: Drawn([real(dice.rng(), dice.shape())]),
        lambda x: x * _kept(np.shape(x)),
    ),
]
