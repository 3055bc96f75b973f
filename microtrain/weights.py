"""Saving and loading: safetensors with a description in JSON. Plain numbers and text, nothing that could run code."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .dtypes import parse
from .errors import DataFileError, DtypeError, MicrotrainError
from .files import atomically
from .ops.conversion import check_device
from .pytorch.devices import device
from .tensor import Tensor, wrap

KEY = "microtrain"  # of the description, in the file's metadata


class MissingFileError(DataFileError, FileNotFoundError):
    """A file that is not there."""


def save(obj: Any, f: Any, pickle_module: Any = None, pickle_protocol: int = 2) -> None:
    """Write tensors to a safetensors file: `model.state_dict()`, or a checkpoint of nested dicts and lists.

    Every program for safetensors reads the tensors: those of a dict under their names, those of anything else, such as
    {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, under dotted ones. What is around
    them (dicts, lists, tuples, numbers, texts, booleans, None and dtypes) is described in the file's metadata, in JSON.

    Args:
        obj: what to save.
        f: a path, or a file opened for writing bytes. A file on disk is replaced as a whole, or not at all.
        pickle_module, pickle_protocol: accepted for PyTorch's sake; nothing is pickled.

    Raises `DtypeError` for anything else inside, with the place where it is; nothing is written then.
    """
    from safetensors.numpy import save as to_bytes, save_file

    arrays: dict[str, np.ndarray[Any, Any]] = {}
    try:
        metadata = {KEY: json.dumps({"version": 1, "object": _described(obj, "", arrays)})}
    except RecursionError:
        raise DtypeError("save(): the object contains itself, or is nested too deeply.") from None
    if hasattr(f, "write"):
        f.write(to_bytes(arrays, metadata))
        return
    with atomically(f) as temporary:
        save_file(arrays, temporary, metadata)


def load(
    f: Any, map_location: Any = None, pickle_module: Any = None, *, weights_only: bool = True, mmap: bool | None = None
) -> Any:
    """Read what `save` (or any other program) wrote as safetensors, or weights that `torch.save` wrote.

    Of the latter only tensors, dicts, lists, tuples, numbers and texts are read, so no code is executed; see
    `torch_files`.

    Args:
        f: a path, or a file opened for reading bytes.
        map_location: "cpu" or None; there is no other device.
        pickle_module, weights_only, mmap: accepted for PyTorch's sake: nothing in a file is ever executed.

    Raises `DataFileError` if the file is missing, damaged or of another kind.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load as from_bytes

    if map_location is not None and not callable(map_location):
        check_device(map_location)
    opened = hasattr(f, "read")
    name = getattr(f, "name", "this file") if opened else os.fspath(f)
    if not opened and not Path(f).is_file():
        raise MissingFileError(f"There is no file {name}.")
    raw = f.read() if opened else b""
    if _is_zip(raw if opened else f):
        from .pytorch.torch_files import read

        with io.BytesIO(raw) if opened else open(f, "rb") as file:
            return read(file, name)
    try:
        if opened:
            arrays, metadata = from_bytes(raw), _metadata(raw)
        else:
            with safe_open(f, framework="numpy") as file:
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
                metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataFileError(
            f"{name} can't be read as safetensors: {error}",
            _why(raw if opened else f),
            "Save it again with microtrain.save(model.state_dict(), path); from PyTorch with "
            "safetensors.torch.save_file(model.state_dict(), path).",
        ) from None
    odd = {key: array.dtype for key, array in arrays.items() if array.dtype.kind not in "fiub"}
    if odd:
        key, dtype = next(iter(odd.items()))
        raise DataFileError(f"{name} has a tensor '{key}' of dtype {dtype}; here are floats, integers and booleans.")
    if KEY not in metadata:
        return {key: wrap(array) for key, array in arrays.items()}
    try:
        return _rebuilt(json.loads(metadata[KEY])["object"], arrays)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, MicrotrainError):
        raise DataFileError(
            f"{name} has a description that does not fit what is in it.",
            "The file is damaged, or a later version of microtrain wrote it.",
        ) from None


def _head(f: Any) -> bytes:
    """The first bytes of a file, or of what was read from one."""
    if isinstance(f, bytes):
        return f[:4]
    with open(f, "rb") as file:
        return file.read(4)


def _is_zip(f: Any) -> bool:
    """Is this what `torch.save` writes?"""
    return _head(f) == b"PK\x03\x04"


def _why(f: Any) -> str:
    """What the file is instead."""
    if _head(f)[:1] == b"\x80":
        return "It looks like a pickle, which could run any code: it is not opened."
    return "The file is damaged, or was written in another format (a pickle, say)."


def _metadata(raw: bytes) -> dict[str, str]:
    """The metadata of a file in memory: its header is JSON, after eight bytes that say how long it is."""
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    return header.get("__metadata__", {})  # type: ignore[no-any-return]


# ---- what safetensors has no words for -------------------------------------------------------------------------------


def _laid_out(value: Any) -> np.ndarray[Any, Any]:
    raw = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
    return np.ascontiguousarray(raw).reshape(raw.shape)  # other layouts would be written scrambled


def _described(obj: Any, place: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """`obj` as JSON; tensors and arrays go to `arrays`. An object of JSON always has one key, which says what it is."""
    if obj is None or type(obj) in (bool, int, str):
        return obj
    if type(obj) is float:
        return obj if np.isfinite(obj) else {"float": repr(obj)}
    if isinstance(obj, (Tensor, np.ndarray, np.generic)):
        name = place[1:] or "value"
        while name in arrays or name == "__metadata__":
            name += "_"
        if isinstance(obj, Tensor) or obj.dtype.kind in "fiub":
            arrays[name] = _laid_out(obj)
            return {"tensor" if isinstance(obj, Tensor) else "array" if isinstance(obj, np.ndarray) else "number": name}
    if isinstance(obj, Mapping):
        return {
            "dict": [
                [_described(key, f"{place}.key", arrays), _described(value, f"{place}.{key}", arrays)]
                for key, value in obj.items()
            ]
        }
    if type(obj) in (list, tuple):
        items = [_described(item, f"{place}.{k}", arrays) for k, item in enumerate(obj)]
        return items if isinstance(obj, list) else {"tuple": items}
    if isinstance(obj, np.dtype):
        return {"dtype": obj.name}
    if isinstance(obj, device):
        return {"device": str(obj)}
    where = f"'{place[1:]}'" if place else "what you gave it"
    fix = "Save model.state_dict()."
    if not hasattr(obj, "state_dict"):
        fix = f"Leave it out, or save what it is made of. {fix}"
    raise DtypeError(
        f"save() writes tensors, arrays, numbers, texts, lists and dicts, but {where} is a {type(obj).__name__}.",
        "Other objects need code to be put together again, and a file that runs code is dangerous.",
        fix,
    )


def _rebuilt(text: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    """The object that `_described` made this JSON of."""
    if isinstance(text, list):
        return [_rebuilt(item, arrays) for item in text]
    if not isinstance(text, dict):
        return text
    ((kind, value),) = text.items()
    if kind == "tensor":
        return wrap(arrays[value])
    if kind == "array":
        return arrays[value]
    if kind == "number":
        return arrays[value][()]
    if kind == "dict":
        return {_rebuilt(key, arrays): _rebuilt(item, arrays) for key, item in value}
    if kind == "tuple":
        return tuple(_rebuilt(item, arrays) for item in value)
    if kind == "float":
        return {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}[value]
    if kind == "dtype":
        return parse(value)
    if kind == "device":
        return device(value)
    raise KeyError(kind)
