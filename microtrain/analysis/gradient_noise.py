"""The gradient of a mini-batch is the full gradient plus noise: its mean, its covariance, its directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from ..calculus import many_vjps
from ..engine.recording import grad_mode
from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from ..random import Generator
from ..tensor import Tensor
from .objective import Array, Objective, Params


def per_sample_gradients(losses: Callable[..., Tensor], params: Params) -> Array:
    """The gradient of each sample's loss, (N, P). `losses` is a closure (or function of the parameters): (N,)."""
    found = _of_samples(losses, params)
    with grad_mode(True):
        each = found.closure()
        if each.ndim != 1:
            raise ShapeError(
                f"The losses have shape {each.shape}; one for each sample is needed, (N,).", fix='Use reduction="none".'
            )
        blocks = many_vjps.rows(each, found.params)
    return np.concatenate(blocks, axis=1)


def _of_samples(losses: Callable[..., Tensor], params: Params) -> Objective:
    return losses if isinstance(losses, Objective) else Objective(losses, params)


@dataclass(frozen=True)
class GradientNoise:
    """Gradients of batches of `batch_size` samples, around the full gradient `mean` (P,).

    `covariance` (P, P) is that of one batch's mean gradient; `draws` (K, P) are sampled batches, if there are.
    """

    mean: Array
    covariance: Array
    batch_size: int
    samples: int
    draws: Array | None = None

    @property
    def trace(self) -> float:
        """E |g - mean|^2, the size of the noise; goes like 1 / batch size."""
        return float(np.trace(self.covariance))

    @property
    def signal_to_noise(self) -> float:
        """|mean|^2 / trace."""
        return float(self.mean @ self.mean / self.trace) if self.trace else float("inf")

    @property
    def critical_batch(self) -> float:
        """The batch size at which noise and signal are equal, trace of one sample's covariance / |mean|^2.

        The "simple noise scale" of McCandlish et al. 2018.
        """
        size = float(self.mean @ self.mean)
        return self.trace * self.batch_size / size if size else float("inf")

    def __repr__(self) -> str:
        return (
            f"<GradientNoise, batches of {self.batch_size} from {self.samples}: mean {np.linalg.norm(self.mean):.4g}, "
            f"noise {self.trace**0.5:.4g}, critical batch {self.critical_batch:.3g}>"
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the batch gradients of two parameters as arrows; returns the Axes."""
        from ..viz.plots import gradient_noise as draw

        return draw(self, ax=ax)


@steady
def gradient_noise(
    losses: Callable[..., Tensor], params: Params, batch_size: int = 1, *, replace: bool = False, draws: int = 0,
    generator: Generator | None = None,
) -> GradientNoise:  # fmt: skip
    """Mean and covariance of the gradient of random batches, exactly, from the gradients of all samples.

    With replacement the covariance of a mean of B is C / B; without, C / B times (N - B) / (N - 1), which is 0 for the
    whole set. `draws` batches are sampled besides. Raises `ArgumentError` for an impossible batch size.
    """
    each = per_sample_gradients(losses, params)
    count = len(each)
    if not batch_size >= 1 or (batch_size > count and not replace):
        raise ArgumentError(f"Batches of {batch_size} from {count} samples.")
    mean = each.mean(0)
    centered = each - mean
    covariance = centered.T @ centered / count / batch_size
    if not replace:
        covariance *= (count - batch_size) / max(1, count - 1)
    sampled = None
    if draws:
        random = (generator or Generator(0)).numpy
        chosen = [random.choice(count, batch_size, replace=replace) for _ in range(draws)]
        sampled = np.array([each[i].mean(0) for i in chosen])
    return GradientNoise(mean, covariance, batch_size, count, sampled)


def batch_gradients(
    losses: Callable[..., Tensor], params: Params, batches: Iterable[Any], reduction: str = "mean"
) -> Array:
    """The gradients of these batches (each an array of sample numbers), (K, P): means or sums over the batch."""
    each = per_sample_gradients(losses, params)
    if reduction not in ("mean", "sum"):
        raise ArgumentError(f"reduction is {reduction!r}.", fix='Use "mean" or "sum".')
    return np.array([getattr(each[np.asarray(i, dtype=np.intp)], reduction)(axis=0) for i in batches])


def all_batch_gradients(
    losses: Callable[..., Tensor], params: Params, batch_size: int, reduction: str = "mean"
) -> Array:
    """The gradients of all C(N, B) batches without repetition; their mean is the full gradient (times B/N for sums).

    Raises `ArgumentError` for more than a million batches.
    """
    each = per_sample_gradients(losses, params)
    if comb(len(each), batch_size) > 10**6:
        raise ArgumentError(
            f"There are {comb(len(each), batch_size):,} batches of {batch_size} from {len(each)}.",
            fix="Draw some: gradient_noise(draws=...).",
        )
    chosen = np.array(list(combinations(range(len(each)), batch_size)), dtype=np.intp)
    total = each[chosen].sum(1)
    return total / batch_size if reduction == "mean" else total  # type: ignore[no-any-return]
