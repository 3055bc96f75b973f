"""RMSprop, plain, centred and with momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from ..formula import F
from .optimizer import Group, Optimizer, check_range
from .rule import Rule


@cache
def rmsprop_rule(
    centered: bool = False, momentum: bool = False, bias_correction: bool = False, decay: bool = False
) -> Rule:
    """v = alpha v + (1 - alpha) g^2, p = p - lr g / (sqrt(v) + eps); centred: v - a^2, a the mean gradient."""

    def scaled(v: Any, g: Any, a: Any, alpha: Any, eps: Any, c: Any) -> Any:
        """(g over its root mean square, v, a)"""
        v = alpha * v + (1 - alpha) * (g * g)
        spread = v * (1 / c) if bias_correction else v
        if centered:
            a = alpha * a + (1 - alpha) * g
            mean = a * (1 / c) if bias_correction else a
            spread = F.maximum(spread - mean * mean, 0.0)  # never negative but for rounding
        return g / (F.sqrt(spread) + eps), v, a

    def plain(p: Any, g: Any, v: Any, lr: Any, alpha: Any, eps: Any, weight_decay: Any, c: Any) -> Any:
        g = g + weight_decay * p if decay else g
        step, v, _ = scaled(v, g, None, alpha, eps, c)
        return p - lr * step, v

    def with_mean(p: Any, g: Any, v: Any, a: Any, lr: Any, alpha: Any, eps: Any, weight_decay: Any, c: Any) -> Any:
        g = g + weight_decay * p if decay else g
        step, v, a = scaled(v, g, a, alpha, eps, c)
        return p - lr * step, v, a

    def with_momentum(
        p: Any, g: Any, v: Any, u: Any, lr: Any, alpha: Any, eps: Any, momentum: Any, weight_decay: Any, c: Any
    ) -> Any:
        g = g + weight_decay * p if decay else g
        step, v, _ = scaled(v, g, None, alpha, eps, c)
        u = momentum * u + step
        return p - lr * u, v, u

    def with_both(
        p: Any, g: Any, v: Any, a: Any, u: Any, lr: Any, alpha: Any, eps: Any, momentum: Any, weight_decay: Any, c: Any
    ) -> Any:
        g = g + weight_decay * p if decay else g
        step, v, a = scaled(v, g, a, alpha, eps, c)
        u = momentum * u + step
        return p - lr * u, v, a, u

    if centered:
        formula: Callable[..., Any] = with_both if momentum else with_mean
    else:
        formula = with_momentum if momentum else plain
    state = ["square_avg"] + ["grad_avg"] * centered + ["momentum_buffer"] * momentum
    return Rule("RMSprop", state, formula, {"c": lambda alpha, t: 1 - alpha**t} if bias_correction else None)


class RMSprop(Optimizer):
    """The gradient over the root of a running mean of its square, v.

    v starts at 0, so the first step has the length lr / sqrt(1 - alpha), whatever the gradient: 10 lr by default.

    Args:
        alpha: how slowly v forgets; the book's beta_2.
        eps: keeps the division finite; outside the square root.
        momentum: then u <- momentum u + g / (sqrt(v) + eps), p <- p - lr u.
        centered: subtract the square of the mean gradient from v, an estimate of the variance.
        bias_correction: divide v by 1 - alpha^t, as Adam does; the first steps then have the length lr.

    Raises `ArgumentError` for negative values.
    """

    rule = rmsprop_rule()
    reference = "Hinton 2012"
    idea = "Adagrad that forgets."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False, *, maximize: bool = False,
        bias_correction: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        check_range("RMSprop", lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
        super().__init__(params, {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
            "centered": centered, "bias_correction": bias_correction, "maximize": maximize,
        }, pytorchs)  # fmt: skip

    def rule_for(self, group: Group) -> Rule:
        return rmsprop_rule(
            group["centered"], group["momentum"] > 0, group["bias_correction"], group["weight_decay"] != 0
        )

    def hyper(self, group: Group) -> Mapping[str, Any]:
        return {"c": 1.0}
