"""Places that a step depends on: what stands there, and how to see whether it still does.

Each can look for itself (an equal number will do), and says what expression is true as long as the very same object
stands there: of those `watch.py` makes one function.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable
from typing import Any

import numpy as np

SIMPLE = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, range, slice, enum.Enum)
Name = Callable[[Any], str]  # gives an object a name, to be used in an expression


class _Absent:
    """Stands where nothing is: an object has no attribute of this name of its own; its class may have."""


ABSENT = _Absent()


class Entry:
    """Of a dictionary or a list."""

    def __init__(self, owner: Any, key: Any, called: str = "") -> None:
        self.owner, self.key, self.called = owner, key, called or str(key)
        self.value = self.now()

    def now(self) -> Any:
        """What stands there; `ABSENT` if nothing does."""
        if isinstance(self.owner, list):
            return self.owner[self.key] if self.key < len(self.owner) else ABSENT
        return self.owner.get(self.key, ABSENT)

    def change(self) -> str:
        """Its name, if neither what stood there nor something equal does any more; else ""."""
        return "" if same(self.now(), self.value) else self.called

    def test(self, name: Name) -> str:
        """The expression."""
        key, owner = repr(self.key) if type(self.key) in (str, int) else name(self.key), name(self.owner)
        if self.value is ABSENT:
            return f"{key} not in {owner}"
        if hasattr(type(self.owner), "__missing__"):  # a defaultdict would make what is no longer there
            return f"{owner}.get({key}) is {name(self.value)}"
        return f"{owner}[{key}] is {name(self.value)}"


class Attribute(Entry):
    """Of an object: of a function, a closure's cell, one with `__slots__`."""

    def now(self) -> Any:
        try:
            return getattr(self.owner, self.key, ABSENT)
        except ValueError:  # a cell that was not yet given a value
            return ABSENT

    def test(self, name: Name) -> str:
        if self.value is ABSENT:
            return f"not hasattr({name(self.owner)}, {self.key!r})"
        return f"{name(self.owner)}.{self.key} is {name(self.value)}"  # in a quarter of the time of getattr


class Current(Entry):
    """The value of a context variable."""

    def now(self) -> Any:
        return self.owner.get(ABSENT)

    def test(self, name: Name) -> str:
        return f"{name(self.owner)}.get({name(ABSENT)}) is {name(self.value)}"


class Length(Entry):
    """How many elements there are in a dictionary or a list."""

    def __init__(self, owner: Any, called: str) -> None:
        super().__init__(owner, None, called)
        self.keys = set(owner) if isinstance(owner, dict) else set()

    def now(self) -> Any:
        return len(self.owner)

    def change(self) -> str:
        if len(self.owner) == self.value:
            return ""
        return ", ".join(sorted(map(str, self.keys.symmetric_difference(self.owner)))) if self.keys else self.called

    def test(self, name: Name) -> str:
        return f"len({name(self.owner)}) == {self.value}"


class Whole(Entry):
    """A set, or an array of NumPy's, compared with a copy."""

    def now(self) -> Any:
        return self.owner.tobytes() if isinstance(self.owner, np.ndarray) else copy.copy(self.owner)

    def change(self) -> str:
        return "" if self.now() == self.value else self.called

    def test(self, name: Name) -> str:
        what = ".tobytes()" if isinstance(self.owner, np.ndarray) else ""
        return f"{name(self.owner)}{what} == {name(self.value)}"


def same(a: Any, b: Any) -> bool:
    """The same object, or an equal one that holds nothing but simple values?"""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return isinstance(a, SIMPLE) and bool(a == b or (a != a and b != b))
