"""What the caller calls its tensors: the names of local variables, of modules' parameters, of list entries."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from ...tensor import Tensor

MANY = 1000  # containers longer than this are not searched
LEVELS = 3  # lists in lists in lists: a network of scalars by layer, neuron and weight
NOT_SEARCHED = (types.ModuleType, type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, str, bytes)


class Names:
    """The tensors that a caller can reach, with the names it has for them. The first name found counts."""

    def __init__(self, variables: Iterable[dict[str, Any]] = ()) -> None:
        self.of_tensor: dict[int, str] = {}
        self.tensors: list[Tensor] = []  # keeps them alive, so that their ids stay theirs
        self.of_module: dict[int, str] = {}
        for scope in variables:
            for module, name in _modules(scope):
                self.of_module.setdefault(id(module), name)
            for name, tensor in _found(scope):
                if id(tensor) not in self.of_tensor:
                    self.of_tensor[id(tensor)] = name
                    self.tensors.append(tensor)
        self.of_node = {t._node: t for t in reversed(self.tensors) if t._node is not None}
        self.of_array = {id(t._data): t for t in reversed(self.tensors) if not t._tracked}

    def learn(self, modules: list[Any]) -> None:
        """Names of the parameters of modules that were called, for where the caller has no variable for them."""
        for module in modules:
            for name, tensor in _of_module(module):
                if id(tensor) not in self.of_tensor:
                    self.of_tensor[id(tensor)] = name if len(modules) == 1 else f"{type(module).__name__}.{name}"
                    self.tensors.append(tensor)

    def also(self, names: dict[int, str]) -> Names:
        """Further names, by the tensors' ids, for those that have none yet."""
        for key, name in names.items():
            self.of_tensor.setdefault(key, name)
        return self

    def __getitem__(self, tensor: Tensor) -> str:
        """What `named()` said, else the caller's name, else nothing."""
        return tensor._name or self.of_tensor.get(id(tensor), "")


def caller() -> Names:
    """The names in the innermost frame outside microtrain: its local variables, then its global ones.

    (Until Python 3.12, looking at a function's variables keeps what they are now alive until it returns.)
    """
    package = __name__.partition(".")[0]
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame = frame.f_back
    if frame is None:
        return Names()
    scopes = [dict(frame.f_locals)]
    if frame.f_globals is not frame.f_locals:
        scopes.append(dict(frame.f_globals))
    return Names(scopes)


def _found(scope: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor): parameters of modules first, then variables, then what lists, dicts and objects hold."""
    things = {name: thing for name, thing in scope.items() if not name.startswith("_") and name not in ("In", "Out")}
    modules = {name: found for name, thing in things.items() if (found := _of_module(thing))}
    for variable, found in modules.items():
        for name, tensor in found:
            yield (name if len(modules) == 1 else f"{variable}.{name}"), tensor
    for name, thing in things.items():
        if _is(thing, Tensor):
            yield name, thing
    for name, thing in things.items():
        yield from ((f"{name}{place}", item) for place, item in _held(thing) if _is(item, Tensor))


def _modules(scope: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """(module, name) of the modules among the variables, and of those inside them: model, 0, 0.attention."""
    for variable, thing in scope.items():
        if variable.startswith("_") or _is(thing, Tensor, *NOT_SEARCHED):
            continue
        if callable(getattr(type(thing), "named_modules", None)):
            yield from modules_in(thing, variable)


def modules_in(thing: Any, variable: str) -> list[tuple[Any, str]]:
    """The same for one module."""
    try:
        return [(module, name or variable) for name, module in thing.named_modules()]
    except Exception:  # somebody else's object
        return []


def _is(thing: Any, *kinds: type) -> bool:
    """isinstance() for things that may lie about their class, or refuse to tell."""
    return issubclass(type(thing), kinds)


def _held(thing: Any, levels: int = LEVELS) -> Iterator[tuple[str, Any]]:
    """What a container (of containers) or an object holds, with the text that follows its name."""
    if _is(thing, Tensor, *NOT_SEARCHED):
        return
    if _is(thing, list, tuple, dict):
        if len(thing) > MANY:
            return
        items = thing.items() if _is(thing, dict) else enumerate(thing)
        for key, item in items:
            if _is(key, str, int):
                yield f"[{key!r}]", item
                if levels > 1 and _is(item, list, tuple, dict):
                    yield from ((f"[{key!r}]{place}", inner) for place, inner in _held(item, levels - 1))
        return
    try:
        held = dict(vars(thing))
    except Exception:  # none, or somebody else's proxy that refuses
        return
    if len(held) <= MANY:
        yield from ((f".{key}", item) for key, item in held.items())


def _of_module(thing: Any) -> list[tuple[str, Tensor]]:
    found = []
    for method in ("named_parameters", "named_buffers"):
        if not _is(thing, *NOT_SEARCHED) and callable(getattr(type(thing), method, None)):
            try:
                found += [(name, item) for name, item in getattr(thing, method)() if _is(item, Tensor)]
            except Exception:  # somebody else's object: a picture without these names is fine
                continue
    return found
