"""Matrix products by BLAS, called by its address from machine code.

It is NumPy's own BLAS where it can be found, so that a compiled step computes the same bits as NumPy and shares its
threads; else SciPy's. (Large products are cut into tiles, which may be done by another kernel: tiles.py.)
"""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .elementary import with_subnormals_as, with_subnormals_as_zero


def _gemm(real, width, exact=False):
    """Fortran's dgemm or sgemm, with integers of `width` bits; unless `exact`, with subnormal numbers as 0.

    It stores matrices column by column: what it sees are the transposes, C^T = B^T A^T.
    """
    integer = ir.IntType(width)

    @intrinsic
    def gemm(typing_context, address, a_turned, b_turned, m, n, k, a, lda, b, ldb, c, ldc):
        """C = A B for matrices stored row by row, or column by column if `a_turned` or `b_turned`.

        An intrinsic, because a function would be compiled anew for every choice of constants.
        """

        def emit(context, builder, signature, args):
            address, a_turned, b_turned, m, n, k, a, lda, b, ldb, c, ldc = args
            byte, number = ir.IntType(8), a.type.pointee

            def place(value):
                space = cgutils.alloca_once(builder, value.type)
                builder.store(value, space)
                return space

            def whole(value):
                return place(builder.trunc(value, integer) if width < value.type.width else value)

            def letter(turned):
                flag = builder.icmp_signed("!=", turned, ir.Constant(turned.type, 0))
                return place(builder.select(flag, ir.Constant(byte, ord("T")), ir.Constant(byte, ord("N"))))

            one, zero = place(ir.Constant(number, 1.0)), place(ir.Constant(number, 0.0))
            given = [
                letter(b_turned), letter(a_turned), whole(n), whole(m), whole(k), one, b, whole(ldb), a, whole(lda),
                zero, c, whole(ldc),
            ]  # fmt: skip
            function = ir.FunctionType(ir.VoidType(), [x.type for x in given])
            before = None if exact else with_subnormals_as_zero(builder)
            builder.call(builder.inttoptr(address, function.as_pointer()), given)
            if before is not None:
                with_subnormals_as(builder, before)
            return context.get_dummy_value()

        pointer, size = types.CPointer(real), types.int64
        return types.none(size, size, size, size, size, size, pointer, size, pointer, size, pointer, size), emit

    return gemm


gemm_f64_64, gemm_f32_64 = _gemm(types.float64, 64), _gemm(types.float32, 64)
gemm_f64_32, gemm_f32_32 = _gemm(types.float64, 32), _gemm(types.float32, 32)
exact_gemm_f64_64, exact_gemm_f32_64 = _gemm(types.float64, 64, True), _gemm(types.float32, 64, True)
exact_gemm_f64_32, exact_gemm_f32_32 = _gemm(types.float64, 32, True), _gemm(types.float32, 32, True)
