"""Rprop: a step size for each parameter that grows while the sign of its gradient stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..formula import F
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_range
from .rule import Rule


def _formula(
    p: Any, g: Any, last: Any, size: Any, shrink: Any, grow: Any, smallest: Any, largest: Any
) -> tuple[Any, Any, Any]:
    same = g * last
    size = F.minimum(F.maximum(size * F.where(same > 0, grow, F.where(same < 0, shrink, 1.0)), smallest), largest)
    g = F.where(same < 0, 0.0, g)
    return p - F.sign(g) * size, g, size


class Rprop(Optimizer):
    """Steps by the sign of the gradient, each parameter with a step size of its own; for full batches.

    The size grows by etas[1] while the sign stays and shrinks by etas[0] when it changes; then the parameter rests for
    a step. Needs the gradient of the whole data set: signs of noisy gradients mean little.

    Args:
        lr: the first step size.
        etas: (shrink, grow).
        step_sizes: the smallest and the largest.

    Raises `ArgumentError` for values out of range.
    """

    rule = Rule("Rprop", ["prev", "step_size"], _formula)
    reference = "Riedmiller and Braun 1993"
    idea = "Only signs count; each parameter finds its own step size."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        check_range("Rprop", lr=lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ArgumentError(f"Rprop: etas {etas} must be a number below 1 and one above.")
        defaults = {"lr": lr, "etas": tuple(etas), "step_sizes": tuple(step_sizes), "maximize": maximize}
        super().__init__(params, defaults, pytorchs)

    def hyper(self, group: Group) -> Mapping[str, Any]:
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        return {"shrink": shrink, "grow": grow, "smallest": float(smallest), "largest": float(largest)}

    def initial(self, name: str, p: Tensor, group: Group) -> np.ndarray:
        return np.full(p.shape, self.rate(group, 0) if name == "step_size" else 0.0, p.dtype)
