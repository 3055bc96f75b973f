"""Matrix products by registers of 512 bits: LLVM splits them on CPUs that have smaller ones."""

from __future__ import annotations

import ctypes
import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest

from microtrain.kernels import pool, tiles
from microtrain.kernels.gemm import SIZES, TALLEST
from microtrain.kernels.job import ARGUMENTS
from microtrain.kernels.loading import SIGNATURE
from microtrain.kernels.program import MachineCode

TEXT = """
from microtrain.kernels.elementary import {kind}_at
from microtrain.kernels.gemm import gemm

multiply = gemm("{kind}")


def kernel(n, operands):
    a, b, c, room = {kind}_at(operands, 8), {kind}_at(operands, 9), {kind}_at(operands, 10), {kind}_at(operands, 11)
    m, n, k, down = operands[0], operands[1], operands[2], operands[7]
    multiply(m, n, k, a, operands[3], operands[4], b, operands[5], operands[6], c, down, room)
"""
SHAPES = [
    (1, 1, 1), (8, 32, 5), (8, 16, 192), (7, 31, 193), (9, 33, 300), (65, 96, 1), (256, 130, 96), (17, 5, 1000),
    (0, 3, 4), (3, 0, 4),
]  # fmt: skip


@cache
def function(kind: str) -> Any:
    return SIGNATURE(MachineCode(f"a matrix product ({kind})", TEXT.format(kind=kind)).address)


def product(a: Any, b: Any, extra: int = 0) -> Any:
    """a @ b, in a matrix with some columns more than wanted, which are to stay NaN."""
    kind = "f64" if a.dtype == np.float64 else "f32"
    (m, k), n, size = a.shape, b.shape[1], a.itemsize
    c = np.full((m, n + extra), np.nan, a.dtype)
    room = np.full(SIZES[kind].room // size, np.nan, a.dtype)
    steps = [s // size for x in (a, b) for s in x.strides]
    operands = np.array([m, n, k, *steps, n + extra, *(x.ctypes.data for x in (a, b, c, room))])
    unused = ctypes.create_string_buffer(16)
    function(kind)(ctypes.addressof(unused), ctypes.addressof(unused), 1, operands.ctypes.data)
    assert np.isnan(c[:, n:]).all()
    return c[:, :n]


def matrix(rows: int, columns: int, dtype: str, turned: bool) -> Any:
    x = np.random.default_rng(rows + columns).normal(size=(columns, rows) if turned else (rows, columns)).astype(dtype)
    return x.T if turned else x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_any_shape(shape: tuple[int, int, int], dtype: str) -> None:
    m, n, k = shape
    for a_turned, b_turned in itertools.product([False, True], repeat=2):
        a, b = matrix(m, k, dtype, a_turned), matrix(k, n, dtype, b_turned)
        wanted = a.astype(np.longdouble) @ b.astype(np.longdouble)
        bound = k * np.finfo(dtype).eps * (np.abs(a).astype(np.longdouble) @ np.abs(b).astype(np.longdouble))
        assert (np.abs(product(a, b, extra=3) - wanted) <= bound).all()


def test_parts_of_larger_matrices() -> None:
    a, b = matrix(40, 60, "float64", False)[3:33:2, 5:50:3], matrix(30, 90, "float64", True)[:15, ::2]
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_element_has_the_same_bits_wherever_it_lies(dtype: str) -> None:
    a, b = matrix(64, 500, dtype, True), matrix(500, 100, dtype, False)
    whole = product(a, b)
    for rows, columns in (
        (slice(0, 64), slice(32, 64)),
        (slice(3, 20), slice(7, 100)),
        (slice(63, 64), slice(99, 100)),
    ):
        assert product(a[rows], b[:, columns]).tobytes() == whole[rows, columns].tobytes()


def test_nan_and_infinity_go_through_and_no_further() -> None:
    a, b = matrix(11, 40, "float32", False), matrix(40, 50, "float32", False)
    a[2, 3], b[4, 5] = np.nan, np.inf
    found, wanted = product(a, b), a @ b
    assert (np.isnan(found) == np.isnan(wanted)).all()
    assert (np.isinf(found) == np.isinf(wanted)).all()


def test_a_threads_memory_is_large_enough() -> None:
    assert max(sizes.room for sizes in SIZES.values()) <= pool.ROOM - 8 * ARGUMENTS
    assert tiles.LARGEST <= TALLEST
