"""Adagrad and Adadelta: rates that follow the size of the gradients so far."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..formula import F
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_range
from .rule import Rule


@cache
def adagrad_rule(decay: bool = False, lr_decay: bool = False) -> Rule:
    """s = s + g^2, p = p - lr g / (sqrt(s) + eps)."""

    def formula(p: Any, g: Any, s: Any, lr: Any, eps: Any, weight_decay: Any) -> Any:
        g = g + weight_decay * p if decay else g
        s = s + g * g
        return p - lr * g / (F.sqrt(s) + eps), s

    def slower(p: Any, g: Any, s: Any, rate: Any, eps: Any, weight_decay: Any) -> Any:
        return formula(p, g, s, rate, eps, weight_decay)

    if not lr_decay:
        return Rule("Adagrad", ["sum"], formula)
    return Rule("Adagrad", ["sum"], slower, {"rate": lambda lr, lr_decay, t: lr / (1 + (t - 1) * lr_decay)})


class Adagrad(Optimizer):
    """A rate for each parameter, which falls with the sum of its squared gradients: s <- s + g^2.

    The step lengths fall like 1 / sqrt(t), for ever: good for convex problems and rare features, too early for others.

    Args:
        lr_decay: the rate also falls like 1 / (1 + (t - 1) lr_decay).
        initial_accumulator_value: of s.

    Raises `ArgumentError` for negative values.
    """

    rule = adagrad_rule()
    reference = "Duchi, Hazan and Singer 2011"
    idea = "Parameters with a history of large gradients get small rates."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0, eps: float = 1e-10, *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        check_range(
            "Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps,
        )  # fmt: skip
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
        }, pytorchs)  # fmt: skip

    def rule_for(self, group: Group) -> Rule:
        return adagrad_rule(group["weight_decay"] != 0, group["lr_decay"] != 0)

    def initial(self, name: str, p: Tensor, group: Group) -> np.ndarray:
        return np.full(p.shape, group["initial_accumulator_value"], p.dtype)


@cache
def adadelta_rule(decay: bool = False) -> Rule:
    """v and u are running means of the squared gradients and of the squared steps d."""

    def formula(p: Any, g: Any, v: Any, u: Any, lr: Any, rho: Any, eps: Any, weight_decay: Any) -> Any:
        g = g + weight_decay * p if decay else g
        v = rho * v + (1 - rho) * (g * g)
        d = F.sqrt(u + eps) / F.sqrt(v + eps) * g
        return p - lr * d, v, rho * u + (1 - rho) * (d * d)

    return Rule("Adadelta", ["square_avg", "acc_delta"], formula)


class Adadelta(Optimizer):
    """Steps in the parameter's own units: the mean size of the last steps over that of the last gradients.

    It needs no learning rate (lr = 1), but starts slowly: the first steps have about the size sqrt(eps).

    Args:
        rho: how slowly both means forget, in [0, 1].

    Raises `ArgumentError` for values out of range.
    """

    rule = adadelta_rule()
    reference = "Zeiler 2012"
    idea = "Adagrad that forgets, and measures steps in the parameter's own units."

    def __init__(
        self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0,
        *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        check_range("Adadelta", lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0 <= rho <= 1:
            raise ArgumentError(f"Adadelta: rho is {rho}; it must lie in [0, 1].")
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, pytorchs)

    def rule_for(self, group: Group) -> Rule:
        return adadelta_rule(group["weight_decay"] != 0)
