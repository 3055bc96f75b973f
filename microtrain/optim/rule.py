"""An optimizer's update rule: one formula over the parameter, its gradient, the state and the hyper-parameters.

    adam = Rule("Adam", state=["m", "v"], formula=lambda p, g, m, v, lr, beta1, ...: (new_p, new_m, new_v))

The formula is elementwise and written like a row of the operation table, so it can be read with arrays (one step), with
symbols (printed, or compiled to a fused kernel), or with tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..formula import trace
from ..formula_print import assignments
from ..kernels import tier
from ..kernels.fused import FusedUpdate
from ..recording import quiet, restore

BLOCK = 1 << 14  # elements worked on at a time, so that a formula's intermediate arrays stay in the cache


class Rule:
    """`formula(p, g, *state, **hyper)` returns the new parameter and the new state; the last of it, if it is only read,
    may be left out.

    `scalars` are formulas of numbers that are worked out once a step, in this order, from the hyper-parameters, the
    number of the step `t` (counted from 1) and each other: {"c1": lambda beta1, t: 1 - beta1**t}.
    """

    def __init__(
        self,
        name: str,
        state: Sequence[str],
        formula: Callable[..., tuple[Any, ...]],
        scalars: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.name, self.state, self.formula, self.scalars = name, tuple(state), formula, dict(scalars or {})
        names = list(inspect.signature(formula).parameters)
        self.hyper = tuple(names[2 + len(self.state) :])
        self._needs = {key: tuple(inspect.signature(f).parameters) for key, f in self.scalars.items()}
        self.kernel = FusedUpdate(name, formula, names[: 1 + 1 + len(self.state)])

    def numbers(self, known: dict[str, Any]) -> list[Any]:
        """The hyper-parameters in the formula's order. `known` has them by name and gains the `scalars`."""
        for name, scalar in self.scalars.items():
            known[name] = float(scalar(*[known[needed] for needed in self._needs[name]]))
        return [known[name] for name in self.hyper]

    def __repr__(self) -> str:
        return f"<Rule {self.name}: ({', '.join(('p', *self.state))}) from p, g, {', '.join(self.state + self.hyper)}>"

    def __str__(self) -> str:
        return "\n".join([f"{self.name}:", *(f"    {line}" for line in self._lines("text"))])

    def latex(self) -> str:
        """The rule as the book prints it, one assignment a line."""
        lines = " \\\\\n".join(line.replace(r" \leftarrow ", r" &\leftarrow ", 1) for line in self._lines("latex"))
        return f"\\begin{{aligned}}\n{lines}\n\\end{{aligned}}"

    def mathml(self) -> str:
        """The assignments as `<math>` elements, one a line."""
        return "\n".join(self._lines("mathml"))

    def explain(self) -> Any:
        """What became of the rule: its formula, the kernels that were made of it, and what they replace."""
        from ..kernels.report import explain

        return explain(self)

    def _lines(self, style: str) -> list[str]:
        """The state first, because the parameter's new value is made of its new values."""
        symbols, outputs = trace(self.formula)
        named = [(s.name, e) for s, e in zip(symbols[2:], outputs[1:], strict=False)]
        lines = []
        for name, scalar in self.scalars.items():
            if name in self.hyper or any(name in needs for needs in self._needs.values()):
                try:
                    lines += assignments([(name, trace(scalar)[1])], style)
                except Exception:  # arithmetic that symbols can't read
                    continue
        return lines + assignments([*named, (symbols[0].name, outputs[0])], style)

    def update(self, p: np.ndarray, g: np.ndarray, state: Sequence[np.ndarray], hyper: Sequence[Any]) -> None:
        """One step, written into `p` and `state`: contiguous arrays of one shape."""
        if p.size >= tier.large and self.kernel(p, g, state, hyper):
            return
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
        for into, value in zip(old, new, strict=False):
            into[...] = value
