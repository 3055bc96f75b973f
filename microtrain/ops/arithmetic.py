"""Addition to powers, and rounding."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, DivisionByZeroError, DtypeError
from ..formula import F
from ..show import short
from .primitive import elementwise, operation

# The operators of Python rather than NumPy's functions: on NumPy scalars they are ten times faster.
add = elementwise("add", operator.add, [lambda g: g, lambda g: g], ufunc=np.add, tex="{a} + {b}", public=False)
sub = elementwise("sub", operator.sub, [lambda g: g, lambda g: -g], ufunc=np.subtract, tex="{a} - {b}", public=False)
mul = elementwise(
    "mul",
    operator.mul,
    [lambda g, b: g * b, lambda g, a: g * a],
    ufunc=np.multiply,
    tex=r"{a} \cdot {b}",
    aliases=["multiply"],
)
div = elementwise(
    "div",
    operator.truediv,
    [lambda g, b: g / b, lambda g, a, b: -g * (a / b / b)],
    ufunc=np.true_divide,
    tex=r"\frac{{a}}{{b}}",
    public=False,
)
pow = elementwise(
    "pow",
    operator.pow,
    [
        # b - 1, but 0 where b is 0: there not even the second derivative should see a division by a = 0
        # (and b * 1, because truth values can't be subtracted)
        lambda g, a, b: F.where(b == 0, 0, g * (b * a ** (b * 1 - (b != 0)))),
        lambda g, y, a, b: g * (y * F.log(F.where(F.logical_and(a == 0, b >= 0), 1, a))),
    ],
    ufunc=np.power,
    aliases=["power"],
    tex="{a}^{{b}}",
    note="at a = 0 the derivative in b is 0 for b >= 0; at b = 0 the derivative in a is 0",
)


def _whole(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """A division that makes whole numbers of whole numbers. NumPy's own would answer 0 where they are divided by 0."""

    def divided(a: Any, b: Any) -> Any:
        y = ufunc(a, b)
        if y.dtype.kind in "iu" and y.size and not np.all(b):
            raise DivisionByZeroError(
                f"{ufunc.__name__}({short(a)}, {short(b)}): a whole number divided by 0.",
                "Integers have no infinity and no NaN to stand for the result.",
                "Divide floats (x.float()), or replace the zeros first: b.masked_fill(b == 0, 1).",
            )
        return y

    return divided


floor_divide = elementwise(
    "floor_divide",
    _whole(np.floor_divide),
    [lambda g: g * 0, lambda g: g * 0],
    ufunc=np.floor_divide,
    tex=r"\lfloor {a} / {b} \rfloor",
)
remainder = elementwise(
    "remainder",
    _whole(np.remainder),
    [lambda g: g, lambda g, a, b: -g * F.floor_divide(a, b)],
    ufunc=np.remainder,
    tex=r"{a} \bmod {b}",
    aliases=["mod"],
    note="has the sign of b, as Python's %",
)
fmod = elementwise(
    "fmod",
    _whole(np.fmod),
    [lambda g: g, lambda g, a, b: -g * F.trunc(a / b)],
    ufunc=np.fmod,
    tex=r"\operatorname{fmod}({a}, {b})",
    note="has the sign of a, as C's fmod",
)

neg = elementwise("neg", operator.neg, [lambda g: -g], ufunc=np.negative, tex="-{a}", aliases=["negative"])
positive = elementwise("positive", np.positive, [lambda g: g], tex="{x}")
abs = elementwise(
    "abs",
    np.absolute,
    [lambda g, x: g * F.sign(x)],
    tex=r"|{x}|",
    aliases=["absolute"],
    note="derivative 0 at 0, NaN at NaN",
)
sign = elementwise(
    "sign", np.sign, [lambda g: g * 0], tex=r"\operatorname{sign} {x}", aliases=["sgn"], note="NaN at NaN, as NumPy's"
)
sqrt = elementwise("sqrt", np.sqrt, [lambda g, y: g / (2 * y)], tex=r"\sqrt{{x}}")
rsqrt = elementwise("rsqrt", lambda x: 1 / F.sqrt(x), [lambda g, y: -0.5 * g * (y * y * y)], tex=r"1/\sqrt{{x}}")
square = elementwise("square", np.square, [lambda g, x: g * (2 * x)], tex="{x}^2")
reciprocal = elementwise("reciprocal", lambda x: 1 / x, [lambda g, y: -g * (y * y)], ufunc=np.reciprocal, tex="1/{x}")

floor = elementwise("floor", np.floor, [lambda g: g * 0], tex=r"\lfloor {x} \rfloor")
ceil = elementwise("ceil", np.ceil, [lambda g: g * 0], tex=r"\lceil {x} \rceil")
trunc = elementwise("trunc", np.trunc, [lambda g: g * 0], tex=r"\operatorname{trunc} {x}", aliases=["fix"])
rint = elementwise("rint", np.rint, [lambda g: g * 0], tex=r"\operatorname{round} {x}", public=False)

