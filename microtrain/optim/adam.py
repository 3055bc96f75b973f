"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..formula import F
from .optimizer import Group, Optimizer, check_range
from .rule import Rule

CORRECTIONS: dict[str, Callable[..., Any]] = {"c1": lambda beta1, t: 1 - beta1**t, "c2": lambda beta2, t: 1 - beta2**t}


def moments(
    decay: str, p: Any, g: Any, m: Any, v: Any, lr: Any, beta1: Any, beta2: Any, weight_decay: Any
) -> tuple[Any, Any, Any, Any]:
    """(p, g, m, v) after the weights decayed and the means took up the gradient; `decay` as for `adam_rule`."""
    if decay == "l2":
        g = g + weight_decay * p
    if decay == "decoupled":
        p = p * (1 - lr * weight_decay)
    return p, g, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * (g * g)


def stepped(
    p: Any, m: Any, v: Any, lr: Any, eps: Any, c1: Any, c2: Any, eps_inside_root: bool = False,
    bias_correction: bool = True,
) -> Any:  # fmt: skip
    """p after a step against m over the root of v, eq. 6.17."""
    if bias_correction:
        lr, v = lr / c1, v * (1 / c2)  # m / c1 and v / c2 would each be a division for every element
    return p - lr * m / (F.sqrt(v + eps) if eps_inside_root else F.sqrt(v) + eps)


@cache
def adam_rule(
    amsgrad: bool = False, decay: str = "", eps_inside_root: bool = False, bias_correction: bool = True
) -> Rule:
    """Eq. 6.15 to 6.17 of the book; `decay` is "", "l2" (added to the gradient) or "decoupled" (AdamW).

    m and v are running means of the gradient and of its square; c1 and c2 correct for their start at 0.
    """

    def formula(
        p: Any, g: Any, m: Any, v: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any, c1: Any, c2: Any
    ) -> Any:
        p, g, m, v = moments(decay, p, g, m, v, lr, beta1, beta2, weight_decay)
        return stepped(p, m, v, lr, eps, c1, c2, eps_inside_root, bias_correction), m, v

    def with_maximum(
        p: Any, g: Any, m: Any, v: Any, top: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any,
        c1: Any, c2: Any,
    ) -> Any:  # fmt: skip
        p, g, m, v = moments(decay, p, g, m, v, lr, beta1, beta2, weight_decay)
        top = F.maximum(top, v)
        return stepped(p, m, top, lr, eps, c1, c2, eps_inside_root, bias_correction), m, v, top

    scalars = CORRECTIONS if bias_correction else None
    if amsgrad:
        return Rule("AMSGrad", ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"], with_maximum, scalars)
    return Rule("AdamW" if decay == "decoupled" else "Adam", ["exp_avg", "exp_avg_sq"], formula, scalars)


class AdamLike(Optimizer):
    """What Adam's relatives have in common: the two rates of forgetting."""

    def __init__(
        self, params: Iterable[Any], lr: float, betas: tuple[float, float], defaults: Mapping[str, Any],
        pytorchs: Mapping[str, Any],
    ) -> None:  # fmt: skip
        numbers = {name: value for name, value in defaults.items() if isinstance(value, (int, float)) or np.ndim(value)}
        check_range(type(self).__name__, lr=lr, **numbers)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ArgumentError(f"{type(self).__name__}: betas {betas} must be two numbers in [0, 1).")
        super().__init__(params, {"lr": lr, "betas": tuple(betas), **defaults}, pytorchs)

    def hyper(self, group: Group) -> Mapping[str, Any]:
        beta1, beta2 = group["betas"]
        return {"beta1": beta1, "beta2": beta2, "c1": 1.0, "c2": 1.0}

    @staticmethod
    def decay_of(group: Group) -> str:
        """How a group's weights decay."""
        if not group["weight_decay"]:
            return ""
        return "decoupled" if group["decoupled_weight_decay"] else "l2"


class Adam(AdamLike):
    """Steps of about lr in every parameter, whatever the size of its gradient (eq. 6.15 to 6.17 of the book).

    The book has two notations: beta, gamma, alpha and t + 1 in section 6.4 are beta1, beta2, lr and t here. Its eq.
    6.18 sums the squares of the gradients of a batch; the square of the sum is right, and what `.grad` holds. It also
    prints betas in [0, 1]; at 1 the corrections divide by 0. And v follows the size of the gradients: section 4.2.5
    takes it for the curvature.

    Args:
        betas: how slowly the means of the gradient and of its square forget, each in [0, 1). With (0, 0) Adam is sign
            descent, and not gradient descent as the book has it; that it becomes for a large eps and lr = rate eps.
        eps: keeps the division finite, outside the square root.
        weight_decay: added to the gradient, weight_decay * p.
        amsgrad: divide by the largest v so far (Reddi et al. 2018).
        decoupled_weight_decay: p <- p - lr weight_decay p instead, as AdamW does.
        eps_inside_root: sqrt(v + eps).
        bias_correction: False leaves m and v as they are. The first steps are then too long, up to 6.6 lr.

    Raises `ArgumentError` for values out of range.
    """

    rule = adam_rule()
    reference = "Kingma and Ba 2015; AMSGrad: Reddi et al. 2018"
    idea = "The mean gradient over its own typical size."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False,
        decoupled_weight_decay: bool = False, eps_inside_root: bool = False, bias_correction: bool = True,
        **pytorchs: Any,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, {
            "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay, "eps_inside_root": eps_inside_root,
            "bias_correction": bias_correction,
        }, pytorchs)  # fmt: skip

    def rule_for(self, group: Group) -> Rule:
        return adam_rule(group["amsgrad"], self.decay_of(group), group["eps_inside_root"], group["bias_correction"])


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: p <- p - lr weight_decay p, the same for every parameter.

    Added to the gradient, the decay would be divided by sqrt(v) too, and large gradients would switch it off. Raises
    `ArgumentError` for values out of range.
    """

    rule = adam_rule(False, "decoupled")
    reference = "Loshchilov and Hutter 2019"
    idea = "Adam whose weight decay does not pass through the division."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True, **options
        )
