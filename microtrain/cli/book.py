"""`microtrain book`: what the book claims, run and checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..book import Item, Run

app = typer.Typer(help="The book's claims about losses and training, run and checked.", no_args_is_help=True)

Chapter = Annotated[
    str, typer.Option(help="Only this chapter: losses_geometry, losses_structure, optimizers, dynamics or training.")
]
Kind = Annotated[str, typer.Option(help="Only this kind: theorem, experiment, figure, problem ...")]
Verdict = Annotated[str, typer.Option(help='Only this verdict: "holds", "does not hold as printed" ...')]
Search = Annotated[str, typer.Option(help="Only items whose texts contain this, in English or Chinese.")]
Jobs = Annotated[int, typer.Option(min=1, help="How many run at the same time.")]
Out = Annotated[
    Optional[Path],  # noqa: UP045 (typer needs it)
    typer.Option(help="The folder for pictures, and with --all for the numbers."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of whatever is random.")]


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


@app.command("list")
def list_items(chapter: Chapter = "", kind: Kind = "", verdict: Verdict = "", search: Search = "") -> None:
    """List the items."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from ..book import items
    from ..book.entry import SIGNS
    from ..book.text import plain

    found = items(chapter, kind, verdict, search)
    console = _console()
    longest = max((len(entry.id) for entry in found), default=2)
    if console.width < longest + 70:  # no room for columns
        for entry in found:
            console.print(f"{SIGNS[entry.verdict]} {entry.id}  {entry.kind}", markup=False)
            for title in entry.title:
                console.print(Padding(Text(plain(title)), (0, 0, 0, 4), expand=False))
        _count(console, found)
        return
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("id", no_wrap=True, min_width=longest)  # to be copied
    table.add_column("kind", no_wrap=True)
    table.add_column("title", overflow="fold")  # Chinese has no spaces to break at
    for entry in found:
        table.add_row(SIGNS[entry.verdict], entry.id, entry.kind, f"{plain(entry.title[0])}\n{plain(entry.title[1])}")
    console.print(table)
    _count(console, found)


def _count(console: Console, found: list[Item]) -> None:
    """How many items, and with which verdict."""
    from ..book.entry import SIGNS

    counts = ", ".join(f"{sum(e.verdict == v for e in found)} {sign} {v}" for v, sign in SIGNS.items())
    console.print(f"{len(found)} items\n{counts}", soft_wrap=True)


@app.command()
def show(id: Annotated[str, typer.Argument(help="The item's id.")]) -> None:
    """Show what an item says and what can be changed in it, without running it."""
    from ..book import get
    from ..book.sources import where
    from ..book.text import plain

    entry = get(id)
    print(f"{entry.id}: {plain(entry.title[0])} / {plain(entry.title[1])}")
    print(f"{entry.kind}; {entry.verdict}; {' / '.join(map(plain, where(entry)))}\n")
    for text in (entry.statement, entry.correction):
        for part in filter(None, text):
            print(f"{plain(part)}\n")
    for parameter in entry.parameters:
        print(f"--set {parameter}")


def _settings(texts: list[str]) -> dict[str, str]:
    from ..errors import ArgumentError

    for text in texts:
        if "=" not in text:
            raise ArgumentError(f"--set {text} has no '='.", fix="Write --set eta=0.9")
    return dict(text.split("=", 1) for text in texts)


@app.command()
def run(
    id: Annotated[Optional[str], typer.Argument(help="The item's id.")] = None,  # noqa: UP045 (typer needs it)
    all: Annotated[bool, typer.Option("--all", help="Run every item.")] = False,
    set: Annotated[Optional[list[str]], typer.Option(help="name=value; may be repeated.")] = None,  # noqa: UP045
    seed: Seed = 0,
    jobs: Jobs = 1,
    out: Out = None,
) -> None:
    """Run one item, or all: what was measured, and whether it is as expected.

    All take some minutes; what has been run is kept, and not run again.
    """
    from ..book import get, items
    from ..book.run import execute
    from ..errors import ArgumentError
    from ..files import make_folder

    if all == (id is not None):
        raise ArgumentError("Which items?", fix="Give one id, or --all.")
    if all:
        if set:
            raise ArgumentError("--set is for one item.", fix="Leave it out, or give an id.")
        outcomes = _run_all(items(), out or Path("microtrain-book"), jobs, seed)
        wrong = [str(found["id"]) for found in outcomes.values() if not found["passed"]]
        print(f"{len(outcomes)} items, {len(wrong)} not as expected" + (": " + ", ".join(wrong) if wrong else ""))
        raise typer.Exit(1 if wrong else 0)
    entry = get(id or "")
    if out is not None:
        make_folder(out)
    done = execute(entry, _settings(set or []), seed)
    print(done)
    if out is not None:
        for path in _save(done, out):
            print(f"wrote {path}")
    elif done.figures:
        print(
            f"  --out FOLDER writes {'its picture' if len(done.figures) == 1 else f'its {len(done.figures)} pictures'}"
        )
    raise typer.Exit(0 if done.passed or not done.usual else 1)


def _save(done: Run, out: Path) -> Iterator[Path]:
    """Write a run's figures: each as SVG, and as WebP too if it moves."""
    from ..files import atomically, write_text

    for number, figure in enumerate(done.figures, 1):
        path = out / f"{done.item.id}-{number}.svg"
        write_text(path, figure.svg())
        yield path
        if figure.frames:
            with atomically(path.with_suffix(".webp")) as temporary:
                temporary.write_bytes(figure.webp())
            yield path.with_suffix(".webp")


def _run_all(entries: list[Item], out: Path, jobs: int, seed: int) -> dict[str, dict[str, object]]:
    """All outcomes by id, with progress on a terminal."""
    from rich.progress import Progress

    from ..book.all import run_all
    from ..files import make_folder

    make_folder(out)  # now, not after the first item has run
    found = {}
    console = _console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("running the book", total=len(entries))
        try:
            for outcome in run_all([entry.id for entry in entries], out, jobs, seed):
                found[outcome["id"]] = outcome
                progress.update(task, advance=1, description=outcome["id"])
        except KeyboardInterrupt:
            safe = f"{len(found)} of {len(entries)} items are safe in {out}"
            raise KeyboardInterrupt(f"Interrupted. {safe}. To go on, run the same again.") from None
    return found


@app.command()
def report(
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("book.html"),
    keep: Annotated[Path, typer.Option(help="The folder with the outcomes; what is missing there is run.")] = Path(
        "microtrain-book"
    ),
    jobs: Jobs = 1,
    seed: Seed = 0,
) -> None:
    """Write one self-contained page with every item, its numbers and its pictures.

    The first time everything is run, which takes some minutes; Ctrl-C loses nothing.
    """
    from ..book import items
    from ..book.report import page
    from ..errors import DataFileError
    from ..files import make_folder, write_text

    if out.is_dir():
        raise DataFileError(f"{out} is a folder, not a page.", fix=f"Name the page, as in -o {out / 'book.html'}")
    make_folder(out.parent)  # before minutes of work
    entries = items()
    write_text(out, page(entries, _run_all(entries, keep, jobs, seed)))
    print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")
