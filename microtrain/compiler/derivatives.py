"""The backward pass, as a capture sees it: the formulas of the derivatives, read once more.

The backward walk computes with arrays, past the door of operations. So for every edge that it takes the same formula
(the row's vjp) is read again with tensors, and those do go through the door: the backward pass becomes rows of the
table like the forward pass, and nothing has to be known about derivatives here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.node import Node, memory_of
from ..engine.recording import no_grad
from ..engine.walk import NO_GRADIENT
from ..errors import CompileError
from ..ops.reductions import sum_to
from ..tensor import Tensor, wrap
from .program import Op, Value
from .writes import Writes


class Looked(Exception):  # noqa: N818
    """A derivative looks at values (how close to singular a matrix is, say)."""


class _StandIn:
    """Stands for an array among what was kept. All are equal: two captures may have kept different arrays."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _StandIn)

    __hash__ = None  # type: ignore[assignment]


class _Derivative:
    """A vjp as a row: done by NumPy as a whole."""

    elementwise = view = False

    def __init__(self, name: str, vjp: Any) -> None:
        self.name, self.vjp = name, vjp

    def forward(self, g: Any, *arrays: Any, kept: Any, params: Any) -> Any:
        rest = iter(arrays)
        return self.vjp(g, [next(rest) if isinstance(x, (_StandIn, Tensor)) else x for x in kept], params)


_derivatives: dict[Any, _Derivative] = {}


def _derivative_of(row: Any, plan: Any, slot: int) -> _Derivative:
    key = (row, plan.wanted, slot)
    if key not in _derivatives:
        _derivatives[key] = _Derivative(f"derivative of {row.name}", plan.vjps[slot])
    return _derivatives[key]


