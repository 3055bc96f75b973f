"""What PyTorch keeps in `torch.autograd.function`: the class for operations of one's own, and what belongs to it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..custom.function import Function
from ..custom.function_call import Context as FunctionCtx
from ..engine.recording import no_grad

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """For the `backward` of a `Function` that computes outside the graph; a second derivative raises.

    >>> @staticmethod
    ... @once_differentiable
    ... def backward(ctx, g):
    ...     ...
    """

    @functools.wraps(backward)
    def call(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            return backward(ctx, *gradients)

    return call
