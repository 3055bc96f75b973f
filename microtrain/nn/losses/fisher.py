"""Fisher information: how much an outcome says about the parameters of the distribution that it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...calculus.derivatives import jacobian
from ...errors import ShapeError
from ...kernels.blas import steady
from ...ops.diagonals import diag
from ...ops.probability import softmax
from ...tensor import Tensor
from .reduction import as_tensor


def fisher_information(log_probabilities: Callable[[Tensor], Tensor], theta: Any) -> Tensor:
    """sum_c p_c s_c s_c^T over all outcomes c, with the scores s_c = d ln p_c / d theta from the backward pass.

    Args:
        log_probabilities: the logarithms of the probabilities of all outcomes, shape (C,), from the parameters.
        theta: the parameters, of any shape, P numbers in all.

    Returns a (P, P) matrix. For logits, `fisher_information(lambda z: log_softmax(z, -1), z)` is diag(p) - p p^T.
    Raises `ShapeError` unless the result of `log_probabilities` is a vector.
    """
    theta = as_tensor(theta).detach()
    log_p = log_probabilities(theta).detach()
    if log_p.ndim != 1:
        raise ShapeError(f"fisher_information(): the log-probabilities are a vector (C,), not {log_p.shape}.")
    scores = jacobian(log_probabilities, theta).reshape(log_p.numel(), theta.numel())
    return scores.T @ (log_p.exp().unsqueeze(-1) * scores)  # type: ignore[no-any-return]


@steady
def fisher_from_samples(log_density: Callable[[Tensor, Any], Tensor], theta: Any, samples: Iterable[Any]) -> Tensor:
    """The mean of s s^T over outcomes that were drawn from the model: for distributions with too many to go through.

    Args:
        log_density: ln p(outcome; theta), one number, from the parameters and an outcome.
        theta: the parameters, P numbers in all.
        samples: outcomes.

    Returns a (P, P) matrix. Raises `ShapeError` for no samples, or if the log-density is not one number.
    """
    theta = as_tensor(theta).detach()
    scores = [jacobian(lambda t, x=x: log_density(t, x), theta).detach().numpy().reshape(-1) for x in samples]
    if not scores or scores[0].size != theta.numel():
        raise ShapeError("fisher_from_samples() needs samples, and a log-density that is one number for each.")
    stacked = np.stack(scores)
    return Tensor(stacked.T @ stacked / len(stacked))


def fisher_of_logits(logits: Any) -> Tensor:
    """diag(p) - p p^T with p = softmax(logits), for logits (C,): the Fisher information of a die, in its logits.

    The same matrix is the Jacobian of softmax and the Hessian of the cross-entropy; its rows add up to 0. The KL
    divergence of neighbours is half of its quadratic form (sections 4.1.5 and 4.1.7 lack the 1/2, and call a divergence
    that is not symmetric a metric); and the metric has constant curvature 1/4, not a varying one as in Table 4.1.1.
    Raises `ShapeError` for more than one axis.
    """
    logits = as_tensor(logits)
    if logits.ndim != 1:
        raise ShapeError(f"fisher_of_logits() takes a vector of logits, not shape {logits.shape}.")
    p = softmax(logits, 0)
    return diag(p) - p.unsqueeze(1) * p  # type: ignore[no-any-return]
