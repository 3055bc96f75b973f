"""What a training run leaves behind: one row of numbers for each epoch, and columns of numbers over the steps."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ArgumentError, DataFileError
from ..files import write_text


class History:
    """Rows of named numbers: `history["test_loss"]` is the list over all epochs, `history.rows[-1]` the last row.

    `steps` has what was measured within the epochs, as columns of equal length: "step" (counted from 1), "loss", "lr",
    and for each parameter "gradient_norm/NAME", "weight_norm/NAME" and "update_ratio/NAME". See `fit(statistics=...)`.
    """

    def __init__(self, rows: list[dict[str, float]] | None = None, steps: dict[str, list[float]] | None = None) -> None:
        self.rows: list[dict[str, float]] = rows or []
        self.steps: dict[str, list[float]] = steps or {}

    def append(self, **numbers: float) -> None:
        self.rows.append(numbers)

    def add_step(self, **numbers: float) -> None:
        """One more entry in each of the columns over the steps."""
        for name, number in numbers.items():
            self.steps.setdefault(name, []).append(number)

    def layers(self, what: str) -> dict[str, list[float]]:
        """{parameter: its column} of "gradient_norm", "weight_norm" or "update_ratio"; empty if not measured."""
        return {name.partition("/")[2]: column for name, column in self.steps.items() if name.partition("/")[0] == what}

    def __getitem__(self, name: str) -> list[float]:
        """The number in each row. Raises `ArgumentError` if there is none of this name."""
        try:
            return [row[name] for row in self.rows]
        except KeyError:
            known = ", ".join(dict.fromkeys(key for row in self.rows for key in row))
            raise ArgumentError(f"The history has no {name!r}.", fix=f"It has {known}.") from None

    def __contains__(self, name: object) -> bool:
        return bool(self.rows) and name in self.rows[0]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        last = ", ".join(f"{key}={value:.4g}" for key, value in self.rows[-1].items()) if self.rows else "nothing yet"
        return f"<History of {len(self.rows)} epochs: {last}>"

    def state_dict(self) -> dict[str, Any]:
        """The rows and columns as plain data; a copy."""
        return {"rows": [dict(row) for row in self.rows], "steps": {name: list(x) for name, x in self.steps.items()}}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything as JSON: {"rows": [{name: number}], "steps": {name: [numbers]}}.

        What JSON has no number for is written as "nan", "inf" or "-inf".
        """
        write_text(path, json.dumps(writable(self.state_dict()), indent=1, allow_nan=False))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what `save` wrote. Raises `DataFileError` for anything else."""
        try:
            with open(path, encoding="utf-8") as file:
                return cls.of(json.load(file))
        except (ValueError, TypeError, RecursionError) as error:
            raise DataFileError(f"{os.fspath(path)} is not the history of a run: {error}") from None

    @classmethod
    def of(cls, data: Any) -> History:
        """The history that `state_dict` describes. Raises `TypeError` or `ValueError` for anything else."""
        if not isinstance(data, Mapping) or not {"rows", "steps"} <= set(data):
            raise TypeError("it has no rows and steps")
        rows = [{str(name): number(value) for name, value in dict(row).items()} for row in data["rows"]]
        steps = {str(name): [number(value) for value in column] for name, column in dict(data["steps"]).items()}
        return cls(rows, steps)


def writable(data: Any) -> Any:
    """Plain data with NaN and infinities as texts, for which JSON has no numbers."""
    if isinstance(data, dict):
        return {key: writable(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [writable(value) for value in data]
    return repr(data) if isinstance(data, float) and not math.isfinite(data) else data


def number(value: Any) -> float:
    """A number, or one of the texts that `writable` makes. Raises `ValueError` for anything else."""
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} is not a number")
    return value  # type: ignore[no-any-return]
