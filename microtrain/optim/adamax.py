"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..formula import F
from .adam import AdamLike
from .optimizer import Group
from .rule import Rule


@cache
def adamax_rule(decay: bool = False) -> Rule:
    """m as in Adam; u = max(beta2 u, |g| + eps), p = p - lr / (1 - beta1^t) m / u."""

    def formula(
        p: Any, g: Any, m: Any, u: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any, c1: Any
    ) -> Any:
        g = g + weight_decay * p if decay else g
        m = beta1 * m + (1 - beta1) * g
        u = F.maximum(beta2 * u, F.abs(g) + eps)
        return p - lr / c1 * m / u, m, u

    return Rule("Adamax", ["exp_avg", "exp_inf"], formula, {"c1": lambda beta1, t: 1 - beta1**t})


class Adamax(AdamLike):
    """Adam with the infinity norm: the mean gradient over the largest of the last gradients, which beta2 lets fade.

    Raises `ArgumentError` for values out of range.
    """

    rule = adamax_rule()
    reference = "Kingma and Ba 2015, section 7"
    idea = "Adam with the largest gradient in place of the mean square."

    def __init__(
        self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, {"eps": eps, "weight_decay": weight_decay, "maximize": maximize}, pytorchs)

    def rule_for(self, group: Group) -> Rule:
        return adamax_rule(group["weight_decay"] != 0)
