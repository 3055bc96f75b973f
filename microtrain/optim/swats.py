"""SWATS: begin with Adam, end with SGD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..formula_mathml import mathml_of_latex
from ..kernels.blas import steady
from .adam import CORRECTIONS, AdamLike, moments, stepped
from .flat import Flat
from .optimizer import Group
from .rule import Rule


def _adam(
    p: Any, g: Any, m: Any, v: Any, u: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, c1: Any, c2: Any
) -> tuple[Any, ...]:
    p, g, m, v = moments("", p, g, m, v, lr, beta1, beta2, 0.0)
    return stepped(p, m, v, lr, eps, c1, c2), m, v


def _sgd(p: Any, g: Any, u: Any, sgd_lr: Any, momentum: Any) -> tuple[Any, ...]:
    u = momentum * u + g
    return p - (1 - momentum) * sgd_lr * u, u


class _Beginning(Rule):
    """The rule before the switch, which prints the one after it too."""

    def _lines(self, style: str) -> list[str]:
        then = {"text": "after the switch:", "latex": THEN, "mathml": mathml_of_latex(THEN)}
        return [*super()._lines(style), then[style], *SGD._lines(style)]


THEN = r"\text{after the switch:}"
ADAM = _Beginning("SWATS", ["exp_avg", "exp_avg_sq", "momentum_buffer"], _adam, CORRECTIONS)
SGD = Rule("SWATS, after the switch", ["momentum_buffer"], _sgd)


class SWATS(AdamLike):
    """Adam for quick progress, then SGD with momentum, which often ends better.

    The rate of SGD that would have gone as far as Adam's step d along the gradient is d.d / (-d.g). Its running mean,
    with beta2, is compared with its present value; when they agree to `tol`, SGD takes over with that rate. This
    criterion is delicate: it may fire in the first steps, or never. `switch_step` is the sure way.

    Args:
        switch_step: how many steps Adam takes; None waits for the criterion.
        tol: how well mean and value must agree.
        sgd_lr: the rate of SGD; None takes the mean.
        momentum: of SGD, u <- momentum u + g, p <- p - (1 - momentum) sgd_lr u; the factor keeps the rate what it was.

    `switched_at` is the step after which SGD took over, or None. Raises `ArgumentError` for values out of range.
    """

    rule = ADAM
    reference = "Keskar and Socher 2017"
    idea = "Begin with Adam, end with SGD."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        *, switch_step: int | None = None, tol: float = 1e-9, sgd_lr: float | None = None, momentum: float = 0.9,
        maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        defaults = {
            "eps": eps, "switch_step": switch_step, "tol": tol, "sgd_lr": sgd_lr, "momentum": momentum,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, lr, betas, defaults, pytorchs)
        self.switched_at: int | None = None
        self._mean = 0.0

    def rule_for(self, group: Group) -> Rule:
        return ADAM if self.switched_at is None else SGD

    @steady
    def update(self, where: tuple[Any, int]) -> None:
        if self.switched_at is not None:
            super().update(where)
            return
        flat = Flat(list(self._params()))
        before, g = flat.values(), flat.gradient()
        super().update(where)
        group = self.param_groups[0]
        d, g = flat.values() - before, -g if group["maximize"] else g
        against, beta2 = -float(d @ g), group["betas"][1]
        settled = False
        if against != 0:
            present = float(d @ d) / against
            self._mean = beta2 * self._mean + (1 - beta2) * present
            mean = self._mean / (1 - beta2**self.steps)
            settled = self.steps > 1 and mean > 0 and abs(mean - present) < group["tol"]
        if settled if group["switch_step"] is None else self.steps >= group["switch_step"]:
            self.switched_at = self.steps
            for each in self.param_groups:
                if each["sgd_lr"] is None:
                    each["sgd_lr"] = self._mean / (1 - beta2**self.steps)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "switch": {"at": self.switched_at, "mean": self._mean, "steps": self.steps}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        switch = state_dict["switch"]
        self.switched_at, self._mean, self.steps = switch["at"], switch["mean"], switch["steps"]
