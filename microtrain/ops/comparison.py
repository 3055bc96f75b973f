"""Comparisons, logic, and choosing between values. Booleans have no derivatives; `where` passes them on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DtypeError
from ..formula import F
from .primitive import elementwise, operation, primitive

eq = elementwise("eq", np.equal, [], tex="{a} = {b}")
ne = elementwise("ne", np.not_equal, [], tex=r"{a} \ne {b}", aliases=["not_equal"])
lt = elementwise("lt", np.less, [], tex="{a} < {b}", aliases=["less"])
le = elementwise("le", np.less_equal, [], tex=r"{a} \le {b}", aliases=["less_equal"])
gt = elementwise("gt", np.greater, [], tex="{a} > {b}", aliases=["greater"])
ge = elementwise("ge", np.greater_equal, [], tex=r"{a} \ge {b}", aliases=["greater_equal"])
logical_and = elementwise("logical_and", np.logical_and, [], tex=r"{a} \land {b}")
logical_or = elementwise("logical_or", np.logical_or, [], tex=r"{a} \lor {b}")
logical_xor = elementwise("logical_xor", np.logical_xor, [], tex=r"{a} \oplus {b}")
logical_not = elementwise("logical_not", np.logical_not, [], tex=r"\lnot {x}")
bitwise_and = elementwise("bitwise_and", np.bitwise_and, [], tex=r"{a} \mathbin{\&} {b}")
bitwise_or = elementwise("bitwise_or", np.bitwise_or, [], tex=r"{a} \mathbin{|} {b}")
bitwise_xor = elementwise("bitwise_xor", np.bitwise_xor, [], tex=r"{a} \oplus {b}")
bitwise_left_shift = elementwise("bitwise_left_shift", np.left_shift, [], tex=r"{a} \ll {b}")
bitwise_right_shift = elementwise("bitwise_right_shift", np.right_shift, [], tex=r"{a} \gg {b}")
bitwise_not = elementwise("bitwise_not", np.invert, [], tex=r"\lnot {x}")
isnan = elementwise("isnan", np.isnan, [], tex=r"\operatorname{isnan} {x}")
isinf = elementwise("isinf", np.isinf, [], tex=r"\operatorname{isinf} {x}")
isfinite = elementwise("isfinite", np.isfinite, [], tex=r"\operatorname{isfinite} {x}")

_BITS = {np.dtype("float32"): np.int32, np.dtype("float64"): np.int64}


def _where(condition: Any, a: Any, b: Any) -> Any:
    """NumPy's `where`, but faster where one side is 0, as in the slopes of kinked functions."""
    if a.__class__ is int and a == 0:
        return _zeroed(b, condition, True)
    if b.__class__ is int and b == 0:
        return _zeroed(a, condition, False)
    if a is None or b is None:
        raise TypeError("None is not a number")
    return np.where(condition, a, b)


def _zeroed(x: Any, condition: Any, where: bool) -> Any:
    """x, but 0 where the condition is `where`."""
    if condition.__class__ is np.bool_ and isinstance(x, np.floating):
        return x.dtype.type(0) if condition == where else x
    if condition.__class__ is x.__class__ is np.ndarray and condition.shape == x.shape and condition.dtype.char == "?":
        bits = _BITS.get(x.dtype)
        # Bits times 0 or 1: x * 0.0 would make NaN of infinity, and `np.where` waits for each element that goes
        # another way than the last.
        if bits is not None:
            return (x.view(bits) * (~condition if where else condition)).view(x.dtype)
    if x is None:
        raise TypeError("None is not a number")
    return np.where(condition, 0, x) if where else np.where(condition, x, 0)


where_row = elementwise(
    "where",
    _where,
    [None, lambda g, condition: F.where(condition, g, 0), lambda g, condition: F.where(condition, 0, g)],
    tex=r"({a} \text{ if } {condition} \text{ else } {b})",
    public=False,
)


@operation(method=False)
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where the condition holds, `other` elsewhere; with the condition alone, the indices where it holds."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return where_row(condition, input, other)


@operation(name="where", function=False)
def where_method(self: Any, condition: Any, other: Any) -> Any:
    """`self` where the condition holds, `other` elsewhere."""
    return where_row(condition, self, other)


@operation(inplace=True)
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`value` where the mask is true, `input` elsewhere. Raises `DtypeError` for a mask that is not of booleans."""
    if np.asarray(getattr(mask, "_data", mask)).dtype.kind != "b":
        raise DtypeError(
            f"masked_fill(): the mask is of booleans, not {mask.dtype if hasattr(mask, 'dtype') else mask!r}.",
            "Of numbers it would be a guess which of them mean yes.",
            "Compare: x.masked_fill(mask == 0, value).",
        )
    if getattr(value, "dtype", input.dtype) != input.dtype and input.dtype.kind == "f":
        value = value.astype(input.dtype)  # a tensor that is filled keeps its dtype
    return where_row(mask, value, input)


nonzero_row = primitive("nonzero", np.argwhere, inputs=("x",))


@operation(name="argwhere")
def all_nonzero(input: Any) -> Any:
    """The indices of the elements that are not zero: shape (count, ndim)."""
    return nonzero_row(input)


@operation()
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero: shape (count, ndim), or one index tensor for each axis."""
    found = nonzero_row(input)
    if as_tuple and not input.ndim:
        found = nonzero_row(input.reshape(1))  # as if it had an axis
    return tuple(found[:, axis] for axis in range(found.shape[1])) if as_tuple else found


allclose_row = primitive(
    "allclose",
    lambda a, b, *, rtol, atol, equal_nan: np.bool_(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)),
)


@operation()
def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Are all elements equal within atol + rtol * |other|?"""
    return bool(allclose_row(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan))


@operation()
def equal(input: Any, other: Any) -> bool:
    """Same shape and same elements?"""
    return input.shape == getattr(other, "shape", ()) and bool((input == other).all())


isclose_row = primitive(
    "isclose", lambda a, b, *, rtol, atol, equal_nan: np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
)


@operation()
def isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Elementwise: equal within atol + rtol * |other|?"""
    return isclose_row(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)
