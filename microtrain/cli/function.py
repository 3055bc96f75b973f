"""A function that a command names: found, its file run once, and called without arguments."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import ArgumentError, MicrotrainError
from ..sweeps.target import function_of, line_in


class FunctionFailedError(MicrotrainError):
    """A learner's function raised something."""


def found(name: str) -> Callable[..., Any]:
    """The function of `FILE.py:function` or `module:function`. Raises `ArgumentError` if it needs arguments."""
    function = function_of(name)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin
        return function
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in optional]
    if needed:
        raise ArgumentError(
            f"{name} can't be called without arguments: it needs {', '.join(needed)}.",
            fix="Name a function that makes its own data, or give the arguments defaults.",
        )
    return function


@contextlib.contextmanager
def told_in_a_line(function: Callable[..., Any]) -> Iterator[None]:
    """Whatever a learner's function raises becomes a `FunctionFailedError`, with the line of the learner's file."""
    path = getattr(getattr(function, "__code__", None), "co_filename", "")
    try:
        yield
    except (Exception, SystemExit) as error:
        line = line_in(error, path)
        if not line:
            raise  # it does not come from there
        if isinstance(error, MicrotrainError):
            raise FunctionFailedError(f"{path}, line {line}: {error.what}", error.why, error.fix) from error
        raise FunctionFailedError(f"{path}, line {line}: {type(error).__name__}: {error}") from error
