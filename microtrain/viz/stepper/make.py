"""`microtrain.trace`: from a tensor that has a graph, or by running a function."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ...engine.recording import enable_grad, listen
from ...errors import ArgumentError, DtypeError, GraphError
from ...tensor import Tensor
from ..graph.names import Names, caller
from .assemble import Assembly
from .existing import differentiate_again, leading_to, retell, tell_earlier
from .folding import fold
from .recorder import Recorder
from .result import Trace


def trace(
    what: Tensor | Callable[..., Any], *args: Any, optimizer: Any = None, gradient: Any = None, title: str = ""
) -> Trace:
    """Record a computation step by step: forward, backward one edge at a time, and the optimizer's update.

    Given a tensor, the graph that led to it is told again, and a backward pass is run for the trace alone: no `.grad`
    changes, and `backward()` can still be called. With `optimizer` the update that would follow is told too, on copies
    of the parameters. Given a function, it is called with `args`, and everything that really happens in it is recorded:
    `backward()`, `grad(..., create_graph=True)` and the backward pass through it, `optimizer.step()`. If it runs no
    backward pass itself and returns a tensor that requires grad, one is run for the trace alone.

    Args:
        what: a result (the loss), or a function.
        optimizer: whose step is to be shown; only with a tensor (or a function that returns one).
        gradient: what flows in from above, if the tensor is not a single number.
        title: the page's heading.

    Raises `GraphError` if the tensor has no graph or the graph was freed by backward(), `ShapeError` if it is not a
    single number and `gradient` is missing, `DtypeError` for anything else.

    >>> import microtrain as mt
    >>> w = mt.tensor(3.0, requires_grad=True)
    >>> mt.trace(w * w)
    <Trace of 4 steps: 1 forward, 1 seed, 2 backward; play() steps through it, save('step.html') writes a page>
    """
    names = caller()
    recorder = Recorder(tell_earlier)
    if isinstance(what, Tensor):
        if args:
            raise ArgumentError("trace(tensor) takes no further arguments.", fix="They are for trace(function, ...).")
        _tell(recorder, what, gradient, names)
        root: Any = what
        title = title or f"{what._name or names.of_tensor.get(id(what), '')}".strip()
    elif callable(what):
        title = title or getattr(what, "__name__", "")
        with enable_grad(), listen(recorder):
            root = what(*args)
        root = _loss_of(root)
        if root is not None and not recorder.walks:
            differentiate_again(recorder, root, gradient, leading_to(root.grad_fn))
        elif not recorder.steps:
            raise GraphError(
                f"Nothing happened in {title or 'the function'} that could be recorded.",
                "It did no operation on tensors.",
                "Give trace() a function that computes a loss.",
            )
    else:
        raise DtypeError(f"trace() takes a tensor or a function, not {type(what).__name__}.", fix="mt.trace(loss)")
    if optimizer is not None:
        _update(recorder, optimizer)
    recorder.finish()
    recorder.learn(names)
    notes = fold(recorder)
    return Trace(Assembly(recorder).trace(title or "trace", notes))


def _loss_of(result: Any) -> Any:
    """The tensor to differentiate, of what a function returned."""
    for x in result if isinstance(result, (tuple, list)) else (result,):
        if isinstance(x, Tensor) and x.requires_grad:
            return x
    return None


def _tell(recorder: Recorder, root: Tensor, gradient: Any, names: Names) -> None:
    if not root.requires_grad:
        raise GraphError(
            "trace() of a tensor that does not require grad: there is no graph to step through.",
            "No input of the computation was marked with requires_grad=True, or it ran under no_grad().",
            "Mark the parameters (mt.tensor(..., requires_grad=True)), or trace a function: mt.trace(step).",
        )
    operations = leading_to(root.grad_fn)
    retell(recorder, operations, names)
    differentiate_again(recorder, root, gradient, operations)


def _update(recorder: Recorder, optimizer: Any) -> None:
    """Let a copy of the optimizer step, with the gradients of the trace."""
    gradients = recorder.gradients()
    if not hasattr(optimizer, "param_groups"):
        raise DtypeError(f"trace(optimizer=...) takes an optimizer, not {type(optimizer).__name__}.")
    if not any(recorder.known(p) in gradients for group in optimizer.param_groups for p in group["params"]):
        raise ArgumentError(
            "None of the optimizer's parameters is in the graph of this tensor.",
            "So the step would change nothing.",
            "Make the optimizer of the parameters that the loss is computed from.",
        )
    twin = copy.deepcopy(optimizer)
    for group, copied in zip(optimizer.param_groups, twin.param_groups, strict=True):
        for p, q in zip(group["params"], copied["params"], strict=True):
            box = recorder.known(p)
            q.grad = None
            if box in gradients:
                recorder.alias(q, box)
                q._grad = Tensor(gradients[box])
    try:
        with listen(recorder):
            twin.step()
    except ArgumentError as error:  # one that computes the loss itself
        raise ArgumentError(
            f"The step of {type(optimizer).__name__} can't be told beside a tensor: {error.what}",
            error.why,
            "Trace a function that does the whole step: mt.trace(lambda: optimizer.step(closure)).",
        ) from None
