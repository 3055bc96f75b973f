"""Momentum and Nesterov's look-ahead, as the book has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from ..engine.recording import grad_mode
from ..engine.sites import call_site
from ..errors import ArgumentError
from ..formula import trace
from ..formula_mathml import mathml_of_latex
from ..formula_print import assignments
from .flat import Flat
from .optimizer import Closure, Group, Optimizer, check_range, need_closure
from .rule import Rule, rename


@cache
def momentum_rule(form: str = "ema", decay: bool = False) -> Rule:
    """`form` is "ema", the exponential average of eq. 6.11, or "sum", the velocity of the heavy ball."""

    def average(p: Any, g: Any, m: Any, lr: Any, beta: Any, weight_decay: Any) -> Any:
        g = g + weight_decay * p if decay else g
        m = beta * m + (1 - beta) * g
        return p - lr * m, m

    def velocity(p: Any, g: Any, v: Any, lr: Any, beta: Any, weight_decay: Any) -> Any:
        g = g + weight_decay * p if decay else g
        v = beta * v - lr * g
        return p + v, v

    return Rule("Momentum", ["momentum"], average) if form == "ema" else Rule("Momentum", ["velocity"], velocity)


GRADIENT = r"g \leftarrow \nabla L(q)"


class LookAhead(Rule):
    """A rule whose gradient is taken at q, which `lookahead` makes of the parameter, the state and lr and beta."""

    def __init__(self, rule: Rule, lookahead: Callable[..., Any]) -> None:
        super().__init__("Nesterov", rule.state, rule.formula)
        self.lookahead = lookahead

    def _lines(self, style: str) -> list[str]:
        symbols, ahead = trace(self.lookahead)
        rename(symbols, style)
        gradient = {"text": "g <- gradient of L at q", "latex": GRADIENT, "mathml": mathml_of_latex(GRADIENT)}
        return [*assignments([("q", ahead)], style), gradient[style], *super()._lines(style)]


@cache
def nesterov_rule(form: str = "ema", decay: bool = False, lookahead: str = "momentum") -> LookAhead:
    """`momentum_rule`, with eq. 6.12's look-ahead: by lr beta m, or "as_printed" by lr m; "sum": by beta v."""
    return LookAhead(momentum_rule(form, decay), AHEAD[form, lookahead])


AHEAD: dict[tuple[str, str], Callable[..., Any]] = {
    ("ema", "momentum"): lambda p, m, lr, beta: p - lr * beta * m,
    ("ema", "as_printed"): lambda p, m, lr, beta: p - lr * m,
    ("sum", "momentum"): lambda p, v, lr, beta: p + beta * v,
    ("sum", "as_printed"): lambda p, v, lr, beta: p + v,
}


class Momentum(Optimizer):
    """Gradient descent that remembers where it was going.

    Args:
        beta: how much is remembered, in [0, 1).
        form: "ema" is eq. 6.11, an average: m <- beta m + (1 - beta) g, p <- p - lr m. "sum" is the heavy ball, a
            decaying sum: v <- beta v - lr g, p <- p + v; its steps get up to 1 / (1 - beta) times as long as those of
            gradient descent. "sum" with lr (1 - beta) goes the same way as "ema" with lr.

    The book prints beta in [0, 1]; with beta = 1 the average never takes up a gradient, and nothing moves. It also
    prints dL for the gradient of one pair, de_i. Raises `ArgumentError` for values out of range.
    """

    rule = momentum_rule()
    reference = "Polyak 1964"
    idea = "Steps that agree add up, steps that alternate cancel."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, beta: float = 0.9, form: str = "ema", weight_decay: float = 0.0,
        *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        _check(type(self).__name__, lr, beta, form, weight_decay)
        defaults = {"lr": lr, "beta": beta, "form": form, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, pytorchs)

    def rule_for(self, group: Group) -> Rule:
        return momentum_rule(group["form"], group["weight_decay"] != 0)


class Nesterov(Optimizer):
    """Momentum whose gradient is taken where the momentum leads: at p - lr beta m, or p + beta v (Sutskever's form).

    Args:
        beta, form: as for `Momentum`. "ema" is eq. 6.12 of the book, "sum" is Sutskever's.
        lookahead: "momentum", or "as_printed": eq. 6.12 looks ahead by lr m, without the factor beta. That is a
            misprint, which does not become gradient descent at beta = 0 and is less stable; the errata of the original
            have beta.

    `step(closure)` needs the closure: it computes the loss and its gradient (zero_grad, backward) at the shifted
    parameters. `SGD(nesterov=True)` is "sum" in other variables, and needs no closure: its parameters are the shifted
    ones. Raises `ArgumentError` for values out of range, and for a missing closure.
    """

    rule = nesterov_rule()
    reference = "Nesterov 1983; Sutskever et al. 2013"
    idea = "Look where the momentum leads before deciding how to correct it."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, beta: float = 0.9, form: str = "ema",
        lookahead: str = "momentum", weight_decay: float = 0.0, *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        _check("Nesterov", lr, beta, form, weight_decay)
        if lookahead not in ("momentum", "as_printed"):
            raise ArgumentError(f"Nesterov: lookahead is 'momentum' or 'as_printed', not {lookahead!r}.")
        super().__init__(params, {
            "lr": lr, "beta": beta, "form": form, "lookahead": lookahead, "weight_decay": weight_decay,
            "maximize": maximize,
        }, pytorchs)  # fmt: skip

    def rule_for(self, group: Group) -> LookAhead:
        return nesterov_rule(group["form"], group["weight_decay"] != 0, group["lookahead"])

    def step(self, closure: Closure | None = None) -> Any:
        closure = need_closure(closure, "Nesterov", "The gradient is needed at the look-ahead, not at the parameters.")
        where = call_site(2)
        with Flat(list(self._params())).kept("Nesterov", where):
            for group in self.param_groups:
                rule = self.rule_for(group)
                for p in group["params"]:
                    state = self.state_of(p, rule, group)
                    p._array()[...] = rule.lookahead(
                        p._array(), state[rule.state[0]]._array(), self.rate(group, state["step"]), group["beta"]
                    )
            with grad_mode(True):
                loss = closure()
        self.update(where)
        return loss


def _check(who: str, lr: float, beta: float, form: str, weight_decay: float) -> None:
    check_range(who, lr=lr, weight_decay=weight_decay)
    if not 0 <= beta < 1:
        raise ArgumentError(f"{who}: beta is {beta}; it must lie in [0, 1).")
    if form not in ("ema", "sum"):
        raise ArgumentError(f"{who}: form is 'ema' or 'sum', not {form!r}.")
