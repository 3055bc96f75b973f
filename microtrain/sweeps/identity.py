"""What makes a function the same function, so that results of another one are never taken for its own."""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
import uuid
from collections.abc import Iterator
from typing import Any

from ..errors import MicrotrainError
from ..nn.module import Module
from ..train.fingerprint import fingerprint


def identity(function: Any) -> str:
    """A short text that changes when the function does.

    It is made of the source, of what the function has closed over, and of the constants and functions of its own module
    that it uses, and theirs. What can't be compared (an open file, say) counts as different each time.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(function, {}):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    except RecursionError:
        return uuid.uuid4().hex[:16]
    return digest.hexdigest()[:16]


def _parts(thing: Any, seen: dict[int, Any]) -> Iterator[str]:
    if id(thing) in seen:
        return
    seen[id(thing)] = thing  # kept alive, so that nothing else gets its number
    if isinstance(thing, functools.partial):
        for part in (thing.func, list(thing.args), dict(thing.keywords)):
            yield from _parts(part, seen)
    elif isinstance(thing, types.MethodType):
        yield from _parts(thing.__func__, seen)
        yield from _parts(thing.__self__, seen)
    elif isinstance(thing, types.FunctionType):
        yield _source(thing)
        values = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        values += [cell.cell_contents for cell in thing.__closure__ or () if _is_full(cell)]
        for value in [*values, *_used_globals(thing)]:
            yield from _parts(value, seen)
    elif isinstance(thing, type):
        yield _source(thing)
    elif isinstance(thing, (types.ModuleType, types.BuiltinFunctionType)):
        yield thing.__name__
    else:
        yield from _data(thing, seen)


def _data(thing: Any, seen: dict[int, Any]) -> Iterator[str]:
    try:
        yield fingerprint(thing)
    except MicrotrainError:  # not plain data
        if isinstance(thing, Module):
            yield f"{thing!r} {fingerprint(thing.state_dict())}"
        elif isinstance(thing, (list, tuple)):
            for item in thing:
                yield from _parts(item, seen)
        elif isinstance(thing, dict):
            yield from _parts(list(thing.items()), seen)
        else:
            yield from _parts(type(thing), seen)
            attributes = getattr(thing, "__dict__", None)
            yield from _parts(dict(attributes), seen) if attributes else iter([repr(thing)])


def _is_full(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # a name that has not been given a value yet
        return False
    return True


def _source(thing: Any) -> str:
    code = getattr(thing, "__code__", None)
    try:
        if code and code.co_filename == "<string>":  # of an exec(); Python 3.13 would take `python -c`'s text for it
            raise OSError
        return inspect.getsource(thing)
    except (OSError, TypeError):  # typed into an interpreter
        return f"{thing.__qualname__} {code.co_code!r} {_constants(code)}" if code else f"{thing.__qualname__}"


def _constants(code: types.CodeType) -> str:
    return repr(
        [f"{c.co_code!r} {_constants(c)}" if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    )


def _used_globals(function: types.FunctionType) -> Iterator[Any]:
    """The values of the global names in a function and in those inside it; of other modules only what is plain data."""
    codes, names = [function.__code__], dict[str, None]()
    while codes:
        code = codes.pop()
        names.update(dict.fromkeys(code.co_names))
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, (types.FunctionType, type)) and value.__module__ != function.__module__:
            continue  # a library's: it has a version, not an edit
        if value is not None and not isinstance(value, types.ModuleType):
            yield value
