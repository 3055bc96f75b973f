"""Hooks on the gradients of a module: at its inputs and at its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..function import Function
from ..tensor import Tensor

Gradients = tuple[Any, ...]


class _Pass(Function):
    """Gives its tensors back; on the way backward all their gradients go through one function."""

    @staticmethod
    def forward(ctx: Any, through: Callable[[Gradients], Gradients], *tensors: Tensor) -> Any:
        ctx.through = through
        return tuple(t.clone() for t in tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, *ctx.through(gradients)


def _through(values: tuple[Any, ...], function: Callable[[Gradients], Gradients]) -> tuple[tuple[Any, ...], bool]:
    """The values with a `_Pass` behind those that require grad, and whether there were any."""
    places = [k for k, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
    if not places:
        return values, False

    def spread(gradients: Gradients) -> Gradients:
        """`function` sees one place for each value, None where no gradient flows."""
        everywhere: list[Any] = [None] * len(values)
        for k, g in zip(places, gradients, strict=True):
            everywhere[k] = g
        replaced = function(tuple(everywhere))
        return tuple(replaced[k] for k in places)

    passed = _Pass.apply(spread, *(values[k] for k in places))
    output = list(values)
    for k, tensor in zip(places, passed, strict=True):
        output[k] = tensor
    return tuple(output), True


def _as_tuple(answer: Any, before: Gradients) -> Gradients:
    """What a hook returned: nothing (no change), one gradient, or a tuple of them."""
    if answer is None:
        return before
    return answer if isinstance(answer, tuple) else (answer,)


def call_with_backward_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward`, with `_before_backward` and `_after_backward` called when the gradients come through."""
    arrived: list[Gradients] = []  # at the outputs

    def at_inputs(gradients: Gradients) -> Gradients:
        if arrived:  # a second derivative may come here without passing through the outputs
            at_output = arrived.pop()
            for hook in tuple(module._after_backward):
                gradients = _as_tuple(hook(module, gradients, at_output), gradients)
        return gradients

    def at_outputs(gradients: Gradients) -> Gradients:
        for hook in tuple(module._before_backward):
            gradients = _as_tuple(hook(module, gradients), gradients)
        arrived[:] = [gradients]
        if not watched:  # no input requires grad, so nothing arrives there
            at_inputs((None,) * len(args))
        return gradients

    args, watched = _through(args, at_inputs)
    output = module.forward(*args, **kwargs)
    several = isinstance(output, tuple)
    outputs, _ = _through(output if several else (output,), at_outputs)
    return outputs if several else outputs[0]
