"""Gradient descent that searches for the length of each step."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from ..engine.sites import call_site
from ..errors import ArgumentError
from .closure_loss import ClosureLoss
from .equation import Equation
from .line_search import LineSearch, backtracking, bracketing, golden_section
from .optimizer import Closure, check_range
from .whole import WholeOptimizer, steady_and_quiet
from .wolfe import strong_wolfe

SEARCHES = ("armijo", "bracket", "golden", "wolfe", "exact")


class LineSearchGD(WholeOptimizer):
    """p <- p - step g, with the step from a line search along -g (Figure 6.1 of the book).

    Args:
        search: "armijo" (backtracking from lr), "wolfe" (from lr), "bracket" or "golden" (between 0 and lr), or
            "exact", g.g / g.Hg, which is the best step on a quadratic (lr where the loss is not curved upwards).
        lr: the first or the longest step.
        rho, c: of backtracking.
        tol: of the bracket; the minimum is looked for between 0 and lr only.

    `step(closure)`: the closure returns the loss. Afterwards `self.search` is the `LineSearch`. Raises `ArgumentError`
    for values out of range.
    """

    rule = Equation(
        "LineSearchGD",
        ("step <- argmin over s of L(p - s * g)", r"s \leftarrow \arg\min_{s} L(\phi - s g)"),
        ("p <- p - step * g", r"\phi \leftarrow \phi - s g"),
    )
    reference = "Cauchy 1847; Armijo 1966"
    idea = "Look how far it goes down before going there."

    def __init__(
        self, params: Iterable[Any], search: str = "armijo", lr: float = 1.0, rho: float = 0.5, c: float = 1e-4,
        tol: float = 1e-6,
    ) -> None:  # fmt: skip
        check_range(type(self).__name__, lr=lr, rho=rho, c=c, tol=tol)
        if search not in SEARCHES:
            raise ArgumentError(f"{type(self).__name__}: search is one of {', '.join(SEARCHES)}, not {search!r}.")
        super().__init__(params, {"lr": lr, "method": search, "rho": rho, "c": c, "tol": tol})
        self.search: LineSearch | None = None  # the last

    @steady_and_quiet
    def step(self, closure: Closure | None = None) -> Any:
        objective, where = self.objective(closure, "A line search computes the loss again and again."), call_site(2)
        group, start, lr = self.param_groups[0], self.flat.values(), self.lr()
        if group["method"] == "exact":
            loss = objective.graph(type(self).__name__)
            gradients = objective.gradient_graph(loss)
            g = self.flat.joined([x._data for x in gradients])
            d = self.direction(g)
            curvature = float(d @ objective.product(gradients, d))
            step = -float(g @ d) / curvature if curvature > 0 else lr  # else there is no lowest point on the line
            self.search = LineSearch("exact", step, float("nan"), evaluations=[(0.0, float(loss))])
        else:
            loss, g = objective.with_gradient()
            d = self.direction(g)
            if g.any():
                self.search = self._find(objective, group, lr, float(loss), d, float(g @ d))
            else:
                self.search = LineSearch("none, at a stationary point", 0.0, float(loss))
        self.move(start + self.search.step * d, where)
        return loss

    def direction(self, g: np.ndarray) -> np.ndarray:
        """Where to search, given the gradient."""
        return -g

    def _find(
        self, objective: ClosureLoss, group: Any, lr: float, loss: float, d: np.ndarray, slope: float
    ) -> LineSearch:
        if group["method"] == "wolfe":
            start = self.flat.values()

            def phi(step: float) -> tuple[float, float]:
                self.flat.write(start + step * d)
                value, gradient = objective.with_gradient()
                return float(value), float(gradient @ d)

            return strong_wolfe(phi, lr, loss, slope, c1=group["c"])
        if group["method"] == "armijo":
            search = partial(backtracking, slope=slope, step=lr, rho=group["rho"], c=group["c"], start=loss)
        else:
            search = partial(bracketing if group["method"] == "bracket" else golden_section, high=lr, tol=group["tol"])
        return search(objective.along(d))
