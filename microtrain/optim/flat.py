"""All parameters as one long vector, for methods that do linear algebra with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..engine.node import count_writes, memory_of
from ..tensor import Tensor, wrap


class Flat:
    """The values of several parameters as one vector, in their order; shape (number of elements,)."""

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = list(params)
        self.dtype = np.result_type(*[p.dtype for p in self.params])
        ends = np.cumsum([p.numel() for p in self.params]).tolist()
        self.parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self.size: int = ends[-1]

    def values(self) -> np.ndarray:
        """A copy of all values."""
        return np.concatenate([p._data for p in self.params], axis=None, dtype=self.dtype)

    def write(self, vector: np.ndarray) -> None:
        """Write all values; who asked notes it by `written`."""
        for p, part in zip(self.params, self.parts, strict=True):
            p._array()[...] = vector[part].reshape(p.shape)

    def written(self, who: str, where: tuple[Any, int]) -> None:
        """Tell those who watch the memory that it was overwritten."""
        count_writes([memory_of(p) for p in self.params], (who, where))

    def gradient(self) -> np.ndarray:
        """All gradients; zeros where there is none."""
        return self.joined([None if p._grad is None else p._grad._data for p in self.params])

    def joined(self, arrays: Sequence[Any]) -> np.ndarray:
        """One array for each parameter (None for zeros) as a vector."""
        found = [np.zeros(p.shape) if a is None else a for a, p in zip(arrays, self.params, strict=True)]
        return np.concatenate(found, axis=None, dtype=self.dtype)

    def split(self, vector: np.ndarray) -> list[Tensor]:
        """A vector as tensors of the parameters' shapes and dtypes; copies."""
        return [
            wrap(np.array(vector[part].reshape(p.shape), dtype=p.dtype))
            for p, part in zip(self.params, self.parts, strict=True)
        ]

    @contextmanager
    def kept(self, who: str, where: tuple[Any, int]) -> Iterator[np.ndarray]:
        """Inside the block the parameters may be changed; afterwards they are again what they were."""
        before = self.values()
        try:
            yield before
        finally:
            self.write(before)
            self.written(who, where)