class Derivatives(Writes):
    """The tables of a capture, with the backward pass."""

    def __init__(self, leaves: Sequence[Any], outside: Sequence[Any]) -> None:
        super().__init__(outside)
        self.had = {id(leaf) for leaf in leaves if leaf._grad is not None}  # those that begin with a gradient
        self.op_of: dict[Node, Op] = {}
        self.noted: set[Node] = set()  # those of which it is noted what they keep as copies
        self.arrived: dict[Any, Any] = {}  # during a backward pass: node or leaf -> the gradient so far, a tensor
        self.totals: dict[Any, Any] = {}  # and those to which nothing will be added
        self.node: Any = None
        self.reading = self.walking = False  # inside a vjp; inside a backward pass
        self.leaves: dict[int, tuple[Any, str]] = {}
        self.graded: dict[int, Any] = {}  # those whose gradient the step has set itself
        self.went_backward = False

    def let_go(self) -> None:
        super().let_go()
        self.op_of, self.noted, self.arrived, self.totals, self.node = {}, set(), {}, {}, None

    def write(self, tensor: Any, new: Any, what: str) -> None:
        """A tensor was overwritten. What the graph kept of its old values has been copied: the copies have them too."""
        super().write(tensor, new, what)
        nodes = {new._node}
        while nodes:
            node = nodes.pop()
            op = self.op_of.get(node)
            if op is None or not node._copied or node in self.noted:
                continue
            self.noted.add(node)
            for x, (kind, index, _) in zip(node.kept, node.plan.keep, strict=True):
                if kind == "input" and isinstance(op.args[index], Value) and id(x) not in self.by_data:
                    self.alive.append(x)
                    self.by_data[id(x)] = op.args[index]
            nodes.update(parent for parent in node.parents if type(parent) is Node)

    def begin(self, outputs: Any, seeds: Any) -> None:
        """A backward pass begins with these gradients of the outputs."""
        self.phase, self.went_backward = "backward", True
        self.arrived, self.totals, self.node, self.walking = {}, {}, None, True
        for y, seed in zip(outputs, seeds, strict=True):
            if isinstance(seed, Tensor):
                continue
            known = self.by_data.get(id(seed))
            g = self.tensor_of(known) if known is not None else self.constant(seed)
            self._arrive(y._node or y, g)

    def backward(self, node: Any, slot: int, g: Any, gradient: Any) -> None:
        """The walk has taken one edge. The same once more with tensors, which is heard."""
        if isinstance(g, Tensor):
            return  # create_graph: the walk itself computes with tensors
        op = self.op_of.get(node)
        if op is None:
            raise self.refusal(
                f"The backward pass goes through '{node.primitive.name}' (made at {node.site}), before the step began.",
                "Only what happens inside the step is captured.",
                "Do the forward pass inside the step too, or detach() what comes from outside.",
            )
        self.site = op.site
        try:
            if node is not self.node:
                if node.hooks:
                    raise self.hook(f"A hook changes the gradient of '{node.primitive.name}'.")
                self.node = node
                self.totals[node] = self.arrived.pop(node)
            parent = node.parents[slot]
            with no_grad():
                part = self._part_of_gradient(node, slot, op)
                if part is NO_GRADIENT:
                    return
                if part.shape != parent.shape:
                    part = sum_to(part, parent.shape)
                if part.dtype != parent.dtype:
                    part = part.to(parent.dtype)
                self._arrive(parent, part)
        finally:
            self.site = None

    def _part_of_gradient(self, node: Any, slot: int, op: Op) -> Any:
        """What a vjp gives, noted operation by operation; as a whole if it looks at values on its way."""
        g, kept, count = self.totals[node], self._kept(node, op), len(self.program.ops)
        self.reading = True
        try:
            return node.plan.vjps[slot](g, kept, node.params)
        except Looked:
            del self.program.ops[count:]
        finally:
            self.reading = False
        tensors = [g, *(x for x in kept if isinstance(x, Tensor))]
        row = _derivative_of(node.primitive, node.plan, slot)
        result = wrap(np.asarray(row.forward(*(t._data for t in tensors), kept=kept, params=node.params)))
        kinds = tuple(_StandIn() if isinstance(x, Tensor) else x for x in kept)
        params = {"kept": kinds, "params": node.params}
        self.bind(result, self.done(row, [self.value_of(t) for t in tensors], params, result, op.site))
        return result

    def _arrive(self, at: Any, part: Any) -> None:
        with no_grad():
            self.arrived[at] = self.arrived[at] + part if at in self.arrived else part

    def _kept(self, node: Any, op: Op) -> list[Any]:
        """What the vjp reads, as tensors."""
        kept = []
        for kind, index, _ in node.plan.keep:
            x = op.out if kind == "output" else op.args[index]
            x = self.tensor_of(x) if isinstance(x, Value) else x
            kept.append(getattr(x, "shape", ()) if kind == "shape" else x)
        return kept

    def found(self, found: dict[Any, Any]) -> None:
        """The backward pass has ended with these gradients."""
        self.walking = False
        for at, g in found.items():
            total = self.totals.get(at, self.arrived.get(at))
            if isinstance(at, Tensor) and at._hooks:
                raise self.hook("A hook changes the gradient of a leaf.")
            if total is not None and not isinstance(g, Tensor):
                self.alive.append(g)
                self.by_data[id(g)] = self.value_of(total)

    def end(self) -> None:
        """The backward pass has ended."""
        self.arrived, self.totals, self.node = {}, {}, None

    def accumulate(self, tensor: Any, g: Any, create_graph: bool) -> None:
        """A gradient is about to be added to `tensor.grad`."""
        before = tensor._grad
        self.met_gradient(tensor)
        if before is None or create_graph:
            return
        old = self.value_of(before)
        memory_of(before)
        self.hear(before)
        with no_grad():
            total = self.tensor_of(old) + self.tensor_of(self.value_of(g))
        self.rebind(before, self.value_of(total), "backward")
        self.alive.append(before)

    def met_gradient(self, leaf: Any) -> None:
        """The gradient of a leaf matters from here on: was it there before the step?"""
        before = leaf._grad
        if id(leaf) not in self.leaves:
            fresh = before is not None and id(before) not in self.current and id(before._data) not in self.by_data
            self.leaves[id(leaf)] = (leaf, "tensor" if fresh else "any" if id(leaf) in self.had else "none")
            if fresh:
                self.bind(before, self.new("grad", before.shape, before.dtype, leaf), outside=True)

    def assigned(self, tensor: Any) -> None:
        """`tensor.grad` is about to be set."""
        self.graded[id(tensor)] = tensor

    def hook(self, what: str) -> CompileError:
        """The error for a hook."""
        return self.refusal(
            what,
            "Hooks are Python code, which the compiled step can't contain.",
            "Remove the hook (handle.remove()), or write what it does as operations.",
        )
