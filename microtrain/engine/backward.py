"""Gradients of tensors: `backward`, hooks, and what `backward` and `grad` have in common.

`operators.install` makes the functions whose first parameter is `self` methods of `Tensor`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, GraphError, ShapeError
from ..show import short
from ..tensor import Tensor, wrap
from .calls import mark_call
from .node import SMALL, Node, serial
from .recording import MODE, Mode
from .views import count_write
from .walk import walk


def backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Iterable[Tensor] | None = None,
) -> None:
    """Add the derivative of this tensor to `.grad` of every leaf that it was made from (or of `inputs` only).

    Args:
        gradient: what flows in from above, of this tensor's shape; 1 if the tensor is a single number.
        retain_graph: keep what the graph saved, for another backward(); by default only with `create_graph`.
        create_graph: record the backward pass too, so that the gradients can be differentiated. The gradient in
            `x.grad` then leads back to x, a cycle that only `x.grad = None` breaks: better use `microtrain.grad`.

    Raises `GraphError` when there is nothing to differentiate, `ShapeError` when a gradient is needed and missing,
    `InplaceError` when a saved value was overwritten. After an error no gradient has changed.
    """
    run_backward(self, None if gradient is None else [gradient], retain_graph, create_graph, inputs)


def run_backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Iterable[Tensor] | None = None,
) -> None:
    """`backward` of several tensors at once: the gradients of their sum, weighted by `grad_tensors`."""
    ys = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    seeds = [None] * len(ys) if grad_tensors is None else listed(grad_tensors)
    if len(seeds) != len(ys):
        raise ArgumentError(f"backward(): {len(ys)} tensors, but {len(seeds)} gradients for them.")
    targets = None
    if inputs is not None:
        targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not targets:
            raise ArgumentError("backward(inputs=[]) has nothing to do.", fix="Leave `inputs` out for all leaves.")
        for x in targets:
            require_grad(x, "backward(inputs=...)")
    found = differentiate(ys, seeds, targets, retain_graph, create_graph)
    tensor_of = {x.grad_fn: x for x in targets if x.grad_fn is not None} if targets else {}
    listeners = [each for each in MODE.get().listeners if hasattr(each, "accumulate")]
    for at, gradient in found.items():
        tensor = at
        if type(at) is Node:  # of a tensor that was asked for, or that keeps its gradient
            tensor = tensor_of.get(at, at.grad_receiver() if at.grad_receiver is not None else None)
            if tensor is None:
                continue
        for listener in listeners:
            listener.accumulate(tensor, gradient, create_graph)
        if tensor._grad is None:
            tensor._grad = gradient if isinstance(gradient, Tensor) else wrap(gradient)
        else:
            _accumulate(tensor, gradient, create_graph)


def listed(x: Any) -> list[Any]:
    """One thing or several, as a list."""
    return [x] if x is None or isinstance(x, (Tensor, np.ndarray, np.generic, int, float)) else list(x)


def require_grad(x: Any, who: str) -> None:
    """Raise `GraphError` if nothing can be differentiated with respect to `x`."""
    if not isinstance(x, Tensor):
        raise DtypeError(f"{who} takes tensors, not {type(x).__name__}.")
    if not x.requires_grad:
        raise GraphError(
            f"{who} with respect to a tensor that does not require grad ({short(x._data)}).",
            fix="Mark it before the forward pass: x.requires_grad_().",
        )


def _accumulate(tensor: Tensor, gradient: Any, create_graph: bool) -> None:
    """Add to the gradient that is there. Raises `ShapeError` if it is of another shape."""
    before: Any = tensor._grad
    if before._data.shape != gradient.shape:
        raise ShapeError(
            f"A gradient of shape {gradient.shape} can't be added to one of shape {before.shape}.",
            "The tensor was given other data since its last backward().",
            "Forget the old gradient first: x.grad = None, or optimizer.zero_grad().",
        )
    if create_graph:
        tensor._grad = before + gradient
        return
    memory = before._array()
    if memory.flags.writeable:
        np.add(memory, gradient, out=memory)
        count_write(before, "backward")
    else:
        tensor._grad = wrap(memory + gradient)


# ---------------------------------------------------------------------------------------------------------------------
# Shared by `backward` and `grad`


def differentiate(
    outputs: Sequence[Tensor],
    gradients: Sequence[Any],
    inputs: Sequence[Tensor] | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> dict[Any, Any]:
    """The walk from `outputs`: {leaf tensor or node: a gradient that nothing else shares}, after the leaves' hooks."""
    seeds = [_seed(y, g, create_graph) for y, g in zip(outputs, gradients, strict=True)]
    before = MODE.get()
    since = serial()
    for listener in before.listeners:
        if hasattr(listener, "begin"):
            listener.begin(outputs, seeds)
    MODE.set(Mode(create_graph, before.listeners))
    try:
        found = walk(
            [y._node or y for y in outputs],
            seeds,
            targets=None if inputs is None else [x.grad_fn or x for x in inputs],
            retain_graph=create_graph if retain_graph is None else retain_graph,
            create_graph=create_graph,
        )
        for at, gradient in found.items():
            if type(at) is Node:
                found[at] = gradient.clone() if isinstance(gradient, Tensor) else np.array(gradient, order="C")[()]
            elif at._hooks:
                for hook in tuple(at._hooks):
                    gradient = hook(gradient)  # noqa: PLW2901
                # A copy: the hook may have kept it.
                found[at] = gradient.clone() if isinstance(gradient, Tensor) else np.array(gradient)[()]
        if create_graph:
            mark_call("backward", since, found)
    finally:
        MODE.set(before)
    for listener in before.listeners:
        if hasattr(listener, "found"):
            listener.found(found)
        if hasattr(listener, "end"):
            listener.end()
    return found


