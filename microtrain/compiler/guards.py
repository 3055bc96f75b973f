"""What a step depends on besides its arguments: numbers, switches and modules that its code refers to.

A compiled step contains what `lr = 0.1` and `model.training` were when it was captured, and works on the memory of the
tensors that it found. So the places where such things stand are remembered, and looked at before each call: the step's
closure and defaults, the globals that it names, the attributes of modules and objects, the elements of lists, and the
same for the learner's functions that it calls.
"""

from __future__ import annotations

import array
import collections
import contextvars
import functools
import math
import operator
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import custom, dtypes
from ..tensor import Tensor
from .places import ABSENT, SIMPLE, Attribute, Current, Entry, Length, Whole

FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
NAMING = (operator.attrgetter, operator.itemgetter, operator.methodcaller)
WRAPPERS = (property, staticmethod, classmethod, functools.cached_property, type(functools.cache(len)))
COPIED = (set, frozenset, collections.deque, bytearray, array.array, np.ndarray)  # compared with a copy, as a whole
SAMPLE = 4096  # elements of a larger one that are compared
DEEPEST = 5  # objects in objects
LONGEST = 100  # elements of a list that are looked at one by one
LARGEST = 1 << 20  # bytes of an array that is compared as a whole; an eighth of that in elements of a list
DYNAMIC = {"getattr", "hasattr", "vars", "__dict__"}  # who uses these may mean any attribute
BESIDES = {"__init__", "__new__", "__repr__", "__str__", "__del__"}  # methods that no step calls
SPOKEN = {"attrgetter", "itemgetter", "methodcaller", "globals"}  # who uses these may mean what his texts say
_PACKAGE = __name__.partition(".")[0]
_OURS = {_PACKAGE, "numpy", "builtins"}
_OPERATIONS = vars(custom.formula)  # of operations from formulas: they give the learner's module as theirs


@dataclass(eq=False)
class _Owner:
    """Something with attributes, of which those count whose names occur in the code that a step runs."""

    kind: type[Entry]  # what kind of place an attribute of it is: `Entry` of its dictionary, or `Attribute`
    of: Any  # the dictionary, or the object itself
    depth: int  # how many objects away from the step
    absent: bool = False  # do also those count that are not there now, but might come?
    seen: set[str] = field(default_factory=set)  # the names that were looked up already


