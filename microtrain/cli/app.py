"""The commands. Each loads what it needs when it runs, so that `--help` stays quick."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from . import book, cache, docs, graph as graphs
from .plot import plot
from .step import step
from .sweep import sweep


class Commands(TyperGroup):
    """All commands. Ctrl-C ends each of them with a line; Typer alone would say nothing."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:  # some say what is safe
            print(str(error) or "Interrupted.", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    help="A small autograd framework for people who are learning how training works.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(book.app, name="book")
app.add_typer(cache.app, name="cache")
app.add_typer(docs.app, name="docs")


app.command()(step)
app.command()(sweep)
app.command()(plot)


def _version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="As the command `version`.")
    ] = False,
) -> None:
    """A small autograd framework for people who are learning how training works."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("microtrain-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the initial weights and of the order of the data.")] = 0,
    epochs: Annotated[int, typer.Option(min=1, help="How often all training images are shown.")] = 30,
    hidden: Annotated[
        Optional[list[int]],  # noqa: UP045 (typer needs it)
        typer.Option(min=1, help="Width of a hidden layer; may be repeated."),
    ] = None,
    lr: Annotated[float, typer.Option(min=0.0, help="Adam's learning rate.")] = 1e-3,
) -> None:
    """Train a classifier of handwritten digits and write a report with pictures."""
    from .demo import run_demo

    run_demo(out, seed=seed, epochs=epochs, hidden=hidden or [128, 64], lr=lr)


app.command()(graphs.graph)


@app.command()
def doctor() -> None:
    """Tell what this machine has, which program would draw graphs, and how to get a better one."""
    from .doctor import examine, report

    print(report(examine()))


@app.command()
def version() -> None:
    """Print the version of microtrain and of what it computes with."""
    import platform

    import numpy

    from .. import __version__

    print(f"microtrain {__version__} (Python {platform.python_version()}, NumPy {numpy.__version__})")