def _seed(output: Any, gradient: Any, create_graph: bool) -> Any:
    """What flows into an output: an array, or a tensor with `create_graph`."""
    if not isinstance(output, Tensor):
        raise DtypeError(f"Only tensors can be differentiated, not {type(output).__name__}.")
    if not output.requires_grad:
        raise GraphError(
            f"backward() on a tensor that does not require grad: {short(output._data)}.",
            "No input of the computation was marked with requires_grad=True, or it ran under no_grad(), was detached, "
            "or consists of operations without a derivative (comparisons, argmax, conversion to integers).",
            "Mark the parameters: w = mt.tensor(..., requires_grad=True).",
        )
    if gradient is None:
        if not create_graph and output._data.ndim == 0:
            return output._data.dtype.type(1)
        if output.numel() != 1:
            raise ShapeError(
                f"backward() without a gradient needs a single number, but this tensor has shape {output.shape}.",
                "A derivative of many numbers is a matrix; backward() computes a weighted sum of its rows.",
                "Reduce it first (loss.sum() or loss.mean()), or give the weights: backward(gradient=mt.ones_like(y)).",
            )
        gradient = np.ones(output.shape, output.dtype)
    tensor = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    if tensor.shape != output.shape:
        raise ShapeError(f"The gradient has shape {tensor.shape}, but the tensor has {output.shape}.")
    if create_graph:
        return tensor if tensor.dtype == output.dtype else tensor.to(output.dtype)
    data = tensor._data
    if not data.ndim:
        return np.asarray(data).astype(output.dtype)[()]
    # Nothing writes to a gradient on its way, and what arrives at a leaf is copied; but nodes remember small ones.
    return data.astype(output.dtype, copy=data.size <= SMALL)


# ---------------------------------------------------------------------------------------------------------------------
# Hooks


class Handle:
    """What `register_hook` returns; `remove()` takes the hook away."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook
        hooks.append(hook)

    def remove(self) -> None:
        """Take the hook away."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> Handle:
    """Call `hook(grad)` whenever the gradient of this tensor has been computed; what it returns replaces it.

    The gradient comes read-only: return a new one (`lambda g: g * 2`) instead of changing it in place. Raises
    `GraphError` if the tensor does not require grad.
    """
    if not callable(hook):
        raise DtypeError(f"A hook is a function of the gradient, not {type(hook).__name__}.")
    if not self.requires_grad:
        raise GraphError(
            "A hook on a tensor that does not require grad would never be called.", fix="Mark it: x.requires_grad_()."
        )

    def run(g: Any) -> Any:
        if isinstance(g, Tensor):  # create_graph=True
            replaced = hook(g)
        else:
            frozen = np.asarray(g).view()
            frozen.flags.writeable = False
            replaced = hook(wrap(frozen))
        if replaced is None:
            return g
        if np.shape(replaced) != g.shape:
            raise ShapeError(f"A hook returned a gradient of shape {np.shape(replaced)} for one of {g.shape}.")
        if isinstance(g, Tensor):
            return replaced if isinstance(replaced, Tensor) else Tensor(replaced, g.dtype)
        return np.array(replaced._data if isinstance(replaced, Tensor) else replaced, dtype=g.dtype, order="C")[()]

    if self._node is None:
        self._hooks = self._hooks or []
        return Handle(self._hooks, run)
    self._node.hooks = self._node.hooks or []
    return Handle(self._node.hooks, run)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this intermediate result in `.grad`, as leaves do.

    Raises `GraphError` if the tensor does not require grad.
    """
    if not self.requires_grad:
        raise GraphError("retain_grad() on a tensor that does not require grad: there will be no gradient to keep.")
    if self._node is not None:
        self._node.hooks = self._node.hooks or []
        self._node.grad_receiver = weakref.ref(self)
