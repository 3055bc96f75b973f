"""How far to go along a line: bracketing, golden section, Armijo backtracking (strong Wolfe is in `wolfe`).

Each takes `phi`, the loss as a function of the step, and returns a `LineSearch`: the step, and how it was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ArgumentError

GOLDEN = (5**0.5 - 1) / 2


@dataclass
class LineSearch:
    """What a line search did.

    `evaluations` are (step, value) in the order in which they were asked for; `brackets` are the intervals, one for
    each round, with the points inside: (a, b, c, d), or (low, high).
    """

    method: str
    step: float
    value: float
    converged: bool = True
    evaluations: list[tuple[float, float]] = field(default_factory=list)
    brackets: list[tuple[float, ...]] = field(default_factory=list)

    @property
    def n_evals(self) -> int:
        """How often the loss was computed."""
        return len(self.evaluations)

    def plot(self, ax: Any = None) -> Any:
        """Draw the evaluations and the brackets, as Figure 6.10 of the book does; returns the Axes."""
        from ..viz.plots import line_search

        return line_search(self, ax=ax)

    def __repr__(self) -> str:
        end = "" if self.converged else ", not converged"
        found = f"step {self.step:.6g}, value {self.value:.6g}, {self.n_evals} evaluations"
        return f"<LineSearch {self.method}: {found}{end}>"


def _watched(phi: Callable[[float], Any], evaluations: list[tuple[float, float]]) -> Callable[[float], float]:
    """`phi` that writes down what it was asked."""

    def ask(step: float) -> float:
        evaluations.append((step, float(phi(step))))
        return evaluations[-1][1]

    return ask


def bracketing(
    phi: Callable[[float], Any], low: float = 0.0, high: float = 1.0, tol: float = 1e-6, max_iter: int = 60
) -> LineSearch:
    """Divide [a, d] by b and c into thirds and drop the one that can't hold the minimum, until `tol` (Figure 6.10).

    If phi(b) > phi(c) the third before b goes, else the one after c; while a is the lowest of all, the interval shrinks
    towards it. Each round keeps 2/3 and costs two evaluations.

    The minimum is found where phi falls and then rises (is unimodal) on [low, high]. Of several it may miss the lowest,
    and one beyond `high` it can't reach. Raises `ArgumentError` for an empty interval.
    """
    _check_interval(low, high, tol)
    record = LineSearch("bracketing", low, np.inf)
    ask = _watched(phi, record.evaluations)
    a, d = low, high
    at_a = ask(a)
    while d - a > tol and len(record.brackets) < max_iter:
        b, c = a + (d - a) / 3, a + 2 * (d - a) / 3
        record.brackets.append((a, b, c, d))
        at_b, at_c = ask(b), ask(c)
        if at_b > at_c and not at_a <= at_c:
            a, at_a = b, at_b
        else:
            d = c
    record.step = (a + d) / 2
    record.value, record.converged = ask(record.step), d - a <= tol
    return record


def golden_section(
    phi: Callable[[float], Any], low: float = 0.0, high: float = 1.0, tol: float = 1e-6, max_iter: int = 100
) -> LineSearch:
    """Bracketing with b and c placed so that one of them serves again in the next round: one evaluation a round.

    Each round keeps 0.618 of the interval (Kiefer 1953). Conditions and errors are those of `bracketing`.
    """
    _check_interval(low, high, tol)
    record = LineSearch("golden section", low, np.inf)
    ask = _watched(phi, record.evaluations)
    a, d = low, high
    b, c = d - GOLDEN * (d - a), a + GOLDEN * (d - a)
    at_b, at_c = ask(b), ask(c)
    while d - a > tol and len(record.brackets) < max_iter:
        record.brackets.append((a, b, c, d))
        if at_b > at_c:
            a, b, at_b = b, c, at_c
            c = a + GOLDEN * (d - a)
            at_c = ask(c)
        else:
            d, c, at_c = c, b, at_b
            b = d - GOLDEN * (d - a)
            at_b = ask(b)
    record.step = (a + d) / 2
    record.value, record.converged = ask(record.step), d - a <= tol
    return record


def armijo_ok(value: float, start: float, slope: float, step: float, c: float = 1e-4, slack: float = 0.0) -> bool:
    """Is `value`, the loss after `step`, low enough: value <= start + c step slope? `slope` is the derivative at 0.

    For descent against the gradient slope = -|g|^2, and on a quadratic every step up to 2 (1 - c) / L passes.
    """
    return bool(value <= start + c * step * slope + slack * abs(start))


def backtracking(
    phi: Callable[[float], Any], slope: float, step: float = 1.0, rho: float = 0.5, c: float = 1e-4, max_iter: int = 50,
    *, start: float | None = None, slack: float = 1e-12,
) -> LineSearch:  # fmt: skip
    """Shorten `step` by `rho` until the loss falls by at least c times what the slope promises (Armijo 1966).

    Args:
        slope: the derivative of phi at 0, negative.
        start: phi(0), if it is known already.
        slack: accept also a rise by this share of |phi(0)|. Near a minimum the promised decrease is smaller than what
            rounding can show, and without slack good steps are refused.

    On a function whose gradient has the Lipschitz constant L it ends with at least min(step, 2 rho (1 - c) / L). If
    nothing passes in `max_iter` tries the step is 0 and `converged` is False. Raises `ArgumentError` if phi does not
    fall at 0, or rho or c are not between 0 and 1.
    """
    if not slope < 0:
        raise ArgumentError(f"backtracking(): the slope is {slope}; along this line the loss does not fall.")
    if not (0 < rho < 1 and 0 < c < 1):
        raise ArgumentError(f"backtracking(): rho {rho} and c {c} must lie between 0 and 1.")
    record = LineSearch("Armijo backtracking", 0.0, np.inf)
    ask = _watched(phi, record.evaluations)
    base = ask(0.0) if start is None else start
    for _ in range(max_iter):
        value = ask(step)
        record.brackets.append((0.0, step))
        if armijo_ok(value, base, slope, step, c, slack):
            record.step, record.value = step, value
            return record
        step *= rho
    record.value, record.converged = base, False
    return record


def _check_interval(low: float, high: float, tol: float) -> None:
    if not (low < high and tol > 0):
        raise ArgumentError(f"A line search needs low < high and tol > 0, not [{low}, {high}] and {tol}.")