class Guards:
    """The places, and what stood there. `read` are the ids of arrays that operations read: those may change."""

    def __init__(self, step: Any, read: frozenset[int] = frozenset()) -> None:
        self.places: list[Entry] = [Entry(vars(dtypes), "_default", "the default dtype")]
        self.tensors: list[Any] = []  # each as often as something refers to it
        self._read = read
        self._named: set[str] = set()  # the names in the code that was looked at
        self._owners: list[_Owner] = []
        self._whole: set[int] = set()  # ids of dictionaries
        self._seen: set[int] = set()
        self._alive: list[Any] = []
        self._visit(step, 0)
        while any(self._attributes(owner) for owner in self._owners):  # code that was found may name others
            pass
        del self._seen, self._alive, self._named, self._owners, self._whole

    def changed(self) -> str:
        """The name of something that is no longer what it was; "" if all is."""
        return next(filter(None, (place.change() for place in self.places)), "")

    def tests(self, name: Callable[[Any], str]) -> list[str]:
        """The same as expressions, for objects that are still the very same ones; `name` gives an object a name."""
        return [place.test(name) for place in self.places]

    # ---- collecting --------------------------------------------------------------------------------------------------

    def _visit(self, x: Any, depth: int, called: str = "an argument") -> None:
        """Look into something that the step refers to; `called` is its name there."""
        if isinstance(x, Tensor):
            self.tensors.append(x)
        if isinstance(x, (*SIMPLE, Tensor)) or id(x) in self._seen or depth > DEEPEST:
            return
        self._seen.add(id(x))
        self._alive.append(x)
        if isinstance(x, functools.partial):
            for part in (x.func, *x.args, *x.keywords.values()):
                self._visit(part, depth + 1)
        elif isinstance(x, types.MethodType):
            self._visit(x.__func__, depth)
            self._visit(x.__self__, depth + 1)
        elif isinstance(x, NAMING):
            self._named |= _words(x.__reduce__()[1])
        elif isinstance(x, contextvars.ContextVar):
            self.places.append(Current(x, "", called))
            self._visit(self.places[-1].value, depth + 1, called)
        elif isinstance(x, WRAPPERS):
            for inner in ("fget", "func", "__wrapped__"):
                self._visit(getattr(x, inner, None), depth)
        elif isinstance(x, types.FunctionType):
            if _module_of(x) not in _OURS and x.__globals__ is not _OPERATIONS:
                self._function(x, depth)
        elif isinstance(x, dict):
            self._entries(x, depth, x)
        elif isinstance(x, (list, tuple)) and len(x) <= LONGEST:
            if isinstance(x, list):
                self.places.append(Length(x, called))
                self.places += [Entry(x, k, called) for k in range(len(x))]
            for part in x:
                self._visit(part, depth + 1, called)
        elif isinstance(x, (list, *COPIED)):
            self._copy(x, called)
        elif isinstance(x, (type, types.ModuleType)):
            if _module_of(x) not in _OURS:
                self._owners.append(_Owner(Entry, vars(x), depth))
        elif callable(getattr(x, "modules", None)) and hasattr(x, "training"):  # nn.Module
            self._named.add("forward")
            for module in x.modules():
                self._seen.add(id(module))
                d = vars(module)
                watched = [key for key, value in d.items() if _watched(value)]
                self._entries(d, depth, watched, also=("_saved_buffers",))
                self._owners.append(_Owner(Entry, d, depth, seen=set(watched)))
                self._classes(module, depth)
        elif _module_of(type(x)) not in _OURS:
            ours = self._classes(x, depth) and not _counts_steps(x)
            if _is_learners(type(x)):
                self.places.append(Attribute(x, "__class__"))
            if hasattr(x, "__dict__"):
                if _is_pythons(type(x)) and hasattr(x, "__getitem__"):  # os.environ: what its code reads is not named
                    self._entries(vars(x), depth, vars(x))
                if ours:  # whose code may read any attribute
                    self._entries(vars(x), depth, [key for key, value in vars(x).items() if _watched(value)])
                self._owners.append(_Owner(Entry, vars(x), depth, absent=not ours))
            if any("__slots__" in vars(kind) for kind in type(x).__mro__):
                self._owners.append(_Owner(Attribute, x, depth))

    def _classes(self, x: Any, depth: int) -> bool:
        """Look into the classes that an object is of; is there one of ours among them?"""
        kinds = type(x).__mro__[:-1]
        for kind in kinds:
            if _is_learners(kind):
                methods = {k for k, v in vars(kind).items() if isinstance(v, types.FunctionType) and k[:2] == "__"}
                self._named |= methods - BESIDES  # a[0] is __getitem__, though the code does not say so
            self._visit(kind, depth)
        return any(_module_of(kind) in _OURS for kind in kinds)

    def _function(self, f: types.FunctionType, depth: int) -> None:
        names = _names(f.__code__)
        self._named |= names
        self.places.append(Attribute(f, "__code__"))  # notebooks replace it when a file has changed
        self.places.append(Attribute(f, "__defaults__"))
        for value in (f.__defaults__, f.__kwdefaults__):
            self._visit(value, depth, f.__name__)
        if vars(f):
            self._owners.append(_Owner(Entry, vars(f), depth))
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            place = Attribute(cell, "cell_contents", name)
            if place.value is not ABSENT:
                self.places.append(place)
                self._visit(place.value, depth + 1, name)
        for name in names & f.__globals__.keys():
            self.places.append(Entry(f.__globals__, name))
            self._visit(f.__globals__[name], depth + 1, name)

    def _attributes(self, owner: _Owner) -> bool:
        """Look up the attributes whose names occur in the code by now; were there new names?"""
        if owner.absent and self._named & DYNAMIC:
            self._entries(owner.of, owner.depth, owner.of)
            return False
        names = new = self._named - owner.seen
        owner.seen |= names
        if owner.kind is Attribute:  # a property would run, and a method be another object each time
            kind = type(owner.of)
            names = {name for name in names if isinstance(getattr(kind, name, None), types.MemberDescriptorType)}
        for name in sorted(names):
            place = owner.kind(owner.of, name)
            if place.value is not ABSENT or (owner.absent and name[:2] != "__"):
                self.places.append(place)
                deeper = not isinstance(place.value, (types.FunctionType, *WRAPPERS))
                self._visit(place.value, owner.depth + deeper, name)
        return bool(new)

    def _entries(self, d: dict[Any, Any], depth: int, watched: Iterable[Any], also: tuple[str, ...] = ()) -> None:
        """The values of a dictionary; in those of modules only `watched` ones may not be replaced."""
        if id(d) in self._whole:
            return
        self._whole.add(id(d))
        self.places.append(Length(d, "an attribute"))
        self.places += [Entry(d, key) for key in watched]
        for key, value in d.items():
            if key not in also:
                self._visit(value, depth + 1, str(key))

    def _copy(self, x: Any, called: str) -> None:
        """To be compared as a whole, if that does not take too long."""
        if isinstance(x, np.ndarray):
            if id(x) not in self._read and not x.dtype.hasobject:
                apart = math.ceil((x.size / SAMPLE) ** (1 / x.ndim)) if x.nbytes > LARGEST else 1
                grid: Any = (..., *[slice(None, None, apart)] * x.ndim)
                seen = x[grid]  # a view, also of a single number
                self.places.append(Whole(seen, "", called))
        elif len(x) <= LARGEST // 8 and all(isinstance(value, SIMPLE) for value in x):
            self.places.append(Whole(x, "", called))


def _watched(value: Any) -> bool:
    """Is this an attribute of a module of ours that its code may read?"""
    if isinstance(value, (*SIMPLE, *FUNCTIONS, Tensor, np.ndarray)):
        return True
    return hasattr(value, "training") and hasattr(value, "modules") and not isinstance(value, type)


def _module_of(x: Any) -> str:
    """The package that something comes from."""
    home = x.__name__ if isinstance(x, types.ModuleType) else getattr(x, "__module__", None)
    return str(home or "").partition(".")[0]


def _is_learners(kind: type) -> bool:
    """Was this class written by the learner? (None of ours, of Python's or of an installed library.)"""
    home = _module_of(kind)
    file = getattr(sys.modules.get(home), "__file__", None) or ""
    return home not in _OURS | sys.stdlib_module_names and "-packages" not in file


def _is_pythons(kind: type) -> bool:
    """Is this class from Python's library?"""
    return _module_of(kind) in sys.stdlib_module_names


def _counts_steps(x: Any) -> bool:
    """Is this an optimizer or a scheduler? Each step changes them, and `watch.py` and `numbers.py` know how."""
    return any(kind.__module__.startswith(f"{_PACKAGE}.optim") for kind in type(x).__mro__)


def _names(code: types.CodeType) -> set[str]:
    """The global names in a function, and in those inside it."""
    found = set(code.co_names)
    if found & SPOKEN:
        found |= _words(code.co_consts)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def _words(texts: Iterable[Any]) -> set[str]:
    """The names in texts such as "inner.scale"."""
    return {word for text in texts if isinstance(text, str) for word in text.split(".")}
