"""What a step depends on besides its arguments: numbers, switches and modules that its code refers to.

A compiled step contains what `lr = 0.1` and `model.training` were when it was captured. So the places where such things
stand are remembered, and looked at before each call: the step's closure, the globals that it names, the attributes of
modules and objects, and the same for the learner's functions that it calls.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

SIMPLE = (bool, int, float, str, bytes, type(None))
FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
DEEPEST = 4  # objects in objects
_PACKAGE = __name__.partition(".")[0]
_OURS = {_PACKAGE, "numpy", "builtins"}


class Guards:
    """The places, and what stood there."""

    def __init__(self, step: Any) -> None:
        self.dicts: list[tuple[dict[Any, Any], int, tuple[tuple[Any, Any], ...]]] = []
        self.cells: list[tuple[Any, str, Any]] = []
        self.names: list[tuple[dict[str, Any], str, Any]] = []
        self._seen: set[int] = set()
        self._alive: list[Any] = []
        self._visit(step, 0)
        del self._seen, self._alive

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
            now = d.get(name, self)
            if now is not value and not _same(now, value):
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
        found += [f"{name(d)}[{key!r}] is {name(value)}" for d, key, value in self.names]
        return found

    # ---- collecting --------------------------------------------------------------------------------------------------

    def _visit(self, x: Any, depth: int) -> None:
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
            for part in x[:100]:
                self._visit(part, depth + 1)
        elif callable(getattr(x, "modules", None)) and hasattr(x, "training"):  # nn.Module
            for module in x.modules():
                self._entries(vars(module), DEEPEST, also=("_buffers",))
                if _module_of(type(module)) not in _OURS:
                    self._visit(type(module).forward, depth + 1)
        elif (
            hasattr(x, "__dict__") and not isinstance(x, (type, types.ModuleType)) and _module_of(type(x)) not in _OURS
        ):
            self._entries(vars(x), depth)

    def _function(self, f: types.FunctionType, depth: int) -> None:
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not yet given a value
                continue
            if _watched(value):
                self.cells.append((cell, name, value))
            self._visit(value, depth + 1)
        for name in _names(f.__code__):
            if name in f.__globals__:
                value = f.__globals__[name]
                if _watched(value):
                    self.names.append((f.__globals__, name, value))
                self._visit(value, depth + 1)

    def _entries(self, d: dict[Any, Any], depth: int, also: tuple[str, ...] = ()) -> None:
        """The simple values of a dictionary (or of an object's attributes), and what is in the others."""
        entries = tuple((key, value) for key, value in d.items() if _watched(value))
        self.dicts.append((d, len(d), entries))
        for key, value in d.items():
            if not isinstance(value, SIMPLE) and key not in also:
                self._visit(value, depth + 1)


def _watched(value: Any) -> bool:
    """Is this something that a step may depend on without any operation telling?"""
    return isinstance(value, (*SIMPLE, *FUNCTIONS)) or (hasattr(value, "training") and hasattr(value, "modules"))


def _same(a: Any, b: Any) -> bool:
    """The same simple value, perhaps in another object."""
    return type(a) is type(b) and isinstance(a, SIMPLE) and (a == b or (a != a and b != b))


def _module_of(x: Any) -> str:
    return str(getattr(x, "__module__", None) or "").partition(".")[0]


def _names(code: types.CodeType) -> set[str]:
    """The global names in a function, and in those inside it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found
