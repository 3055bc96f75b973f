"""The loader, which cuts a data set into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..creation import tensor
from ..errors import ArgumentError, DtypeError, IndexingError
from ..operators import PUBLIC
from ..random import Generator, stream
from ..tensor import Tensor
from .dataset import Subset, TensorDataset


class DataLoader:
    """Batches of a data set, each sample once an epoch, in the order of the data or shuffled.

    Args:
        dataset: a `TensorDataset`, one tensor, a tuple of tensors, or anything with a length and samples by number.
        batch_size: samples in a batch; the last one may be smaller, unless `drop_last`.
        shuffle: a new random order each epoch, drawn from `generator` (or the default one).
        sampler: the numbers of the samples, instead of all in order; gone through once an epoch.
        collate_fn: makes a batch of a list of samples; by default tensors and numbers are stacked, part by part.
        num_workers, pin_memory: accepted for PyTorch's sake; there is one process, and no GPU to copy to.
    """

    def __init__(
        self, dataset: Any, batch_size: int = 1, shuffle: bool | None = False, drop_last: bool = False,
        generator: Generator | None = None, *, sampler: Iterable[int] | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None, num_workers: int = 0, pin_memory: bool = False,
        persistent_workers: bool = False,
    ) -> None:  # fmt: skip
        if isinstance(dataset, Tensor):
            dataset = TensorDataset(dataset)
        elif isinstance(dataset, tuple) and all(isinstance(part, Tensor) for part in dataset):
            dataset = TensorDataset(*dataset)
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise DtypeError(f"A data set has a length and samples by number, but {type(dataset).__name__} lacks one.")
        self.dataset: Any = dataset
        if batch_size < 1:
            raise ArgumentError(f"A batch has at least one sample, not {batch_size}.")
        if len(dataset) == 0:
            raise IndexingError("The data set is empty.")
        if sampler is not None and shuffle:
            raise ArgumentError("A DataLoader takes a sampler or shuffle=True, not both.")
        self.batch_size, self.shuffle, self.drop_last, self.generator = batch_size, bool(shuffle), drop_last, generator
        self.sampler, self.collate_fn = sampler, collate_fn

    def _count(self) -> int:
        return len(self.dataset) if self.sampler is None else len(self.sampler)  # type: ignore[arg-type]

    def __len__(self) -> int:
        whole, rest = divmod(self._count(), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def _order(self) -> Any:
        if self.sampler is not None:
            return np.array(list(self.sampler), dtype=np.intp)
        n = len(self.dataset)
        return stream(self.generator).permutation(n) if self.shuffle else np.arange(n)

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        whole = self.collate_fn is None and _takes_arrays(self.dataset)
        for start in range(0, len(order), self.batch_size):
            numbers = order[start : start + self.batch_size]
            if len(numbers) < self.batch_size and self.drop_last:
                return
            if whole:
                yield self.dataset[numbers]
            else:
                yield (self.collate_fn or collate)([self.dataset[int(i)] for i in numbers])


def _takes_arrays(dataset: Any) -> bool:
    """Can a whole batch be read at once?"""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset


def collate(samples: list[Any]) -> Any:
    """A batch of samples: tensors, arrays and numbers stacked, tuples and dicts part by part, texts as a list."""
    first = samples[0]
    if isinstance(first, Tensor):
        return PUBLIC["stack"](samples)
    if isinstance(first, (np.ndarray, np.generic)):
        return tensor(np.stack(samples))
    if isinstance(first, (bool, int, float)):
        return tensor(samples)
    if isinstance(first, Mapping):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        return [collate(list(parts)) for parts in zip(*samples, strict=True)]
    return samples
