"""The few instructions that the vector mathematics is made of, as Numba intrinsics.

A loop vectorises when its body has no branch and no call. So the functions of `vecmath_*.py` never say `if`: they
compute both sides and `select`. They round with a magic number instead of a conversion to integer (AVX2 has none for
64 bits), and they take numbers apart and build powers of two in the bits. Everything here becomes one or two
machine instructions, four to sixteen lanes wide.

The fused multiply-add is asked for explicitly and nothing is left to the optimizer's freedom (no fastmath), so a
function returns the same bits on every machine. Where the hardware has no FMA, LLVM calls the C library's `fma`: right,
but slow.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic


class Format(NamedTuple):
    """What an IEEE 754 binary format looks like."""

    real: Any  # the NumPy type: makes constants of this format
    fraction_bits: int
    bias: int
    smallest_normal: Any
    sign_mask: int
    to_integer: Any  # 1.5 * 2**fraction_bits: in x + to_integer the last bits of the sum are x, rounded to an integer
    to_integer_bits: int  # the bits of that number


FORMAT = {
    "float64": Format(np.float64, 52, 1023, np.float64(2.0**-1022), -(2**63), np.float64(1.5 * 2**52), 0x4338 << 48),
    "float32": Format(np.float32, 23, 127, np.float32(2.0**-126), -(2**31), np.float32(1.5 * 2**23), 0x4B40 << 16),
}


def kernel_function(function: Callable[..., Any]) -> Any:
    """Compile a function, when first called, so that LLVM inlines it into every loop that calls it."""
    return numba.njit(error_model="numpy", forceinline=True, no_cfunc_wrapper=True)(function)


def inner_function(function: Callable[..., Any]) -> Any:
    """The same without what Python would call: for functions that take pointers, or that nobody outside can name."""
    options = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True}
    return numba.njit(error_model="numpy", forceinline=True, **options)(function)


def for_each_float(factory: Callable[[str], Any]) -> dict[str, Any]:
    """Both precisions of one algorithm: {"float64": function, "float32": function}.

    They get the factory's docstring, and its name with the number of bits: exp_f64, sin_f32_full.
    """
    functions = {kind: factory(kind) for kind in FORMAT}
    stem, *rest = factory.__name__.split("_full")
    for kind, function in functions.items():
        name = stem + kind.replace("float", "_f") + "".join("_full" for _ in rest)
        function.__name__ = function.py_func.__name__ = function.py_func.__qualname__ = name
        function.__doc__ = factory.__doc__
    return functions


def constants(kind: str, *values: float) -> tuple[Any, ...]:
    """Numbers in the given format. A bare `0.5` in a float32 kernel would turn the whole expression into float64."""
    return tuple(FORMAT[kind].real(value) for value in values)


@intrinsic
def fma(typing_context, a, b, c):
    """a * b + c, rounded once."""

    def emit(context, builder, signature, args):
        return builder.fma(*args)

    return a(a, a, a), emit


@intrinsic
def horner(typing_context, x, coefficients):
    """c0 + x c1 + x**2 c2 + ... for a tuple of coefficients: a chain of FMAs from the highest power down."""

    def emit(context, builder, signature, args):
        x, packed = args
        *lower, total = [builder.extract_value(packed, i) for i in range(len(coefficients))]
        for coefficient in reversed(lower):
            total = builder.fma(total, x, coefficient)
        return total

    return x(x, coefficients), emit


@intrinsic
def select(typing_context, condition, if_true, if_false):
    """`if_true if condition else if_false` without a branch: both are computed, one is kept."""

    def emit(context, builder, signature, args):
        return builder.select(*args)

    return if_true(types.boolean, if_true, if_true), emit


@intrinsic
def bits(typing_context, x):
    """The bits of a float as an integer of the same width."""
    integer = types.int64 if x == types.float64 else types.int32

    def emit(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(integer))

    return integer(x), emit


@intrinsic
def from_bits(typing_context, integer, like):
    """The float, of the type of `like`, which has these bits (Numba widens integers: the low ones are taken)."""

    def emit(context, builder, signature, args):
        low = builder.trunc(args[0], ir.IntType(like.bitwidth)) if integer.bitwidth > like.bitwidth else args[0]
        return builder.bitcast(low, context.get_value_type(like))

    return like(integer, like), emit


@intrinsic
def shift_right(typing_context, integer, count, like):
    """The bits of a float of the type of `like`, shifted right by `count`, filled with zeros and not with the sign."""

    def emit(context, builder, signature, args):
        width = ir.IntType(like.bitwidth)
        low = builder.trunc(args[0], width) if integer.bitwidth > like.bitwidth else args[0]
        shifted = builder.lshr(low, builder.trunc(args[1], width) if count.bitwidth > like.bitwidth else args[1])
        return builder.zext(shifted, args[0].type) if integer.bitwidth > like.bitwidth else shifted

    return integer(integer, count, like), emit


@intrinsic
def power_of_two(typing_context, exponent, like):
    """2**exponent for an integer exponent of a normal number. Only the last bits of the integer count.

    So the bits of `x + to_integer` will do for x rounded to an integer: the rest of them is shifted out.
    """
    form = FORMAT[like.name]

    def emit(context, builder, signature, args):
        width = ir.IntType(like.bitwidth)
        low = builder.trunc(args[0], width) if exponent.bitwidth > like.bitwidth else args[0]
        biased = builder.add(low, width(form.bias))
        return builder.bitcast(builder.shl(biased, width(form.fraction_bits)), context.get_value_type(like))

    return like(exponent, like), emit


@intrinsic
def wide_vectors(typing_context):
    """Called anywhere in a kernel: lets LLVM use 512-bit registers there, where the CPU has them.

    By default it stops at 256 bits, for the sake of the first AVX-512 CPUs. NumPy uses 512, and kernels of this
    mathematics run up to 1.5 times faster with it. The attribute belongs to the function whose body has the call:
    that must be the one with the loop.
    """

    def emit(context, builder, signature, args):
        # llvmlite knows only attributes without a value; LLVM reads this one from the printed form.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), emit


@for_each_float
def quotient_of_sums(kind: str) -> Any:
    """(top + top_rest) / (bottom + bottom_rest), the rests small corrections, to little more than half an ulp."""
    (one,) = constants(kind, 1)

    @kernel_function
    def quotient_of_sums(top, top_rest, bottom, bottom_rest):
        reciprocal = one / bottom
        quotient = top * reciprocal
        # Divide once more what the product of quotient and bottom lacks.
        remainder = fma(-quotient, bottom, top) + (top_rest - quotient * bottom_rest)
        return fma(remainder, reciprocal, quotient)

    return quotient_of_sums
