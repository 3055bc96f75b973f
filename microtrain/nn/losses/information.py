"""Entropy and what belongs to it, of distributions: probabilities along an axis.

In all of them 0 ln 0 is 0, and the derivative in an entry that is exactly 0 is taken as 0 (it would be infinite).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ...formula import F
from ...ops.probability import log_softmax
from ...tensor import Tensor
from .reduction import as_tensor, loss_formula, pair, reduce


def _log_or_0(p: Any) -> Any:
    """ln p, and 0 with derivative 0 where p is 0."""
    return F.log(F.where(p == 0, 1, p))


p_log_p = loss_formula("p_log_p", lambda p: p * _log_or_0(p), tex=r"{p} \ln {p}")
p_log_q = loss_formula("p_log_q", lambda p, q: p * F.log(F.where(p == 0, 1, q)), tex=r"{p} \ln {q}")
relative = loss_formula(
    "relative_entropy",
    lambda p, q: p * (_log_or_0(p) - F.log(F.where(p == 0, 1, q))),
    tex=r"{p} \ln \frac{{p}}{{q}}",
)


def _unit(base: float) -> float:
    """How many nats one unit is: bits for base 2, nats for base e."""
    if not base > 0 or base == 1:
        raise ArgumentError(f"A logarithm can't have the base {base}.", fix="Use 2 for bits, math.e for nats.")
    return math.log(base)


def _check(p: Tensor, who: str) -> Tensor:
    if (p._data < 0).any() or (p._data > 1 + 1e-9).any():
        wrong = p._data[(p._data < 0) | (p._data > 1 + 1e-9)].flat[0]
        raise ArgumentError(f"{who}(): {wrong} is not a probability.", fix="For logits take softmax(logits) first.")
    return p


def self_information(p: Any, base: float = math.e) -> Tensor:
    """The surprise -log p of an event of probability p: 0 if it is certain, infinite if it is impossible.

    In nats, or in bits with base 2. Raises `ArgumentError` outside [0, 1].
    """
    return (0 - _check(as_tensor(p), "self_information").log()) / _unit(base)  # 0 -, because -log(1) would be -0


def entropy(p: Any, dim: int = -1, base: float = math.e) -> Tensor:
    """The mean surprise -sum p log p of distributions along an axis: 0 for a certain outcome, at most log n.

    Args:
        p: probabilities, shape (..., n).
        dim: the axis along which they add up to 1.
        base: e for nats, 2 for bits.

    Raises `ArgumentError` outside [0, 1].
    """
    return (0 - p_log_p(_check(as_tensor(p), "entropy")).sum(dim)) / _unit(base)  # type: ignore[no-any-return]


def distribution_cross_entropy(p: Any, q: Any, dim: int = -1, base: float = math.e) -> Tensor:
    """-sum p log q: the mean surprise under P of someone who expects Q. It is entropy(p) + kl_divergence(p, q).

    So for one-hot p it is a Bregman divergence, and else one plus a constant. Infinite where q is 0 and p is not. For
    logits there is `cross_entropy`. Raises `ArgumentError` outside [0, 1].
    """
    p, q = pair(p, q, "distribution_cross_entropy")
    who = "distribution_cross_entropy"
    return (0 - p_log_q(_check(p, who), _check(q, who)).sum(dim)) / _unit(base)  # type: ignore[no-any-return]


def kl_divergence(p: Any, q: Any, dim: int = -1, base: float = math.e) -> Tensor:
    """sum p log(p / q), of the target P and the model Q: at least 0, and 0 only where they are equal.

    Not symmetric in general (section 4.1.1 prints != for all P, Q; mirror images such as (.2, .8) and (.8, .2) give the
    same both ways), and no metric. It is the cross-entropy less the entropy of p; eq. 4.1.3 adds the divergence itself
    to that once more. Infinite where q is 0 and p is not. Raises `ArgumentError` outside [0, 1].
    """
    p, q = pair(p, q, "kl_divergence")
    return relative(_check(p, "kl_divergence"), _check(q, "kl_divergence")).sum(dim) / _unit(base)  # type: ignore[no-any-return]


def generalised_kl(p: Any, q: Any, dim: int = -1) -> Tensor:
    """sum p ln(p / q) - p + q: at least 0 for all positive p and q, also if they do not add up to 1.

    It is the Bregman divergence of the negative entropy.
    """
    p, q = pair(p, q, "generalised_kl")
    return (relative(p, q) - p + q).sum(dim)  # type: ignore[no-any-return]


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """PyTorch's form: t (ln t - x) for log-probabilities x and target probabilities t (their logarithms, `log_target`).

    "mean" divides by the number of elements, which is not the divergence: that is "batchmean".
    """
    x, t = pair(input, target, "kl_div")
    losses = t.exp() * (t - x) if log_target else p_log_p(t) - t * x
    return reduce(losses, reduction)


def kl_with_logits(logits: Any, target: Any, reduction: str = "batchmean") -> Tensor:
    """KL(target || softmax(logits)) for target probabilities (N, C); its gradient is softmax(logits) - target.

    Minimising it and minimising the cross-entropy is the same: they differ by the entropy of the target.
    """
    x, t = pair(logits, target, "kl_with_logits")
    return reduce(p_log_p(t).sum(-1) - (t * log_softmax(x, -1)).sum(-1), reduction)


def decompose(p: Any, logits: Any) -> tuple[float, float, float]:
    """(cross-entropy, entropy, KL divergence) of a target and a model softmax(logits), as means over the samples.

    The first is the sum of the others.
    """
    p, logits = pair(p, logits, "decompose")
    cross = float(np.mean(-(p * log_softmax(logits, -1)).sum(-1).detach().numpy()))
    own = float(np.mean(entropy(p).detach().numpy()))
    return cross, own, float(np.mean(kl_with_logits(logits, p, "none").detach().numpy()))
