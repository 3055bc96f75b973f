"""A progress bar on the terminal; nothing where the output goes to a file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from .run import Run

SECONDS = 0.1  # between two updates of the text
# set where many runs are made, one after the other, and somebody else shows how far they are
SILENT: ContextVar[bool] = ContextVar("microtrain_silent", default=False)


def _nothing(run: Run) -> None:
    pass


@contextlib.contextmanager
def progress(run: Run, batches: Any, *, enabled: bool = True) -> Iterator[Callable[[Run], Any]]:
    """Gives a function to call after every batch and every epoch; it shows how far the run is and its last numbers."""
    if not enabled or SILENT.get():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _nothing
        return
    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"), BarColumn(), TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    per_epoch = len(batches) if hasattr(batches, "__len__") else None
    with Progress(*columns, console=console) as bar:
        total = run.epochs * per_epoch if per_epoch else None
        task = bar.add_task("", total=total, completed=run.step, epoch=run.epoch, epochs=run.epochs)
        shown = 0.0

        def show(run: Run) -> None:
            nonlocal shown
            now = time.perf_counter()
            if now - shown >= SECONDS or run.epoch == run.epochs:
                shown = now
                row = run.history.rows[-1] if run.history.rows else {"loss": run.loss}
                text = "  ".join(f"{name} {value:.3f}" for name, value in row.items() if name != "epoch")
                bar.update(task, completed=run.step, description=text, epoch=run.epoch)

        yield show
