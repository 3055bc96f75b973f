"""Finding items. They enter themselves when their file is imported; every file in this package's folders is."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from typing import Any

from ..errors import ArgumentError, MicrotrainError
from .contents import place
from .entry import ITEMS, KINDS, VERDICTS, Item
from .run import Run, execute


@cache
def _load() -> None:
    package = __package__ or ""
    folder = importlib.import_module(package)
    for chapter in pkgutil.iter_modules(folder.__path__):
        if chapter.ispkg:
            inside = importlib.import_module(f"{package}.{chapter.name}")
            for file in pkgutil.iter_modules(inside.__path__):
                name = f"{package}.{chapter.name}.{file.name}"
                try:
                    importlib.import_module(name)
                except Exception as error:
                    raise MicrotrainError(
                        f"{name.replace('.', '/')}.py can't be loaded: {type(error).__name__}: {error}",
                        why="Items enter themselves when their file is imported; all files are, to find them.",
                        fix="Mend the file. Without it nothing of the book can be found.",
                    ) from error


def items(chapter: str = "", kind: str = "", verdict: str = "", search: str = "") -> list[Item]:
    """The items, in the book's order; only those of a chapter, kind or verdict, or that contain a text.

    Raises `ArgumentError` for a chapter, kind or verdict that there is not.
    """
    _load()
    chapters = dict.fromkeys(entry.chapter for entry in sorted(ITEMS.values(), key=place))
    for name, given, known in (("kind", kind, KINDS), ("verdict", verdict, VERDICTS)):
        if given and given not in known:
            raise ArgumentError(f"No item has the {name} '{given}'.", fix=f"Use one of: {', '.join(known)}.")
    if not any(chapter in known for known in chapters):
        raise ArgumentError(f"No chapter is called '{chapter}'.", fix=f"Use one of: {', '.join(chapters)}.")
    found = []
    for entry in sorted(ITEMS.values(), key=place):
        words = " ".join([entry.id, entry.source, *entry.title, *entry.statement, *entry.correction]).lower()
        fits = chapter in entry.chapter and kind in ("", entry.kind) and verdict in ("", entry.verdict)
        if fits and search.lower() in words:
            found.append(entry)
    return found


def get(id: str) -> Item:
    """The item with this id. Raises `ArgumentError`, with what it may have meant, if there is none."""
    _load()
    if not isinstance(id, str):
        raise ArgumentError(f"An item is found by its id, a text, not by {id!r}.", fix='get("gd-update")')
    if id not in ITEMS:
        near = difflib.get_close_matches(id, ITEMS, 3, 0.5) or [key for key in ITEMS if id in key][:3]
        raise ArgumentError(
            f"There is no item '{id}' in the book.",
            fix=("Did you mean " + " or ".join(near) + "? " if near else "") + "`microtrain book list` has them all.",
        )
    return ITEMS[id]


def run(id: str, *, seed: int = 0, form: str = "right", **values: Any) -> Run:
    """Run an item with these parameters; the result shows itself in a notebook.

    >>> import microtrain as mt
    >>> mt.book.run("gd-parabola-regimes").passed
    True

    Raises `ArgumentError` for an unknown id or parameter, or a value out of range.
    """
    return execute(get(id), values, seed, form)
