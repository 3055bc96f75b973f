"""Softmax and the losses built on it, in forms that neither overflow nor lose digits; dropout."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, IndexingError, ShapeError
from ..formula import F, Operand
from ..kernels import reductions as reductions_by_kernel, tier
from .activations import logsigmoid
from .comparison import where_row
from .conversion import to_row
from .exponential import exp
from .loss_reduction import reduce, times
from .primitive import elementwise, operation, primitive
from .reductions import sum_row
from .shapes import movedim, normalise_dim


def _softmax(x: Any, *, dim: int) -> Any:
    if x.size >= tier.large and (fast := reductions_by_kernel.softmax(x, dim)) is not None:
        return fast
    y = np.exp(x - np.maximum.reduce(x, axis=dim, keepdims=True, initial=-np.inf))
    y /= np.add.reduce(y, axis=dim, keepdims=True)
    return y


def _softmax_vjp(g: Any, y: Any, dim: int) -> Any:
    if (
        type(g) is np.ndarray
        and g.size >= tier.large
        and (fast := reductions_by_kernel.softmax_vjp(g, y, dim)) is not None
    ):
        return fast
    return y * (g - sum_row(g * y, dim=(dim,), keepdim=True))


def _log_softmax(x: Any, *, dim: int) -> Any:
    if x.size >= tier.large and (fast := reductions_by_kernel.softmax(x, dim, True)) is not None:
        return fast
    shifted = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    shifted -= np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
    return shifted


def _log_softmax_vjp(g: Any, y: Any, dim: int) -> Any:
    if (
        type(g) is np.ndarray
        and g.size >= tier.large
        and (fast := reductions_by_kernel.softmax_vjp(g, y, dim, True)) is not None
    ):
        return fast
    return g - exp(y) * sum_row(g, dim=(dim,), keepdim=True)


softmax_row = primitive(
    "softmax",
    _softmax,
    [_softmax_vjp],
    tex=r"\operatorname{softmax} {x}",
)
log_softmax_row = primitive(
    "log_softmax",
    _log_softmax,
    [_log_softmax_vjp],
    tex=r"\ln \operatorname{softmax} {x}",
)


def _float(x: Any, dtype: Any = None) -> Any:
    if dtype is not None:
        return x.to(dtype)
    return x if x.dtype.kind == "f" else x.to(np.float64)


@operation()
def softmax(input: Any, dim: int = -1, *, dtype: Any = None) -> Any:
    """exp(x) / sum(exp(x)) along an axis."""
    input, dim = _float(input, dtype), normalise_dim(dim, input.ndim)
    return softmax_row(input, dim=dim) if input.ndim else exp(input - input)


@operation()
def log_softmax(input: Any, dim: int = -1, *, dtype: Any = None) -> Any:
    """ln softmax(x) along an axis, finite for logits of any size."""
    input, dim = _float(input, dtype), normalise_dim(dim, input.ndim)
    return log_softmax_row(input, dim=dim) if input.ndim else input - input


def right_places(target: Any) -> tuple[Any, ...]:
    """Where the logits of the right classes stand: at [i, j ..., target[i, j ...]]."""
    if target.ndim == 1:
        return np.arange(len(target)), target
    return (*np.ogrid[tuple(slice(n) for n in target.shape)], target)


class Saved:
    """What the forward pass leaves for the backward pass: the derivative, which costs next to nothing there.

    It is handed out once. Whoever comes a second time computes it again, to the same bits.
    """

    _slope: Any = None

    def put(self, slope: Any) -> None:
        self._slope = slope

    def take(self) -> Any:
        slope, self._slope = self._slope, None
        return slope

    def __repr__(self) -> str:
        return "..."


def _surprise(x: Any, target: Any, *, saved: Saved | None = None, scale: float = 1.0) -> Any:
    """-ln softmax(x)[target]; `saved` gets scale (softmax(x) - one hot), its derivative."""
    wanted = scale if saved is not None else None
    if x.size >= tier.large and (fast := reductions_by_kernel.cross_entropy(x, target, wanted)) is not None:
        if saved is not None:
            saved.put(fast[1])
        return fast[0]
    p, sums, at_right, right = _exponentials(x, target)
    if saved is not None:
        saved.put(_less_one_hot(p, sums, right, x.shape, scale))
    losses = np.log(sums) - at_right
    return losses if target.ndim == 1 else losses.reshape(target.shape)[()]


def _exponentials(x: Any, target: Any) -> tuple[Any, Any, Any, Any]:
    """(exp(z), its sums, z at the right classes, and where these stand) for z = x - its maximum.

    A row for each class, a column for each sample: NumPy reduces few long rows faster than many short ones.
    """
    n = target.size
    z = x.reshape(n, x.shape[-1]).T.copy()
    z = z - np.maximum.reduce(z, axis=0, initial=-np.inf)
    numbers = _numbers(n) if n <= 1 << 14 else np.arange(n)  # the large ones are not kept
    right = numbers + n * target.reshape(-1).astype(np.intp, copy=False)
    at_right = z.take(right)
    p = np.exp(z, out=z)
    if len(p) <= 256:
        return p, np.add.reduce(p, axis=0), at_right, right
    return p, np.add.reduce(p.T.copy(), axis=1), at_right, right  # pairwise, so as not to lose digits in long sums


_numbers = lru_cache(maxsize=16)(np.arange)  # 0 ... n - 1: batches are of few sizes


def _less_one_hot(p: Any, sums: Any, right: Any, shape: tuple[int, ...], scale: float = 1.0) -> Any:
    """scale (softmax - one hot) in the shape of the logits; p, of `_exponentials`, is used up."""
    p /= sums
    p.reshape(-1)[right] -= 1
    if scale != 1:
        p *= scale
    slope = p.T.copy()
    return slope if slope.shape == shape else slope.reshape(shape)  # a leaf would copy a view once more


def _slope(x: Any, target: Any) -> Any:
    if x.size >= tier.large and (fast := reductions_by_kernel.cross_entropy(x, target, 1.0)) is not None:
        return fast[1]
    p, sums, _, right = _exponentials(x, target)
    return _less_one_hot(p, sums, right, x.shape)


def _surprise_vjp(g: Any, x: Any, target: Any, saved: Saved | None) -> Any:
    first = saved.take() if saved is not None and not isinstance(g, Operand) else None
    return (softmax_less_one_hot(x, target) if first is None else first) * g[..., None]


def _mean_surprise_vjp(g: Any, x: Any, target: Any, saved: Saved | None) -> Any:
    if isinstance(g, Operand):
        return softmax_less_one_hot(x, target) * (g / math.prod(target.shape))
    first = saved.take() if saved is not None else None
    if first is None:
        first = softmax_less_one_hot(x, target) * (1 / max(1, target.size))
    return first if g == 1 else first * g


softmax_less_one_hot = primitive(
    "softmax_less_one_hot",
    _slope,
    [lambda g, x: _softmax_vjp(g, softmax_row(x, dim=x.ndim - 1), x.ndim - 1), None],
    tex=r"\operatorname{softmax}({x}) - e_{target}",
)
surprise = primitive(
    "surprise",
    lambda x, target, *, saved=None: _surprise(x, target, saved=saved),
    [_surprise_vjp, None],
    tex=r"-\ln \operatorname{softmax}({x})_{target}",
)
cross_entropy_row = primitive(
    "cross_entropy",
    lambda x, target, *, saved=None: (
        np.add.reduce(_surprise(x, target, saved=saved, scale=1 / max(1, target.size)), axis=None) / target.size
    ),
    [_mean_surprise_vjp, None],
    tex=r"-\frac{1}{N} \sum \ln \operatorname{softmax}({x})_{target}",
)


NONE_IGNORED = -(1 << 62)  # no label is this one


def check_labels(
    input: Any, target: Any, classes: int, who: str = "cross_entropy", *, ignore_index: Any = NONE_IGNORED
) -> tuple[Any, Any]:
    """(labels, which of them count; None if all do). `input` has the classes last.

    Where some do not, both are made of a tensor's labels by operations, and so are heard by those who listen
    (`mt.compile`): these may be other labels the next time.
    """
    raw = target._data if hasattr(target, "_data") else np.asarray(target)
    if type(ignore_index) is not int and not isinstance(ignore_index, np.integer):  # True: PyTorch's old size_average
        raise DtypeError(
            f"{who}(): ignore_index is a label, an integer, not {ignore_index!r}.", fix="Leave it out if all count."
        )
    if raw.dtype.kind not in "iu":
        why, fix = f"Labels are integers 0 ... {classes - 1}.", "Convert the labels: target.long()."
        if who == "cross_entropy":
            why += f" Floats are probabilities where they have the shape of the logits, and this is {raw.shape}."
        if raw.ndim == input.ndim:
            fix = f"There are {classes} classes: a probability for each, or the number of one, target.argmax(1)."
        raise DtypeError(f"{who}(): class labels have dtype {raw.dtype}.", why, fix)
    if raw.shape != input.shape[:-1]:
        raise ShapeError(
            f"{who}(): {classes} logits for each of {input.shape[:-1]} need labels of that shape, not {raw.shape}.",
            "Axis 1 of the logits (the only one of a vector) is the class; the labels have the other axes.",
        )
    # read without a sign, a negative label is larger than any class: one pass finds both kinds of wrong ones
    if raw.size and np.maximum.reduce(raw.view(f"u{raw.itemsize}"), axis=None) < classes and ignore_index < 0:
        return target, None
    counted = raw != ignore_index
    wrong = counted & ((raw < 0) | (raw >= classes))
    if wrong.any():
        raise IndexingError(
            f"{who}(): label {raw[wrong].flat[0]} with {classes} classes.", f"Labels are 0 ... {classes - 1}."
        )
    if hasattr(target, "_data"):
        counted = target != ignore_index
        return where_row(counted, target, 0), counted
    return np.where(counted, raw, 0), counted


@operation(method=False)
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Any:
    """The surprise -ln softmax(input)[target] of the right classes; the softmax is built in.

    With M the largest logit it is (M - z_c) + ln sum_j exp(z_j - M), eq. 4.2.10. (The recipe after eq. 4.1.5 has the
    opposite sign, which would be maximised.)

    Args:
        input: logits, shape (C,), (N, C) or (N, C, d1, ...).
        target: integer labels of shape (), (N,) or (N, d1, ...), or probabilities of the shape of `input`.
        weight: one factor for each class, shape (C,).
        reduction: "mean" (over the weights of the counted labels), "sum", "none", "batchmean", or one of them after
            "half_"; see `nn.losses.reduce`.
        ignore_index: samples with this label do not count.
        label_smoothing: how much of the target is spread evenly over all classes, 0 to 1.

    Raises `ShapeError`, `DtypeError` or `IndexingError` (a label outside 0 ... C - 1) with the shapes and values,
    `ArgumentError` for another reduction or a label_smoothing outside [0, 1].
    """
    shape = input.shape
    if not shape:
        raise ShapeError("cross_entropy() needs a class axis; the logits have shape ().")
    if not hasattr(target, "dtype"):
        target = np.array(target)
    soft = target.dtype.kind == "f" and target.shape == shape
    if len(shape) > 2:  # the classes last
        input, target = movedim(input, 1, -1), movedim(target, 1, -1) if soft else target
    classes = input.shape[-1]
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"cross_entropy(): label_smoothing is a share from 0 to 1, not {label_smoothing}.")
    if weight is not None and weight.shape != (classes,):
        raise ShapeError(f"cross_entropy(): weights of shape {weight.shape} for {classes} classes.")
    if soft:
        if ignore_index != -100:
            raise ArgumentError(f"cross_entropy(): ignore_index={ignore_index} is for labels; these are probabilities.")
        return reduce(_soft_targets(input, target, weight, label_smoothing), reduction)

    labels, counted = check_labels(input, target, classes, ignore_index=ignore_index)
    if counted is None and weight is None and label_smoothing == 0:
        saved = Saved() if getattr(input, "requires_grad", False) else None
        if reduction == "mean":
            return cross_entropy_row(input, labels, saved=saved)
        return reduce(surprise(input, labels, saved=saved), reduction)
    losses, shares = _shared_losses(input, labels, counted, weight, label_smoothing)
    return reduce(losses, reduction, shares)


def _soft_targets(input: Any, target: Any, weight: Any, label_smoothing: float) -> Any:
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[-1]
    terms = -log_softmax_row(input, dim=input.ndim - 1) * target
    return (terms if weight is None else terms * weight).sum(-1)


def _shared_losses(input: Any, labels: Any, counted: Any, weight: Any, label_smoothing: float) -> tuple[Any, Any]:
    """(losses, the share of each in the mean), with class weights, ignored samples and smoothing."""
    raw = labels._data if hasattr(labels, "_data") else labels
    counted = np.broadcast_to(np.True_, raw.shape) if counted is None else counted
    shares = counted.to(input.dtype) if hasattr(counted, "_data") else counted.astype(input.dtype)
    if weight is not None:
        shares = weight[raw] * shares
    losses = where_row(counted, surprise(input, labels), 0) * shares
    if label_smoothing:
        terms = -log_softmax_row(input, dim=input.ndim - 1)
        spread = (terms if weight is None else terms * weight).sum(-1) * (label_smoothing / input.shape[-1])
        losses = (1 - label_smoothing) * losses + where_row(counted, spread, 0)
    return losses, shares


bce_with_logits = elementwise(
    "bce_with_logits",
    lambda x, target: F.maximum(x, 0) - x * target + F.log1p(F.exp(-1.0 * F.abs(x))),
    [lambda g, x, target: g * (F.sigmoid(x) - target), lambda g, x: -g * x],
    tex=r"-{target} \ln \sigma({x}) - (1 - {target}) \ln(1 - \sigma({x}))",
    public=False,
)


@operation(method=False)
def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """-t ln sigma(x) - (1 - t) ln(1 - sigma(x)), finite for logits of any size.

    `weight` multiplies each loss, `pos_weight` the part of the positive class; `reduction` as for `cross_entropy`.
    Raises `ShapeError` unless input and target have one shape.
    """
    if input.shape != target.shape:
        raise ShapeError(
            f"binary_cross_entropy_with_logits(): logits {input.shape} and targets {target.shape} differ in shape.",
            fix="Reshape one of them: target.reshape(input.shape), or squeeze the last axis of the logits.",
        )
    if target.dtype.kind != "f":
        target = to_row(target, dtype=input.dtype)  # labels 0 and 1: int64 would make float32 into float64
    if pos_weight is None:
        losses = bce_with_logits(input, target)
    else:
        losses = (1 - target) * input - ((pos_weight - 1) * target + 1) * logsigmoid(input)
    return reduce(losses if weight is None else times(losses, weight, "binary_cross_entropy_with_logits"), reduction)


# The elements to keep are drawn by `microtrain.dropout`: the table has no random numbers.
dropout_row = elementwise(
    "dropout",
    lambda x, keep, scale: F.where(keep, x * scale, 0),
    [lambda g, keep, scale: F.where(keep, g * scale, 0), None, None],
    tex=r"{scale} {x} \text{ where kept}",
    public=False,
)
