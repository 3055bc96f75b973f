"""A progress bar on the terminal; nothing where the output goes to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def progress(total: int, *, enabled: bool = True) -> Iterator[Callable[[dict[str, float]], Any]]:
    """Gives a function that moves the bar on by one and shows a row of numbers beside it."""
    if not enabled:
        yield lambda row: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda row: None
        return
    columns = (
        TextColumn("epoch {task.completed}/{task.total}"), BarColumn(), TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total)

        def advance(row: dict[str, float]) -> None:
            text = "  ".join(f"{name} {value:.3f}" for name, value in row.items() if name != "epoch")
            bar.update(task, advance=1, description=text)

        yield advance
