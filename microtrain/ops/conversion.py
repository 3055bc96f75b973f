"""Changing the dtype. The gradient is converted back by the backward walk."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import UnsupportedError
from .primitive import operation, primitive

to_row = primitive("to", lambda x, *, dtype: x.astype(dtype), [lambda g: g])


def check_device(device: Any) -> None:
    """Everything lives in main memory. Raises `UnsupportedError` for any other device."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        raise UnsupportedError(
            f"There is no device '{device}' here.",
            "microtrain computes on the CPU; it is for learning how training works.",
            "Use 'cpu' or leave the device out; for a GPU take PyTorch (the state_dict carries over).",
        )


def in_float32(row: Any, input: Any, **params: Any) -> Any:
    """row(input). Of float16 it is computed in float32: beyond 65504 sums, powers and even a count of elements are
    infinite, and the result would be 0, infinity or NaN where it is an ordinary number."""
    if input.dtype == dtypes.float16:
        return to_row(row(to_row(input, dtype=dtypes.float32), **params), dtype=dtypes.float16)
    return row(input, **params)


@operation(function=False)
def to(
    self: Any, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, non_blocking: bool = False
) -> Any:
    """In another dtype: to(dtype), to(other_tensor), to("cpu"); the tensor itself if nothing changes."""
    for arg in args:
        if hasattr(arg, "_data"):
            dtype = arg.dtype
        elif isinstance(arg, (np.dtype, type)) or (isinstance(arg, str) and arg in np.sctypeDict):
            dtype = arg
        elif not isinstance(arg, bool):
            device = arg
    check_device(device)
    wanted = dtypes.parse(dtype)
    if wanted is None or wanted == self.dtype:
        return self.clone() if copy else self
    return to_row(self, dtype=wanted)


def _shorthand(name: str, dtype: Any) -> None:
    def convert(self: Any) -> Any:
        return to(self, dtype)

    convert.__name__ = name
    convert.__doc__ = f"In dtype {dtype}."
    operation(function=False)(convert)


for _name, _dtype in {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "long": dtypes.int64,
    "int": dtypes.int32,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
}.items():
    _shorthand(_name, _dtype)


@operation(function=False)
def type_as(self: Any, other: Any) -> Any:
    """In the dtype of `other`."""
    return to(self, other.dtype)


@operation(name="astype", function=False)
def as_type(self: Any, dtype: Any) -> Any:
    """In another dtype (NumPy's name for `to`)."""
    return to(self, dtype)


@operation(function=False)
def cpu(self: Any) -> Any:
    """The tensor itself: it is on the CPU."""
    return self


@operation(function=False)
def pin_memory(self: Any) -> Any:
    """The tensor itself: there is no other memory to copy it to."""
    return self


@operation(function=False)
def share_memory_(self: Any) -> Any:
    """The tensor itself: there is one process."""
    return self


@operation(function=False)
def cuda(self: Any, device: Any = None) -> Any:
    """Raises: there is no GPU here."""
    check_device("cuda")
