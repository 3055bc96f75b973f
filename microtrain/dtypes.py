"""Dtypes: NumPy's, under PyTorch's names and with NumPy's promotion; and the default one."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DtypeError, MicrotrainError, ShapeError

float32, float64, float16 = np.dtype("float32"), np.dtype("float64"), np.dtype("float16")
int8, int16, int32, int64 = np.dtype("int8"), np.dtype("int16"), np.dtype("int32"), np.dtype("int64")
uint8, bool_ = np.dtype("uint8"), np.dtype("bool")
float_, double, half, long, int_, short = float32, float64, float16, int64, int32, int16  # PyTorch's other names

_default = float64


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python floats become; float64 unless changed."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Make `dtype` (float32 or float64) the dtype of tensors made from Python floats.

    It does not change what operations make of other dtypes, which is NumPy's promotion: int64 / int64
    and int64 + float32 are float64. (In PyTorch they are the default dtype, and float32.)

    Raises `DtypeError` for anything that is not a floating-point dtype.
    """
    global _default
    parsed = parse(dtype)
    if parsed is None or parsed.kind != "f":
        raise DtypeError(
            f"The default dtype can't be {dtype!r}.", "Gradients need floating point.", "Use float32 or float64."
        )
    _default = parsed


def parse(dtype: Any) -> np.dtype[Any] | None:
    """A NumPy dtype from what the user wrote; None stays None."""
    if dtype is None:
        return None
    try:
        parsed: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise DtypeError(f"{dtype!r} is not a dtype.", fix="Use microtrain.float32, 'float64', int, bool ...") from None
    if parsed.kind not in "fiub":
        raise DtypeError(f"{dtype!r} is not a dtype of tensors.", "Tensors hold floats, integers and booleans.")
    return parsed


def operand(x: Any) -> Any:
    """What an operation's input that is not a tensor becomes: an array, a NumPy scalar, or None.

    Raises `DtypeError` for complex numbers and for what is not a number at all.
    """
    if x is None:
        return None
    if not isinstance(x, (np.ndarray, np.generic)):
        return float(x) if isinstance(x, float) else to_array(x)  # a subclass of float counts as the number that it is
    if x.dtype.kind not in "fiub":
        raise DtypeError(
            f"A {type(x).__name__} of dtype {x.dtype} can't take part in an operation.",
            "Tensors hold floats, integers and booleans.",
        )
    if isinstance(x, np.ma.MaskedArray):
        raise DtypeError(
            "A masked array can't take part in an operation.",
            "Its mask would be heeded in some places and lost in others.",
            "Fill it first (x.filled(0)), and keep the mask as a boolean tensor.",
        )
    return np.asarray(x) if type(x) is not np.ndarray and isinstance(x, np.ndarray) else x  # no np.matrix: its * is @


def to_array(data: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """A new array of floats, integers or booleans; Python floats become the default dtype."""
    wanted = parse(dtype)
    try:
        array = np.array(data, dtype=wanted, order="C")
    except (ValueError, TypeError, OverflowError) as error:
        if isinstance(error, MicrotrainError):  # a tensor inside requires grad
            raise
        what = f"A tensor can't be made of this {type(data).__name__}: {error}."
        if "inhomogeneous" in str(error):
            raise ShapeError(what, "Rows must have equal lengths.") from None
        raise DtypeError(what, "Tensors hold floats, integers and booleans.") from None
    if array.dtype.kind not in "fiub":
        raise DtypeError(
            f"A tensor can't be made of a {type(data).__name__} with dtype {array.dtype}.",
            "Tensors hold floats, integers and booleans.",
            "Make a list of it: list(...)." if hasattr(data, "__iter__") and not hasattr(data, "__getitem__") else "",
        )
    if wanted is None and array.dtype == float64 != _default and not hasattr(data, "dtype"):
        array = array.astype(_default)
    return array if array.ndim else array[()]
