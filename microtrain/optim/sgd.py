"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..errors import ArgumentError
from .optimizer import Group, Optimizer
from .rule import Rule


@cache
def sgd_rule(momentum: bool, nesterov: bool, decay: bool) -> Rule:
    """Eq. 6.3 without momentum; with it the velocity form, u = mu u + g, p = p - lr u."""

    def decayed(p: Any, g: Any, weight_decay: Any) -> Any:
        return g + weight_decay * p if decay else g

    if not momentum:
        return Rule("SGD", [], lambda p, g, lr, weight_decay: (p - lr * decayed(p, g, weight_decay),))

    def formula(p: Any, g: Any, u: Any, lr: Any, momentum: Any, damped: Any, weight_decay: Any) -> Any:
        g = decayed(p, g, weight_decay)
        u = momentum * u + damped * g
        return p - lr * (g + momentum * u if nesterov else u), u

    return Rule("SGD", ["momentum_buffer"], formula)


class SGD(Optimizer):
    """p <- p - lr g, with momentum u <- momentum u + (1 - dampening) g, p <- p - lr u (PyTorch's form).

    The first step takes u = g whatever the dampening, as PyTorch does. `nesterov` uses g + momentum u instead of u
    (Sutskever et al. 2013). Raises `ArgumentError` for negative values, or nesterov without momentum.
    """

    rule = sgd_rule(True, False, False)

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        for name, value in {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}.items():
            if value < 0:
                raise ArgumentError(f"SGD: {name} is {value}; it can't be negative.")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError("SGD: nesterov needs a momentum, and no dampening.")
        super().__init__(params, {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        })  # fmt: skip

    def rule_for(self, group: Group) -> Rule:
        return sgd_rule(group["momentum"] != 0, group["nesterov"], group["weight_decay"] != 0)

    def hyper(self, group: Group, step: int) -> dict[str, Any]:
        return {**group, "damped": 1.0 if step == 1 else 1.0 - group["dampening"]}
