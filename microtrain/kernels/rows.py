"""Hand-written kernels for rows of numbers: softmax, its logarithm, cross-entropy, and their derivatives.

They have the form of generated kernels (`native.work` feeds them), but an element is a whole row. Short rows are taken
several at a time, so that the exponentials of a block are one long loop.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import vecmath
from .elementary import ahead, int64_at, no_overlap
from .folding import LOWEST, TYPES, any_order, float_of, order_of
from .job import BLOCK
from .vecmath_bits import inner_function, wide_vectors


@intrinsic
def block_like(typing_context, number):
    """Memory for BLOCK numbers of the dtype of this one, while the function runs."""

    def emit(context, builder, signature, args):
        memory = cgutils.alloca_once(builder, ir.ArrayType(args[0].type, BLOCK))
        return builder.bitcast(memory, args[0].type.as_pointer())

    return types.CPointer(number)(number), emit


class _Row:
    """The steps on one row of `n` numbers that the kernels have in common, for one dtype."""

    def __init__(self, kind: str) -> None:
        real, _, self.at = TYPES[kind]
        self.zero = zero = real(0)
        self.one = real(1)
        self.exp = exp = vecmath.TABLE["exp"][kind]
        self.log = vecmath.TABLE["log"][kind]

        @inner_function
        def largest(x, n):
            """The largest. NaN may be overlooked here: it spoils the sum that comes later."""
            wide_vectors()
            highest = LOWEST
            for j in range(n):
                highest = max(highest, order_of(x[j]))
            return float_of(highest, x[0])

        @inner_function
        def subtract(x, amount, y, n):
            wide_vectors()
            for j in range(n):
                y[j] = x[j] - amount

        @inner_function
        def exponentials(y, n):
            wide_vectors()
            for j in range(n):
                y[j] = exp(y[j])

        @inner_function
        def sum_of(y, n):
            wide_vectors()
            total = zero
            for j in range(n):
                total = any_order(total, y[j])
            return total

        @inner_function
        def sum_of_exponentials(x, high, n):
            wide_vectors()
            total = zero
            for j in range(n):
                total = any_order(total, exp(x[j] - high))
            return total

        self.largest, self.subtract, self.exponentials = largest, subtract, exponentials
        self.sum_of, self.sum_of_exponentials = sum_of, sum_of_exponentials


def softmax(kind: str) -> Any:
    """operands: x, y, width."""
    row = _Row(kind)
    at, largest, subtract, exponentials, sum_of = row.at, row.largest, row.subtract, row.exponentials, row.sum_of

    @inner_function
    def divide(y, by, n):
        wide_vectors()
        for j in range(n):
            y[j] /= by

    @inner_function
    def loop(n, x, y, width):
        wide_vectors()
        no_overlap()
        step = max(1, BLOCK // width)
        for first in range(0, n, step):
            last = min(n, first + step)
            for k in range(first, last):
                xk = ahead(x, k * width)
                subtract(xk, largest(xk, width), ahead(y, k * width), width)
            exponentials(ahead(y, first * width), (last - first) * width)
            for k in range(first, last):
                yk = ahead(y, k * width)
                divide(yk, sum_of(yk, width), width)

    def kernel(n, operands):
        wide_vectors()
        loop(n, at(operands, 0), at(operands, 1), int64_at(operands, 2)[0])

    return kernel


def log_softmax(kind: str) -> Any:
    """operands: x, y, width."""
    row = _Row(kind)
    at, zero, largest, subtract, log = row.at, row.zero, row.largest, row.subtract, row.log
    sum_of_exponentials = row.sum_of_exponentials

    @inner_function
    def loop(n, x, y, width):
        wide_vectors()
        no_overlap()
        for k in range(n):
            xk, yk = ahead(x, k * width), ahead(y, k * width)
            subtract(xk, largest(xk, width), yk, width)
            subtract(yk, log(sum_of_exponentials(yk, zero, width)), yk, width)

    def kernel(n, operands):
        wide_vectors()
        loop(n, at(operands, 0), at(operands, 1), int64_at(operands, 2)[0])

    return kernel


def softmax_vjp(kind: str) -> Any:
    """operands: g, y, result, width. y (g - sum(g y))."""
    row = _Row(kind)
    at, zero = row.at, row.zero

    @inner_function
    def one_row(g, y, result, n):
        wide_vectors()
        no_overlap()
        total = zero
        for j in range(n):
            total = any_order(total, g[j] * y[j])
        for j in range(n):
            result[j] = y[j] * (g[j] - total)

    def kernel(n, operands):
        wide_vectors()
        g, y, result, width = at(operands, 0), at(operands, 1), at(operands, 2), int64_at(operands, 3)[0]
        for k in range(n):
            one_row(ahead(g, k * width), ahead(y, k * width), ahead(result, k * width), width)

    return kernel


def log_softmax_vjp(kind: str) -> Any:
    """operands: g, y, result, width. g - exp(y) sum(g)."""
    row = _Row(kind)
    at, sum_of, exp = row.at, row.sum_of, row.exp

    @inner_function
    def one_row(g, y, result, n):
        wide_vectors()
        no_overlap()
        total = sum_of(g, n)
        for j in range(n):
            result[j] = g[j] - exp(y[j]) * total

    def kernel(n, operands):
        wide_vectors()
        g, y, result, width = at(operands, 0), at(operands, 1), at(operands, 2), int64_at(operands, 3)[0]
        for k in range(n):
            one_row(ahead(g, k * width), ahead(y, k * width), ahead(result, k * width), width)

    return kernel


def _losses(row: _Row) -> Any:
    """The function for the loss of a block of rows, which leaves what the derivative needs."""
    largest, subtract, exponentials, sum_of, log = row.largest, row.subtract, row.exponentials, row.sum_of, row.log

    @inner_function
    def losses(n, x, target, loss, exps, sums, width):
        """exps = exp(x - the largest of its row), sums those of its rows, loss = log(sums) - (x[target] - the largest)."""
        wide_vectors()
        for k in range(n):
            xk = ahead(x, k * width)
            high = largest(xk, width)
            subtract(xk, high, ahead(exps, k * width), width)
            loss[k] = high - xk[target[k]]
        exponentials(exps, n * width)
        for k in range(n):
            sums[k] = sum_of(ahead(exps, k * width), width)
        for k in range(n):
            loss[k] += log(sums[k])

    return losses


def cross_entropy(kind: str) -> Any:
    """operands: x, target, loss, slope, width, scale.

    One pass over the logits for the loss of each row and its derivative, scale (softmax(x) - one hot).
    """
    row = _Row(kind)
    at, zero, one, losses = row.at, row.zero, row.one, _losses(row)

    @inner_function
    def multiply(y, by, times, n):
        wide_vectors()
        for j in range(n):
            y[j] = y[j] / by * times

    @inner_function
    def loop(n, x, target, loss, slope, width, scale):
        wide_vectors()
        no_overlap()
        sums, step = block_like(zero), max(1, BLOCK // width)
        for first in range(0, n, step):
            last, begin = min(n, first + step), first * width
            losses(
                last - first,
                ahead(x, begin),
                ahead(target, first),
                ahead(loss, first),
                ahead(slope, begin),
                sums,
                width,
            )
            for k in range(first, last):
                slope_k, total = ahead(slope, k * width), sums[k - first]
                of_right = (slope_k[target[k]] / total - one) * scale
                multiply(slope_k, total, scale, width)
                slope_k[target[k]] = of_right

    def kernel(n, operands):
        wide_vectors()
        width, scale = int64_at(operands, 4)[0], at(operands, 5)[0]
        loop(n, at(operands, 0), int64_at(operands, 1), at(operands, 2), at(operands, 3), width, scale)

    return kernel


def surprise(kind: str) -> Any:
    """operands: x, target, loss, width. The loss of each row, without the derivative."""
    row = _Row(kind)
    at, zero, largest, log, losses = row.at, row.zero, row.largest, row.log, _losses(row)
    sum_of_exponentials = row.sum_of_exponentials

    @inner_function
    def loop(n, x, target, loss, width):
        wide_vectors()
        no_overlap()
        if width > BLOCK:  # the exponentials of a row are kept nowhere
            for k in range(n):
                xk = ahead(x, k * width)
                high = largest(xk, width)
                loss[k] = log(sum_of_exponentials(xk, high, width)) + (high - xk[target[k]])
            return
        exps, sums, step = block_like(zero), block_like(zero), BLOCK // width
        for first in range(0, n, step):
            begin, count = first * width, min(n - first, step)
            losses(count, ahead(x, begin), ahead(target, first), ahead(loss, first), exps, sums, width)

    def kernel(n, operands):
        wide_vectors()
        loop(n, at(operands, 0), int64_at(operands, 1), at(operands, 2), int64_at(operands, 3)[0])

    return kernel
