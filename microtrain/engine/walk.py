"""The backward walk.

Every node has a serial number, and an operation's inputs always have lower numbers than the operation itself. So taking
the highest number first visits a node only when everything that used it has been visited, and its gradient is complete.
That is all the topological sorting there is: no recursion, no counting pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from ..errors import InplaceError
from ..kernels import tier
from ..kernels.memory import Lent
from ..ops.arithmetic import add
from ..ops.reductions import sum_to
from ..tensor import Tensor, wrap
from .node import SMALL, Memory, Node
from .quiet import quiet, restore
from .recording import MODE


class _NoGradient:
    """What a vjp returns where no gradient flows at all (a Function's backward that returned None).

    Its shape None equals no parent's, so the walk meets it where shapes differ, and else need not ask for it.
    """

    shape = None


NO_GRADIENT = _NoGradient()
ALONE = (type(None), Lent)  # what an array that has its memory to itself is based on


def walk(
    roots: Sequence[Any],
    seeds: Sequence[Any],
    *,
    targets: Iterable[Any] | None = None,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> dict[Any, Any]:
    """Send `seeds` back from `roots` (nodes or leaf tensors); returns {node or leaf: gradient}.

    The answer has every leaf, or with `targets` only those nodes and leaves, and only the paths to them are walked. In
    both cases it also has the nodes on the way whose tensors keep their gradient. With `create_graph` the seeds are
    tensors, and the kept arrays are turned back into tensors of the graph, so that the gradients can be differentiated
    in turn.

    Gradients of leaves are owned: nothing else shares their memory. Those of nodes are still shared.
    """
    wanted = None if targets is None else set(targets)
    allowed = None if wanted is None else _leading_to(wanted, roots)
    listeners = MODE.get().listeners
    gradients: dict[Any, Any] = {}  # what has arrived so far, for nodes still to visit and for leaves
    found: dict[Any, Any] = {}
    heap: list[tuple[int, Node]] = []  # (-serial, node): the smallest comes first

    for root, seed in zip(roots, seeds, strict=True):
        if allowed is not None and root not in allowed:
            continue
        if root in gradients:
            gradients[root] = gradients[root] + seed
        elif type(root) is Node:
            gradients[root] = seed
            heappush(heap, (-root.serial, root))
        else:
            gradients[root] = own(seed)

    token = quiet()
    try:
        while heap:
            node = heappop(heap)[1]
            upstream = gradients.pop(node)  # complete: all that used this node's output has been visited

            # Hooks may replace the gradient; a tensor with retain_grad() gets it.
            if node.hooks is not None:
                for hook in tuple(node.hooks):
                    upstream = hook(upstream)
                if node.grad_receiver is not None:
                    found[node] = upstream
            raw = upstream._data if create_graph else upstream
            if raw.size <= SMALL:
                node.grad = raw  # for pictures

            # With targets, go on only where the path leads to one of them.
            if allowed is not None:
                if node in wanted:  # type: ignore[operator]
                    found[node] = upstream
                if allowed.isdisjoint(node.parents):
                    continue

            # The chain rule: the row's vjp, once for each parent.
            kept = _as_tensors(node) if create_graph else node.checked_kept()
            params, plan = node.params, node.plan
            for slot, parent in enumerate(node.parents):
                if allowed is not None and parent not in allowed:
                    continue
                gradient = plan.vjps[slot](upstream, kept, params)

                # Undo broadcasting and conversion: the gradient gets the shape and dtype of the parent.
                inner = type(parent) is Node  # else a leaf
                if inner:
                    shape, dtype = parent.shape, parent.dtype
                else:
                    shape, dtype = parent._data.shape, parent._data.dtype
                    if parent._memory is not None and parent._memory.reshaped > node.serial:
                        raise _reshaped(node, parent)
                if gradient.shape != shape:
                    if gradient is NO_GRADIENT:
                        continue
                    gradient = sum_to(gradient, shape)
                if gradient.dtype is not dtype and gradient.dtype != dtype:
                    gradient = gradient.astype(dtype)

                if listeners:
                    for listener in listeners:
                        listener.backward(node, slot, upstream, gradient)

                # Add what arrived there earlier, on other paths; a node that is met for the first time is queued.
                earlier = gradients.get(parent)
                if earlier is not None:
                    total = None
                    if gradient.__class__ is np.ndarray and gradient.size >= tier.large:
                        total = add.kernel((earlier, gradient))  # type: ignore[misc]
                    gradients[parent] = earlier + gradient if total is None else total
                elif inner:
                    gradients[parent] = gradient
                    heappush(heap, (-parent.serial, parent))
                else:
                    gradients[parent] = own(gradient, upstream)
            if not retain_graph and plan.holds_memory:
                node.kept = None  # where only shapes are kept there is nothing to free, and another walk may pass
    finally:
        restore(token)
    found.update(gradients)
    return found


def own(gradient: Any, upstream: Any = None) -> Any:
    """The gradient in memory that nothing else can reach: copied when it is a view or the upstream gradient itself."""
    if not isinstance(gradient, np.ndarray):
        return gradient if isinstance(gradient, np.generic) else gradient.clone()
    if gradient is upstream or not gradient.flags.c_contiguous or type(gradient.base) not in ALONE:
        return np.array(gradient, order="C")
    return gradient


def _reshaped(node: Node, leaf: Any) -> InplaceError:
    return InplaceError(
        f"'{node.primitive.name}' used a tensor whose data was replaced, before backward(), by some of another shape.\n"
        f"  used at: {node.site}",
        f"It has shape {leaf.shape} now, and the gradient is one of what it was.",
        "Call backward() before the tensor gets other data, or make a new tensor.",
    )


def _leading_to(targets: set[Any], roots: Iterable[Any]) -> set[Any]:
    """The nodes and leaves between the roots and the targets: those from which some target can be reached."""
    reachable: dict[Node, None] = {}
    stack = [root for root in roots if type(root) is Node]
    while stack:
        node = stack.pop()
        if node not in reachable:
            reachable[node] = None
            stack.extend(parent for parent in node.parents if type(parent) is Node)
    leading = set(targets)
    for node in sorted(reachable, key=lambda node: node.serial):  # inputs before what was made of them
        if not leading.isdisjoint(node.parents):
            leading.add(node)
    return leading


def _as_tensors(node: Node) -> list[Any]:
    """What a node kept, as tensors that know where they came from."""
    kept = list(node.checked_kept())
    memories = {place: memory for memory, place in node._watched_others or ()}
    for at, (kind, _, slot) in enumerate(node.plan.keep):
        if kind in ("input", "output"):
            origin = node if kind == "output" else node.parents[slot] if slot >= 0 else None
            kept[at] = _rebuild(kept[at], origin, memories.get(at))
    return kept


def _rebuild(data: Any, origin: Any, memory: Memory | None) -> Any:
    """A kept array as the tensor it was: with the node or the leaf that it came from."""
    if isinstance(origin, Tensor) or not isinstance(data, (np.ndarray, np.generic)):
        return data if origin is None else origin
    output = wrap(data)
    output._node, output._tracked, output._memory = origin, origin is not None, memory
    return output
