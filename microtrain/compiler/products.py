"""The source of matrix products: calls of BLAS, and loops for very small ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.blas import BLAS_ALONE
from ..kernels.tiles import leading
from .arrays import Array, Product
from .loop import POINTER

UNROLLED = 1 << 5  # a product of this many multiplications or fewer is a loop: BLAS takes longer to begin


def emit_product(em: Any, number: int, step: Product) -> None:
    a, b, out = step.a, step.b, step.out
    (m, k), n = a.shape[-2:], b.shape[-1]
    if m * n * k <= UNROLLED or not k:
        _small(em, number, step)
        return
    kind = POINTER[np.dtype(out.dtype).name]
    gemm = f"gemm_{kind}_{em.width}"
    em.called |= {gemm, "ahead"}
    slot = em.blas.setdefault(kind, em.new_slot() if kind not in em.blas else -1)
    places, indent = [], ""
    batch = [f"b{axis}" for axis in range(len(out.shape) - 2)]
    for i, length in zip(batch, out.shape[:-2], strict=True):
        em.line(f"{indent}for {i} in range({length}):")
        indent += "    "
    for x in (a, b, out):
        pointer, where = em.pointer(x.memory), index_of(x, [*batch, "", ""])
        places.append(f"ahead({pointer}, {where})" if where else pointer)
    (a_turned, lda), (b_turned, ldb) = (leading(x.shape, x.strides) for x in (a, b))
    em.alone = em.alone or m * n * k > BLAS_ALONE
    em.line(
        f"{indent}{gemm}(operands[{slot}], {a_turned}, {b_turned}, {m}, {n}, {k}, {places[0]}, {lda}, "
        f"{places[1]}, {ldb}, {places[2]}, {n})"
    )


def _small(em: Any, number: int, step: Product) -> None:
    a, b, out = step.a, step.b, step.out
    cast = POINTER[np.dtype(out.dtype).name]
    em.called |= {cast, "any_order"}
    batch = [f"i{axis}" for axis in range(len(out.shape) - 2)]
    names = {id(x.memory): f"m{at}" for at, x in enumerate((a, b, out))}
    memories = list({id(x.memory): x.memory for x in (a, b, out)}.values())
    lines = em.head("NAME", [names[id(x)] for x in memories])
    indent = "    "
    for i, length in zip([*batch, "i", "j"], out.shape, strict=True):
        lines.append(f"{indent}for {i} in range({length}):")
        indent += "    "

    def element(x: Array, *last: str) -> str:
        return f"{names[id(x.memory)]}[{index_of(x, [*batch, *last]) or '0'}]"

    lines += [
        f"{indent}total = {cast}(0.0)",
        f"{indent}for k in range({a.shape[-1]}):",
        f"{indent}    total = any_order(total, {element(a, 'i', 'k')} * {element(b, 'k', 'j')})",
        f"{indent}{element(out, 'i', 'j')} = total",
    ]
    name = em.function(f"product_{number}", "\n".join(lines))
    em.line(f"{name}({', '.join(em.pointer(x) for x in memories)})")


def index_of(x: Array, names: list[str]) -> str:
    """Where in its memory the element of these indices is, as source; a matrix has no use for those of the batch.

    An index without a name is 0.
    """
    names = names[len(names) - len(x.shape) :]
    parts = [str(x.offset)] if x.offset else []
    parts += [f"{i} * {s}" for i, s, n in zip(names, x.strides, x.shape, strict=True) if i and s and n > 1]
    return " + ".join(parts)
