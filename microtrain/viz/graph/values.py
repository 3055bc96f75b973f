"""Numbers for people: a few entries in full, many as mean, smallest and largest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.node import SMALL

FULL = 12  # up to this many entries are drawn in full
WIDEST = 4  # as long as no row has more than this (a vector may have half as many again)


@dataclass(frozen=True)
class Values:
    """What an array held at the time of drawing."""

    entries: Any  # a number or nested lists; None if there are more than 64
    mean: float | None = None  # None if the array is empty
    smallest: float | None = None
    largest: float | None = None
    unusual: int = 0  # how many are NaN or infinite
    norm: float | None = None  # the root of the sum of all squares

    @classmethod
    def of(cls, array: Any) -> Values:
        """Read an array or a number; nothing of it is kept."""
        data = np.asarray(array)
        entries = data.tolist() if data.size <= SMALL else None
        if data.size == 0 or data.dtype.kind not in "biuf":
            return cls(entries)
        unusual = int(data.size - np.isfinite(data).sum()) if data.dtype.kind == "f" else 0
        with np.errstate(all="ignore"):
            wide = data.astype(np.float64) if data.dtype == np.float16 else data
            flat = wide.astype(np.float64, copy=False).reshape(-1)
            norm = float(np.sqrt(flat @ flat))
            return cls(entries, float(wide.mean()), float(data.min()), float(data.max()), unusual, norm)

    def lines(self) -> list[str]:
        """The text for a picture: a number, the rows of a small matrix, or a summary."""
        e = self.entries
        if not isinstance(e, list) and e is not None:
            return [number(e)]
        if e == []:
            return ["empty"]
        if e is not None:
            if not isinstance(e[0], list):
                if len(e) <= WIDEST + WIDEST // 2:
                    return [_row(e)]
            elif e[0] and not isinstance(e[0][0], list) and len(e[0]) <= WIDEST and len(e) * len(e[0]) <= FULL:
                return [_row(row) for row in e]
        return self.summary()

    def whole(self) -> list[str]:
        """All entries if they are known, however many, else the summary: for where there is room."""
        e = self.entries
        if not isinstance(e, list) or not e:
            return self.lines()
        if not isinstance(e[0], list):
            return [_row(e)]
        if all(row and not isinstance(row[0], list) for row in e):
            return [_row(row) for row in e]
        return str(np.array(e)).splitlines()

    def summary(self) -> list[str]:
        """Two or three short lines about all entries."""
        if self.mean is None or self.smallest is None or self.largest is None:
            return ["empty"]
        lines = [f"mean {number(self.mean)}", f"from {number(self.smallest)} to {number(self.largest)}"]
        return [*lines, f"{self.unusual} NaN or infinite"] if self.unusual else lines

    def line(self) -> str:
        """The same in one line."""
        lines = self.lines()
        if len(lines) > 1 and lines[0].startswith("["):
            return "[" + ", ".join(lines) + "]"
        return ", ".join(lines)


def _row(entries: list[Any]) -> str:
    return "[" + ", ".join(map(number, entries)) + "]"


def number(x: Any) -> str:
    """Four significant digits; integers up to a million in full."""
    if isinstance(x, bool):
        return str(x)
    if isinstance(x, int):
        return str(x) if abs(x) < 10**6 else f"{float(x):.4g}" if abs(x) < 10**300 else "huge"
    text = f"{x:.4g}" if isinstance(x, float) else str(x)
    return "0" if text == "-0" else text
