"""The loop around all kernels, in machine code: takes chunks of the work until none is left.

A kernel computes up to `BLOCK` elements that lie side by side. This loop feeds it: it hands out chunks (to several
threads, with an atomic counter), and copies what does not lie side by side (broadcast, transposed) into a small buffer.
It is compiled like a kernel, once, and knows nothing of any formula.

`operands[0]` is the address of the job, `operands[1]` that of this thread's buffers. The job is a list of integers, as
job.py describes it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from .job import (
    ARGUMENTS,
    BASE,
    BLOCK,
    BUFFER,
    CHUNK,
    CHUNKS,
    COPIED_BOTH,
    COPIED_IN,
    COPIED_OUT,
    COUNTER,
    COUNTERS,
    HEAD,
    KERNEL,
    MODE,
    NDIM,
    OPERANDS,
    PARTS,
    RECORD,
    REPEATED,
    SIDE_BY_SIDE,
    SIZE,
    SIZEOF,
    STEP,
    STRIDE,
)
from .vecmath_bits import inner_function

# Numba hands `forceinline` down to what a function calls, unless that says otherwise. Only machine code calls these: to be
# called from Python they would need two more functions each, which take as long to compile.
helper = njit(error_model="numpy", forceinline=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@intrinsic
def take(typing_context, integers, k):
    """Add 1 to the k-th integer; its value before. Atomic: no two threads get the same."""

    def emit(context, builder, signature, args):
        place = builder.gep(args[0], [args[1]])
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(types.CPointer(types.int64), types.int64), emit


@intrinsic
def give_back(typing_context, integers, k):
    """Subtract 1 from the k-th integer, atomically."""

    def emit(context, builder, signature, args):
        place = builder.gep(args[0], [args[1]])
        builder.atomic_rmw("sub", place, ir.Constant(ir.IntType(64), 1), "seq_cst")
        return context.get_dummy_value()

    return types.none(types.CPointer(types.int64), types.int64), emit


@intrinsic
def look(typing_context, integers, k):
    """The k-th integer as other threads have left it."""

    def emit(context, builder, signature, args):
        return builder.load_atomic(builder.gep(args[0], [args[1]]), "seq_cst", 8)

    return types.int64(types.CPointer(types.int64), types.int64), emit


@intrinsic
def show(typing_context, integers, k, value):
    """Set the k-th integer, for other threads to see."""

    def emit(context, builder, signature, args):
        builder.store_atomic(args[2], builder.gep(args[0], [args[1]]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(types.CPointer(types.int64), types.int64, types.int64), emit


@intrinsic
def call(typing_context, address, n, operands):
    """Call the kernel at this address."""

    def emit(context, builder, signature, args):
        address, n, operands = args
        nothing = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.IntType(32), [nothing, nothing, ir.IntType(64), nothing])
        space = cgutils.alloca_once(builder, ir.IntType(64), size=2)
        unused = builder.bitcast(space, nothing)
        builder.call(
            builder.inttoptr(address, kind.as_pointer()), [unused, unused, n, builder.bitcast(operands, nothing)]
        )
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.CPointer(types.int64)), emit


def _pointer(kind: Any) -> Any:
    @intrinsic
    def pointer(typing_context, address):
        def emit(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(types.int64), emit

    return pointer


# An address as a pointer to elements of a type.
integers, words, octets = map(_pointer, (types.int64, types.int32, types.uint8))
doubles, singles = map(_pointer, (types.float64, types.float32))


@intrinsic
def separately(typing_context):
    """Called anywhere in a function: it is compiled once and called, not inlined wherever it is used."""

    def emit(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.none(), emit


# ---------------------------------------------------------------------------------------------------------------------
# Feeding the kernel


@helper
def copy_run(to, source, count, to_step, source_step, size):
    """Copy `count` elements of `size` bytes, with these distances in bytes."""
    separately()
    if size == 8:
        for i in range(count):
            integers(to + i * to_step)[0] = integers(source + i * source_step)[0]
    elif size == 4:
        for i in range(count):
            words(to + i * to_step)[0] = words(source + i * source_step)[0]
    else:
        for i in range(count):
            octets(to + i * to_step)[0] = octets(source + i * source_step)[0]


@helper
def copy(job, record, buffer, start, count, inwards):
    """Elements start ... start + count of a strided operand to its buffer, or back."""
    separately()
    ndim, size = job[NDIM], job[record + SIZEOF]
    strides = record + RECORD
    inner, step = job[HEAD + ndim - 1], job[strides + ndim - 1]
    while count > 0:
        # Where element `start` is: its indices are the digits of `start`.
        place, rest = job[record + BASE], start // inner
        column = start - rest * inner
        place += column * step
        for axis in range(ndim - 2, -1, -1):
            length = job[HEAD + axis]
            quotient = rest // length
            place += (rest - quotient * length) * job[strides + axis]
            rest = quotient
        run = min(count, inner - column)
        if inwards:
            copy_run(buffer, place, run, size, step, size)
        else:
            copy_run(place, buffer, run, step, size, size)
        buffer += run * size
        start += run
        count -= run


@helper
def feed(job, buffers, start, count):
    """Call the kernel with elements start ... start + count of all operands."""
    separately()
    arguments = integers(buffers)
    stride = RECORD + job[NDIM]
    copied_out = False
    for k in range(job[OPERANDS]):
        record = HEAD + job[NDIM] + k * stride
        mode = job[record + MODE]
        if mode == SIDE_BY_SIDE:
            arguments[k] = job[record + BASE] + start * job[record + STRIDE]
            continue
        arguments[k] = buffers + 8 * ARGUMENTS + k * job[BUFFER]
        inwards = mode in (COPIED_IN, COPIED_BOTH)
        if inwards:  # as a constant it would have `copy` compiled twice
            copy(job, record, arguments[k], start, count, inwards)
        copied_out |= mode in (COPIED_OUT, COPIED_BOTH)
    call(job[KERNEL], count, arguments)
    if copied_out:
        for k in range(job[OPERANDS]):
            record = HEAD + job[NDIM] + k * stride
            if job[record + MODE] in (COPIED_OUT, COPIED_BOTH):
                copy(job, record, arguments[k], start, count, not copied_out)


@inner_function
def prepare(job, buffers):
    """Fill the buffers of operands that have the same value for all elements."""
    for k in range(job[OPERANDS]):
        record = HEAD + job[NDIM] + k * (RECORD + job[NDIM])
        if job[record + MODE] == REPEATED:
            size = job[record + SIZEOF]
            copy_run(buffers + 8 * ARGUMENTS + k * job[BUFFER], job[record + BASE], BLOCK, size, 0, size)


@helper
def next_chunk(job, me, part):
    """(a chunk to do, the part it was taken from); the chunk is -1 when there is none left anywhere.

    Every thread has a part of the work that is its own, so that its data stay in the cache of its core from one kernel to the
    next; who is through with that takes chunks of the others'.
    """
    parts, chunks = job[PARTS], job[CHUNKS]
    while part < parts:
        which = (me + part) % parts
        first, end = chunks * which // parts, chunks * (which + 1) // parts
        chunk = first + take(job, job[COUNTERS] + COUNTER * which)
        if chunk < end:
            return chunk, part
        part += 1
    return -1, part


def work(me, operands):
    """Take chunks of elements until none is left; `me` is the number of this thread."""
    job, buffers = integers(operands[0]), operands[1]
    prepare(job, buffers)
    part = 0
    while True:
        chunk, part = next_chunk(job, me, part)
        if chunk < 0:
            return
        first = chunk * job[CHUNK]
        last = min(first + job[CHUNK], job[SIZE])
        for start in range(first, last, job[STEP]):
            feed(job, buffers, start, min(job[STEP], last - start))
