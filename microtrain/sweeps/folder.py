"""The folder of a sweep: one small file for each finished trial, and at the end the results of all of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from ..errors import ArgumentError
from ..files import locked, make_folder, remove_leftovers, write_text
from .space import Trial
from .target import Target
from .trial import Outcome, file_text

LONGEST = 1 << 26  # bytes of a trial's file


class Folder:
    """Where trials are kept. A trial's file is written whole or not at all, so a sweep can stop at any moment."""

    def __init__(self, path: Path, target: Target) -> None:
        self.path, self.target = path, target

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """For this process alone. Raises `ArgumentError` if another one has it, `DataFileError` if it is a file."""
        make_folder(self.path / "trials")
        with locked(self.path) as ours:
            if not ours:
                raise ArgumentError(f"Another process is writing to {self.path}.", fix="Choose another folder.")
            remove_leftovers(self.path)
            remove_leftovers(self.path / "trials")
            yield

    def _file(self, trial: Trial) -> Path:
        return self.path / "trials" / f"{trial.key(self.target.identity)}.json"

    def finished(self, trial: Trial) -> Outcome | None:
        """What came of a trial before; None if it has not finished, has failed, or its file is damaged."""
        try:
            path = self._file(trial)
            if path.stat().st_size > LONGEST:
                return None
            data = json.loads(path.read_text(encoding="utf-8"))
            same = (data["parameters"], data["seed"]) == (dict(trial.parameters), trial.seed)
            outcome = Outcome.of(data)
            outcome.seconds, outcome.where = float(data["seconds"]), str(data["where"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return outcome if same and not outcome.error else None

    def keep(self, trial: Trial, outcome: Outcome) -> None:
        """Write a trial that has ended."""
        write_text(self._file(trial), file_text(self.target, trial, outcome), durable=True)
