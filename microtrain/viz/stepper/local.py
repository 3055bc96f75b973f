"""The arithmetic of one edge of the backward pass: from the operation's own vjp, which also made the gradient.

A vjp is linear in the gradient it is given. So fed with ones it gives the local derivatives of an elementwise
operation, fed with one 1 among zeros a row of the Jacobian matrix, and differentiated again a column of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...engine.backward import differentiate
from ...engine.node import Node
from ...engine.quiet import quiet, restore
from ...engine.recording import MODE, Mode
from ...ops.reductions import sum_to
from ...tensor import Tensor, wrap
from .values import corner

ROWS = 64  # Jacobian matrices with more rows than this are computed by columns
TERMS = 12  # of a sum over output entries, this many terms are kept beside those that are seen in the tables
Terms = list[list[Any]]  # [output entry, Jacobian entry, upstream gradient there], entries counted in row-major order


class Arithmetic(NamedTuple):
    """What one edge computes besides its result."""

    raw: Any  # the product before the sum over broadcast axes; None if nothing was broadcast
    axes: tuple[int, ...]  # that are summed over
    local: Any  # elementwise operations: the derivative at each entry of the output
    jacobian: dict[int, tuple[Terms, int, float]] | None  # input entry: (terms, how many are left out, their sum)


def arithmetic(node: Node, slot: int, upstream: Any, shape: tuple[int, ...], detailed: bool = True) -> Arithmetic:
    """Do again what the walk does for one edge, step by step. `upstream` is an array of the node's shape."""
    token = quiet()
    before = MODE.get()
    MODE.set(Mode(False, ()))
    try:
        kept, vjp = node.checked_kept(), node.plan.vjps[slot]
        raw = vjp(upstream, kept, node.params)
        raw_shape = np.shape(raw)
        axes = summed_axes(raw_shape, shape)
        local = None
        if node.primitive.elementwise:
            local = vjp(np.ones(node.shape, node.dtype)[()], kept, node.params)
            local = np.broadcast_to(np.asarray(local, node.dtype), node.shape)
        jacobian = None
        if detailed and (local is None or axes) and math.prod(node.shape) and math.prod(shape):
            try:
                jacobian = _sums(_entries(node, slot, shape), node.shape, shape, upstream)
            except Exception:  # a user's own Function may do what it likes in its backward
                jacobian = None
        return Arithmetic(raw if raw_shape != shape else None, axes, local, jacobian)
    finally:
        MODE.set(before)
        restore(token)


def summed_axes(raw: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes along which an input was repeated, as `sum_to` has them."""
    extra = len(raw) - len(shape)
    if extra < 0:
        return ()
    return tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and raw[i + extra] != 1)


def window_entries(shape: tuple[int, ...]) -> list[int]:
    """The entries that the trace stores, as places in row-major order."""
    window = corner(shape)
    if window is None:
        return list(range(math.prod(shape)))
    places = np.arange(math.prod(shape)).reshape(shape)
    return [int(i) for i in places[tuple(slice(n) for n in window)].ravel()]


def _entries(node: Node, slot: int, shape: tuple[int, ...]) -> Iterable[tuple[int, Any]]:
    """(input entry, its column of the Jacobian matrix: one number for each output entry)."""
    vjp, params = node.plan.vjps[slot], node.params
    outputs = math.prod(node.shape)
    seen = window_entries(shape)
    if outputs <= ROWS:
        rows = []
        for i in range(outputs):
            g = np.zeros(node.shape, node.dtype)
            g.flat[i] = 1
            row = sum_to(np.asarray(vjp(g[()], node.kept, params)), shape)
            rows.append(np.asarray(row).ravel()[seen])
        table = np.array(rows)
        return [(j, table[:, k]) for k, j in enumerate(seen)]
    return _columns(node, slot, shape, seen)


def _columns(node: Node, slot: int, shape: tuple[int, ...], seen: list[int]) -> list[tuple[int, Any]]:
    MODE.set(Mode(True, ()))
    g = Tensor(np.zeros(node.shape, node.dtype))
    g.requires_grad_()
    kept = [
        wrap(x) if kind in ("input", "output") else x for x, (kind, *_) in zip(node.kept, node.plan.keep, strict=True)
    ]
    gradient = sum_to(node.plan.vjps[slot](g, kept, node.params), shape)
    columns = []
    for j in seen:
        one = np.zeros(shape, node.dtype)
        one.flat[j] = 1
        found = differentiate([gradient], [wrap(one)], [g], retain_graph=True, create_graph=False)
        columns.append((j, np.asarray(found[g]).ravel()))
    return columns


def _sums(
    columns: Iterable[tuple[int, Any]], out: tuple[int, ...], shape: tuple[int, ...], upstream: Any
) -> dict[int, tuple[Terms, int, float]]:
    """For each input entry the terms of its gradient: upstream gradient times Jacobian entry, where that is not 0."""
    g = np.asarray(upstream).ravel()
    seen = set(window_entries(out))
    found = {}
    for j, column in columns:
        nonzero = [int(i) for i in np.flatnonzero(column)]
        first = [i for i in nonzero if i in seen]
        others = [i for i in nonzero if i not in seen]
        shown = first + others[: max(0, TERMS - len(first))]
        rest = others[max(0, TERMS - len(first)) :]
        terms = [[i, column[i].item(), g[i].item()] for i in sorted(shown)]
        found[j] = (terms, len(rest), float(np.dot(column[rest], g[rest])) if rest else 0.0)
    return found
