"""Gradient descent, plain and stochastic, in PyTorch's form."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..errors import ArgumentError
from ..formula import F
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_range
from .rule import Rule


@cache
def sgd_rule(momentum: bool = False, dampening: bool = False, nesterov: bool = False, decay: bool = False) -> Rule:
    """Eq. 6.3 without momentum; with it the velocity form, u = momentum u + g, p = p - lr u."""

    def plain(p: Any, g: Any, lr: Any) -> Any:
        return (p - lr * g,)

    def decayed(p: Any, g: Any, lr: Any, weight_decay: Any) -> Any:
        return (p - lr * (g + weight_decay * p),)

    def formula(p: Any, g: Any, u: Any, lr: Any, momentum: Any, weight_decay: Any) -> Any:
        g = g + weight_decay * p if decay else g
        u = momentum * u + g
        return p - lr * (g + momentum * u if nesterov else u), u

    def dampened(p: Any, g: Any, u: Any, lr: Any, momentum: Any, share: Any, weight_decay: Any) -> Any:
        g = g + weight_decay * p if decay else g
        u = momentum * u + share * g
        return p - lr * u, u

    if not momentum:
        return Rule("SGD", [], decayed if decay else plain)
    if not dampening:
        return Rule("SGD", ["momentum_buffer"], formula)
    share = {"share": lambda dampening, t: F.where(t == 1, 1.0, 1 - dampening)}
    return Rule("SGD", ["momentum_buffer"], dampened, share)


PLAIN = sgd_rule()


class GradientDescent(Optimizer):
    """p <- p - lr g: one step against the gradient (eq. 6.3 of the book).

    On a quadratic with the curvatures mu <= ... <= L it converges for lr < 2 / L, fastest with lr = 2 / (mu + L).
    Raises `ArgumentError` for a negative lr.
    """

    rule = Rule("GradientDescent", [], lambda p, g, lr: (p - lr * g,))
    reference = "Cauchy 1847"
    idea = "A step against the gradient, as long as the gradient."

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, *, maximize: bool = False, **pytorchs: Any) -> None:
        check_range(type(self).__name__, lr=lr)
        super().__init__(params, {"lr": lr, "maximize": maximize}, pytorchs)


class SGD(Optimizer):
    """p <- p - lr g, with momentum u <- momentum u + (1 - dampening) g, p <- p - lr u (PyTorch's form).

    The first step takes u = g whatever the dampening, as PyTorch does. `nesterov` uses g + momentum u instead of u,
    which is the look-ahead of `optim.Nesterov` in other variables. With a gradient summed over the batch this is eq.
    6.10 of the book, where the summand must be the loss of one pair, e_i; as printed (dL) the batch would not matter.

    Raises `ArgumentError` for negative values, and for nesterov without momentum or with dampening.
    """

    rule = sgd_rule(momentum=True)
    reference = "Robbins and Monro 1951; momentum: Polyak 1964"
    idea = "The gradient of a few samples is right on average, and cheap."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
        weight_decay: float = 0.0, nesterov: bool = False, *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        check_range("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError("SGD: nesterov needs a momentum, and no dampening.")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, pytorchs)

    def rule_for(self, group: Group) -> Rule:
        if group["momentum"] == 0 == group["weight_decay"]:
            return PLAIN
        return sgd_rule(group["momentum"] != 0, group["dampening"] != 0, group["nesterov"], group["weight_decay"] != 0)

    def state_of(self, p: Tensor, rule: Rule, group: Group) -> dict[str, Any]:
        """The steps are counted from the first with momentum, which takes all of the gradient; PyTorch counts none."""
        state = self._state[p]
        begun = "momentum_buffer" in state
        if begun:
            state.setdefault("step", 1)
        super().state_of(p, rule, group)
        if not begun and "momentum_buffer" in rule.state:
            state["step"] = 0
        return state
