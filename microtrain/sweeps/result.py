"""What came of a sweep: every trial, tables, curves, and files of them."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataFileError
from ..files import write_text
from .trial import Outcome

FAVOURITES = ("test_accuracy", "test_loss", "accuracy", "train_loss", "loss", "value")  # to look at first
HIGHER = ("accuracy", "score", "reward", "likelihood")  # in the names of what should be large
RESULTS = "results.json"


@dataclass(frozen=True)
class Finished:
    """A trial and what came of it."""

    parameters: dict[str, Any]
    seed: int
    outcome: Outcome

    @property
    def failed(self) -> bool:
        """Did it raise an exception?"""
        return bool(self.outcome.error)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={short(value)}" for name, value in self.parameters.items())
        return f"<Trial {settings}, seed {self.seed}: {self.outcome.error.partition(chr(10))[0] or 'done'}>"


@dataclass(frozen=True)
class Row:
    """All seeds of one combination of settings: for each number its mean and its standard deviation over the seeds."""

    parameters: dict[str, Any]
    trials: list[Finished]

    @property
    def label(self) -> str:
        """The settings in one line."""
        return ", ".join(f"{name}={short(value)}" for name, value in self.parameters.items()) or "all"

    def __repr__(self) -> str:
        return f"<{self.label}: {len(self.trials)} seeds>"

    def values(self, name: str) -> list[float]:
        """The number of each seed that has not failed."""
        found = [t.outcome.numbers.get(name) for t in self.trials if not t.failed]
        return [float(x) for x in found if isinstance(x, (int, float))]

    def mean(self, name: str) -> float:
        """NaN if all have failed."""
        values = self.values(name)
        return math.fsum(values) / len(values) if values and all(map(math.isfinite, values)) else math.nan

    def spread(self, name: str) -> float:
        """The standard deviation of a single seed (with n - 1); NaN for fewer than two."""
        values = self.values(name)
        return statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else math.nan


class Sweep:
    """The results of `sweep`: in a notebook or with print it shows itself as a table.

    `trials` are all `Finished` trials, `settings` the names of what was varied, `rows` the combinations, `numbers` and
    `curves` the names of what was measured.
    """

    def __init__(
        self, function: str, settings: Sequence[str], trials: Sequence[Finished], folder: Path | None = None
    ) -> None:
        self.function, self.settings, self.trials, self.folder = function, list(settings), list(trials), folder
        groups: dict[str, list[Finished]] = {}
        for trial in self.trials:
            groups.setdefault(json.dumps(trial.parameters, sort_keys=True), []).append(trial)
        self.rows = [
            Row({name: group[0].parameters[name] for name in self.settings}, group) for group in groups.values()
        ]
        outcomes = [trial.outcome for trial in self.trials if not trial.failed]
        numeric = {k: v for o in outcomes for k, v in o.numbers.items() if isinstance(v, (int, float))}
        self.numbers, self.curves = list(numeric), list(dict.fromkeys(name for o in outcomes for name in o.curves))

    # ---- what was found ----------------------------------------------------------------------------------------------

    @property
    def metric(self) -> str:
        """The number to look at first: `test_accuracy` if there is one, else `test_loss`, ..."""
        return next((name for name in FAVOURITES if name in self.numbers), self.numbers[0] if self.numbers else "")

    @property
    def failures(self) -> list[Finished]:
        """The trials that raised an exception; `outcome.error` says which."""
        return [trial for trial in self.trials if trial.failed]

    def best(self, metric: str | None = None, mode: str | None = None) -> Row | None:
        """The settings whose mean over the seeds is best; None if everything has failed.

        Args:
            metric: which number; `self.metric` by default.
            mode: "min" or "max"; by default accuracies are to be large and everything else small.

        Raises `ArgumentError` for a number that was not measured.
        """
        metric = self._known(metric or self.metric, self.numbers)
        mode = mode or ("max" if any(word in metric for word in HIGHER) else "min")
        if mode not in ("min", "max"):
            raise ArgumentError(f"best(): mode is 'min' or 'max', not {mode!r}.")
        rows = [row for row in self.rows if not math.isnan(row.mean(metric))]
        sign = 1 if mode == "min" else -1
        return min(rows, key=lambda row: sign * row.mean(metric)) if rows else None

    def curve(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """{settings: array of shape (seeds, epochs)} of a curve; NaN after the end of a run that ended early.

        Raises `ArgumentError` for a curve that was not measured.
        """
        self._known(name, self.curves)
        found = {}
        for row in self.rows:
            curves = [t.outcome.curves[name] for t in row.trials if name in t.outcome.curves]
            length = max(map(len, curves), default=0)
            padded = [[*c, *[math.nan] * (length - len(c))] for c in curves]
            found[row.label] = np.array(padded, dtype=float).reshape(len(curves), length)
        return found

    def _known(self, name: str, names: Sequence[str]) -> str:
        if name not in names:
            raise ArgumentError(f"The sweep has no '{name}'.", fix=f"It has {', '.join(names) or 'nothing'}.")
        return name

    def all_seeds_agree(self) -> bool:
        """Did the seed make no difference anywhere? Then the function does not use it."""
        several = [[t.outcome.as_json() for t in row.trials] for row in self.rows if len(row.trials) > 1]
        return bool(several) and not self.failures and all(all(o == row[0] for o in row) for row in several)

    def plot(self, what: str | None = None, ax: Any = None) -> Any:
        """Draw the curves of a number with their spread over the seeds, by default of `metric`; returns the Axes."""
        from ..viz.plots import curves_with_spread

        name = what or (self.metric if self.metric in self.curves else next(iter(self.curves), self.metric))
        return curves_with_spread(self.curve(name), name, ax)

    # ---- files -------------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Everything but times and places: the same for the same sweep, whoever did the work."""
        trials = [{"parameters": t.parameters, "seed": t.seed, **t.outcome.as_json()} for t in self.trials]
        data = {"version": 1, "function": self.function, "settings": self.settings, "trials": trials}
        return json.dumps(data, indent=1, allow_nan=False)

    def to_csv(self) -> str:
        """One line a trial: settings, seed, numbers, and the first line of the error if there was one."""
        names = list(dict.fromkeys(name for t in self.trials for name in t.outcome.numbers))
        parameters = list(dict.fromkeys(name for t in self.trials for name in t.parameters))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*parameters, "seed", *names, "error"])
        for t in self.trials:
            writer.writerow([
                *(_cell(t.parameters.get(name)) for name in parameters), t.seed,
                *(_cell(t.outcome.numbers.get(name)) for name in names), t.outcome.error.partition("\n")[0],
            ])  # fmt: skip
        return text.getvalue()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `results.json` and `results.csv`."""
        write_text(Path(folder) / RESULTS, self.to_json())
        write_text(Path(folder) / "results.csv", self.to_csv())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Sweep:
        """Read the results of a sweep from its folder, or from its `results.json`. Raises `DataFileError`."""
        place = Path(path)
        file = place / RESULTS if place.is_dir() else place
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            if data["version"] != 1:
                raise ValueError("another version of microtrain wrote it")
            trials = [Finished(dict(t["parameters"]), int(t["seed"]), Outcome.of(t)) for t in data["trials"]]
            return cls(str(data["function"]), [str(name) for name in data["settings"]], trials, file.parent)
        except OSError as error:
            raise DataFileError(f"{path} has no finished sweep: {error}.", fix="Run it to its end.") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataFileError(f"{file} is not the result of a sweep: {type(error).__name__}: {error}.") from None

    # ---- showing itself ----------------------------------------------------------------------------------------------

    def table(self, metrics: Sequence[str] | None = None) -> tuple[list[str], list[list[str]]]:
        """(heads, lines) of a table as texts: the settings, and mean ± standard deviation over the seeds."""
        metrics = [self._known(m, self.numbers) for m in metrics] if metrics else self.shown()
        best = self.best(metrics[0]) if metrics else None
        lines = []
        for row in self.rows:
            failed = sum(t.failed for t in row.trials)
            cells = [short(value) for value in row.parameters.values()]
            cells += [_with_spread(row, metric) for metric in metrics]
            lines.append([*cells, f"{failed} of {len(row.trials)} failed" if failed else "best" if row is best else ""])
        return [*self.settings, *metrics, ""], lines

    def shown(self) -> list[str]:
        """The names of at most two numbers, those to look at first."""
        chosen = [self.metric, *(name for name in FAVOURITES if name in self.numbers), *self.numbers]
        return [name for name in dict.fromkeys(chosen) if name and name != "epoch"][:2]

    def title(self) -> str:
        """One line: what was done."""
        settings, seeds, trials = len(self.rows), len({t.seed for t in self.trials}), len(self.trials)
        return (
            f"{self.function}: {settings} setting{'s' * (settings != 1)}, {seeds} seed{'s' * (seeds != 1)}, "
            f"{trials} trial{'s' * (trials != 1)}"
        )

    def __repr__(self) -> str:
        heads, lines = self.table()
        widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
        text = ["  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in [heads, *lines]]
        return "\n".join([f"<Sweep of {self.title()}>", *(line.rstrip() for line in text)])

    def _repr_html_(self) -> str:
        heads, lines = self.table()
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
        )  # fmt: skip
        return f"<table><caption>{html.escape(self.title())}</caption><tr>{head}</tr>{body}</table>"

    def __rich__(self) -> Any:
        return self.as_rich(*self.table())

    def as_rich(self, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> Any:
        """The title, and what `table` returned, for the terminal."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table()
        for head in heads:
            table.add_column(Text(head), justify="right")
        for line in lines:
            table.add_row(*map(Text, line), style="bold" if line[-1] == "best" else None)
        return Group(Text(self.title()), table)  # a title of the table's own would be broken to its width


def short(value: Any) -> str:
    """A setting in a table."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _with_spread(row: Row, metric: str) -> str:
    values = row.values(metric)
    if values and not all(map(math.isfinite, values)):
        return f"{sum(not math.isfinite(x) for x in values)} not finite"
    mean, spread = row.mean(metric), row.spread(metric)
    return "-" if not values else f"{mean:.4g}" if math.isnan(spread) else f"{mean:.4g} ± {spread:.2g}"


def _cell(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else "" if value is None else value
