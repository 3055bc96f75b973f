"""L-BFGS: Newton's method with a Hessian guessed from the last gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine.sites import call_site
from ..errors import ArgumentError
from .closure_loss import ClosureLoss
from .equation import Equation
from .optimizer import Closure, check_range
from .whole import WholeOptimizer, steady_and_quiet
from .wolfe import strong_wolfe


class LBFGS(WholeOptimizer):
    """Steps along -B g, where B stands for the inverse Hessian and is made of the last steps s and changes of gradient
    y.

    B stays positive definite: pairs with y.s <= 1e-10, which tell of negative curvature, are left out. So, against what
    the book says, it can't use the downward directions at a saddle; `self.skipped` counts these pairs.

    Args:
        lr: the first step to try, or the only one without a line search.
        max_iter: iterations in one call of `step`.
        max_eval: evaluations in one call of `step`; 5/4 max_iter by default.
        tolerance_grad: stop when no component of the gradient is larger.
        tolerance_change: stop when neither the parameters nor the loss change by more.
        history_size: how many pairs are remembered.
        line_search_fn: None, or "strong_wolfe".

    `step(closure)` calls the closure as often as it needs to; it computes the loss, and may call backward(). Afterwards
    `self.search` is the last `LineSearch`. Raises `ArgumentError` for values out of range, several groups, or a missing
    closure.
    """

    rule = Equation(
        "LBFGS",
        ("B <- (I - s y.T / y.s) B (I - y s.T / y.s) + s s.T / y.s, for the last pairs s, y",
         r"B \leftarrow (I - \frac{s y^{T}}{y^{T} s}) B (I - \frac{y s^{T}}{y^{T} s}) + \frac{s s^{T}}{y^{T} s}"),
        ("p <- p - step * B @ g", r"\phi \leftarrow \phi - \eta B g"),
    )  # fmt: skip
    reference = "Nocedal 1980; Liu and Nocedal 1989"
    idea = "Newton's method with a Hessian guessed from the last gradients."

    def __init__(
        self, params: Iterable[Any], lr: float = 1.0, max_iter: int = 20, max_eval: int | None = None,
        tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        check_range("LBFGS", lr=lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ArgumentError(f"LBFGS: line_search_fn is None or 'strong_wolfe', not {line_search_fn!r}.")
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        })  # fmt: skip
        self.search: Any = None
        self.skipped = 0

    @steady_and_quiet
    def step(self, closure: Closure | None = None) -> Any:
        objective, where = self.objective(closure, "One step takes several evaluations of the loss."), call_site(2)
        group, lr = self.param_groups[0], self.lr()
        state = self.state[self.flat.params[0]]
        for name in ("func_evals", "n_iter"):
            state.setdefault(name, 0)
        first_loss, g = objective.with_gradient()
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        if np.abs(g).max() <= group["tolerance_grad"]:
            return first_loss
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(state, g, group["history_size"])
            before, state["prev_flat_grad"], state["prev_loss"], state["d"] = loss, g, loss, direction
            step = min(1.0, 1.0 / float(np.abs(g).sum())) * lr if state["n_iter"] == 1 else lr
            slope = float(g @ direction)
            state["t"] = step
            if slope > -group["tolerance_change"]:
                break
            x = self.flat.values()
            spent = 0
            if group["line_search_fn"]:
                budget = group["max_eval"] - evaluations
                loss, g, step = self._searched(objective, x, step, loss, g, direction, slope, group, budget)
                spent, state["t"] = self.search.n_evals, step
                self.move(x + step * direction, where)
            else:
                self.move(x + step * direction, where)
                if iteration < group["max_iter"]:  # after the last there is no use for the loss
                    found, g = objective.with_gradient()
                    loss, spent = float(found), 1
            evaluations += spent
            state["func_evals"] += spent
            if (
                evaluations >= group["max_eval"]
                or np.abs(g).max() <= group["tolerance_grad"]
                or np.abs(direction * step).max() <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _direction(self, state: dict[str, Any], g: np.ndarray, memory: int) -> np.ndarray:
        """-B g by the two loops over the pairs (Nocedal 1980)."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -g
        ys, ss, rs = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        along = float(y @ s)
        if along > 1e-10:
            if len(ys) == memory:
                for pairs in (ys, ss, rs):
                    pairs.pop(0)
            ys.append(y)
            ss.append(s)
            rs.append(1.0 / along)
            state["H_diag"] = along / float(y @ y)
        else:
            self.skipped += 1
        q: np.ndarray = -g
        shares: list[float] = []
        for y, s, r in zip(reversed(ys), reversed(ss), reversed(rs), strict=True):
            shares.append(float(s @ q) * r)
            q = q - shares[-1] * y
        q = q * state["H_diag"]
        for y, s, r, share in zip(ys, ss, rs, reversed(shares), strict=True):
            q = q + (share - float(y @ q) * r) * s
        return q

    def _searched(
        self, objective: ClosureLoss, x: np.ndarray, step: float, loss: float, g: np.ndarray, direction: np.ndarray,
        slope: float, group: Any, budget: int,
    ) -> tuple[float, np.ndarray, float]:  # fmt: skip
        """(loss, gradient, step) where the strong Wolfe conditions hold."""
        gradients = {0.0: g}

        def phi(t: float) -> tuple[float, float]:
            self.flat.write(x + t * direction)
            value, gradients[t] = objective.with_gradient()
            return float(value), float(gradients[t] @ direction)

        tolerance = group["tolerance_change"] / float(np.abs(direction).max())
        self.search = strong_wolfe(phi, step, loss, slope, tolerance=tolerance, max_iter=budget)
        return self.search.value, gradients[self.search.step], self.search.step
