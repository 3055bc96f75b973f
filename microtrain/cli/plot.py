"""`microtrain plot`: the pictures of a saved run or sweep."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Optional

import typer


def plot(
    source: Annotated[Path, typer.Argument(help="The folder of a run (fit(out=...)) or of a sweep.")],
    kind: Annotated[
        Optional[list[str]],  # noqa: UP045 (typer needs it)
        typer.Option(help="Which picture; may be repeated. Without it: all that the folder has the numbers for."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", "-o", help="The folder to write to; by default the same."),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="png, svg or pdf.")] = "png",
) -> None:
    """Draw what a run or a sweep has left: curves, norms, schedules, landscapes ..."""
    for path in draw(source, out or source, kind, form):
        print(path)


def draw(source: Path, out: Path, kinds: list[str] | None, form: str = "png") -> list[Path]:
    """Write the pictures and return their paths. Raises `ArgumentError` for a kind that can't be drawn from this."""
    from ..errors import ArgumentError
    from ..files import atomically
    from .pictures import pictures

    if form not in ("png", "svg", "pdf"):
        raise ArgumentError(f"Pictures are png, svg or pdf, not {form}.")
    possible = pictures(source)
    for kind in kinds or ():
        if kind not in possible:
            raise ArgumentError(
                f"{source} has nothing to draw as '{kind}'.", fix=f"It has {', '.join(possible) or 'no pictures'}."
            )
    written = []
    for kind in kinds or possible:
        ax: Any = possible[kind]()
        name = re.sub(r"[^\w.-]+", "_", kind)  # it may come from a file, and must not lead to another folder
        path = out / f"{name}.{form}"
        with atomically(path) as temporary:
            ax.figure.savefig(temporary, format=form)
        written.append(path)
    return written
