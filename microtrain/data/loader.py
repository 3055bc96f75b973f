"""The loader, which cuts a data set into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..calling.operators import PUBLIC
from ..errors import ArgumentError, DtypeError, IndexingError
from ..functions.creation import tensor
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
        self._present: tuple[Any, int] | None = None  # (order, number of batches given out) of the epoch under way
        self._next: tuple[Any, int] | None = None  # the same, for the epoch that comes now

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
        order, done = self._next or (self._order(), 0)
        self._next = None
        whole = self.collate_fn is None and _takes_arrays(self.dataset)
        for k, start in enumerate(range(done * self.batch_size, len(order), self.batch_size), done + 1):
            numbers = order[start : start + self.batch_size]
            if len(numbers) < self.batch_size and self.drop_last:
                break
            self._present = order, k
            if whole:
                yield self.dataset[numbers]
            else:
                yield (self.collate_fn or collate)([self.dataset[int(i)] for i in numbers])
        self._present = None

    def epoch(self) -> Any:
        """The tensors of the epoch that comes now, in its order; None where batches have to be made one by one."""
        if self.collate_fn is not None or not _takes_arrays(self.dataset) or self._next is not None:
            return None
        return self.dataset[self._order()]

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch under way stands: the order of its samples, and how many batches have been given out.

        Empty between two epochs. The generator's state is not part of it.
        """
        if self._present is None:
            return {}
        order, batch = self._present
        small = np.min_scalar_type(int(order.max(initial=0))) if order.min(initial=0) >= 0 else order.dtype
        return {"order": order.astype(small), "batch": batch, "batch_size": self.batch_size}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next iteration give what was left of an epoch when `state_dict` was taken.

        Raises `ArgumentError` if it was taken from another loader: with more samples, say.
        """
        self._present = self._next = None
        if not state_dict:
            return
        try:
            order, batch = np.asarray(state_dict["order"]), state_dict["batch"]
            fits = order.dtype.kind in "iu" and order.ndim == 1 and type(batch) is int and batch >= 0
            fits = fits and state_dict["batch_size"] == self.batch_size
            fits = fits and (order.size == 0 or -len(self.dataset) <= order.min() <= order.max() < len(self.dataset))
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits or len(order) != self._count():
            raise ArgumentError(
                f"This is not the state of a loader of {self._count()} samples in batches of {self.batch_size}.",
                fix="Make the loader of the same data, with the same batch size.",
            )
        self._next = self._present = order.astype(np.intp), batch


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
