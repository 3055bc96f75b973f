"""Data sets and the loader that cuts them into batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import ArgumentError, IndexingError, ShapeError
from ..random import Generator, stream
from ..tensor import Tensor


class TensorDataset:
    """Tensors whose first axes belong together: sample i is the tuple of their i-th entries.

    Raises `ShapeError` if the first axes differ in length.
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ArgumentError("A TensorDataset needs at least one tensor.")
        if len({t.shape[:1] for t in tensors}) > 1:
            raise ShapeError(f"The tensors have different numbers of samples: {', '.join(str(t.shape) for t in tensors)}.")
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: object) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)


class DataLoader:
    """Batches of a data set, each sample once an epoch, in the order of the data or shuffled.

    Args:
        dataset: a `TensorDataset`, or one tensor, or a tuple of tensors.
        batch_size: samples in a batch; the last one may be smaller, unless `drop_last`.
        shuffle: a new random order each epoch, drawn from `generator` (or the default one).
    """

    def __init__(
        self,
        dataset: TensorDataset | Tensor | tuple[Tensor, ...],
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        if isinstance(dataset, Tensor):
            dataset = TensorDataset(dataset)
        self.dataset = dataset if isinstance(dataset, TensorDataset) else TensorDataset(*dataset)
        if batch_size < 1:
            raise ArgumentError(f"A batch has at least one sample, not {batch_size}.")
        if len(self.dataset) == 0:
            raise IndexingError("The data set is empty.")
        self.batch_size, self.shuffle, self.drop_last, self.generator = batch_size, shuffle, drop_last, generator

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        n = len(self.dataset)
        order = stream(self.generator).permutation(n) if self.shuffle else np.arange(n)
        for k in range(len(self)):
            yield self.dataset[order[k * self.batch_size : (k + 1) * self.batch_size]]
