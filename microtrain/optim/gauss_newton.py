"""The Gauss-Newton method for sums of squares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.sites import call_site
from .equation import Equation
from .optimizer import Closure, check_range
from .whole import WholeOptimizer, steady_and_quiet


class GaussNewton(WholeOptimizer):
    """p <- p - lr (J^T J + damping I)^-1 J^T r for the loss |r|^2 / 2; J holds the derivatives of the residuals r.

    J^T J is the Hessian without the curvature of the model: never negative, and right where the residuals are small.
    With `damping` it is the method of Levenberg and Marquardt. Where J^T J has no inverse the shortest step is taken.

    `step(closure)`: the closure returns the residuals, prediction - target, a tensor of any shape, and does not call
    backward(). The step returns half the sum of their squares. Raises `ArgumentError` for negative values.
    """

    rule = Equation(
        "GaussNewton",
        (
            "p <- p - lr * inv(J.T @ J + damping * I) @ J.T @ r",
            r"\phi \leftarrow \phi - \eta (J^{T} J + \delta I)^{-1} J^{T} r",
        ),
    )
    reference = "Gauss 1809; damped: Levenberg 1944, Marquardt 1963"
    idea = "Replace the model, not the loss, by its tangent."

    def __init__(self, params: Iterable[Any], lr: float = 1.0, damping: float = 0.0) -> None:
        check_range("GaussNewton", lr=lr, damping=damping)
        super().__init__(params, {"lr": lr, "damping": damping})

    @steady_and_quiet
    def step(self, closure: Closure | None = None) -> Any:
        objective = self.objective(closure, "It returns the residuals, from whose graph J is computed.")
        residuals = objective.graph("GaussNewton")
        J, r = objective.jacobian(residuals), np.ravel(residuals._data)
        damping = self.param_groups[0]["damping"]
        tall = np.concatenate([J, np.sqrt(damping) * np.eye(self.flat.size)]) if damping else J
        direction = np.linalg.lstsq(tall, np.concatenate([r, np.zeros(len(tall) - len(r))]), rcond=None)[0]
        self.move(self.flat.values() - self.lr() * direction, call_site(2))
        return 0.5 * (residuals.detach() ** 2).sum()
