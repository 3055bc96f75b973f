"""Losses of predicted classes: two of them, or many."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...formula import F
from ...ops.activations import relu
from ...ops.comparison import where_row
from ...ops.exponential import exp
from ...ops.norms import logsumexp_row
from ...ops.probability import (
    bce_with_logits,
    check_labels,
    log_softmax_row,
    right_places,
)
from ...ops.shapes import movedim
from ...tensor import Tensor
from .reduction import as_tensor, loss_formula, pair, reduce, weighted

# ---- two classes -----------------------------------------------------------------------------------------------------


def _bce(x: Any, target: Any) -> Any:
    return -target * F.maximum(F.log(x), -100) - (1 - target) * F.maximum(F.log1p(-x), -100)


bernoulli_surprise = loss_formula(
    "bce",
    _bce,
    [
        lambda g, x, target: g * ((x - target) / F.maximum(x * (1 - x), 1e-12)),
        lambda g, x: g * (F.maximum(F.log1p(-x), -100) - F.maximum(F.log(x), -100)),
    ],
    tex=r"-{target} \ln {x} - (1 - {target}) \ln(1 - {x})",
)
hinge = loss_formula(
    "hinge", lambda x, target, margin: F.relu(margin - target * x), tex=r"\max({margin} - {target} {x}, 0)"
)
hinge_embedding = loss_formula(
    "hinge_embedding",
    lambda x, target, margin: F.where(target > 0, x, F.relu(margin - x)),
    [
        lambda g, x, target, margin: F.where(target > 0, g, F.where(x <= margin, -g, 0)),
        None,
        lambda g, x, target, margin: F.where((target <= 0) & (x <= margin), g, 0),
    ],
    tex=r"{x} \text{ if } {target} = 1 \text{ else } \max({margin} - {x}, 0)",
)
logistic = loss_formula(
    "soft_margin",
    lambda x, target: -F.logsigmoid(target * x),
    tex=r"\ln(1 + e^{-{target} {x}})",
)


def _focal(x: Any, target: Any, gamma: Any) -> Any:
    """With ln(1 - p_t) = ln sigma(-u), not 1 - p_t: a power of what may be 0 has no derivative."""
    u = (2 * target - 1) * x
    return -F.exp(gamma * F.logsigmoid(-u)) * F.logsigmoid(u)


binary_focal = loss_formula("focal", _focal, tex=r"-(1 - p_t)^{gamma} \ln p_t, \quad p_t = \sigma(\pm {x})")


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """-t ln p - (1 - t) ln(1 - p) of probabilities p (eq. 4.2.7); the logarithms stop at -100, as in PyTorch.

    Near 0 and 1 a probability has lost its digits, which `binary_cross_entropy_with_logits` keeps. (Section 4.2.4
    prints d(-ln p)/dp as 1/p: it is -1/p, and times the sigmoid's slope p (1 - p) the gradient of a logit is p - t.)

    Args:
        input: probabilities, in [0, 1].
        target: of the same shape: 0, 1, or a probability.
        weight: a factor for each loss.

    Raises `ArgumentError` for a value outside [0, 1], `ShapeError` unless the shapes are equal.
    """
    input, target = pair(input, target, "binary_cross_entropy")
    if input.shape != target.shape:
        raise ShapeError(f"binary_cross_entropy(): probabilities {input.shape}, but targets {target.shape}.")
    _check_range(input, "probability", "Put a sigmoid before it, or use the form with logits.")
    _check_range(target, "target", "Targets are 0, 1 or between. Of labels -1 and 1: (t + 1) / 2.")
    return weighted(bernoulli_surprise(input, target), weight, reduction, "binary_cross_entropy")


def _check_range(x: Tensor, what: str, fix: str) -> None:
    outside = (x._data < 0) | (x._data > 1)
    if outside.any():
        raise ArgumentError(f"binary_cross_entropy(): the {what} {x._data[outside].flat[0]} is not in [0, 1].", fix=fix)


def hinge_loss(
    input: Any, target: Any, margin: float = 1.0, p: int = 1, reduction: str = "mean", *, weight: Any = None
) -> Tensor:
    """max(margin - t x, 0)^p for scores x and labels t = -1 or 1 (support vector machines). Derivative 0 at the corner.

    `p` is 1 or 2. Raises `ArgumentError` for other labels or another p.
    """
    x, t = pair(input, target, "hinge_loss")
    if not (np.abs(t._data) == 1).all():
        raise ArgumentError("hinge_loss(): labels are -1 and 1.", fix="Make them of 0 and 1: 2 * target - 1.")
    if p not in (1, 2):
        raise ArgumentError(f"hinge_loss(): p is 1 or 2, not {p}.")
    losses = hinge(x, t, margin)
    return weighted(losses if p == 1 else losses.square(), weight, reduction, "hinge_loss")


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """x where t = 1, max(margin - x, 0) where t = -1, for distances x."""
    return reduce(hinge_embedding(*pair(input, target, "hinge_embedding_loss"), margin), reduction)


def soft_margin_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """ln(1 + exp(-t x)) for scores x and labels t = -1 or 1: the logistic loss, finite for scores of any size."""
    return reduce(logistic(*pair(input, target, "soft_margin_loss")), reduction)


# ---- many classes ----------------------------------------------------------------------------------------------------


def _by_class(input: Any, target: Any, who: str, **ignored: int) -> tuple[Tensor, Tensor, Any]:
    """(scores with the classes last, labels, which of them count; None if all do)."""
    input, target = as_tensor(input), as_tensor(target)
    if input.ndim == 0:
        raise ShapeError("A loss of classes needs a class axis; the scores have shape ().")
    if input.ndim > 2:
        input = movedim(input, 1, -1)
    return input, *check_labels(input, target, input.shape[-1], who, **ignored)


def _picked(scores: Tensor, labels: Tensor) -> Tensor:
    """The score of the right class of each sample."""
    return scores[int(labels)] if labels.ndim == 0 else scores[right_places(labels)]


def _shares(input: Tensor, labels: Tensor, counted: Any, weight: Any) -> Any:
    """The weight of each sample: that of its class, 0 if it is ignored."""
    shares = np.ones(labels.shape, input.dtype) if counted is None else counted.to(input.dtype)
    if weight is not None:
        weight = as_tensor(weight)
        if weight.shape != (input.shape[-1],):
            raise ShapeError(f"Class weights of shape {weight.shape} for {input.shape[-1]} classes.")
        shares = weight[labels] * shares
    return shares


def nll_loss(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", *, ignore_index: int = -100
) -> Tensor:
    """-input[target], the negative log-likelihood of the right classes, for log-probabilities (of `log_softmax`).

    Args:
        input: log-probabilities, shape (C,), (N, C) or (N, C, d1, ...).
        target: labels 0 ... C - 1 of shape (), (N,) or (N, d1, ...).
        weight: one factor for each class, shape (C,); "mean" divides by the weights of the counted labels.
        ignore_index: samples with this label do not count.

    Raises `ShapeError`, `DtypeError` or `IndexingError` (a label outside 0 ... C - 1).
    """
    scores, labels, counted = _by_class(input, target, "nll_loss", ignore_index=ignore_index)
    shares = _shares(scores, labels, counted, weight)
    losses = -_picked(scores, labels)
    losses = (losses if counted is None else where_row(counted, losses, 0)) * shares
    return reduce(losses, reduction, shares)


def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """The hinge loss of many classes: the mean over the classes j of max(margin - x_target + x_j, 0)^p, j not target.

    Args:
        input: scores (C,) or (N, C).
        target: labels () or (N,).
        weight: one factor for each class.

    Raises `ArgumentError` unless p is 1 or 2.
    """
    if p not in (1, 2):
        raise ArgumentError(f"multi_margin_loss(): p is 1 or 2, not {p}.")
    scores, labels, counted = _by_class(input, target, "multi_margin_loss")
    right = labels.unsqueeze(-1) == np.arange(scores.shape[-1])
    over = where_row(right, 0, relu(margin - _picked(scores, labels).unsqueeze(-1) + scores))
    losses = (over if p == 1 else over.square()).mean(-1)
    return reduce(losses if weight is None else losses * _shares(scores, labels, counted, weight), reduction)


def focal_loss(input: Any, target: Any, gamma: float = 2.0, alpha: Any = None, reduction: str = "mean") -> Tensor:
    """-alpha_t (1 - p_t)^gamma ln p_t, where p_t is the probability of the right class (Lin et al. 2017).

    With gamma 0 and no alpha it is the cross-entropy. It moves the operating point towards the rare class and ruins the
    calibration of the probabilities (section 4.2.7 names it without a formula).

    Args:
        input: logits; of the shape of `target` for two classes, else (N, C) or (N, C, d1, ...).
        target: 0 and 1 for two classes, else integer labels.
        alpha: weights: for two classes that of class 1 (class 0 has 1 - alpha), else one for each class, shape (C,).

    Finite for logits of any size. Raises `ShapeError` for other shapes, `ArgumentError` for gamma < 0
    or other labels.
    """
    if not gamma >= 0:
        raise ArgumentError(f"focal_loss(): gamma is {gamma}; it can't be negative.")
    input, target = as_tensor(input), as_tensor(target)
    if input.shape == target.shape:
        input, target = pair(input, target, "focal_loss")
        if not np.isin(target._data, (0, 1)).all():
            raise ArgumentError("focal_loss(): the labels of two classes are 0 and 1.")
        losses = binary_focal(input, target, gamma) if gamma else bce_with_logits(input, target)
        if alpha is not None:
            losses = losses * (alpha * target + (1 - alpha) * (1 - target))
        return reduce(losses, reduction)
    scores, labels, counted = _by_class(input, target, "focal_loss")
    log_all = log_softmax_row(scores, dim=scores.ndim - 1)
    log_p = _picked(log_all, labels)
    losses = -log_p
    if gamma:
        right = labels.unsqueeze(-1) == np.arange(scores.shape[-1])
        log_rest = logsumexp_row(where_row(right, -np.inf, log_all), dim=(scores.ndim - 1,), keepdim=False)
        losses = losses * exp(gamma * log_rest)  # (1 - p_t)^gamma
    if alpha is not None:
        losses = losses * _shares(scores, labels, counted, alpha)
    return reduce(losses, reduction)


def balanced_weights(target: Any, num_classes: int | None = None) -> Tensor:
    """Class weights N / (C count), with which every class counts equally; 0 for a class that does not occur.

    Raises `ArgumentError` for negative labels.
    """
    labels = np.asarray(as_tensor(target)._data).ravel()
    if labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise ArgumentError("balanced_weights() takes labels 0, 1, 2 ...", fix="Convert them: target.long().")
    count = np.bincount(labels, minlength=num_classes or 0)
    shares = np.divide(labels.size / len(count), count, out=np.zeros(len(count)), where=count > 0)
    return Tensor(shares)
