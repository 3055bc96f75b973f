"""How tensors print: `tensor([1., 2.], requires_grad=True)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes

PRINTING: dict[str, Any] = {}  # what `set_printoptions` changed


def tensor_repr(tensor: Any) -> str:
    """The value as NumPy prints it, then what is not the default: dtype, name, the operation it came from."""
    data = tensor._data
    prefix = "tensor("
    options = {"threshold": 200, "edgeitems": 3, **PRINTING}
    text = np.array2string(np.asarray(data), separator=", ", prefix=prefix, **options)
    extra = []
    if data.size == 0:
        extra.append(f"size={data.shape}")
    if data.dtype not in (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool_):
        extra.append(f"dtype={data.dtype}")
    if tensor._name:
        extra.append(f"name={tensor._name!r}")
    if tensor._node is not None:
        extra.append(f"grad_fn=<{tensor._node.primitive.name}>")
    elif tensor._tracked:
        extra.append("requires_grad=True")
    return prefix + ", ".join([text, *extra]) + ")"


def short(data: Any) -> str:
    """One line for messages: `f64[3, 4]`, with the value when there is only one."""
    if not hasattr(data, "dtype"):
        return repr(data)
    letters = {"f": "f", "i": "i", "u": "u", "b": "bool"}
    kind = letters.get(data.dtype.kind, str(data.dtype))
    name = kind if kind == "bool" else f"{kind}{8 * data.dtype.itemsize}"
    return f"{name}{list(data.shape)}" + (f" = {data.item():.6g}" if data.shape == () else "")
