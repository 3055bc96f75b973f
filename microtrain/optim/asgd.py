"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, ClassVar

from ..formula import F
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_range
from .rule import Rule

SCALARS: dict[str, Callable[..., Any]] = {
    "rate": lambda eta: eta,  # what was worked out after the step before
    "share": lambda mu: mu,
    "eta": lambda lr, lambd, alpha, t: lr / (1 + lambd * lr * t) ** alpha,
    "mu": lambda t, t0: 1 / F.maximum(1.0, t - t0),
}


@cache
def asgd_rule(decay: bool = False) -> Rule:
    """p = p - rate (g + lambd p); ax is the mean of p since step t0."""

    def formula(p: Any, g: Any, ax: Any, rate: Any, share: Any, lambd: Any, weight_decay: Any) -> Any:
        g = g + weight_decay * p if decay else g
        p = p * (1 - lambd * rate) - rate * g
        return p, ax + share * (p - ax)

    return Rule("ASGD", ["ax"], formula, SCALARS)


class ASGD(Optimizer):
    """SGD with a falling rate, which also keeps the mean of its parameters: `state[p]["ax"]`.

    Args:
        lambd: weight decay apart from the gradient.
        alpha: the rate falls like (1 + lambd lr t)^-alpha.
        t0: the mean begins after so many steps; before, it is the parameter itself.

    Raises `ArgumentError` for negative values.
    """

    rule = asgd_rule()
    scalars: ClassVar[Mapping[str, float]] = {"step": 0, "eta": -1.0, "mu": 1.0}
    reference = "Polyak and Juditsky 1992"
    idea = "The mean of the path lies nearer to the minimum than its end."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
        weight_decay: float = 0.0, *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        check_range("ASGD", lr=lr, weight_decay=weight_decay)
        super().__init__(params, {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "maximize": maximize,
        }, pytorchs)  # fmt: skip

    def rule_for(self, group: Group) -> Rule:
        return asgd_rule(group["weight_decay"] != 0)

    def state_of(self, p: Tensor, rule: Rule, group: Group) -> dict[str, Any]:
        state = super().state_of(p, rule, group)
        if state["eta"] < 0:  # the first step's
            state["eta"] = self.rate(group, 0)
        return state
