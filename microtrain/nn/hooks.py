"""Hooks of a module: before and after its forward pass, and on the gradients at its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..custom.function import Function
from ..errors import ArgumentError
from ..tensor import Tensor

Gradients = tuple[Any, ...]


class WithKwargs(NamedTuple):
    """A hook that wants to see the keyword arguments too."""

    hook: Callable[..., Any]


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward` with everything that was registered around it."""
    for hook in tuple(module._before):
        if isinstance(hook, WithKwargs):
            args, kwargs = hook.hook(module, args, kwargs) or (args, kwargs)
        else:
            args = _as_tuple(hook(module, args), args)
    if module._before_backward or module._after_backward:
        output = call_with_backward_hooks(module, args, kwargs)
    else:
        output = module.forward(*args, **kwargs)
    for hook in tuple(module._after):
        if isinstance(hook, WithKwargs):
            replaced = hook.hook(module, args, kwargs, output)
        else:
            replaced = hook(module, args, output)
        if replaced is not None:
            output = replaced
    return output


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
    """What a hook returned: nothing (no change), one value, or a tuple of them."""
    if answer is None:
        return before
    return answer if isinstance(answer, tuple) else (answer,)


def _as_gradients(answer: Any, before: Gradients, hook: Callable[..., Any]) -> Gradients:
    """What a hook on gradients returned: as many as it was given."""
    gradients = _as_tuple(answer, before)
    if len(gradients) != len(before):
        raise ArgumentError(
            f"The backward hook {getattr(hook, '__qualname__', type(hook).__name__)} returned {len(gradients)} "
            f"gradients for {len(before)}.",
            "What it returns takes the place of the gradients that it saw, each that of the same number.",
            "Return a tuple of as many, with None where there was None, or nothing to change nothing.",
        )
    return gradients


def call_with_backward_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward`, with `_before_backward` and `_after_backward` called when the gradients come through."""
    arrived: list[Gradients] = []  # at the outputs

    def at_inputs(gradients: Gradients) -> Gradients:
        if arrived:  # a second derivative may come here without passing through the outputs
            at_output = arrived.pop()
            for hook in tuple(module._after_backward):
                gradients = _as_gradients(hook(module, gradients, at_output), gradients, hook)
        return gradients

    def at_outputs(gradients: Gradients) -> Gradients:
        for hook in tuple(module._before_backward):
            gradients = _as_gradients(hook(module, gradients), gradients, hook)
        arrived[:] = [gradients]
        if not watched:  # no input requires grad, so nothing arrives there
            at_inputs((None,) * len(args))
        return gradients

    args, watched = _through(args, at_inputs)
    output = module.forward(*args, **kwargs)
    several = isinstance(output, tuple)
    outputs, _ = _through(output if several else (output,), at_outputs)
    return outputs if several else outputs[0]
