"""An operation of your own with its derivative, as a class in PyTorch's shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.node import memory_of
from ..engine.recording import MODE, grad_mode
from ..engine.sites import site_of
from ..errors import ArgumentError, InplaceError, NotDifferentiableError
from ..tensor import Tensor
from .function_call import Context, FunctionCall, contents


class Function:
    """An operation with its derivative, as in PyTorch.

    >>> import microtrain as mt
    >>> class Cube(mt.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x ** 2
    >>> x = mt.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)

    `backward` gets one gradient for each output (zeros where none arrived, or None after
    `ctx.set_materialize_grads(False)`) and returns one for each argument of `forward` (None where there is none).
    Gradients and saved tensors come read-only, as constants. To differentiate inside `backward` (under `enable_grad()`,
    with `mt.grad`) take the parameters themselves, by `ctx.module = module`, and `x.detach().requires_grad_()`.

    With `create_graph=True` it is run on tensors of the graph, and what it computes from saved inputs and outputs by
    tensor operations is differentiated again; where the second derivative would be lost (NumPy inside, or a saved
    intermediate result) `NotDifferentiableError` is raised.
    """

    def __init__(self, *_: Any) -> None:
        name = type(self).__name__
        raise ArgumentError(f"{name} is called by {name}.apply(...), not {name}()(...).", "It has no objects.")

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The value: forward(ctx, *args), or forward(*args) if there is a `setup_context`."""
        raise NotImplementedError("Define forward(ctx, ...) as a staticmethod.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Optional: save what `backward` needs, apart from `forward`."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The vector-Jacobian product."""
        raise NotImplementedError("Define backward(ctx, ...) as a staticmethod.")

    @classmethod
    def separate_context(cls) -> bool:
        """Is the context filled by `setup_context` instead of `forward`?"""
        return cls.setup_context is not Function.setup_context

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call `forward` and record that `backward` belongs to it."""
        hidden = [*kwargs.values(), *(x for a in args if isinstance(a, (list, tuple)) for x in a)]
        if any(isinstance(x, Tensor) and x.requires_grad for x in hidden):
            raise ArgumentError(
                f"{cls.__name__}.apply() got a tensor that requires grad inside a list or as a keyword.",
                "Gradients are returned for positional arguments only; this one's would be lost without a word.",
                "Pass it by position: apply(*tensors).",
            )
        inputs = [a for a in args if isinstance(a, Tensor)]
        context = Context(tuple(isinstance(a, Tensor) and a.requires_grad for a in args))
        before = [memory_of(x).version for x in inputs]
        with grad_mode(False):
            if cls.separate_context():
                result = cls.forward(*args, **kwargs)
                cls.setup_context(context, args, result)
            else:
                result = cls.forward(context, *args, **kwargs)
        for x, version in zip(inputs, before, strict=True):
            if memory_of(x).version != version:
                writer, where = memory_of(x).writer
                raise InplaceError(
                    f"{cls.__name__}.forward changed its input by '{writer}'.\n  at {site_of(where)}",
                    "The caller's tensor would have a new value without a history.",
                    "Work on a copy: x = x.clone().",
                )
        outputs = [_apart(y, inputs) for y in (result if isinstance(result, tuple) else (result,))]
        differentiable = [
            k for k, y in enumerate(outputs)
            if isinstance(y, Tensor) and y.dtype.kind == "f" and not any(y is p for p in context._plain_outputs)
        ]  # fmt: skip
        if differentiable and MODE.get().grad and any(context.needs_input_grad):
            given = contents((*args, *kwargs.values()))
            outputs = FunctionCall(cls, args, given, context, outputs, differentiable).outputs()
        elif not isinstance(result, tuple) and not isinstance(result, Tensor):
            raise NotDifferentiableError(f"{cls.__name__}.forward returned {type(result).__name__}, not a tensor.")
        return tuple(outputs) if isinstance(result, tuple) else outputs[0]


def _apart(output: Any, inputs: list[Tensor]) -> Any:
    """An output in memory of its own: `forward` may return an input or a view of it."""
    if isinstance(output, Tensor) and any(np.may_share_memory(output._data, x._data) for x in inputs):
        return output.clone()
    return output
