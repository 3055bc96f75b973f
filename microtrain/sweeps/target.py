"""The function that a sweep calls, found by its name, and checked before anything runs."""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import ArgumentError, DataFileError, DtypeError
from .identity import identity

Function = Callable[..., Any]
EXPERIMENTS: dict[str, Function] = {}  # those that have a name


def experiment(name: str) -> Callable[[Function], Function]:
    """Decorator: `microtrain sweep NAME` calls this function."""

    def register(function: Function) -> Function:
        EXPERIMENTS[name] = function
        return function

    return register


@dataclass(frozen=True)
class Target:
    """A function, either itself, or as the text of the file that defines it.

    The text travels to the workers, so that they need no such file, and is run anew for each trial, so that no trial
    sees what another one left in the module.
    """

    name: str
    function: Function | None = None
    path: str = ""
    source: str = ""

    @functools.cached_property
    def identity(self) -> str:
        """Changes when the function does: what an edited function gave is never mixed with what it gave before."""
        source = hashlib.sha256(self.source.encode()).hexdigest()[:16]
        return f"{self.name} {source if self.function is None else identity(self.function)} microtrain {__version__}"

    def load(self) -> Function:
        """The function. Raises what its file raises, and `ArgumentError` if that has no such function."""
        if self.function is not None:
            return self.function
        module = types.ModuleType(f"_sweep_{Path(self.path).stem}")
        module.__file__ = self.path
        sys.modules[module.__name__] = module  # dataclasses look there
        folder = str(Path(self.path).parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)  # as when Python runs the file
        exec(compile(self.source, self.path, "exec"), module.__dict__)  # the user's own file, named by the user
        return _function_of(module, self.name.rpartition(":")[2], self.path)


def _function_of(module: Any, name: str, where: str) -> Function:
    function = getattr(module, name, None)
    if function is None or not callable(function):
        own = [
            key for key, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
        ]  # fmt: skip
        raise ArgumentError(
            f"{where} has no function '{name}'.", fix=f"It has {', '.join(own)}." if own else "It has no functions."
        )
    return function  # type: ignore[no-any-return]


def function_of(name: str) -> Function:
    """What `resolve` finds, loaded; its file is run only once. Raises the same."""
    return _try_out(_named(name))


def resolve(name: str | Function) -> Target:
    """What is meant by `FILE.py:function`, `module:function`, or the name of an experiment; or a function itself.

    Raises `ArgumentError` if there is no such thing, `DataFileError` if the file can't be read or run.
    """
    target = _named(name)
    if target.function is None:
        _try_out(target)
    return target


def _named(name: str | Function) -> Target:
    """What is meant, with the file read, but not run."""
    if callable(name):
        module, own = getattr(name, "__module__", "__main__"), getattr(name, "__qualname__", type(name).__qualname__)
        return Target(own if module == "__main__" else f"{module}:{own}", name)
    if not isinstance(name, str):
        raise DtypeError(f"A sweep takes a function or the name of one, not a {type(name).__name__}.")
    if name in EXPERIMENTS:
        return Target(name, EXPERIMENTS[name])
    place, colon, function = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    if place.endswith(".py"):
        path = Path(place).resolve()
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataFileError(f"{place} can't be read: {getattr(error, 'strerror', None) or error}.") from None
        if not function:
            names = re.findall(r"^def ([^_]\w*)", source, re.MULTILINE)
            raise ArgumentError(f"Which function of {place}?", fix=f"Write {place}:{'|'.join(names) or 'FUNCTION'}")
        return Target(f"{path.name}:{function}", path=str(path), source=source)
    if colon and function.isidentifier():
        try:
            module = importlib.import_module(place)
        except (ImportError, ValueError) as error:
            raise ArgumentError(f"The module of {name} can't be imported: {error}.") from None
        return Target(name, _function_of(module, function, place))
    raise ArgumentError(
        f"There is no experiment '{name}'.",
        fix=f"Name a function as FILE.py:function, or one of {', '.join(sorted(EXPERIMENTS))}.",
    )


def _try_out(target: Target) -> Function:
    """Run the file once, here, so that what is wrong with it is said before anything starts."""
    try:
        return target.load()
    except (KeyboardInterrupt, ArgumentError):
        raise
    except BaseException as error:  # SystemExit too
        what = error.msg if isinstance(error, SyntaxError) else error  # which has file and line in it
        line = error.lineno if isinstance(error, SyntaxError) else line_in(error, target.path)
        raise DataFileError(f"{target.path} can't be run (line {line}): {type(error).__name__}: {what}") from error


def line_in(error: BaseException, path: str) -> int:
    """The innermost line of that file that was running; 0 if none was."""
    trace, number = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            number = trace.tb_lineno
        trace = trace.tb_next
    return number


def takes_seed(function: Function) -> bool:
    """Is there a parameter `seed`?"""
    parameters = inspect.signature(function).parameters
    return "seed" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def check_signature(target: Target, parameters: Mapping[str, Any]) -> None:
    """Raise `ArgumentError` unless the function can be called with these settings and a seed."""
    function = target.load()
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a builtin
    seed = {"seed": 0} if takes_seed(function) else {}
    try:
        signature.bind(**parameters, **seed)
    except TypeError as error:
        call = ", ".join([*(f"{name}={value!r}" for name, value in parameters.items()), *(["seed=0"] if seed else [])])
        raise ArgumentError(
            f"{target.name}{signature} can't be called as {target.name.rpartition(':')[2]}({call}): {error}.",
            fix="Every setting of the sweep is a parameter of the function, and those without a default need a value.",
        ) from None
