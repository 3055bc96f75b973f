"""Arrays as the trace stores them: small ones whole, large ones as a corner with a summary, each only once.

Numbers are written with all their digits (Python's shortest repr, which reads back to the same bits); NaN and the
infinities, which JSON lacks, and integers beyond 2**53, which JavaScript would round, are texts.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

WHOLE = 256  # arrays up to this many entries are stored whole
CORNER = 6  # of larger ones, this many rows and columns
LINE = 12  # or of a vector, this many entries


class Table:
    """The values of a trace; equal arrays share a place."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}

    def add(self, array: Any) -> int | None:
        """The place of an array (None for what isn't known)."""
        if array is None:
            return None
        row = stored(np.asarray(array))
        key = json.dumps(row)
        if key not in self._places:
            self._places[key] = len(self.rows)
            self.rows.append(row)
        return self._places[key]


def stored(data: np.ndarray[Any, Any]) -> dict[str, Any]:
    """One row of the table: shape, dtype, `data` in row-major order; of large arrays the corner `window` and a summary.

    The window says how many entries of each axis there are, from the first on.
    """
    row: dict[str, Any] = {"shape": list(data.shape), "dtype": str(data.dtype)}
    window = corner(data.shape)
    if window is None:
        row["data"] = [number(x) for x in data.ravel().tolist()]
        return row
    part = data[tuple(slice(n) for n in window)]
    row |= {"window": list(window), "data": [number(x) for x in part.ravel().tolist()]}
    if data.dtype.kind in "biuf":
        wide = data.astype(np.float64)
        with np.errstate(all="ignore"):
            row |= {"mean": number(float(wide.mean())), "min": number(data.min().item())}
            row |= {"max": number(data.max().item()), "norm": number(float(np.sqrt((wide * wide).sum())))}
    return row


def corner(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """How many entries of each axis are stored; None for all."""
    if math.prod(shape) <= WHOLE:
        return None
    if len(shape) == 1:
        return (min(shape[0], LINE),)
    return (*(1 for _ in shape[:-2]), min(shape[-2], CORNER), min(shape[-1], CORNER))


def number(x: Any) -> Any:
    """A number as JSON can hold it."""
    if isinstance(x, float):
        if x != x:
            return "NaN"
        if math.isinf(x):
            return "Infinity" if x > 0 else "-Infinity"
        return x
    if isinstance(x, bool):
        return x
    if isinstance(x, int):
        return x if abs(x) <= 2**53 else str(x)
    return str(x)


def plain(x: Any) -> Any:
    """What `number` wrote, as a number again."""
    if isinstance(x, str):
        return int(x) if x.lstrip("-").isdigit() else float(x)
    return x


def array(row: dict[str, Any]) -> np.ndarray[Any, Any]:
    """A row of the table as the array that it was, or as its corner."""
    shape: list[int] = row.get("window", row["shape"])
    return np.array([plain(x) for x in row["data"]], dtype=row["dtype"]).reshape(shape)
