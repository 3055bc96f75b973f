"""`microtrain sweep`: a training function with many settings and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def sweep(
    function: Annotated[
        str, typer.Argument(help="FILE.py:function, module:function, or the name of an experiment, such as digits.")
    ],
    settings: Annotated[
        Optional[list[str]],  # noqa: UP045 (typer needs it)
        typer.Argument(
            help="NAME=VALUE for all trials, or with --random NAME=log:LOW:HIGH, uniform:LOW:HIGH, int:LOW:HIGH, "
            "choice:A,B,C."
        ),
    ] = None,
    grid: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="NAME=VALUE,VALUE,...; all combinations of several grids are tried."),
    ] = None,
    random: Annotated[int, typer.Option(min=0, help="How often the settings with a distribution are drawn.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Each combination is tried with the seeds 0, 1, 2 ...")] = 1,
    jobs: Annotated[int, typer.Option(help="Processes on this computer; -1 for one for each core.")] = 1,
    dask: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="ADDRESS", help="A Dask scheduler, such as tcp://HOST:8786, whose workers do the work."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder to write to. The same command goes on where it stopped.")
    ] = Path("microtrain-sweep"),
    metric: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="A number to show in the table; the first decides which is best. May be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random draws.")] = 0,
    plot: Annotated[bool, typer.Option(help="Draw the curves.")] = True,
) -> None:
    """Train with many settings and seeds, in several processes or on a cluster, and compare.

    microtrain sweep digits --grid lr=0.01,0.001 --grid width=16,64 --seeds 5 --jobs 2 -o sweep

    microtrain sweep train.py:run --random 20 lr=log:1e-4:1e-1 epochs=5 -o sweep
    """
    from rich.console import Console

    from ..errors import MicrotrainError
    from ..sweeps import sweep as run
    from ..sweeps.space import is_distribution, parse_setting, parse_value, parse_values

    grids = dict(_once([parse_setting(text, "The grid") for text in grid or ()]))
    given = dict(_once([parse_setting(text, "The setting") for text in settings or ()]))
    console = Console()
    result = run(
        function,
        {name: parse_values(text) for name, text in grids.items()},
        random={name: text for name, text in given.items() if is_distribution(text)},
        draws=random,
        seeds=seeds,
        fixed={name: parse_value(text) for name, text in given.items() if not is_distribution(text)},
        jobs=jobs,
        dask=dask,
        out=out,
        seed=seed,
    )
    if metric:
        for name in metric:
            result.best(name)  # raises if there is no such number
    heads, lines = result.table(metric)
    console.print(result.as_rich(heads, lines))
    if result.all_seeds_agree():
        console.print("All seeds gave the same numbers. Does the function use its seed?")
    for failure in result.failures[:3]:
        settings_text = ", ".join(f"{name}={value}" for name, value in failure.parameters.items())
        console.print(f"Failed ({settings_text}, seed {failure.seed}): {failure.outcome.error}", markup=False)
    console.print(f"{out / 'results.csv'} and results.json have every trial ({len(result.trials)}).", markup=False)
    if plot and result.curves:
        from .plot import draw

        try:
            for path in draw(out, out, None):
                console.print(f"{path}", markup=False)
        except MicrotrainError as error:  # no matplotlib: the numbers are there all the same
            console.print(str(error), markup=False)
    if len(result.failures) == len(result.trials):
        raise typer.Exit(1)


def _once(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same pairs. Raises `ArgumentError` if a name appears twice."""
    from ..errors import ArgumentError

    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"{', '.join(twice)} is given twice.", fix="Write all values at once: lr=0.1,0.01")
    return pairs
