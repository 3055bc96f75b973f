"""Results beside a run: what was measured of it, kept in its folder and read again for pictures.

A result is a dataclass of the library (a landscape, a spectrum, a line search ...) made of numbers, texts, arrays and
tensors. It is written as its fields, and read again as the same class, looked up by its name among those known here.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, DataFileError, DtypeError, MicrotrainError
from ..files import atomically
from ..weights import load, save

NAME = re.compile(r"[A-Za-z0-9][\w-]{0,99}")
SOURCES = (
    "microtrain.analysis",
    "microtrain.train.survey",
    "microtrain.optim.line_search",
    "microtrain.optim.exhaustive",
)
CLASS, FIELDS = "class", "fields"


def keep(folder: str | os.PathLike[str], name: str, result: Any) -> Path:
    """Write a result as `results/NAME.safetensors` in the folder of a run; `microtrain plot` draws it.

    Raises `ArgumentError` for a name that is no plain word, `DtypeError` for what is not a result of the library.
    """
    if not NAME.fullmatch(name):
        raise ArgumentError(f"'{name}' can't be the name of a result.", fix="Use letters, digits, - and _.")
    if not dataclasses.is_dataclass(result) or type(result).__name__ not in classes():
        raise DtypeError(f"keep() takes a result of microtrain.analysis, or a LineSearch, not {type(result).__name__}.")
    path = Path(folder) / "results" / f"{name}.safetensors"
    described = _described(result)
    with atomically(path) as temporary:
        save(described, os.fspath(temporary))
    return path


def kept(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """{name: result} of everything in the folder of a run. Raises `DataFileError` for a damaged file."""
    found = {}
    for path in sorted((Path(folder) / "results").glob("*.safetensors")):
        try:
            found[path.stem] = _rebuilt(load(os.fspath(path)))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            why = error.what if isinstance(error, MicrotrainError) else f"{type(error).__name__}: {error}"
            raise DataFileError(f"{path} is not a result that keep() wrote: {why}") from None
    return found


def classes() -> dict[str, type]:
    """Every result there is, by name."""
    return dict(_classes())


def _classes() -> Iterator[tuple[str, type]]:
    for source in SOURCES:
        module = importlib.import_module(source)
        for name in vars(module):
            thing = getattr(module, name)
            if isinstance(thing, type) and dataclasses.is_dataclass(thing):
                yield name, thing


def _described(thing: Any) -> Any:
    """Plain data; a dataclass is its name and its fields. Functions are left out: nothing can write them down."""
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing) if f.init}
        return {
            CLASS: type(thing).__name__,
            FIELDS: {k: None if callable(v) else _described(v) for k, v in fields.items()},
        }
    if isinstance(thing, Mapping):
        return {key: _described(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        items = [_described(item) for item in thing]
        return items if isinstance(thing, list) else tuple(items)
    return thing


def _rebuilt(data: Any) -> Any:
    if isinstance(data, dict) and set(data) == {CLASS, FIELDS}:
        kind = classes().get(data[CLASS])
        if kind is None:
            raise ValueError(f"there is no result '{data[CLASS]}'")
        return kind(**{str(name): _rebuilt(value) for name, value in data[FIELDS].items()})
    if isinstance(data, dict):
        return {key: _rebuilt(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_rebuilt(item) for item in data]
    return tuple(_rebuilt(item) for item in data) if isinstance(data, tuple) else data
