"""What generated kernels call besides `vecmath`: extremes, signs, rounding, and ways to get at memory.

As in `vecmath`, nothing here branches or calls out, so a loop over it vectorises.
"""

from __future__ import annotations

import math
import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import vecmath
from .vecmath_bits import kernel_function, select

__all__ = [
    "ahead", "bool_at", "ceil", "f32", "f32_at", "f64", "f64_at", "floor", "int64_at", "kernel_function", "logaddexp_f32",
    "logaddexp_f64", "maximum", "minimum", "no_overlap", "rint", "select", "sign", "trunc",
]  # fmt: skip

f32, f64 = types.float32, types.float64


# ---- extremes, signs, rounding ---------------------------------------------------------------------------------------


@kernel_function
def minimum(a: Any, b: Any) -> Any:
    """The smaller one; NaN if one of them is."""
    return select((a < b) | (a != a), a, b)


@kernel_function
def maximum(a: Any, b: Any) -> Any:
    """The larger one; NaN if one of them is."""
    return select((a > b) | (a != a), a, b)


@intrinsic
def sign(typing_context, x):
    """-1, 0, 1 or NaN."""

    def emit(context, builder, signature, args):
        (x,), kind = args, args[0].type
        zero = ir.Constant(kind, 0.0)
        not_negative = builder.select(builder.fcmp_ordered(">", x, zero), ir.Constant(kind, 1.0), zero)
        ordered = builder.select(builder.fcmp_ordered("<", x, zero), ir.Constant(kind, -1.0), not_negative)
        return builder.select(builder.fcmp_unordered("uno", x, x), x, ordered)

    return x(x), emit


def _rounding(instruction: str) -> Any:
    @intrinsic
    def rounded(typing_context, x):
        def emit(context, builder, signature, args):
            function = builder.module.declare_intrinsic(instruction, [args[0].type])
            return builder.call(function, args)

        return x(x), emit

    return rounded


floor, ceil, trunc, rint = (_rounding(f"llvm.{name}") for name in ("floor", "ceil", "trunc", "rint"))


def _logaddexp(kind: str) -> Any:
    exp, log1p = vecmath.TABLE["exp"][kind], vecmath.TABLE["log1p"][kind]
    ln2 = np.dtype(kind).type(math.log(2))

    @kernel_function
    def logaddexp(a, b):
        d = a - b
        return select(a == b, a + ln2, maximum(a, b) + log1p(exp(-abs(d))))  # a == b: also when both are infinite

    return logaddexp


logaddexp_f64, logaddexp_f32 = _logaddexp("float64"), _logaddexp("float32")


# ---- memory ----------------------------------------------------------------------------------------------------------


def _pointer_to(kind: Any) -> Any:
    @intrinsic
    def at(typing_context, addresses, k):
        def emit(context, builder, signature, args):
            pointer = builder.gep(args[0], [args[1]])
            return builder.inttoptr(builder.load(pointer), context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(types.CPointer(types.int64), types.int64), emit

    return at


# f64_at(addresses, k): the k-th of a list of addresses, as a pointer to float64.
f64_at, f32_at, int64_at, bool_at = (_pointer_to(kind) for kind in (f64, f32, types.int64, types.uint8))


@intrinsic
def ahead(typing_context, pointer, k):
    """The pointer to the k-th element from here."""

    def emit(context, builder, signature, args):
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.int64), emit


@intrinsic
def no_overlap(typing_context):
    """Called anywhere in a function: promises that what is written through one of its pointers is read through no other.

    Without the promise LLVM compares all addresses before the loop, and gives up when there are many. The caller keeps it.
    """

    def emit(context, builder, signature, args):
        for argument in builder.function.args[2:]:  # the first two are Numba's own: result and exception
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.none(), emit


# ---- subnormal numbers -----------------------------------------------------------------------------------------------

X86 = platform.machine().lower() in ("x86_64", "amd64")
CONTROL = types.uint32  # the register that says, among other things, what becomes of subnormal numbers
AS_ZERO = 0x8040  # the bits of it by which they count as 0, as inputs and as results


@intrinsic
def subnormals_are_zero(typing_context):
    """From here on, for this thread: arithmetic with them takes such processors some 30 times as long.

    Gives what `subnormals_as_before` wants to have back. (Other processors do not mind them.) Only calls and loops may
    stand in between: LLVM does not know that single operations must not be moved past either of the two.
    """

    return CONTROL(), lambda context, builder, signature, args: with_subnormals_as_zero(builder)


@intrinsic
def subnormals_as_before(typing_context, before):
    """The end of it."""

    def emit(context, builder, signature, args):
        with_subnormals_as(builder, args[0])
        return context.get_dummy_value()

    return types.none(CONTROL), emit


def with_subnormals_as_zero(builder: Any) -> Any:
    """What `subnormals_are_zero` consists of."""
    before = _control(builder, "st", cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(32), 0)))
    _control(builder, "ld", cgutils.alloca_once_value(builder, builder.or_(before, before.type(AS_ZERO))))
    return before


def with_subnormals_as(builder: Any, before: Any) -> None:
    """What `subnormals_as_before` consists of."""
    _control(builder, "ld", cgutils.alloca_once_value(builder, before))


def _control(builder: Any, verb: str, place: Any) -> Any:
    """Have the control register put at a place, or taken from there; what is there then."""
    if X86:
        byte = ir.IntType(8).as_pointer()
        function = builder.module.declare_intrinsic(
            f"llvm.x86.sse.{verb}mxcsr", (), ir.FunctionType(ir.VoidType(), [byte])
        )
        builder.call(function, [builder.bitcast(place, byte)])
    return builder.load(place)