minimum = elementwise(
    "minimum",
    np.minimum,
    [
        lambda g, a, b: F.where(a > b, 0, F.where(a == b, g / 2, g)),
        lambda g, a, b: F.where(b > a, 0, F.where(a == b, g / 2, g)),
    ],
    tex=r"\min({a}, {b})",
    note="at a tie each gets half of the gradient",
)
maximum = elementwise(
    "maximum",
    np.maximum,
    [
        lambda g, a, b: F.where(a < b, 0, F.where(a == b, g / 2, g)),
        lambda g, a, b: F.where(b < a, 0, F.where(a == b, g / 2, g)),
    ],
    tex=r"\max({a}, {b})",
    note="at a tie each gets half of the gradient",
)
clamp_row = elementwise(
    "clamp",
    lambda x, low, high: F.minimum(F.maximum(x, low), high),
    [
        lambda g, x, low, high: F.where(F.logical_and(x >= low, x <= high), g, 0),
        lambda g, x, low, high: F.where(F.logical_and(x < low, low < high), g, 0),
        lambda g, x, low, high: F.where(F.logical_or(x > high, low > high), g, 0),
    ],
    tex=r"\min(\max({x}, {low}), {high})",
    public=False,
    note="derivative 1 at the bounds themselves",
)


def _lerp(a: Any, b: Any, weight: Any) -> Any:
    """From the end that is nearer: a at weight 0 and b at weight 1, exactly."""
    if isinstance(weight, (int, float)):  # one weight for all: half of the work
        return a + weight * (b - a) if -0.5 < weight < 0.5 else b - (1 - weight) * (b - a)
    return F.where(weight * weight < 0.25, a + weight * (b - a), b - (1 - weight) * (b - a))


lerp_row = elementwise(
    "lerp",
    _lerp,
    [lambda g, weight: g * (1 - weight), lambda g, weight: g * weight, lambda g, a, b: g * (b - a)],
    tex="{a} + {weight} ({b} - {a})",
    public=False,
)


@operation(name="add", inplace=True)
def add_scaled(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """input + alpha * other."""
    return add(input, other if alpha == 1 else other * alpha)


@operation(name="sub", aliases=["subtract"], inplace=True)
def sub_scaled(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """input - alpha * other."""
    return sub(input, other if alpha == 1 else other * alpha)


@operation(name="div", aliases=["divide", "true_divide"], inplace=True)
def divide(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """input / other; `rounding_mode` "floor" or "trunc" rounds the quotient."""
    if rounding_mode is None:
        return div(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        whole = all(np.asarray(getattr(x, "_data", x)).dtype.kind in "iub" for x in (input, other))
        return floor_divide(sub(input, fmod(input, other)), other) if whole else trunc(div(input, other))
    raise ArgumentError(f"rounding_mode is {rounding_mode!r}.", fix='Use None, "floor" or "trunc".')


@operation(name="round", inplace=True)
def round_to(input: Any, *, decimals: int = 0) -> Any:
    """To the nearest integer (ties to even), or to that many decimals; the derivative is 0."""
    if input.dtype.kind in "iub" and decimals >= 0:
        return input.clone()
    if decimals == 0:
        return rint(input)
    if decimals < 0:  # by whole numbers: 0.1 and 0.01 are not exact
        return rint(input / 10**-decimals) * 10**-decimals
    return rint(input * 10**decimals) / 10**decimals


@operation(aliases=["clip"], inplace=True)
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """input limited to [min, max]; at the bounds themselves the derivative is 1.

    Raises `ArgumentError` when neither bound is given, `DtypeError` for booleans.
    """
    if min is None and max is None:
        raise ArgumentError("clamp() needs min, max or both.")
    if input.dtype.kind == "b":
        raise DtypeError(f"clamp() of booleans (shape {input.shape}).", fix="Convert them: x.float() or x.long().")
    lowest, highest = (-np.inf, np.inf) if input.dtype.kind == "f" else _range_of(input.dtype)
    return clamp_row(input, lowest if min is None else min, highest if max is None else max)


def _range_of(dtype: Any) -> tuple[int, int]:
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


@operation(inplace=True)
def lerp(input: Any, end: Any, weight: Any) -> Any:
    """input + weight * (end - input); exactly `end` where the weight is 1."""
    return lerp_row(input, end, weight)


@operation(inplace=True)
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value * tensor1 * tensor2."""
    return add(input, value * tensor1 * tensor2)


@operation(inplace=True)
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value * tensor1 / tensor2."""
    return add(input, value * tensor1 / tensor2)
