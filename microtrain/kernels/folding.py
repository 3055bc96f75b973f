"""Reductions at the end of a formula: what the kernel computes is folded into one number for each row, block by block.

The block (8 KB at most) has not left the first-level cache when it is folded, so the values of the formula are never
written to memory. A sum over everything is cut into rows of fixed length, whatever the number of threads.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import vecmath
from .elementary import f32_at, f64_at
from .job import (
    ARGUMENTS,
    BASE,
    BLOCK,
    BUFFER,
    CHUNK,
    HEAD,
    KERNEL,
    LAST,
    LENGTH,
    NDIM,
    OPERANDS,
    RESULT,
    SIZE,
    STRIDE,
)  # fmt: skip
from .native import doubles, feed, integers, next_chunk, prepare, singles
from .vecmath_bits import inner_function, kernel_function, wide_vectors

INFINITY = float("inf")
LOWEST = -(2**63)


@intrinsic
def any_order(typing_context, a, b):
    """a + b, where the order of a long sum does not matter: LLVM may keep several partial sums in one register."""

    def emit(context, builder, signature, args):
        return builder.fadd(*args, flags=("reassoc",))

    return a(a, a), emit


@intrinsic
def order_of(typing_context, x):
    """An integer that is larger for a larger float: integers have a vectorised maximum, floats (with NaN) do not."""

    def emit(context, builder, signature, args):
        bits = ir.IntType(x.bitwidth)
        raw = builder.bitcast(args[0], bits)
        flipped = builder.xor(raw, ir.Constant(bits, 2 ** (x.bitwidth - 1) - 1))
        ordered = builder.select(builder.icmp_signed("<", raw, ir.Constant(bits, 0)), flipped, raw)
        return builder.sext(ordered, ir.IntType(64)) if x.bitwidth < 64 else ordered

    return types.int64(x), emit


@intrinsic
def float_of(typing_context, order, like):
    """The float that `order_of` made this integer of."""

    def emit(context, builder, signature, args):
        bits = ir.IntType(like.bitwidth)
        raw = builder.trunc(args[0], bits) if like.bitwidth < 64 else args[0]
        flipped = builder.xor(raw, ir.Constant(bits, 2 ** (like.bitwidth - 1) - 1))
        back = builder.select(builder.icmp_signed("<", raw, ir.Constant(bits, 0)), flipped, raw)
        return builder.bitcast(back, args[1].type)

    return like(types.int64, like), emit


@kernel_function
def largest_of(x, n, flip):
    """The largest of n numbers (with flip = -1 the smallest), NaN if there is one."""
    highest, nan = LOWEST, False
    for i in range(n):
        highest = max(highest, order_of(x[i]) ^ flip)
        nan |= x[i] != x[i]
    found = float_of(highest ^ flip, x[0])
    if nan:
        for i in range(n):
            if x[i] != x[i]:
                found = x[i]
    return found


def _sum(kind: str) -> tuple[Any, Any, Any]:
    zero = TYPES[kind][0](0)

    @inner_function
    def start():
        return zero, zero

    @inner_function
    def block(total, lost, x, n):
        part = zero
        for i in range(n):
            part = any_order(part, x[i])
        # What each addition rounds off is kept (D. Knuth's two-sum).
        after = total + part
        added = after - total
        return after, lost + ((total - (after - added)) + (part - added))

    @inner_function
    def finish(total, lost):
        return total + lost if abs(total) < INFINITY else total

    return start, block, finish


def _extreme(kind: str, flip: int) -> tuple[Any, Any, Any]:
    lowest = TYPES[kind][0](INFINITY if flip else -INFINITY)

    @inner_function
    def start():
        return lowest, lowest

    @inner_function
    def block(found, unused, x, n):
        y = largest_of(x, n, flip)
        better = (y < found) if flip else (y > found)
        return (y if better or y != y else found) if found == found else found, unused

    @inner_function
    def finish(found, unused):
        return found

    return start, block, finish


def _logsumexp(kind: str) -> tuple[Any, Any, Any]:
    """log(sum(exp(x))) = highest + log(total), total = sum(exp(x - highest)); both over what has been seen so far."""
    real = TYPES[kind][0]
    zero, lowest = real(0), real(-INFINITY)
    exp, log = vecmath.TABLE["exp"][kind], vecmath.TABLE["log"][kind]

    @inner_function
    def start():
        return zero, lowest

    @inner_function
    def block(total, highest, x, n):
        high = largest_of(x, n, 0)
        if high > highest:  # never for NaN, which finds its way into the total
            total *= exp(highest - high)
            highest = high
        base = highest if abs(highest) < INFINITY else zero  # inf - inf would be NaN
        part = zero
        for i in range(n):
            part = any_order(part, exp(x[i] - base))
        return total + part, highest

    @inner_function
    def finish(total, highest):
        return log(total) + (highest if abs(highest) < INFINITY else zero)

    return start, block, finish


# For each dtype: its type, and how to see an address, or the k-th of a list of addresses, as a pointer to it.
TYPES = {"float64": (types.float64, doubles, f64_at), "float32": (types.float32, singles, f32_at)}
FOLDS = {
    "sum": _sum,
    "max": lambda kind: _extreme(kind, 0),
    "min": lambda kind: _extreme(kind, -1),
    "logsumexp": _logsumexp,
}


def folding(how: str, kind: str) -> Any:
    """The function that takes chunks of rows, computes them and folds each into one number."""
    start, block, finish = FOLDS[how](kind)
    pointer = TYPES[kind][1]

    def work(me, operands):
        wide_vectors()
        job, buffers = integers(operands[0]), operands[1]
        prepare(job, buffers)
        values = pointer(buffers + 8 * ARGUMENTS + (job[OPERANDS] - 1) * job[BUFFER])
        record = HEAD + job[NDIM]  # of the first operand
        result = pointer(job[RESULT])
        part = 0
        while True:
            chunk, part = next_chunk(job, me, part)
            if chunk < 0:
                return
            first = chunk * job[CHUNK]
            for row in range(first, min(first + job[CHUNK], job[SIZE])):
                length = job[LAST] if row == job[SIZE] - 1 else job[LENGTH]
                a, b = start()
                for at in range(0, length, BLOCK):
                    count = min(BLOCK, length - at)
                    if job[KERNEL]:
                        feed(job, buffers, row * job[LENGTH] + at, count)
                        a, b = block(a, b, values, count)
                    else:  # the sum of an array as it lies
                        a, b = block(
                            a, b, pointer(job[record + BASE] + (row * job[LENGTH] + at) * job[record + STRIDE]), count
                        )
                result[row] = finish(a, b)

    return work
