"""Running many items: side by side, and kept as files, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import MicrotrainError
from ..files import write_text
from ..sweeps.workers import without_interrupts
from .catalogue import get
from .drawing import INCH, movie, picture, uri
from .entry import VERDICTS, Item
from .run import Figure, execute

PACKAGE = Path(__file__).parents[1]


def version(entry: Item, seed: int) -> str:
    """Changes with the item's chapter, the library and the seed: what was kept of another is run again."""
    book = PACKAGE / "book"
    machinery = (book / f"{name}.py" for name in ("all", "drawing", "movie", "moving", "run"))
    chapter = sorted((book / entry.chapter).glob("*.py"))  # items share functions
    return hashlib.sha256(f"{seed} {_library()} {_digest(*machinery, *chapter)}".encode()).hexdigest()[:16]


@cache
def _library() -> str:
    """All that items stand on, from `Tensor` to pictures."""
    files = (path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ("book", "cli"))
    return _digest(*sorted(files))


@cache
def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def outcome(id: str, seed: int = 0) -> dict[str, Any]:
    """Run an item and draw its pictures; a failure is an outcome, too."""
    entry = get(id)
    about = {"id": id, "version": version(entry, seed)}
    try:
        run = execute(entry, seed=seed)
        return {
            **run.as_data(),
            **about,
            "figures": [_drawn(figure) for figure in run.figures],
            **_printed(entry, seed),
        }
    except Exception as error:  # one broken item must not stop the others
        return {**about, "failed": f"{type(error).__name__}: {error}", "passed": False}


def _drawn(figure: Figure) -> dict[str, Any]:
    """A figure as the page needs it: data URIs, and the size in a browser's pixels."""
    width, height = (round(inches * INCH) for inches in figure.size)
    moving = {"movie": uri(movie(figure))} if figure.frames else {}
    return {"caption": figure.caption, "picture": picture(figure), "width": width, "height": height, **moving}


def _printed(entry: Item, seed: int) -> dict[str, Any]:
    """What does not hold as printed: the claims that fail if the book's formula is run as it is printed."""
    if entry.verdict != VERDICTS[2]:
        return {}
    return {
        "printed": [asdict(claim) for claim in execute(entry, seed=seed, form="printed").claims if not claim.passed]
    }


def kept(out: Path, id: str, seed: int) -> dict[str, Any] | None:
    """What an earlier run left in the folder, if it is of this version and did not fail."""
    try:
        found = json.loads((out / f"{id}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fits = isinstance(found, dict) and found.get("version") == version(get(id), seed) and "failed" not in found
    return found if fits else None


def run_all(ids: Sequence[str], out: Path, jobs: int = 1, seed: int = 0) -> Iterator[dict[str, Any]]:
    """The outcomes of these items, as they end; each is written to `out` at once, and not run again."""
    left = []
    for id in ids:
        done = kept(out, id, seed)
        if done is None:
            left.append(id)
        else:
            yield done
    for found in _results(left, jobs, seed):
        write_text(out / f"{found['id']}.json", json.dumps(found, ensure_ascii=False, default=_plain))
        yield found


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's; whatever else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _results(ids: Sequence[str], jobs: int, seed: int) -> Iterator[dict[str, Any]]:
    if jobs == 1 or len(ids) < 2:
        yield from (outcome(id, seed) for id in ids)
        return
    try:
        from joblib import Parallel, delayed, parallel_config
    except ImportError:
        raise MicrotrainError(
            "Running items side by side needs joblib.", fix='python -m pip install "microtrain[sweep]", or --jobs 1'
        ) from None
    with warnings.catch_warnings(), parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
        warnings.filterwarnings("ignore", "A worker stopped", UserWarning)  # joblib starts another, and nothing is lost
        with without_interrupts():
            ended = Parallel(return_as="generator_unordered", batch_size=1)(delayed(outcome)(id, seed) for id in ids)
        yield from ended
