"""Saving and loading tensors by name, as safetensors: plain numbers, nothing that could run code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataFileError, DtypeError
from .files import atomically
from .tensor import Tensor


def save(state_dict: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write {name: tensor}, such as `model.state_dict()`, to a safetensors file.

    Raises `DtypeError` for values that are not tensors or arrays.
    """
    from safetensors.numpy import save_file

    arrays = {}
    for name, value in state_dict.items():
        if not isinstance(value, (Tensor, np.ndarray)):
            raise DtypeError(
                f"save() writes tensors, but '{name}' is a {type(value).__name__}.", fix="Save model.state_dict()."
            )
        raw = value.detach().numpy() if isinstance(value, Tensor) else value
        arrays[name] = np.ascontiguousarray(raw).reshape(raw.shape)  # other layouts would be written scrambled
    with atomically(path) as temporary:
        save_file(arrays, temporary)


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read what `save` (or any other program) wrote as safetensors.

    Raises `DataFileError` if the file is missing, damaged or of another kind; nothing in it is ever executed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not Path(path).is_file():
        raise DataFileError(f"There is no file {os.fspath(path)}.")
    try:
        return {name: Tensor(array) for name, array in load_file(path).items()}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DataFileError(
            f"{os.fspath(path)} can't be read as safetensors: {error}",
            "The file is damaged, or was written in another format (a pickle, say).",
            "Save it again with microtrain.save(model.state_dict(), path).",
        ) from None
