"""Conjugate gradients: line searches along directions that do not undo each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .equation import Equation
from .line_search_gd import LineSearchGD


class ConjugateGradient(LineSearchGD):
    """d <- -g + beta d, with beta of Polak and Ribiere, then a line search along d.

    On a quadratic of n parameters the exact search arrives in n steps. Where beta would be negative, or d would lead
    uphill, it begins anew with -g. The arguments are those of `LineSearchGD`.
    """

    rule = Equation(
        "ConjugateGradient",
        (
            "beta <- max(0, g.(g - g_before) / g_before.g_before)",
            r"\beta \leftarrow \max(0, g^{T} (g - g_{-}) / g_{-}^{T} g_{-})",
        ),
        ("d <- -g + beta * d", r"d \leftarrow -g + \beta d"),
        ("p <- p + step * d", r"\phi \leftarrow \phi + s d"),
    )
    reference = "Hestenes and Stiefel 1952; Polak and Ribiere 1969"
    idea = "Search along directions that keep what the searches before have won."

    def __init__(
        self, params: Iterable[Any], search: str = "exact", lr: float = 1.0, rho: float = 0.5, c: float = 1e-4,
        tol: float = 1e-6,
    ) -> None:  # fmt: skip
        super().__init__(params, search, lr, rho, c, tol)

    def direction(self, g: np.ndarray) -> np.ndarray:
        state = self.state[self.flat.params[0]]
        d = -g
        if "d" in state and (square := float(state["prev_flat_grad"] @ state["prev_flat_grad"])):
            beta = max(0.0, float(g @ (g - state["prev_flat_grad"])) / square)
            d = d + beta * state["d"]
            if not g @ d < 0:
                d = -g
        state["prev_flat_grad"], state["d"] = g, d
        return d
