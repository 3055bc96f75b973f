"""Samplers: which samples of a data set an epoch goes through, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.values import looked_at
from ..errors import ArgumentError
from ..random import Generator, stream
from ..tensor import Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

Numbers = np.ndarray[Any, np.dtype[np.intp]]


class Sampler:
    """Base of samplers: subclasses define `__iter__`, which gives the numbers of an epoch's samples, and `__len__`."""

    def __init__(self, data_source: Any = None) -> None:
        pass  # PyTorch's used to take the data set

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__().")

    def __class_getitem__(cls, item: Any) -> Any:
        """`Sampler[int]` in annotations."""
        return cls


class _Drawn(Sampler):
    """A sampler that knows all numbers of the epoch at once: a loader takes them as an array."""

    def numbers(self) -> Numbers:
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers().tolist())


class SequentialSampler(_Drawn):
    """All samples, in the order of the data."""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __len__(self) -> int:
        return len(self.data_source)

    def numbers(self) -> Numbers:
        """0, 1, 2 ..."""
        return np.arange(len(self.data_source))


class RandomSampler(_Drawn):
    """All samples in random order, anew each epoch; or `num_samples` of them, with replacement any of them each time.

    Raises `ArgumentError` if that is not a positive number.
    """

    def __init__(
        self, data_source: Any, replacement: bool = False, num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:  # fmt: skip
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._count = None if num_samples is None else positive(num_samples, "RandomSampler")

    @property
    def num_samples(self) -> int:
        """How many samples an epoch has."""
        return len(self.data_source) if self._count is None else self._count

    def __len__(self) -> int:
        return self.num_samples

    def numbers(self) -> Numbers:
        """The next epoch; without replacement, more samples than there are come in several rounds through the data."""
        random, n, count = stream(self.generator), len(self.data_source), self.num_samples
        if self.replacement:
            return random.integers(n, size=count)
        if not n:
            raise ArgumentError("RandomSampler: there are no samples to draw from.")
        rounds = [random.permutation(n) for _ in range(-(-count // n))]
        return np.concatenate(rounds)[:count] if len(rounds) > 1 else rounds[0][:count]


class SubsetRandomSampler(_Drawn):
    """These samples, in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices, self.generator = indices, generator

    def __len__(self) -> int:
        return len(self.indices)

    def numbers(self) -> Numbers:
        """The next epoch."""
        return stream(self.generator).permutation(np.array([int(i) for i in self.indices], dtype=np.intp))


class WeightedRandomSampler(_Drawn):
    """`num_samples` samples, drawn with probabilities proportional to their weights (which need not add up to 1).

    Against unequal classes, say: weights 1 / (how many samples there are of its class). Raises `ArgumentError` for
    weights that are no probabilities, or for more samples without replacement than there are positive weights.
    """

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, generator: Generator | None = None
    ) -> None:
        raw = np.asarray(looked_at(weights) if isinstance(weights, Tensor) else list(weights), dtype=np.float64)
        if raw.ndim != 1 or not np.all(np.isfinite(raw) & (raw >= 0)) or not raw.sum() > 0:
            raise ArgumentError("WeightedRandomSampler: the weights are one number >= 0 for each sample, not all 0.")
        self.weights, self.replacement, self.generator = raw, replacement, generator
        self.num_samples = positive(num_samples, "WeightedRandomSampler")
        if not replacement and num_samples > np.count_nonzero(raw):
            raise ArgumentError(
                f"WeightedRandomSampler: {num_samples} samples of {np.count_nonzero(raw)} with a positive weight.",
                fix="Draw fewer, or with replacement=True.",
            )

    def __len__(self) -> int:
        return self.num_samples

    def numbers(self) -> Numbers:
        """The next epoch."""
        chances = self.weights / self.weights.sum()
        return stream(self.generator).choice(len(chances), self.num_samples, replace=self.replacement, p=chances)


class BatchSampler(Sampler):
    """The numbers that another sampler gives, in lists of `batch_size`; the last may be shorter, unless `drop_last`."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False) -> None:
        self.sampler, self.batch_size, self.drop_last = sampler, positive(batch_size, "BatchSampler"), drop_last

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for number in self.sampler:
            batch.append(number)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch


def positive(n: int, what: str) -> int:
    """The number of samples. Raises `ArgumentError` for what is not a positive whole number."""
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise ArgumentError(f"{what}: {n!r} is not a positive number of samples.")
    return int(n)
