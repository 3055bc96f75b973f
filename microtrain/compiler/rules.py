"""Rows that are not elementwise, said in the few kinds of steps that machine code is made of.

Each function gets the lowering, the captured operation, its inputs (arrays and constants) and its settings, and returns
where the result is; None leaves the row to NumPy. Softmax and its relatives are written here as the formulas they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ops.indexing import is_view_index
from ..ops.primitive import TABLE
from .arrays import Array, Assemble, Const, Shape, Surprise, dense_strides, seen
from .elementwise import BOOL, FLOATS
from .program import Op

if TYPE_CHECKING:
    from .lower import Lowering

RULES: dict[str, Callable[..., Any]] = {}


def rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function that lowers these rows."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        RULES.update(dict.fromkeys(names, f))
        return f

    return register


@rule("sum", "mean", "amax", "amin")
def _reduced(low: Lowering, op: Op, x: Any, *, dim: Any, keepdim: bool) -> Any:
    if op.row.name == "sum" and x.dtype == BOOL and low.only_converted(op.out):
        x = low.copied(x, x.shape, np.dtype(np.float64))  # counts are exact
        return low.reduce("sum", x, dim, keepdim)
    if op.out.dtype not in FLOATS or x.dtype != op.out.dtype:
        return None
    if op.row.name == "mean":
        return low.mean(x, dim, keepdim)
    return low.reduce({"sum": "sum", "amax": "max", "amin": "min"}[op.row.name], x, dim, keepdim)


@rule("var", "std")
def _variance(low: Lowering, op: Op, x: Any, *, dim: Any, keepdim: bool, correction: float) -> Any:
    if x.dtype not in FLOATS:
        return None
    away = low.map("sub", x, low.mean(x, dim, True))
    freedom = max(0.0, math.prod(x.shape[i] for i in dim) - correction)
    found = low.map("div", low.reduce("sum", low.map("square", away), dim, keepdim), freedom)
    return found if op.row.name == "var" else low.map("sqrt", found)


@rule("logsumexp")
def _log_sum_exp(low: Lowering, op: Op, x: Any, *, dim: Any, keepdim: bool) -> Any:
    high = low.reduce("max", x, dim, True)
    high = low.map("where", low.map("isfinite", high), high, 0.0, dtype=x.dtype)
    total = low.map("log", low.reduce("sum", low.map("exp", low.map("sub", x, high)), dim, True))
    return low.view("reshape", low.map("add", total, high), shape=op.out.shape)


@rule("norm")
def _norm(low: Lowering, op: Op, x: Any, *, dim: Any, keepdim: bool, p: float) -> Any:
    if p == 2:
        return low.map("sqrt", low.reduce("sum", low.map("square", x), dim, keepdim))
    return low.map("pow", low.reduce("sum", low.map("pow", low.map("abs", x), p), dim, keepdim), 1 / p)


@rule("softmax")
def _softmax(low: Lowering, op: Op, x: Any, *, dim: int) -> Any:
    e = low.map("exp", low.map("sub", x, low.reduce("max", x, (dim,), True)))
    return low.map("div", e, low.reduce("sum", e, (dim,), True))


@rule("log_softmax")
def _log_softmax(low: Lowering, op: Op, x: Any, *, dim: int) -> Any:
    shifted = low.map("sub", x, low.reduce("max", x, (dim,), True))
    return low.map("sub", shifted, low.map("log", low.reduce("sum", low.map("exp", shifted), (dim,), True)))


def _surprised(low: Lowering, x: Any, target: Any) -> Surprise | None:
    """The step of these logits and labels; the derivative comes with it if it is asked for later."""
    if not (isinstance(x, Array) and isinstance(target, Array) and target.dtype == np.int64 and x.dtype in FLOATS):
        return None
    if x.shape[:-1] != target.shape or not x.shape[-1] or not target.memory.outside:  # labels are checked beforehand
        return None
    key = (id(x), id(target))
    if key not in low.slopes:
        x_, t_ = (a if a.strides == dense_strides(a.shape) else low.copied(a, a.shape, a.dtype) for a in (x, target))
        low.slopes[key] = step = Surprise(low.site, low.phase, x_, t_, low.new(target.shape, x.dtype))
        low.checks.append((target, x.shape[-1]))
        low.add(step)
    return low.slopes[key]


@rule("cross_entropy")
def _cross_entropy(low: Lowering, op: Op, x: Any, target: Any) -> Any:
    step = _surprised(low, x, target)
    return None if step is None else low.mean(step.out, tuple(range(len(step.out.shape))), False)


@rule("surprise")
def _each_surprise(low: Lowering, op: Op, x: Any, target: Any) -> Any:
    step = _surprised(low, x, target)
    return None if step is None else step.out


@rule("softmax_less_one_hot")
def _slope(low: Lowering, op: Op, x: Any, target: Any) -> Any:
    step = _surprised(low, x, target)
    if step is None:
        return None
    if step.slope is None:
        step.slope = low.new(x.shape, x.dtype)
    return step.slope


@rule("matmul")
def _matmul(low: Lowering, op: Op, a: Any, b: Any) -> Any:
    if op.out.dtype not in FLOATS or a.dtype != b.dtype:
        return None
    return low.product(a, b)


@rule("linear")
def _linear(low: Lowering, op: Op, x: Any, weight: Any, bias: Any) -> Any:
    if op.out.dtype not in FLOATS or not x.dtype == weight.dtype == bias.dtype:
        return None
    return low.map("add", low.product(x, low.view("permute", weight, dims=(1, 0))), bias)


@rule("one_hot")
def _one_hot(low: Lowering, op: Op, x: Any, *, num_classes: int) -> Any:
    if isinstance(x, Array) and x.memory.outside and x.dtype == np.int64:
        low.checks.append((x, num_classes))
    return None


@rule("clone", "to")
def _copy(low: Lowering, op: Op, x: Any, **_: Any) -> Any:
    if op.out.dtype not in (*FLOATS, BOOL) or x.dtype not in (*FLOATS, BOOL, np.dtype(np.int64)):
        return None
    if op.out.dtype == BOOL and x.dtype != BOOL:
        return None
    return x if x.dtype == op.out.dtype else low.copied(x, op.out.shape, op.out.dtype)


@rule("copy_")
def _copy_over(low: Lowering, op: Op, x: Any, value: Any) -> Any:
    if op.out.dtype not in FLOATS:
        return None
    if isinstance(value, Const):
        return Const(np.asarray(value.value).astype(op.out.dtype).item(), op.out.shape, op.out.dtype)
    return low.copied(low.view("broadcast_to", value, shape=op.out.shape), op.out.shape, op.out.dtype)


@rule("cat")
def _cat(low: Lowering, op: Op, *xs: Any, dim: int, starts: tuple[int, ...]) -> Any:
    if op.out.dtype not in FLOATS or any(x.dtype != op.out.dtype for x in xs):
        return None
    out = low.new(op.out.shape, op.out.dtype)
    places = [
        Array(out.memory, x.shape, out.strides, start * out.strides[dim]) for x, start in zip(xs, starts, strict=False)
    ]
    low.add(Assemble(low.site, low.phase, out, None, list(zip(xs, places, strict=True))))
    return out


@rule("add_at")
def _add_at(low: Lowering, op: Op, g: Any, *, shape: Shape, index: Any) -> Any:
    if op.out.dtype not in FLOATS or g.dtype != op.out.dtype or not is_view_index(index):
        return None
    out = low.new(shape, op.out.dtype)
    place = seen(out, TABLE["getitem"], {"index": index})
    if place is None:
        return None
    low.add(Assemble(low.site, low.phase, out, 0.0, [(low.view("broadcast_to", g, shape=place.shape), place)]))
    return out


@rule("setitem")
def _set_item(low: Lowering, op: Op, x: Any, value: Any, *, index: Any) -> Any:
    if op.out.dtype not in FLOATS or x.dtype != op.out.dtype or not is_view_index(index):
        return None
    out = low.new(x.shape, op.out.dtype)
    place = seen(out, TABLE["getitem"], {"index": index})
    if place is None:
        return None
    piece = (
        Const(value.value, place.shape, op.out.dtype)
        if isinstance(value, Const)
        else low.view("broadcast_to", value, shape=place.shape)
    )
    low.add(Assemble(low.site, low.phase, out, None, [(x, out), (piece, place)]))
    return out


@rule("write_view")
def _write_view(low: Lowering, op: Op, x: Any, piece: Any, *, view: Any, settings: Any) -> Any:
    if op.out.dtype not in FLOATS or x.dtype != op.out.dtype or piece.dtype not in (None, op.out.dtype):
        return None
    out = low.new(x.shape, op.out.dtype)
    place = seen(out, view, settings)
    if place is None:
        return None
    piece = Const(piece.value, place.shape, op.out.dtype) if isinstance(piece, Const) else piece
    low.add(Assemble(low.site, low.phase, out, None, [(x, out), (piece, place)]))
    return out


@rule("pad")
def _pad(low: Lowering, op: Op, x: Any, *, widths: Any, value: Any) -> Any:
    if op.out.dtype not in FLOATS or x.dtype != op.out.dtype:
        return None
    out = low.new(op.out.shape, op.out.dtype)
    start = sum(before * s for (before, _), s in zip(widths, out.strides, strict=True))
    low.add(Assemble(low.site, low.phase, out, value, [(x, Array(out.memory, x.shape, out.strides, start))]))
    return out
