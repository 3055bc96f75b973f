"""`microtrain step FILE.py:function`: step through what a function computes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def step(
    function: Annotated[str, typer.Argument(metavar="FILE.py:FUNCTION", help="What to run; it takes no arguments.")],
    out: Annotated[
        Optional[Path],  # noqa: UP045 (typer needs it)
        typer.Option("--out", "-o", help="Write a page (.html), the trace (.json) or the graph (.svg)."),
    ] = None,
    play: Annotated[
        bool, typer.Option("--play", help="Step through it here; the default without -o and --serve.")
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Show the page at 127.0.0.1 until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="For --serve; 0 finds a free one.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="With --serve: open the browser.")] = False,
    language: Annotated[str, typer.Option("--language", "-l", help="What it begins in: en or zh.")] = "en",
) -> None:
    """Step through forward pass, backpropagation and update of a function, in the terminal or as a page."""
    trace = trace_of(function)
    if out is not None:
        print(f"{len(trace)} steps written to {trace.save(out, language)}", *trace.notes(language), sep="\n")
    if play or (out is None and not serve):
        trace.play(language)
    if serve:
        try:
            with trace.serve(port, language, open_browser):
                _wait()
        except KeyboardInterrupt:
            print("Stopped.")


def trace_of(name: str):  # type: ignore[no-untyped-def]  # a Trace, which is not imported before it is needed
    """Run the function that is called so; it computes a loss, or does whole training steps, or returns a trace."""
    from ..viz.stepper import Trace, trace
    from .function import found, told_in_a_line

    function = found(name)
    result: list[object] = []

    def run() -> object:
        result.append(function())
        return result[-1]

    run.__name__ = name.rpartition(":")[2]
    with told_in_a_line(function):
        made = trace(run)
    return result[-1] if isinstance(result[-1], Trace) else made


def _wait() -> None:
    import time

    while True:
        time.sleep(3600)
