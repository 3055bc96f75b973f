"""The family tree of the optimizers."""

from __future__ import annotations

import re

from .optimizer import Optimizer


def table() -> str:
    """All optimizers in the order in which they were found: name, idea, and who thought of it."""
    rows = [(year, kind.__name__, kind.idea, kind.reference) for year, kind in family()]
    width = [max(len(str(row[k])) for row in rows) for k in range(3)]
    return "\n".join(f"{year}  {name:{width[1]}}  {idea:{width[2]}}  {who}" for year, name, idea, who in rows)


def family() -> list[tuple[int, type[Optimizer]]]:
    """(year, class) of all optimizers, in the order of years and names."""
    return sorted(((_year(kind), kind) for kind in _all(Optimizer)), key=lambda row: (row[0], row[1].__name__))


def _all(kind: type[Optimizer]) -> list[type[Optimizer]]:
    """The library's optimizers below a class; bases, without a reference, are none."""
    found = [kind] if kind.reference and kind.__module__.startswith(__package__) else []
    return found + [each for below in kind.__subclasses__() for each in _all(below)]


def _year(kind: type[Optimizer]) -> int:
    """Of the first reference."""
    found = re.search(r"\d{4}", kind.reference)
    return int(found.group()) if found else 0
