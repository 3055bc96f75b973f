"""The loss that a closure computes, as a function of all parameters together, with first and second derivatives.

(`analysis.Objective` is for those who analyse: it puts the parameters back, and takes many points at once.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..calculus import many_vjps
from ..calculus.derivatives import grad
from ..engine.recording import grad_mode
from ..errors import DtypeError, GraphError, ShapeError
from ..tensor import Tensor
from .flat import Flat


class ClosureLoss:
    """A closure and the parameters that it reads.

    The closure returns the loss. Whether it calls `backward()` itself, as PyTorch's closures do, does not matter,
    except where second derivatives are wanted: these need the graph, which `backward()` frees.
    """

    def __init__(self, closure: Callable[[], Any], flat: Flat) -> None:
        self.closure, self.flat = closure, flat
        self.calls_backward = True  # until a call has shown that it does not

    def with_gradient(self) -> tuple[Tensor, np.ndarray]:
        """(loss, gradient as a vector); the gradients are also in `.grad`."""
        params = self.flat.params
        for p in params:
            p._grad = None
        with grad_mode(True):
            loss = self.returned()
        self.calls_backward = any(p._grad is not None for p in params)
        if not self.calls_backward:
            if not isinstance(loss, Tensor):
                raise DtypeError(
                    f"The closure returned {type(loss).__name__} and did not call backward().",
                    "A step needs the gradient.",
                    "Let it call loss.backward(), or return the loss itself, without .item() or float().",
                )
            loss.backward()
        return loss, self.flat.gradient()

    def value(self) -> float:
        """The loss alone, without a graph if the closure lets it."""
        with grad_mode(self.calls_backward):
            return float(self.returned())

    def returned(self) -> Any:
        """What the closure returns. Raises `DtypeError` if that is nothing."""
        loss = self.closure()
        if loss is None:
            raise DtypeError("The closure returned None.", "A step asks it for the loss.", "End it with `return loss`.")
        return loss

    def along(self, direction: np.ndarray) -> Callable[[float], float]:
        """step -> the loss so far from here in a direction. The parameters stay at the last step that was asked for."""
        start = self.flat.values()

        def phi(step: float) -> float:
            self.flat.write(start + step * direction)
            return self.value()

        return phi

    # ---- with the graph ----------------------------------------------------------------------------------------------

    def graph(self, who: str) -> Tensor:
        """What the closure returns, with its graph. Raises `GraphError` if the closure has used that up."""
        for p in self.flat.params:
            p._grad = None
        with grad_mode(True):
            output: Tensor = self.returned()
        if any(p._grad is not None for p in self.flat.params):
            raise GraphError(
                f"The closure of {who}.step() called backward().",
                "The graph is needed once more, for second derivatives, and backward() frees it.",
                "Let the closure only compute and return.",
            )
        return output

    def gradient_graph(self, loss: Tensor) -> list[Tensor]:
        """The gradients, which can be differentiated in turn."""
        if loss.numel() != 1:
            raise ShapeError(f"The loss must be a single number, not a tensor of shape {loss.shape}.")
        return list(grad([loss], self.flat.params, create_graph=True, materialize_grads=True))

    def product(self, gradients: Sequence[Tensor], vector: np.ndarray) -> np.ndarray:
        """The Hessian times a vector: one more backward pass."""
        seeds = self.flat.split(vector)
        pairs = [(g, seed) for g, seed in zip(gradients, seeds, strict=True) if g.requires_grad]
        if not pairs:
            return np.zeros(self.flat.size, self.flat.dtype)
        outputs, weights = [g for g, _ in pairs], [seed for _, seed in pairs]
        rows = grad(outputs, self.flat.params, weights, retain_graph=True, materialize_grads=True)
        return self.flat.joined([row._data for row in rows])

    def hessian(self, gradients: Sequence[Tensor]) -> np.ndarray:
        """All second derivatives (parameters, parameters), many backward passes in one walk."""
        return many_vjps.hessian(gradients, self.flat.params, self.flat.parts, self.flat.dtype)

    def jacobian(self, outputs: Tensor) -> np.ndarray:
        """The derivatives of all elements of `outputs`; shape (elements, parameters)."""
        full = np.zeros((outputs.numel(), self.flat.size), self.flat.dtype)
        many_vjps.rows(outputs, self.flat.params, [full[:, part] for part in self.flat.parts])
        return full
