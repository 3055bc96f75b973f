"""Data sets: anything with a length and samples by number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, IndexingError, ShapeError
from ..random import Generator, stream
from ..tensor import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]


class Dataset:
    """Base of data sets: subclasses define `__len__` and `__getitem__`, which gives a sample by its number."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__().")

    def __class_getitem__(cls, item: Any) -> Any:
        """`Dataset[tuple[Tensor, Tensor]]` in annotations."""
        return cls

    def __add__(self, other: Dataset) -> ConcatDataset:
        """The samples of this one, then those of the other."""
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Samples that come one after the other: subclasses define `__iter__`."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__().")

    def __add__(self, other: Dataset) -> ChainDataset:  # type: ignore[override]
        """The samples of this one, then those of the other."""
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Tensors whose first axes belong together: sample i is the tuple of their i-th entries.

    Arrays are made tensors. Raises `ShapeError` if the first axes differ in length.
    """

    def __init__(self, *tensors: Any) -> None:
        if not tensors:
            raise ArgumentError("A TensorDataset needs at least one tensor.")
        if len({t.shape[:1] for t in tensors}) > 1:
            shapes = ", ".join(str(t.shape) for t in tensors)
            raise ShapeError(f"The tensors have different numbers of samples: {shapes}.")
        self.tensors: tuple[Tensor, ...] = tuple(Tensor(t) if isinstance(t, np.ndarray) else t for t in tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)


class Subset(Dataset):
    """Some samples of a data set, by their numbers."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, [int(i) for i in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            return self.dataset[self.indices[index]]
        return self.dataset[np.array(self.indices)[index]]

    def __getitems__(self, indices: Sequence[int]) -> Any:
        if type(self).__getitem__ is not Subset.__getitem__:  # a class of the program's own
            return [self[i] for i in indices]
        return samples(self.dataset, [self.indices[i] for i in indices])


class StackDataset(Dataset):
    """Data sets whose samples belong together: sample i is the tuple of their i-th samples, or a dict for keywords.

    Raises `ArgumentError` for none, or for some by position and others by keyword, `ShapeError` for different lengths.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ArgumentError("A StackDataset takes data sets, either by position or by keyword.")
        self.datasets: Any = args or kwargs
        lengths = [len(d) for d in (args or kwargs.values())]
        if len(set(lengths)) > 1:
            raise ShapeError(f"The data sets have different numbers of samples: {lengths}.")
        self._length = lengths[0]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        named = isinstance(self.datasets, dict)
        parts = [samples(d, indices) for d in (self.datasets.values() if named else self.datasets)]
        if any(len(part) != len(indices) for part in parts):
            raise ShapeError(f"__getitems__() gave {[len(part) for part in parts]} samples for {len(indices)} numbers.")
        together = zip(*parts, strict=True)
        return [dict(zip(self.datasets, sample, strict=True)) for sample in together] if named else list(together)


class ChainDataset(IterableDataset):
    """The samples of several `IterableDataset`s, one after the other. Raises `DtypeError` for others."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(map(self._checked, self.datasets))

    def __len__(self) -> int:
        return sum(len(self._checked(d)) for d in self.datasets)

    @staticmethod
    def _checked(dataset: Any) -> Any:
        if isinstance(dataset, IterableDataset):
            return dataset
        raise DtypeError(
            f"A ChainDataset is made of IterableDatasets, not of {type(dataset).__name__}.",
            fix="For data sets with samples by number there is ConcatDataset.",
        )


class ConcatDataset(Dataset):
    """The samples of several data sets, one after the other. Raises `DtypeError` for an `IterableDataset`."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise DtypeError("An IterableDataset has no samples by number.", fix="Use ChainDataset.")
        self.ends = np.cumsum([len(d) for d in self.datasets])

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"There is no sample number {index} among {len(self)}.")
        index = index + len(self) if index < 0 else index
        which = int(np.searchsorted(self.ends, index, side="right"))
        return self.datasets[which][index - (int(self.ends[which - 1]) if which else 0)]


def samples(dataset: Any, numbers: Sequence[int]) -> Any:
    """The samples with these numbers: at once, if the data set has PyTorch's `__getitems__`, else one by one."""
    at_once = getattr(dataset, "__getitems__", None)
    return at_once(numbers) if at_once is not None else [dataset[i] for i in numbers]


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Cut a data set into random parts of these lengths, or of these shares where they add up to 1.

    Raises `ArgumentError` if the lengths do not add up to that of the data set.
    """
    total = len(dataset)
    counts = list(lengths)
    if all(isinstance(n, float) for n in counts) and math.isclose(sum(counts), 1):
        counts = [math.floor(total * share) for share in counts]
        for k in range(total - int(sum(counts))):  # what rounding left over, one by one
            counts[k % len(counts)] += 1
    if sum(counts) != total or min(counts, default=0) < 0:
        raise ArgumentError(
            f"random_split(): lengths {list(lengths)} for {total} samples.", "They must add up to that."
        )
    order = stream(generator).permutation(total)
    starts = np.cumsum([0, *counts]).astype(int)
    return [Subset(dataset, order[a:b].tolist()) for a, b in zip(starts[:-1], starts[1:], strict=True)]
