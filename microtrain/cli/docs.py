"""`microtrain docs`: pages that are made of the library itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Pages of the documentation, made of the library itself.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def about() -> None:
    """Pages of the documentation, made of the library itself."""


@app.command()
def optimizers(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("optimizers.html"),
) -> None:
    """Write the rules of all optimizers and schedules, as one HTML file that needs nothing else."""
    from ..docs import optimizers_page
    from ..files import write_text

    write_text(output, optimizers_page())
    print(f"Written: {output}")
