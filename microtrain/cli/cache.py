"""`microtrain cache`: the compiled kernels on disk."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The compiled kernels on disk.", no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def info(names: Annotated[bool, typer.Option("--names", help="List every kernel.")] = False) -> None:
    """Show where the cache is and what is in it."""
    from ..kernels import cache

    entries = cache.entries()
    print(cache.directory())
    for entry in sorted(entries) if names else ():
        print(f"  {entry.name:48} {entry.size / 1024:6.1f} KB  {entry.made}{'' if entry.whole else '  damaged or old'}")
    damaged = sum(not entry.whole for entry in entries)
    print(
        f"{len(entries)} kernels, {sum(entry.size for entry in entries) / 2**20:.1f} MB, "
        f"{sum(entry.seconds for entry in entries):.1f} s of compiling"
        + (f"; {damaged} damaged or old, which will be compiled again" if damaged else "")
    )


@app.command()
def clear() -> None:
    """Remove all compiled kernels. They are compiled again when they are needed."""
    from ..kernels import cache

    print(f"{cache.clear()} kernels removed from {cache.directory()}")


@app.command()
def warm(
    everything: Annotated[bool, typer.Option("--all", help="Every operation and optimizer: takes minutes.")] = False,
    dtype: Annotated[str, typer.Option(help="float32, float64 or both.")] = "both",
) -> None:
    """Compile the kernels of the usual operations now, so that no program has to wait for them."""
    from ..errors import ArgumentError
    from ..kernels import cache, warming

    if dtype not in (*warming.DTYPES, "both"):
        raise ArgumentError(f"There are no kernels of dtype {dtype!r}.", fix="Use float32, float64 or both.")
    wanted = warming.DTYPES if dtype == "both" else (dtype,)
    compiled, total = warming.warm(everything, wanted)
    print(f"{compiled} kernels compiled, {total - compiled} were there already: {cache.directory()}")
