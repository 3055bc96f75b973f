"""An optimizer's update rule: one formula over the parameter, its gradient, the state and the hyper-parameters.

    adam = Rule("Adam", state=["m", "v"], formula=lambda p, g, m, v, lr, beta1, ...: (new_p, new_m, new_v))

The formula is elementwise and written like a row of the operation table, so it can be read with arrays (one step), with
symbols (printed, or compiled to a fused kernel), or with tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..recording import quiet, restore

BLOCK = 1 << 14  # elements worked on at a time, so that a formula's intermediate arrays stay in the cache


class Rule:
    """`formula(p, g, *state, **hyper)` returns the new parameter and the new state."""

    def __init__(self, name: str, state: Sequence[str], formula: Callable[..., tuple[Any, ...]]) -> None:
        self.name, self.state, self.formula = name, tuple(state), formula
        names = list(inspect.signature(formula).parameters)
        self.hyper = tuple(names[2 + len(self.state) :])

    def __repr__(self) -> str:
        return f"<Rule {self.name}: ({', '.join(('p', *self.state))}) from p, g, {', '.join(self.state + self.hyper)}>"

    def update(self, p: np.ndarray, g: np.ndarray, state: Sequence[np.ndarray], hyper: Sequence[Any]) -> None:
        """One step, written into `p` and `state`: contiguous arrays of one shape."""
        token = quiet()
        try:
            if p.size <= BLOCK:
                self._write((p, *state), self.formula(p, g, *state, *hyper))
                return
            flat, g = [x.reshape(-1) for x in (p, *state)], g.reshape(-1)
            for start in range(0, p.size, BLOCK):
                part = slice(start, start + BLOCK)
                old = [x[part] for x in flat]
                self._write(old, self.formula(old[0], g[part], *old[1:], *hyper))
        finally:
            restore(token)

    @staticmethod
    def _write(old: Sequence[np.ndarray], new: Sequence[Any]) -> None:
        for into, value in zip(old, new, strict=True):
            into[...] = value
