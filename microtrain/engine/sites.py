"""Where in the learner's program something happened."""

from __future__ import annotations

import linecache
import sys
from typing import Any, NamedTuple

_PACKAGE = __name__.partition(".")[0]


class _Ours(dict[str, bool]):
    """Is a module of this name part of microtrain?"""

    def __missing__(self, module: str) -> bool:
        ours = self[module] = module.partition(".")[0] == _PACKAGE
        return ours


_ours = _Ours()


class Site(NamedTuple):
    """A line of the program that uses microtrain."""

    filename: str
    lineno: int
    function: str

    def __str__(self) -> str:
        text = linecache.getline(self.filename, self.lineno).strip()
        return f"{self.filename}:{self.lineno}" + (f": {text}" if text else "")


def call_site(depth: int = 4) -> tuple[Any, int]:
    """(code, instruction) of the innermost frame outside microtrain; `site_of` makes it readable, when asked.

    The `depth` innermost frames are ours for sure: this function, its caller, `apply` or `overwrite`, and the method.
    """
    try:
        frame: Any = sys._getframe(depth)
    except ValueError:  # called from the outermost frame, without a method in between
        frame = sys._getframe(1)
    try:
        while _ours[frame.f_globals["__name__"]]:
            frame = frame.f_back
    except KeyError:  # code without a module: somebody's exec()
        pass
    return frame.f_code, frame.f_lasti


def site_of(where: tuple[Any, int]) -> Site:
    """The line that `call_site` found."""
    code, instruction = where
    line = code.co_firstlineno
    for start, end, lineno in code.co_lines():
        if start <= instruction < end and lineno is not None:
            line = lineno
    return Site(code.co_filename, line, code.co_name)
