"""Whole Jacobians: many backward passes through one graph, as a walk that carries a batch of gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.backward import differentiate
from ..engine.node import Node
from ..engine.recording import MODE
from ..engine.walk import walk
from ..ops.primitive import TABLE
from ..tensor import Tensor, wrap
from .batching import Batch, NotBatchable, Units

Array = np.ndarray[Any, Any]

FEW = 4  # so many backward passes are done one by one
CACHE = 1 << 19  # bytes of the largest batch on the way, so that the next operation finds it in the cache


def rows(output: Tensor, inputs: Sequence[Tensor], into: Sequence[Array] | None = None) -> list[Array]:
    """The derivatives of every element of `output` by every element of each input: arrays (output.numel(), x.numel()).

    The graph is kept. `into` are zeros of these shapes to write to.
    """
    count = output.numel()
    found = [np.zeros((count, x.numel()), x.dtype) for x in inputs] if into is None else list(into)
    if not output.requires_grad or not count:
        return found
    for part, gradients in _passes(output, inputs, None, count):
        for block, g in zip(found, gradients, strict=True):
            if g is not None:
                block[part] = g.reshape(len(g), block.shape[1])
    return found


def second_derivatives(gradients: Sequence[Tensor], inputs: Sequence[Tensor], into: Sequence[Sequence[Array]]) -> None:
    """Fill a Hessian from the gradients of one number: `into[i][j]` are zeros (x_i.numel(), x_j.numel()).

    A block off the diagonal comes from the rows of the smaller input, which are fewer; its mirror image is a copy.
    """
    sizes = [x.numel() for x in inputs]
    for i, g in enumerate(gradients):
        others = [j for j, n in enumerate(sizes) if (n, j) >= (sizes[i], i)]
        rows(g, [inputs[j] for j in others], [into[i][j] for j in others])
        for j in others:
            if j != i:
                into[j][i][...] = into[i][j].T


def hessian(gradients: Sequence[Tensor], inputs: Sequence[Tensor], parts: Sequence[slice], dtype: Any) -> Array:
    """The Hessian of one number, whose gradients these are, by all inputs as one vector; exactly symmetric.

    `parts` say where in that vector each input is.
    """
    full = np.zeros((parts[-1].stop, parts[-1].stop), dtype)
    second_derivatives(gradients, inputs, [[full[part, other] for other in parts] for part in parts])
    full += full.T.copy()
    full *= 0.5
    return full


def products(output: Tensor, inputs: Sequence[Tensor], vectors: Array) -> list[Array]:
    """vectors^T J: for each input an array (K, *x.shape), for vectors (K, *output.shape). The graph is kept."""
    found = [np.zeros((len(vectors), *x.shape), x.dtype) for x in inputs]
    if output.requires_grad:
        for part, gradients in _passes(output, inputs, vectors, len(vectors)):
            for block, g in zip(found, gradients, strict=True):
                if g is not None:
                    block[part] = g
    return found


def _passes(
    output: Tensor, inputs: Sequence[Tensor], vectors: Array | None, count: int
) -> Iterator[tuple[slice, list[Any]]]:
    """(part, gradients of that part of the seeds) in turn; all at once where the graph can carry batches."""
    nodes = nodes_below(output)
    if count > FEW and _batchable(nodes, inputs):
        largest = max([output.numel(), *(int(np.prod(n.shape)) for n in nodes)]) * output.dtype.itemsize
        step = max(8, min(count, CACHE // max(1, largest)))
        places = [x._node or x for x in inputs]
        try:
            for start in range(0, count, step):
                part = slice(start, min(start + step, count))
                seed = (
                    Units(np.arange(part.start, part.stop), output.shape, output.dtype)
                    if vectors is None
                    else Batch(vectors[part].astype(output.dtype, copy=False))
                )
                gradients = walk([output._node or output], [seed], targets=places, retain_graph=True)
                yield part, [gradients[at].data if at in gradients else None for at in places]
        except NotBatchable:
            pass
        else:
            return
    for k in range(count):
        vector = np.zeros(output.shape, output.dtype) if vectors is None else vectors[k]
        if vectors is None:
            vector.reshape(-1)[k] = 1
        gradients = differentiate([output], [wrap(vector)], inputs, retain_graph=True, create_graph=False)
        yield slice(k, k + 1), [_row(gradients.get(x._node or x)) for x in inputs]


def _row(g: Any) -> Any:
    return None if g is None else np.asarray(g)[None]


def nodes_below(output: Tensor) -> list[Node]:
    """All operations that a tensor was made by."""
    seen: dict[Node, None] = {}
    stack = [output._node]
    while stack:
        node = stack.pop()
        if type(node) is Node and node not in seen:
            seen[node] = None
            stack.extend(parent for parent in node.parents if type(parent) is Node)
    return list(seen)


def _batchable(nodes: list[Node], inputs: Sequence[Tensor]) -> bool:
    """Does the graph consist of rows of the table alone, with nobody watching it? Others may not read batches."""
    if MODE.get().listeners or any(x._hooks for x in inputs):
        return False
    return all(
        node.hooks is None and (node.primitive.elementwise or TABLE.get(node.primitive.name) is node.primitive)
        for node in nodes
    )
