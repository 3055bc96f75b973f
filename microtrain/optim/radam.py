"""RAdam: Adam that waits until its second moment can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from ..formula import F
from .adam import CORRECTIONS, AdamLike, moments
from .optimizer import Group
from .rule import Rule

SCALARS: dict[str, Callable[..., Any]] = {
    **CORRECTIONS,
    "rho_inf": lambda beta2: 2 / (1 - beta2) - 1,
    "rho": lambda rho_inf, beta2, t, c2: rho_inf - 2 * t * beta2**t / c2,
    "r": lambda rho, rho_inf: F.sqrt(
        F.maximum((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho), 0.0)
    ),
    "scale": lambda r, c2: r * F.sqrt(c2),
}


@cache
def radam_rule(decay: str = "") -> Rule:
    """m and v as in Adam. While rho <= threshold: p = p - lr m / c1; then that over sqrt(v), times r."""

    def formula(
        p: Any, g: Any, m: Any, v: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any, c1: Any, rho: Any,
        scale: Any, threshold: Any,
    ) -> Any:  # fmt: skip
        p, g, m, v = moments(decay, p, g, m, v, lr, beta1, beta2, weight_decay)
        return p - lr / c1 * m * F.where(rho > threshold, scale / (F.sqrt(v) + eps), 1.0), m, v

    return Rule("RAdam", ["exp_avg", "exp_avg_sq"], formula, SCALARS)


class RAdam(AdamLike):
    """Adam whose adaptive rate is held back while it rests on few gradients: an automatic warm-up.

    The book says that the momentum term changes; it is the adaptive rate: r multiplies the step with the second moment
    (0.026 at step 6, 0.65 at step 1000 for beta2 = 0.999), and before rho exceeds the threshold the second moment is
    not used at all. As in PyTorch eps is added to the root of the uncorrected v.

    Args:
        decoupled_weight_decay: p <- p - lr weight_decay p, as in AdamW.
        threshold: 5 as in PyTorch; the paper has 4.

    Raises `ArgumentError` for values out of range.
    """

    rule = radam_rule()
    reference = "Liu et al. 2020"
    idea = "Adam that waits until its second moment can be trusted."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, decoupled_weight_decay: bool = False, *, maximize: bool = False,
        threshold: float = 5.0, **pytorchs: Any,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, {
            "eps": eps, "weight_decay": weight_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "threshold": threshold, "maximize": maximize,
        }, pytorchs)  # fmt: skip

    def rule_for(self, group: Group) -> Rule:
        return radam_rule(self.decay_of(group))
