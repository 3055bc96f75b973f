"""What a training run leaves behind: one row of numbers for each epoch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from ..files import write_text


class History:
    """Rows of named numbers: `history["test_loss"]` is the list over all epochs, `history.rows[-1]` the last row."""

    def __init__(self, rows: list[dict[str, float]] | None = None) -> None:
        self.rows: list[dict[str, float]] = rows or []

    def append(self, **numbers: float) -> None:
        self.rows.append(numbers)

    def __getitem__(self, name: str) -> list[float]:
        return [row[name] for row in self.rows]

    def __contains__(self, name: object) -> bool:
        return bool(self.rows) and name in self.rows[0]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        last = ", ".join(f"{key}={value:.4g}" for key, value in self.rows[-1].items()) if self.rows else "nothing yet"
        return f"<History of {len(self.rows)} epochs: {last}>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as JSON."""
        write_text(path, json.dumps(self.rows, indent=1))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        with open(path, encoding="utf-8") as file:
            rows: Any = json.load(file)
        return cls(rows)
