"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..errors import ArgumentError
from ..formula import F
from .optimizer import Group, Optimizer
from .rule import Rule


@cache
def adam_rule(amsgrad: bool = False, decay: str = "") -> Rule:
    """Eq. 6.15 to 6.17 of the book; `decay` is "", "l2" (added to the gradient) or "decoupled" (AdamW).

    m and v are running means of the gradient and of its square; c1 = 1 - beta1^t and c2 = 1 - beta2^t correct for their
    start at 0.
    """

    def formula(
        p: Any, g: Any, m: Any, v: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any, c1: Any, c2: Any
    ) -> Any:
        if decay == "l2":
            g = g + weight_decay * p
        if decay == "decoupled":
            p = p * (1 - lr * weight_decay)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * (g * g)
        return p - lr * (m / c1) / (F.sqrt(v / c2) + eps), m, v

    def with_maximum(
        p: Any, g: Any, m: Any, v: Any, top: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any,
        c1: Any, c2: Any,
    ) -> Any:  # fmt: skip
        _, m, v = formula(p, g, m, v, lr, beta1, beta2, eps, weight_decay, c1, c2)
        top = F.maximum(top, v)
        if decay == "decoupled":
            p = p * (1 - lr * weight_decay)
        return p - lr * (m / c1) / (F.sqrt(top / c2) + eps), m, v, top

    if amsgrad:
        return Rule("AMSGrad", ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"], with_maximum)
    return Rule("AdamW" if decay == "decoupled" else "Adam", ["exp_avg", "exp_avg_sq"], formula)


class Adam(Optimizer):
    """Steps of about lr in every parameter, whatever the size of its gradient (Kingma and Ba 2015; eq. 6.15 to 6.17).

    Args:
        betas: how slowly the means of the gradient and of its square forget.
        eps: keeps the division finite; outside the square root, as in PyTorch.
        weight_decay: added to the gradient, weight_decay * p.
        amsgrad: divide by the largest v so far (Reddi et al. 2018).

    Raises `ArgumentError` for values out of range.
    """

    rule = adam_rule()
    _decay = "l2"

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        for name, value in {"lr": lr, "eps": eps, "weight_decay": weight_decay}.items():
            if value < 0:
                raise ArgumentError(f"{type(self).__name__}: {name} is {value}; it can't be negative.")
        if not all(0 <= beta < 1 for beta in betas):
            raise ArgumentError(f"{type(self).__name__}: betas {betas} must lie in [0, 1).")
        super().__init__(params, {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize,
        })  # fmt: skip

    def rule_for(self, group: Group) -> Rule:
        return adam_rule(group["amsgrad"], self._decay if group["weight_decay"] else "")

    def hyper(self, group: Group, step: int) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        return {**group, "beta1": beta1, "beta2": beta2, "c1": 1 - beta1**step, "c2": 1 - beta2**step}


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: p <- p - lr weight_decay p (Loshchilov and Hutter 2019)."""

    rule = adam_rule(False, "decoupled")
    _decay = "decoupled"

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
