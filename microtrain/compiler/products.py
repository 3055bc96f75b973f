"""The source of matrix products: calls of BLAS, and loops for very small ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import tiles
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
    em.called.add(gemm)
    slot = em.blas.setdefault(kind, em.new_slot() if kind not in em.blas else -1)
    places, indent = [], ""
    axes = out.shape[:-2]
    for axis, length in enumerate(axes):
        em.line(f"{indent}for b{axis} in range({length}):")
        indent += "    "
    for x in (a, b, out):
        strides = (0,) * (len(axes) - len(x.shape) + 2) + tuple(
            0 if n == 1 else s for n, s in zip(x.shape[:-2], x.strides[:-2], strict=True)
        )
        where = [str(x.offset)] if x.offset else []
        where += [f"b{axis} * {s}" for axis, s in enumerate(strides) if s]
        em.called.add("ahead")
        pointer = em.pointer(x.memory)
        places.append(f"ahead({pointer}, {' + '.join(where)})" if where else pointer)
    (a_turned, lda), (b_turned, ldb) = leading(a), leading(b)
    em.alone = em.alone or m * n * k > tiles.ALONE
    em.line(
        f"{indent}{gemm}(operands[{slot}], {a_turned}, {b_turned}, {m}, {n}, {k}, {places[0]}, {lda}, "
        f"{places[1]}, {ldb}, {places[2]}, {n})"
    )


def _small(em: Any, number: int, step: Product) -> None:
    a, b, out = step.a, step.b, step.out
    axes = out.shape[:-2]
    (m, k), n = a.shape[-2:], b.shape[-1]
    cast = POINTER[np.dtype(out.dtype).name]
    em.called |= {cast, "any_order"}
    indices = [f"i{d}" for d in range(len(axes))]

    def index(x: Array, last: tuple[str, str]) -> str:
        batch = ("",) * (len(axes) - len(x.shape) + 2)
        names = [*indices[len(batch) :], *last]
        parts = [str(x.offset)] if x.offset else []
        parts += [f"{i} * {s}" for i, s, length in zip(names, x.strides, x.shape, strict=True) if s and length > 1]
        return " + ".join(parts) or "0"

    names = {id(x.memory): f"m{k}" for k, x in enumerate((a, b, out))}
    memories = list({id(x.memory): x.memory for x in (a, b, out)}.values())
    lines = em.head("NAME", [names[id(x)] for x in memories])
    indent = "    "
    for i, length in zip([*indices, "i", "j"], (*axes, m, n), strict=True):
        lines.append(f"{indent}for {i} in range({length}):")
        indent += "    "
    left = f"{names[id(a.memory)]}[{index(a, ('i', 'k'))}]"
    right = f"{names[id(b.memory)]}[{index(b, ('k', 'j'))}]"
    lines += [
        f"{indent}total = {cast}(0.0)",
        f"{indent}for k in range({k}):",
        f"{indent}    total = any_order(total, {left} * {right})",
        f"{indent}{names[id(out.memory)]}[{index(out, ('i', 'j'))}] = total",
    ]  # fmt: skip
    name = em.function(f"product_{number}", "\n".join(lines))
    em.line(f"{name}({', '.join(em.pointer(x) for x in memories)})")


def leading(x: Array) -> tuple[int, int]:
    """(stored column by column?, elements from one row or column to the next)."""
    (m, n), (down, right) = x.shape[-2:], x.strides[-2:]
    if (right == 1 or n == 1) and (down >= n or m == 1):
        return 0, max(down, n) if m > 1 else n
    return 1, max(right, m) if n > 1 else m
