"""Matrix products, done by one thread with registers of 512 bits.

OpenBLAS 0.3.31 gets about 55 % out of such registers (measured for tiles of 256 x 128), this about 70 %.

C = A B is computed in blocks of ROWS x 2 registers, which stay in registers while k runs: for each k two registers of B
are read, and ROWS single numbers of A, and each of these is multiplied by both. To be read in the order in which they are
needed, A and B are copied beforehand, as panels: all that a block needs for k = 0 side by side, then all for k = 1.

An element of C is the sum over k in order, in pieces of `depth`: its bits depend neither on how C is cut into tiles nor
on threads.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .elementary import ahead, no_overlap
from .native import helper, separately
from .vecmath_bits import wide_vectors

BYTES = 64  # of a register
ROWS = 8  # of a block
TALLEST = 256  # rows of A that are copied at a time, at most


class Sizes:
    """What depends on the dtype."""

    def __init__(self, size: int) -> None:
        self.register = BYTES // size  # numbers in it
        self.columns = 2 * self.register  # of a block
        self.depth = 768 // size  # of the panels: those of A stay in the second-level cache, one of B in the first
        self.b = TALLEST * self.depth  # where in a thread's memory B's panel is, after A's ...
        self.edge = self.b + self.columns * self.depth  # ... and a block of C that is not all wanted
        self.room = size * (self.edge + ROWS * self.columns)  # bytes, altogether


SIZES = {"f32": Sizes(4), "f64": Sizes(8)}
REAL = {"f32": types.float32, "f64": types.float64}


@cache
def gemm(kind: str) -> Any:
    """The function for "f32" or "f64"; `room` is memory of `SIZES[kind].room` bytes."""
    real, sizes = REAL[kind], SIZES[kind]
    columns, depth, b_at, edge_at = sizes.columns, sizes.depth, sizes.b, sizes.edge
    block = _block(real, sizes.register)
    a_panel, b_panel = _panel(real, ROWS, ROWS), _panel(real, columns, sizes.register)

    @helper
    def multiply(m, n, k, a, a_down, a_right, b, b_down, b_right, c, c_down, room):
        """C[m, n] = A[m, k] B[k, n], where `down` and `right` are the steps to the next row and column.

        m is at most TALLEST, and k at least 1.
        """
        separately()
        wide_vectors()
        b_room, edge = ahead(room, b_at), ahead(room, edge_at)
        for first in range(0, k, depth):
            length = min(depth, k - first)
            for i in range(0, m, ROWS):
                a_panel(ahead(a, i * a_down + first * a_right), a_down, a_right, min(ROWS, m - i), length,
                        ahead(room, i * depth))  # fmt: skip
            for j in range(0, n, columns):
                across = min(columns, n - j)
                b_panel(ahead(b, j * b_right + first * b_down), b_right, b_down, across, length, b_room)
                for i in range(0, m, ROWS):
                    place = ahead(c, i * c_down + j)
                    if across == columns and i + ROWS <= m:
                        block(length, ahead(room, i * depth), b_room, place, c_down, first)
                        continue
                    block(length, ahead(room, i * depth), b_room, edge, columns, 0)
                    for p in range(min(ROWS, m - i)):
                        for q in range(across):
                            old = place[p * c_down + q] if first else real(0)
                            place[p * c_down + q] = old + edge[p * columns + q]

    return multiply


def _panel(real: Any, width: int, register: int) -> Any:
    """Copies `count` <= `width` rows (or columns) of a matrix so that what is needed together lies side by side."""
    turn = _turn(real, register)

    @helper
    def panel(source, across, along, count, length, to):
        """to[t * width + r] = source[r * across + t * along], and 0 for r >= count."""
        separately()
        wide_vectors()
        no_overlap()
        done = 0
        if count < width:
            for t in range(length):
                for r in range(width):
                    to[t * width + r] = real(0)
        elif across == 1:
            for t in range(length):
                for r in range(width):
                    to[t * width + r] = source[t * along + r]
            done = length
        elif along == 1:
            while done + register <= length:
                for r in range(0, width, register):
                    turn(ahead(source, r * across + done), across, ahead(to, done * width + r), width)
                done += register
        for r in range(count):
            for t in range(done, length):
                to[t * width + r] = source[r * across + t * along]

    return panel


def _block(real: Any, register: int) -> Any:
    """One block of C, in registers."""

    @intrinsic
    def block(typing_context, k, a, b, c, down, add):
        """c[ROWS, 2 registers] = (c if `add` else 0) + the product of a panel of A and one of B."""

        def emit(context, builder, signature, args):
            k, a, b, c, down, add = args
            vector = ir.VectorType(a.type.pointee, register)
            whole, nothing = down.type, ir.Constant(vector, ir.Undefined)
            function = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, function, f"llvm.fma.v{register}f{real.bitwidth}")
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), register), [0] * register)

            def registers(start):
                """Where the two registers that begin at a place are."""
                second = builder.gep(start, [ir.Constant(whole, register)])
                return [builder.bitcast(place, vector.as_pointer()) for place in (start, second)]

            def load(place):
                value = builder.load(place)
                value.align = real.bitwidth // 8
                return value

            totals = [[cgutils.alloca_once(builder, vector) for _ in range(2)] for _ in range(ROWS)]
            for row in totals:
                for total in row:
                    builder.store(ir.Constant(vector, [0.0] * register), total)
            with cgutils.for_range(builder, k) as loop:
                right = builder.gep(b, [builder.mul(loop.index, ir.Constant(whole, 2 * register))])
                rights = [load(place) for place in registers(right)]
                left = builder.gep(a, [builder.mul(loop.index, ir.Constant(whole, ROWS))])
                for i, row in enumerate(totals):
                    one = builder.load(builder.gep(left, [ir.Constant(whole, i)]))
                    one = builder.insert_element(nothing, one, ir.Constant(ir.IntType(32), 0))
                    one = builder.shuffle_vector(one, nothing, everywhere)
                    for x, total in zip(rights, row, strict=True):
                        builder.store(builder.call(fma, [one, x, builder.load(total)]), total)
            places = [registers(builder.gep(c, [builder.mul(down, ir.Constant(whole, i))])) for i in range(ROWS)]
            with builder.if_then(builder.icmp_signed("!=", add, ir.Constant(add.type, 0))):
                for row, line in zip(totals, places, strict=True):
                    for total, place in zip(row, line, strict=True):
                        builder.store(builder.fadd(load(place), builder.load(total)), total)
            for row, line in zip(totals, places, strict=True):
                for total, place in zip(row, line, strict=True):
                    builder.store(builder.load(total), place).align = real.bitwidth // 8
            return context.get_dummy_value()

        pointer, size = types.CPointer(real), types.int64
        return types.none(size, pointer, pointer, pointer, size, size), emit

    return block


def _turn(real: Any, n: int) -> Any:
    """The transpose of n x n numbers, in n registers."""

    @intrinsic
    def turn(typing_context, source, down, to, to_down):
        """to[j * to_down + i] = source[i * down + j]."""

        def emit(context, builder, signature, args):
            source, down, to, to_down = args
            vector = ir.VectorType(source.type.pointee, n)

            def place(start, step, i):
                there = builder.gep(start, [builder.mul(step, ir.Constant(step.type, i))])
                return builder.bitcast(there, vector.as_pointer())

            rows = [builder.load(place(source, down, i)) for i in range(n)]
            for row in rows:
                row.align = real.bitwidth // 8
            halves = [[j for i in range(start, start + n // 2) for j in (i, n + i)] for start in (0, n // 2)]
            masks = [ir.Constant(ir.VectorType(ir.IntType(32), n), half) for half in halves]
            for _ in range(n.bit_length() - 1):  # like shuffling cards: row i and row i + n / 2, number by number
                rows = [
                    builder.shuffle_vector(rows[i], rows[i + n // 2], mask) for i in range(n // 2) for mask in masks
                ]
            for i, row in enumerate(rows):
                builder.store(row, place(to, to_down, i)).align = real.bitwidth // 8
            return context.get_dummy_value()

        pointer, size = types.CPointer(real), types.int64
        return types.none(pointer, size, pointer, size), emit

    return turn
