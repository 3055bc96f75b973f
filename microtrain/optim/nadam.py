"""NAdam: Nesterov's look-ahead inside Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, ClassVar

from ..formula import F
from .adam import AdamLike, moments
from .optimizer import Group
from .rule import Rule

SCALARS: dict[str, Callable[..., Any]] = {
    "mu": lambda beta1, momentum_decay, t: beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)),
    "mu_next": lambda beta1, momentum_decay, t: beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay)),
    "mu_product": lambda mu_product, mu: mu_product * mu,
    "k_g": lambda mu, mu_product: (1 - mu) / (1 - mu_product),
    "k_m": lambda mu_next, mu_product: mu_next / (1 - mu_product * mu_next),
    "c2": lambda beta2, t: 1 - beta2**t,
}


@cache
def nadam_rule(decay: str = "") -> Rule:
    """m and v as in Adam; the step mixes m, with the momentum of the next step, and g."""

    def formula(
        p: Any, g: Any, m: Any, v: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any, k_m: Any,
        k_g: Any, c2: Any,
    ) -> Any:  # fmt: skip
        p, g, m, v = moments(decay, p, g, m, v, lr, beta1, beta2, weight_decay)
        return p - lr * (k_m * m + k_g * g) / (F.sqrt(v * (1 / c2)) + eps), m, v

    return Rule("NAdam", ["exp_avg", "exp_avg_sq"], formula, SCALARS)


class NAdam(AdamLike):
    """Adam that looks ahead: the mean gradient with its next coefficient, and a share of the present gradient.

    Args:
        momentum_decay: how fast the momentum mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2) rises.
        decoupled_weight_decay: p <- p - lr weight_decay p, as in AdamW.

    Raises `ArgumentError` for values out of range.
    """

    rule = nadam_rule()
    scalars: ClassVar[Mapping[str, float]] = {"step": 0, "mu_product": 1.0}
    reference = "Dozat 2016"
    idea = "Adam with Nesterov's look-ahead."

    def __init__(
        self, params: Iterable[Any], lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False,
        *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, {
            "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        }, pytorchs)  # fmt: skip

    def rule_for(self, group: Group) -> Rule:
        return nadam_rule(self.decay_of(group))
