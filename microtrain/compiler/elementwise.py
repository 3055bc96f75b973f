"""Which elementwise rows can be part of a loop, and in which dtype it computes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..formula import Expr
from ..kernels.writer import Writer, expanded, is_basic
from .arrays import Array, Const, Shape
from .loop import POINTER

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
BOOL = np.dtype(bool)
COMPARISONS = frozenset(["eq", "ne", "lt", "le", "gt", "ge", "isfinite", "isnan", "isinf", "logical_not"])


def is_one(x: Any) -> bool:
    """Is this the constant 1?"""
    return isinstance(x, Const) and x.value == 1 and not isinstance(x.value, bool)


def fits(x: Any, shape: Shape, dtype: Any) -> bool:
    """Is this an array of that form already?"""
    return isinstance(x, Array) and x.shape == tuple(shape) and x.dtype == dtype


def kind_of(x: Any) -> Any:
    """What `translatable` has to know of an operand: "array", "booleans", "truth", "number", or which number.

    The last where formulas and powers are written otherwise for that one.
    """
    if isinstance(x, Const):
        return "truth" if isinstance(x.value, bool) else x.value if x.value in (-2, -1, 0.5, 1, 2, 3) else "number"
    return "booleans" if x.dtype == BOOL else "array"


def key_of(x: Any) -> Any:
    """Equal for operands that have the same values."""
    return (repr(x.value), x.dtype) if isinstance(x, Const) else (id(x.memory), x.offset, x.shape, x.strides)


def computed_in(row: Any, args: list[Any], dtype: Any) -> Any:
    """The dtype of the arithmetic; None if machine code does not have it."""
    kinds = [a.dtype for a in args if a.dtype is not None and a.dtype != BOOL]
    if any(np.dtype(a.dtype).name not in POINTER for a in args if isinstance(a, Array)):
        return None
    found = np.result_type(*kinds) if kinds else np.dtype(np.float64)
    if dtype.kind == "f":
        found = dtype
    elif dtype != BOOL:
        return None  # integers
    if found.kind in "iu":  # comparisons
        return _compared_in(args) if is_basic(row) else None
    return found if found in FLOATS else None


def _compared_in(args: list[Any]) -> Any:
    """float64, if that rounds one side at most: then the order stays. Else int64, where no constant takes part."""
    if any(isinstance(a, Const) and abs(a.value) >= 2**53 for a in args):
        return None
    return np.dtype(np.int64 if all(isinstance(a, Array) and a.dtype == np.int64 for a in args) else np.float64)


_translatable: dict[Any, bool] = {}


def translatable(row: Any, kinds: tuple[Any, ...], dtype: str, boolean: bool) -> bool:
    """Can this row be part of a kernel, on operands of these kinds?"""
    key = (row, kinds, dtype, boolean)
    if key not in _translatable:
        if len(_translatable) > 10_000:
            _translatable.clear()
        symbols = [Expr(f"v{k}") for k in range(len(kinds))]
        stand_ins = [
            {"array": s, "booleans": s, "truth": True, "number": 0.37}.get(k, k)
            for s, k in zip(symbols, kinds, strict=True)
        ]
        try:
            (e,) = expanded([row(*stand_ins)])
            inputs = [(s, k) for s, k in zip(symbols, kinds, strict=True) if k in ("array", "booleans")]
            writer = Writer("float32" if dtype == "float32" else "float64", inputs, [e])
            (writer.as_boolean if boolean else writer.as_number)(e)
            _translatable[key] = writer.is_boolean(e) == boolean
        except Exception:  # formulas that symbols can't read raise whatever they like
            _translatable[key] = False
    return _translatable[key]
