"""Descent that keeps only the direction, or only the signs, of the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..formula import F
from .optimizer import Group, Optimizer, check_range
from .rule import Rule


@cache
def normalized_rule(eps_inside_root: bool = False) -> Rule:
    """Eq. 6.13 and 6.14: m = g, v = g^2, p = p - lr m / (sqrt(v) + eps)."""

    def formula(p: Any, g: Any, lr: Any, eps: Any) -> Any:
        if eps_inside_root:
            return (p - lr * g / F.sqrt(g * g + eps),)
        return (p - lr * g / (F.sqrt(g * g) + eps),)

    return Rule("NormalizedGD", [], formula)


class NormalizedGD(Optimizer):
    """Every parameter moves by about lr, whatever the size of its gradient (eq. 6.13 and 6.14 of the book).

    It makes progress in flat and steep directions alike, but does not settle: near a minimum it bounces by lr.

    Args:
        eps: keeps the division finite at g = 0.
        eps_inside_root: eq. 6.14 as printed, sqrt(v + eps). That is a misprint: the original, like eq. 6.17, has eps
            outside. Inside, the step becomes gradient descent with the rate lr / sqrt(eps) where |g| < sqrt(eps).

    Raises `ArgumentError` for negative values.
    """

    rule = normalized_rule()
    reference = "Prince 2023, section 6.4"
    idea = "Only the sign of each partial derivative counts."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, eps: float = 1e-8, eps_inside_root: bool = False,
        *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        check_range("NormalizedGD", lr=lr, eps=eps)
        super().__init__(
            params, {"lr": lr, "eps": eps, "eps_inside_root": eps_inside_root, "maximize": maximize}, pytorchs
        )

    def rule_for(self, group: Group) -> Rule:
        return normalized_rule(group["eps_inside_root"])


class SignGD(Optimizer):
    """p <- p - lr sign(g): eq. 6.14 with eps = 0, where 0 / 0 is taken as 0. It is also Adam with betas (0, 0).

    Raises `ArgumentError` for a negative lr.
    """

    rule = Rule("SignGD", [], lambda p, g, lr: (p - lr * F.sign(g),))
    reference = "Riedmiller and Braun 1993; Bernstein et al. 2018"
    idea = "Only the sign of each partial derivative counts."

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, *, maximize: bool = False, **pytorchs: Any) -> None:
        check_range("SignGD", lr=lr)
        super().__init__(params, {"lr": lr, "maximize": maximize}, pytorchs)
