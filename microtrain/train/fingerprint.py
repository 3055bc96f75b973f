"""A fingerprint of plain data: equal for equal bits, and only for those."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DtypeError
from ..tensor import Tensor


def fingerprint(obj: Any) -> str:
    """SHA-256 of nested dicts, lists and tuples of tensors, arrays, numbers and texts, in hexadecimal.

    Every bit counts: dtypes, shapes, the order of a dict, 0.0 against -0.0. Raises `DtypeError` for anything else.
    """
    digest = hashlib.sha256()
    try:
        _feed(digest, obj)
    except RecursionError:
        raise DtypeError("fingerprint(): the object contains itself, or is nested too deeply.") from None
    return digest.hexdigest()


def _feed(digest: Any, obj: Any) -> None:
    if isinstance(obj, (Tensor, np.ndarray, np.generic)):
        array = np.ascontiguousarray(obj.detach().numpy() if isinstance(obj, Tensor) else obj)
        if array.dtype.hasobject:
            raise DtypeError("fingerprint(): an array of objects has none.")
        kind = "tensor" if isinstance(obj, Tensor) else "array" if isinstance(obj, np.ndarray) else "number"
        digest.update(f"{kind} {array.dtype.str} {np.shape(obj)}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    elif isinstance(obj, Mapping):
        digest.update(f"dict {len(obj)}\n".encode())
        for key, value in obj.items():
            _feed(digest, key)
            _feed(digest, value)
    elif isinstance(obj, (list, tuple)):
        digest.update(f"{'list' if isinstance(obj, list) else 'tuple'} {len(obj)}\n".encode())
        for item in obj:
            _feed(digest, item)
    elif isinstance(obj, str):
        text = obj.encode("utf-8", "surrogatepass")
        digest.update(f"str {len(text)}\n".encode() + text)
    elif isinstance(obj, float):
        digest.update(f"float {obj.hex()}\n".encode())
    elif obj is None or isinstance(obj, (bool, int, np.dtype)):
        digest.update(f"{type(obj).__name__ if not isinstance(obj, np.dtype) else 'dtype'} {obj}\n".encode())
    else:
        raise DtypeError(f"fingerprint() takes plain data, not a {type(obj).__name__}.")
