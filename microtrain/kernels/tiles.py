"""Large matrix products, cut into tiles that threads share.

BLAS has threads of its own, but they wait for each other at full speed: when another program wants a core, all stand
still. And how it divides a product among them, and with that the last bits, depends on how many there are. Here each
tile is a product for one thread, taken from a common list by whoever is free (`pool`). The tiles depend on the shapes
alone, so the bits do not depend on the threads.

A tile is done by a kernel of our own (`gemm`) on CPUs with registers of 512 bits, by BLAS on others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from . import blas, pool, program
from .job import BASE, HEAD, RECORD, SCRATCH, SIDE_BY_SIDE, new_job
from .loading import cpu_of_this_machine
from .program import MachineCode

LARGEST = 256  # rows and columns of a tile: more would leave the second-level cache ...
SMALLEST = 64  # ... and they are halved, down to this, ...
MANY = 8  # ... until there are so many tiles: then it matters little if a core is busy
BLAS_IS_AS_QUICK = 16  # columns, or terms of a sum, up to which it is as quick as our own kernel (measured)
FIELDS = [  # the integers that describe a tile, C = A B
    ["a_slot", "a_start", "b_slot", "b_start", "c_slot", "c_start"],  # which operand it lies in, and bytes from there
    ["m", "n", "k"],  # A has m rows and k columns, C has n columns
    ["a_down", "a_right", "b_down", "b_right", "c_down"],  # elements from one row, or column, to the next
    ["a_turned", "lda", "b_turned", "ldb", "blas"],  # the same in BLAS's words, and the address of its function
    ["then", "then_operands"],  # the kernel to call when the tile is done, if it is not 0
]
COUNT = sum(map(len, FIELDS))
PLACES = HEAD + RECORD + BASE  # where in a job its second operand is

SOURCE = '''"""Tiles of a matrix product."""

from microtrain.kernels.blas_native import exact_gemm_{kind}_{width}
from microtrain.kernels.elementary import ahead, {kind}_at, int64_at, subnormals_are_zero, subnormals_as_before
from microtrain.kernels.gemm import gemm
from microtrain.kernels.native import call, integers, {pointer}
from microtrain.kernels.vecmath import wide_vectors

{own}


def kernel(count, operands):
    """operands: descriptions of the tiles, the addresses of the arrays that they are parts of, room for a thread."""
    wide_vectors()
    places = int64_at(operands, 1)
    for i in range(count):
        tile = ahead(int64_at(operands, 0), {fields} * i)
        {unpacked}
        a = {pointer}(places[a_slot] + a_start)
        b = {pointer}(places[b_slot] + b_start)
        c = {pointer}(places[c_slot] + c_start)
        {before}
        {multiply}
        {after}
        if then:  # what is to be done with the tile while it is in the cache
            call(then, 1, integers(then_operands))
'''
OURS = "multiply(m, n, k, a, a_down, a_right, b, b_down, b_right, c, c_down, {kind}_at(operands, 2))"
BLAS = "exact_gemm_{kind}_{width}(blas, a_turned, b_turned, m, n, k, a, lda, b, ldb, c, c_down)"


class Matrix(NamedTuple):
    """Where an operand of a product is: in which array, how many bytes from its beginning, and how it is stored."""

    slot: int
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements


def strips(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(axis, length) if the tiles of a matrix are strips, which lie one after the other along one axis."""
    (m, n), (down, across) = shape, tile_of(*shape)
    return (1, across) if down >= m else (0, down) if across >= n else None


def tile_of(m: int, n: int) -> tuple[int, int]:
    """Rows and columns of the tiles that a matrix of this shape is cut into."""
    down = across = LARGEST
    while math.ceil(m / down) * math.ceil(n / across) < MANY and max(down, across) > SMALLEST:
        if across == SMALLEST or (down > SMALLEST and min(m, down) > min(n, across)):
            down //= 2
        else:
            across //= 2
    return down, across


