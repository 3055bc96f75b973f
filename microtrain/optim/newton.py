"""Newton's method, and gradient descent with a preconditioner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.recording import grad_mode
from ..engine.sites import call_site
from ..errors import ArgumentError
from ..tensor import Tensor
from .equation import Equation
from .optimizer import Closure, check_range, need_closure
from .whole import WholeOptimizer, steady_and_quiet

SECOND = "The second derivatives are computed from the graph of the loss."


class Newton(WholeOptimizer):
    """p <- p - lr H^-1 g, where H holds all second derivatives: for models of up to some hundreds of parameters.

    On a quadratic one step leads to the stationary point. Elsewhere, against what the book says, the plain method needs
    care: it is drawn to saddles and maxima as much as to minima, overshoots, cycles and diverges, even on convex
    losses.

    Args:
        lr: shorter steps are the simplest cure (damped Newton).
        damping: added to the diagonal of H (Levenberg); large values lead to gradient descent.
        saddle_free: use the absolute values of the eigenvalues of H, so that every step leads downhill (Dauphin et al.
            2014). Then `damping` is added to these.

    `step(closure)`: the closure returns the loss and does not call backward(). Afterwards `self.hessian` is H. Raises
    `ArgumentError` if H has no inverse or for negative values.
    """

    rule = Equation(
        "Newton", ("p <- p - lr * inv(H + damping * I) @ g", r"\phi \leftarrow \phi - \eta (H + \delta I)^{-1} g")
    )
    reference = "Newton 1669; saddle-free: Dauphin et al. 2014"
    idea = "Step to the bottom of the parabola that touches the loss here."

    def __init__(self, params: Iterable[Any], lr: float = 1.0, damping: float = 0.0, saddle_free: bool = False) -> None:
        check_range("Newton", lr=lr, damping=damping)
        super().__init__(params, {"lr": lr, "damping": damping, "saddle_free": saddle_free})
        self.hessian: np.ndarray | None = None

    @steady_and_quiet
    def step(self, closure: Closure | None = None) -> Any:
        objective, group = self.objective(closure, SECOND), self.param_groups[0]
        loss = objective.graph("Newton")
        gradients = objective.gradient_graph(loss)
        g = self.flat.joined([x._data for x in gradients])
        self.hessian = H = objective.hessian(gradients)
        if group["saddle_free"]:
            values, vectors = np.linalg.eigh(H)
            sizes = np.abs(values) + group["damping"]
            if not (sizes > 0).all():
                raise _singular("Newton")
            direction = vectors @ (vectors.T @ g / sizes)
        else:
            try:
                direction = np.linalg.solve(H + group["damping"] * np.eye(len(H)), g)
            except np.linalg.LinAlgError:
                raise _singular("Newton") from None
        self.move(self.flat.values() - self.lr() * direction, call_site(2))
        return loss


def _singular(who: str) -> ArgumentError:
    return ArgumentError(
        f"{who}: the matrix has no inverse here.",
        "Along some direction the loss is not curved at all.",
        "Pass a positive damping.",
    )


class Preconditioned(WholeOptimizer):
    """p <- p - lr P g: gradient descent on a landscape that the matrix P has reshaped.

    With P = H^-1 every quadratic becomes a round bowl; with P = 1 / diag(H) only those whose axes are the parameters'.

    Args:
        P: a matrix (n, n) for all n parameters in their order, a vector of its diagonal, or a name: "newton" (the
            inverse of the Hessian at each step) or "jacobi" (the inverse of its diagonal).

    With a named P `step(closure)` needs a closure that returns the loss without calling backward(); else `.grad` is
    used. Raises `ArgumentError` for another name or shape, and if there is no inverse.
    """

    rule = Equation("Preconditioned", ("p <- p - lr * P @ g", r"\phi \leftarrow \phi - \eta P g"))
    reference = "Jacobi 1845"
    idea = "Reshape the landscape so that all directions are equally steep."

    def __init__(self, params: Iterable[Any], lr: float = 1.0, P: Any = "jacobi") -> None:
        check_range("Preconditioned", lr=lr)
        super().__init__(params, {"lr": lr})
        if isinstance(P, str):
            if P not in ("newton", "jacobi"):
                raise ArgumentError(f"Preconditioned: P is 'newton', 'jacobi', a matrix or a vector, not {P!r}.")
            self.P: Any = P
            return
        self.P = np.array(P.detach() if isinstance(P, Tensor) else P, self.flat.dtype)
        if self.P.shape not in ((self.flat.size,), (self.flat.size,) * 2):
            raise ArgumentError(f"Preconditioned: P has shape {self.P.shape}, for {self.flat.size} parameters.")

    @steady_and_quiet
    def step(self, closure: Closure | None = None) -> Any:
        loss = None
        if isinstance(self.P, str):
            objective = self.objective(closure, SECOND)
            loss = objective.graph("Preconditioned")
            gradients = objective.gradient_graph(loss)
            g, H = self.flat.joined([x._data for x in gradients]), objective.hessian(gradients)
            try:
                P = np.linalg.inv(H) if self.P == "newton" else np.linalg.inv(np.diag(np.diag(H)))
            except np.linalg.LinAlgError:
                raise _singular("Preconditioned") from None
        else:
            if closure is not None:
                with grad_mode(True):
                    loss = need_closure(closure, "Preconditioned")()
            g, P = self.flat.gradient(), self.P
        self.move(self.flat.values() - self.lr() * (P @ g if P.ndim == 2 else P * g), call_site(2))
        return loss
