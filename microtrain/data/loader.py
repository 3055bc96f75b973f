"""The loader, which cuts a data set into batches."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, IndexingError, ShapeError
from ..functions.creation import tensor
from ..ops.joining import stack
from ..random import Generator
from ..tensor import Tensor
from .dataset import IterableDataset, Subset, TensorDataset, samples
from .sampler import BatchSampler, RandomSampler, SequentialSampler, positive


class DataLoader:
    """Batches of a data set, each sample once an epoch, in the order of the data or shuffled.

    Args:
        dataset: a `TensorDataset`, a tuple of tensors or arrays, which is made into one, or one tensor, whose batches
            are tensors; anything with a length and samples by number (and perhaps `__getitems__`, which gives a list of
            them for a list of numbers), or an `IterableDataset`.
        batch_size: samples in a batch; the last one may be smaller, unless `drop_last`. None: samples one by one.
        shuffle: a new random order each epoch, drawn from `generator` (or the default one).
        sampler: the numbers of the samples, instead of all in order; gone through once an epoch.
        batch_sampler: lists of such numbers, one for each batch, instead of batch_size, shuffle, sampler and drop_last.
        collate_fn: makes a batch of a list of samples; by default tensors and numbers are stacked, part by part.
        num_workers, pin_memory, timeout, worker_init_fn, multiprocessing_context, prefetch_factor, persistent_workers,
            in_order: accepted for PyTorch's sake; there is one process, and no GPU to copy to.

    Raises `ArgumentError` for arguments that exclude each other, `IndexingError` for a data set without samples.
    """

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None,
        sampler: Iterable[int] | None = None, batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0, collate_fn: Callable[[Any], Any] | None = None, pin_memory: bool = False,
        drop_last: bool = False, timeout: float = 0, worker_init_fn: Any = None, multiprocessing_context: Any = None,
        generator: Generator | None = None, *, prefetch_factor: int | None = None, persistent_workers: bool = False,
        pin_memory_device: str = "", in_order: bool = True,
    ) -> None:  # fmt: skip
        if isinstance(dataset, tuple) and dataset and all(isinstance(part, (Tensor, np.ndarray)) for part in dataset):
            dataset = TensorDataset(*dataset)
        self._streamed = isinstance(dataset, IterableDataset)
        if not self._streamed and not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise DtypeError(
                f"A data set has a length and samples by number, but {type(dataset).__name__} lacks one.",
                fix="For samples that come one after the other derive it from IterableDataset.",
            )
        self.dataset: Any = dataset
        _check_choice(batch_size, shuffle, sampler, batch_sampler, drop_last, self._streamed)
        if not self._streamed and len(dataset) == 0:
            raise IndexingError("The data set is empty.")
        if sampler is None and not self._streamed:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.batch_size = None if batch_sampler is not None else batch_size
        self.shuffle, self.drop_last, self.generator = bool(shuffle), drop_last, generator
        self.sampler, self.batch_sampler, self.collate_fn = sampler, batch_sampler, collate_fn
        self.num_workers, self.pin_memory, self.timeout = num_workers, pin_memory, timeout  # for those who look
        self._present: tuple[Any, Any, int] | None = None  # (order, ends, batches given out) of the epoch under way
        self._next: tuple[Any, Any, int] | None = None  # the same, for the epoch that comes now

    def __len__(self) -> int:
        """The number of batches. Raises `TypeError` where the sampler or the stream of samples has no length."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        count = len(self.dataset) if self.sampler is None else len(self.sampler)  # type: ignore[arg-type]
        whole, rest = divmod(count, self.batch_size or 1)
        return whole + (rest > 0 and not self.drop_last)

    def _what(self) -> str:
        if self._streamed:
            return "a stream of samples"
        if self.batch_sampler is not None:
            return f"batches, chosen from {len(self.dataset)} samples"
        return f"{len(self.sampler)} samples in batches of {self.batch_size or 1}"  # type: ignore[arg-type]

    def _order(self) -> Any:
        """The numbers of the samples of an epoch."""
        sampler: Any = self.sampler
        if hasattr(sampler, "numbers"):
            return sampler.numbers()
        return np.array([_number(i) for i in sampler], dtype=np.intp)

    def _epoch(self) -> tuple[Any, Any]:
        """(the numbers of the samples of an epoch, where in them each batch ends)."""
        if self.batch_sampler is not None:
            batches = [[_number(i) for i in batch] for batch in self.batch_sampler]
            order = np.array([i for batch in batches for i in batch], dtype=np.intp)
            return order, np.cumsum([len(batch) for batch in batches], dtype=np.intp)
        order = self._order()
        return order, self._ends(order)

    def _ends(self, order: Any) -> Any:
        """Where in `order` each batch ends."""
        size = self.batch_size or 1
        ends = np.arange(size, len(order) + size, size)
        if len(ends) and ends[-1] > len(order):
            ends = ends[:-1] if self.drop_last else np.minimum(ends, len(order))
        return ends

    def __iter__(self) -> Iterator[Any]:
        chosen: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        if self._streamed:
            yield from self._from_stream()
            return
        if self.batch_size is None and self.batch_sampler is None and not hasattr(chosen, "numbers"):
            yield from ((self.collate_fn or converted)(self.dataset[key]) for key in chosen)  # whatever the keys are
            return
        if not hasattr(chosen, "__len__"):  # it may have no end, and so can't be gone through beforehand
            if self.batch_sampler is None:
                chosen = BatchSampler(chosen, self.batch_size or 1, self.drop_last)
            yield from map(self._batch, chosen)
            return
        order, ends, done = self._next or (*self._epoch(), 0)
        self._next = None
        for k in range(done, len(ends)):
            self._present = order, ends, k + 1
            yield self._batch(order[ends[k - 1] if k else 0 : ends[k]])
        self._present = None

    def _batch(self, numbers: Any) -> Any:
        """The samples with these numbers."""
        if self.batch_size is None and self.batch_sampler is None:
            return (self.collate_fn or converted)(self.dataset[_number(numbers[0])])
        if self.collate_fn is None and _takes_arrays(self.dataset):
            return _as_batch(self.dataset[np.asarray(numbers)])
        return (self.collate_fn or collate)(samples(self.dataset, [_number(i) for i in numbers]))

    def _from_stream(self) -> Iterator[Any]:
        stream = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn or converted, stream)
            return
        while batch := list(itertools.islice(stream, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield (self.collate_fn or collate)(batch)

    def epoch(self) -> Any:
        """The tensor or tensors of the epoch that comes now, in its order; None where batches are made one by one."""
        one_by_one = self.batch_size is None or self.collate_fn is not None or self._streamed
        if one_by_one or self._next is not None or not hasattr(self.sampler, "__len__"):
            return None
        return _as_batch(self.dataset[self._order()]) if _takes_arrays(self.dataset) else None

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch under way stands: the order of its samples, and how many batches have been given out.

        Empty between two epochs, and where samples come without an end in sight (`IterableDataset`). The generator's
        state is not part of it.
        """
        if self._present is None:
            return {}
        order, ends, batch = self._present
        small = np.min_scalar_type(int(order.max(initial=0))) if order.min(initial=0) >= 0 else order.dtype
        state = {"order": order.astype(small), "batch": batch, "batch_size": self.batch_size or 1}
        return state if self.batch_sampler is None else {**state, "ends": ends}

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
            fits = fits and state_dict["batch_size"] == (self.batch_size or 1) and not self._streamed
            fits = fits and ("ends" in state_dict) == (self.batch_sampler is not None)
            fits = fits and (order.size == 0 or -len(self.dataset) <= order.min() <= order.max() < len(self.dataset))
            ends = np.asarray(state_dict.get("ends", ()), dtype=np.intp)
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits or (self.batch_sampler is None and len(order) != len(self.sampler)):  # type: ignore[arg-type]
            raise ArgumentError(
                f"This is not the state of a loader of {self._what()}.",
                fix="Make the loader of the same data, with the same batch size.",
            )
        order = order.astype(np.intp)
        self._next = self._present = order, ends if self.batch_sampler is not None else self._ends(order), batch


def _check_choice(
    batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool, streamed: bool
) -> None:
    """Raises `ArgumentError` for arguments of a loader that exclude each other."""
    if sampler is not None and shuffle:
        raise ArgumentError("A DataLoader takes a sampler or shuffle=True, not both.")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ArgumentError("A DataLoader takes a batch_sampler, or batch_size, shuffle, sampler and drop_last.")
    if streamed and (shuffle or sampler is not None or batch_sampler is not None):
        raise ArgumentError(
            "An IterableDataset gives its samples in an order of its own: a DataLoader can't shuffle or choose them.",
            fix="Shuffle in its __iter__().",
        )
    if batch_size is not None:
        positive(batch_size, "DataLoader: batch_size")
    if batch_size is None and drop_last:
        raise ArgumentError("Without batches (batch_size=None) there is no last one to drop.")


def _number(i: Any) -> int:
    """The number of a sample. Raises `ArgumentError` for what is none."""
    try:
        return operator.index(i)
    except TypeError:
        raise ArgumentError(
            f"A sampler gave {i!r}, which is not the number of a sample.",
            fix="For other keys: DataLoader(data, batch_size=None, sampler=keys), which takes samples one by one.",
        ) from None


def _takes_arrays(dataset: Any) -> bool:
    """Can a whole batch be read at once?"""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return isinstance(dataset, Tensor) or type(dataset) is TensorDataset


def _as_batch(samples: Any) -> Any:
    """As PyTorch gives it: a tensor for the rows of one, a list for several parts."""
    return samples if isinstance(samples, Tensor) else list(samples)


def collate(samples: list[Any]) -> Any:
    """A batch of samples: tensors, arrays and numbers stacked, tuples and dicts part by part, texts as a list.

    Raises `ShapeError` for samples with different numbers of parts, or with arrays of different shapes.
    """
    first = samples[0]
    if isinstance(first, Tensor):
        return stack(samples)
    if isinstance(first, (np.ndarray, np.generic)):
        if len({np.shape(sample) for sample in samples}) > 1:
            raise ShapeError(
                f"A batch of arrays of different shapes: {', '.join(str(np.shape(sample)) for sample in samples)}.",
                fix="Give the DataLoader a collate_fn that pads them.",
            )
        return tensor(np.stack(samples))
    if isinstance(first, (bool, int, float)):
        return tensor(samples)
    if isinstance(first, Mapping):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        if len({len(sample) for sample in samples}) > 1:
            raise ShapeError(
                f"A batch of samples with different numbers of parts: {[len(sample) for sample in samples]}.",
                fix="Give the DataLoader a collate_fn.",
            )
        parts = [collate(list(part)) for part in zip(*samples, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    return samples


def converted(sample: Any) -> Any:
    """A sample by itself, its arrays as tensors."""
    if isinstance(sample, (np.ndarray, np.generic)):
        return tensor(sample)
    if isinstance(sample, Mapping):
        return {key: converted(part) for key, part in sample.items()}
    if isinstance(sample, (tuple, list)):
        parts = [converted(part) for part in sample]
        return type(sample)(*parts) if hasattr(sample, "_fields") else parts
    return sample
