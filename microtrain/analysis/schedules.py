"""Two learning-rate schedules compared: where they cross, how far each goes, when each falls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .objective import Array


@dataclass(frozen=True)
class ScheduleComparison:
    """The rates `a` and `b` (T + 1,) at steps 0 ... T.

    `crossings` are the steps (between whole ones, interpolated) at which the larger becomes the smaller. The sums are
    the times that gradient flow would take; `slopes` (2, 3) are the mean changes of each in the first, middle and last
    third, `relative_slopes` those of the logarithm.
    """

    a: Array
    b: Array
    crossings: Array
    sums: tuple[float, float]
    slopes: Array
    relative_slopes: Array

    def __repr__(self) -> str:
        crossed = ", ".join(f"{t:.4g}" for t in self.crossings) or "never"
        return f"<ScheduleComparison: cross at {crossed}, sums {self.sums[0]:.4g} and {self.sums[1]:.4g}>"


def compare_schedules(a: Callable[[int], float], b: Callable[[int], float], steps: int) -> ScheduleComparison:
    """Compare two schedules (functions of the step) over steps 0 ... `steps`."""
    rates = np.array([[float(s(t)) for t in range(steps + 1)] for s in (a, b)])
    gap = rates[0] - rates[1]
    at = np.flatnonzero(gap[:-1] * gap[1:] < 0)
    crossings = at + gap[at] / (gap[at] - gap[at + 1])
    ends = np.linspace(0, steps, 4).round().astype(int)
    with np.errstate(all="ignore"):
        slopes, relative = (np.diff(f[:, ends], axis=1) / np.diff(ends) for f in (rates, np.log(rates)))
    return ScheduleComparison(
        rates[0], rates[1], crossings, (float(rates[0].sum()), float(rates[1].sum())), slopes, relative
    )
