"""Sweeps: the same function with many settings and seeds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from . import experiments  # noqa: F401 (they register themselves)
from .folder import Folder
from .result import Finished, Sweep
from .space import Trial, trials
from .target import check_signature, resolve
from .trial import Outcome, Settings
from .workers import by_dask, by_joblib, serial


class SweepInterrupted(KeyboardInterrupt):
    """Somebody pressed Ctrl-C; the message says what is safe and how to go on."""


def sweep(
    function: Callable[..., Any] | str,
    grid: Mapping[str, Iterable[Any]] | None = None,
    *,
    random: Mapping[str, Any] | None = None,
    draws: int = 0,
    seeds: int | Iterable[int] = 1,
    fixed: Mapping[str, Any] | None = None,
    jobs: int = 1,
    dask: str | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    show: bool = True,
) -> Sweep:
    """Call a function with every combination of settings and every seed; returns all results.

    Args:
        function: takes the settings by name, and `seed` if it has such a parameter; or its name: "FILE.py:function",
            "module:function", or an experiment such as "digits". It returns a number, a `History`, a list of numbers,
            or a dict of these. It must depend on nothing but its arguments: all global random streams start from the
            seed.
        grid: {setting: values}; all combinations are tried.
        random: {setting: distribution}, such as "log:1e-4:1e-1", "uniform:0:1", "int:8:64" or "choice:a,b,c".
        draws: how often all of `random` is drawn; each draw is combined with all of the grid.
        seeds: how many (0, 1, 2 ...), or which.
        fixed: settings that are the same everywhere.
        jobs: how many processes on this computer do the work.
        dask: the address of a Dask scheduler, whose workers do the work instead.
        out: a folder. Each trial that has ended is a file there, so the same call later only does what is missing.
            `results.json` and `results.csv` have everything.
        seed: of the draws.
        show: a progress bar, on a terminal.

    Whoever does the work, the results are the same to the last bit (on the same kind of processor). A trial that raises
    an exception has failed; the others go on.

    Raises `ArgumentError` for settings that can't be meant, before anything runs. `SweepInterrupted`, a
    KeyboardInterrupt, after Ctrl-C.
    """
    if type(jobs) is not int or (jobs < 1 and jobs != -1):
        raise ArgumentError(f"sweep(): jobs is at least 1, or -1 for one for each core, not {jobs!r}.")
    if dask is not None and jobs != 1:
        raise ArgumentError("sweep(): the Dask cluster decides how many jobs run at a time.", fix="Leave out jobs.")
    target = resolve(function)
    numbers = list(range(seeds)) if isinstance(seeds, int) else [s.item() if hasattr(s, "item") else s for s in seeds]
    wanted = trials(dict(grid or {}), dict(random or {}), draws, numbers, seed, dict(fixed or {}))
    for parameters in {tuple(trial.parameters): trial.parameters for trial in wanted}.values():
        check_signature(target, parameters)
    varied = [*(random or {}), *(grid or {})]
    settings = Settings.here()
    folder = None if out is None else Folder(Path(out), target)
    with contextlib.nullcontext() if folder is None else folder.held():
        known = {} if folder is None else {trial.key(""): folder.finished(trial) for trial in wanted}
        done = {key: outcome for key, outcome in known.items() if outcome is not None}
        left = [trial for trial in wanted if trial.key("") not in done]
        work: Iterator[tuple[Trial, Outcome]]
        if not left:
            work = iter(())
        elif dask is not None:
            work = by_dask(target, left, settings, dask)
        elif jobs == 1:
            work = serial(target, left, settings)
        else:
            work = by_joblib(target, left, settings, jobs)
        try:
            with _progress(len(wanted), len(done), show) as advance:
                for trial, outcome in work:
                    if folder is not None:
                        folder.keep(trial, outcome)
                    done[trial.key("")] = outcome
                    advance()
        except KeyboardInterrupt:
            raise SweepInterrupted(_interrupted(len(done), len(wanted), folder)) from None
        result = Sweep(
            target.name,
            varied,
            [Finished(dict(t.parameters), t.seed, done[t.key("")]) for t in wanted],
            None if folder is None else folder.path,
        )
        if folder is not None:
            result.save(folder.path)
    return result


def _interrupted(done: int, count: int, folder: Folder | None) -> str:
    if folder is None:
        return f"Interrupted after {done} of {count} trials. Nothing was saved; out= (-o FOLDER) would have."
    return f"Interrupted. {done} of {count} trials are safe in {folder.path}. To go on, run the same again."


@contextlib.contextmanager
def _progress(total: int, done: int, show: bool) -> Iterator[Callable[[], Any]]:
    """Gives a function to call after each trial."""
    from rich.console import Console

    console = Console(stderr=True)
    if not show or not console.is_terminal:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total, completed=done)
        yield lambda: bar.update(task, advance=1)
