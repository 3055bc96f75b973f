"""What a step depends on besides its arguments: numbers, switches and modules that its code refers to.

A compiled step contains what `lr = 0.1` and `model.training` were when it was captured, and works on the memory of the
tensors that it found. So the places where such things stand are remembered, and looked at before each call: the step's
closure, the globals that it names, the attributes of modules and objects, the elements of lists, and the same for the
learner's functions that it calls.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor

SIMPLE = (bool, int, float, str, bytes, type(None))
FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
DEEPEST = 5  # objects in objects
LONGEST = 100  # elements of a list
DYNAMIC = {"getattr", "vars", "__dict__"}  # who uses these may mean any attribute
ABSENT = "(nothing)"  # an object has no attribute of this name of its own; its class may have
_PACKAGE = __name__.partition(".")[0]
_OURS = {_PACKAGE, "numpy", "builtins"}


class Guards:
    """The places, and what stood there."""

    def __init__(self, step: Any) -> None:
        self.dicts: list[tuple[dict[Any, Any], int, tuple[tuple[Any, Any], ...]]] = []
        self.cells: list[tuple[Any, str, Any]] = []
        self.names: list[tuple[Any, str, Any]] = []
        self.lists: list[tuple[Any, str, tuple[Any, ...]]] = []
        self._named: set[str] = set()  # the names in the code that was looked at
        self._seen: set[int] = set()
        self._alive: list[Any] = []
        self._visit(step, 0)
        del self._seen, self._alive, self._named

    def changed(self) -> str:
        """The name of something that is no longer what it was; "" if all is."""
        for d, length, entries in self.dicts:
            if len(d) != length:
                return ", ".join(map(str, d.keys() ^ {key for key, _ in entries})) or "an attribute"
            for key, value in entries:
                now = d.get(key, self)
                if now is not value and not _same(now, value):
                    return str(key)
        for cell, name, value in self.cells:
            try:
                now = cell.cell_contents
            except ValueError:
                now = self
            if now is not value and not _same(now, value):
                return name
        for d, name, value in self.names:
            now = d.get(name, ABSENT)
            if now is not value and not _same(now, value):
                return name
        for items, name, before in self.lists:
            if len(items) != len(before):
                return name
            if any(a is not b and _watched(b) and not _same(a, b) for a, b in zip(items, before, strict=True)):
                return name
        return ""

    def tests(self, name: Callable[[Any], str]) -> list[str]:
        """The same as expressions, for objects that are still the very same ones; `name` gives an object a name."""
        found = []
        for d, length, entries in self.dicts:
            here = name(d)
            found.append(f"len({here}) == {length}")
            found += [f"{here}[{key!r}] is {name(value)}" for key, value in entries if isinstance(key, str)]
        found += [f"{name(cell)}.cell_contents is {name(value)}" for cell, _, value in self.cells]
        for d, key, value in self.names:
            here = name(d)
            found.append(f"{key!r} not in {here}" if value is ABSENT else f"{here}[{key!r}] is {name(value)}")
        for items, _, before in self.lists:
            here = name(items)
            found.append(f"len({here}) == {len(before)}")
            found += [f"{here}[{k}] is {name(value)}" for k, value in enumerate(before) if _watched(value)]
        return found

    # ---- collecting --------------------------------------------------------------------------------------------------

    def _visit(self, x: Any, depth: int, called: str = "an argument") -> None:
        """Look into something that the step refers to; `called` is its name there."""
        if isinstance(x, SIMPLE) or id(x) in self._seen or depth > DEEPEST:
            return
        self._seen.add(id(x))
        self._alive.append(x)
        if isinstance(x, functools.partial):
            for part in (x.func, *x.args, *x.keywords.values()):
                self._visit(part, depth + 1)
        elif isinstance(x, types.MethodType):
            self._visit(x.__func__, depth)
            self._visit(x.__self__, depth + 1)
        elif isinstance(x, types.FunctionType):
            if _module_of(x) not in _OURS:
                self._function(x, depth)
        elif isinstance(x, dict):
            self._entries(x, depth)
        elif isinstance(x, (list, tuple)):
            if isinstance(x, list) and len(x) <= LONGEST:
                self.lists.append((x, called, tuple(x)))
            for part in x[:LONGEST]:
                self._visit(part, depth + 1, called)
        elif isinstance(x, (type, types.ModuleType)):
            if _module_of(x) not in _OURS:
                self._attributes(x, depth)
        elif callable(getattr(x, "modules", None)) and hasattr(x, "training"):  # nn.Module
            for module in x.modules():
                self._entries(vars(module), DEEPEST - 1, also=("_saved_buffers",))
                if _module_of(type(module)) not in _OURS:
                    self._visit(type(module).forward, depth + 1)
        elif hasattr(x, "__dict__") and _module_of(type(x)) not in _OURS:
            kinds = type(x).__mro__[:-1]
            for kind in kinds:
                self._visit(kind, depth)
            self._entries(vars(x), depth, all_of_it=any(_module_of(kind) in _OURS for kind in kinds))

    def _function(self, f: types.FunctionType, depth: int) -> None:
        names = _names(f.__code__)
        self._named |= names
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not yet given a value
                continue
            if _watched(value):
                self.cells.append((cell, name, value))
            self._visit(value, depth + 1, name)
        for name in names:
            if name in f.__globals__:
                value = f.__globals__[name]
                if _watched(value):
                    self.names.append((f.__globals__, name, value))
                self._visit(value, depth + 1, name)

    def _attributes(self, x: Any, depth: int) -> None:
        """What the code may take from a module or class: only the names that occur in it."""
        seen: set[str] = set()
        while names := (self._named & vars(x).keys()) - seen:  # a method may name another one
            seen |= names
            for name in sorted(names):
                value = vars(x)[name]
                if _watched(value):
                    self.names.append((vars(x), name, value))
                self._visit(value, depth + (not isinstance(value, types.FunctionType)), name)

    def _entries(self, d: dict[Any, Any], depth: int, also: tuple[str, ...] = (), all_of_it: bool = True) -> None:
        """The values of a dictionary, or of an object's attributes: those of them that occur in the code."""
        if not all_of_it and not self._named & DYNAMIC:
            for name in sorted(self._named):
                if _watched(d.get(name, ABSENT)):
                    self.names.append((d, name, d.get(name, ABSENT)))
                self._visit(d.get(name), depth + 1, name)
            return
        self.dicts.append((d, len(d), tuple((key, value) for key, value in d.items() if _watched(value))))
        for key, value in d.items():
            if not isinstance(value, SIMPLE) and key not in also:
                self._visit(value, depth + 1, str(key))


def _watched(value: Any) -> bool:
    """Is this something that a step may depend on without any operation telling?"""
    if isinstance(value, (*SIMPLE, *FUNCTIONS, Tensor, np.ndarray)):
        return True
    return hasattr(value, "training") and hasattr(value, "modules") and not isinstance(value, type)


def _same(a: Any, b: Any) -> bool:
    """The same simple value, perhaps in another object."""
    return type(a) is type(b) and isinstance(a, SIMPLE) and (a == b or (a != a and b != b))


def _module_of(x: Any) -> str:
    """The package that something comes from."""
    home = x.__name__ if isinstance(x, types.ModuleType) else getattr(x, "__module__", None)
    return str(home or "").partition(".")[0]


def _names(code: types.CodeType) -> set[str]:
    """The global names in a function, and in those inside it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found