class Worklist:
    """A kernel and a table, each row of which is a piece of work for whichever thread is free."""

    def __init__(self, kernel: MachineCode, table: np.ndarray[Any, Any]) -> None:
        self.kernel, self.table, (count, fields) = kernel, table, table.shape
        self.loop = program.loop()
        records = [(table.ctypes.data, 8 * fields, SIDE_BY_SIDE, 0), (0, 0, SIDE_BY_SIDE, 0), (0, 0, SCRATCH, 0)]
        # Without room for buffers, so that all memory of a thread is for its kernel.
        self.job = new_job(kernel.address, records, count, 1, count, step=1, buffer=0, work=self.loop.address)

    def run(self, places: int) -> None:
        """Do it all. The kernel's second operand points to `places`, the third to the buffers of the thread."""
        job = self.job[:]
        job[PLACES] = places
        pool.run(self.loop, job, True)


def tiles(
    a: Matrix, b: Matrix, out: Matrix, dtype: np.dtype[Any], *, then: Sequence[tuple[int, int]] = (), exact: bool = True
) -> Worklist:
    """One product, ready to run with the address of the addresses of all arrays. The rows of `out` lie side by side.

    `then` may name a kernel for each tile, which is called when the tile is done: its address and that of its operands.
    Unless it is to be `exact`, subnormal numbers count as 0.
    """
    kind, found = ("f64" if dtype == np.float64 else "f32"), blas.find()
    (m, k), n, size = a.shape, b.shape[1], dtype.itemsize
    address = found.dgemm if kind == "f64" else found.sgemm
    rows = []
    down, across = tile_of(m, n)
    for i in range(0, m, down):
        for j in range(0, n, across):
            places = [
                a.slot, a.start + size * i * a.strides[0],
                b.slot, b.start + size * j * b.strides[1],
                out.slot, out.start + size * (i * n + j),
            ]  # fmt: skip
            sizes = [min(down, m - i), min(across, n - j), k]
            steps = [*a.strides, *b.strides, n, *leading(a.shape, a.strides), *leading(b.shape, b.strides)]
            rows.append([*places, *sizes, *steps, address, 0, 0])
    for row, what in zip(rows, then, strict=bool(then)):
        row[-2:] = what
    ours = min(n, k) > BLAS_IS_AS_QUICK and has_512_bits()
    return Worklist(_kernel(kind, found.width, ours, exact), np.array(rows, np.int64))


def for_blas(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Are the elements of each row (or of each column) side by side, as BLAS wants them?"""
    (m, n), (down, right) = shape[-2:], strides[-2:]
    return ((right == 1 or n == 1) and (down >= n or m == 1)) or ((down == 1 or m == 1) and (right >= m or n == 1))


def leading(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, int]:
    """(stored column by column?, elements from one row or column to the next) of a matrix that is so."""
    (m, n), (down, right) = shape[-2:], strides[-2:]
    if (right == 1 or n == 1) and (down >= n or m == 1):
        return 0, max(down, n) if m > 1 else n
    return 1, max(right, m) if n > 1 else m


@cache
def has_512_bits() -> bool:
    """Has this CPU registers of 512 bits?"""
    return "+avx512f" in cpu_of_this_machine()[1].split(",")


@cache
def _kernel(kind: str, width: int, ours: bool, exact: bool) -> MachineCode:
    given = {"kind": kind, "width": width}
    text = SOURCE.format(
        **given, pointer="doubles" if kind == "f64" else "singles", fields=COUNT,
        unpacked="\n        ".join(_unpacked()),
        own=f'multiply = gemm("{kind}")' if ours else "", multiply=(OURS if ours else BLAS).format(**given),
        before="" if exact else "before = subnormals_are_zero()", after="" if exact else "subnormals_as_before(before)",
    )  # fmt: skip
    return MachineCode(f"tiles of matrix products ({kind})", text)


def _unpacked() -> Iterator[str]:
    """The lines that give the fields of a tile their names."""
    place = count()
    for fields in FIELDS:
        yield f"{', '.join(fields)} = {', '.join(f'tile[{next(place)}]' for _ in fields)}"
