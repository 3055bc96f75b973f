"""Rates that go up and down: cosines and triangles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ArgumentError
from ...formula import F
from .schedule import Schedule


class Cosine(Schedule):
    """Half a cosine wave from the rate to `low` in `total` steps.

    After that it climbs back, as in PyTorch, unless `hold`: then it stays at `low`, which is what the books mean by it.

    Cosine(4): 1, 0.853553, 0.5, 0.146447, 0, 0.146447, 0.5, 0.853553, 1, 0.853553
    """

    formula = staticmethod(lambda t, eta0, low, T: low + (eta0 - low) * (1 + F.cos(math.pi * t / T)) / 2)

    def __init__(self, total: int, low: float = 0.0, hold: bool = False) -> None:
        if not total > 0:
            raise ArgumentError(f"A cosine takes a positive number of steps, not {total}.")
        self.total, self.low, self.hold = total, low, hold

    def arguments(self, t: float) -> dict[str, Any]:
        return {"low": self.low, "T": self.total}

    def __call__(self, t: float, eta: float | None = None) -> float:
        return super().__call__(min(t, self.total) if self.hold else t, eta)


class CosineRestarts(Schedule):
    """Cosine from the rate to `low` again and again; the first cycle has T_0 steps, each next one T_mult times as many.

    In the formula c is the step within the cycle and T its length.

    CosineRestarts(2, 2): 1, 0.5, 1, 0.853553, 0.5, 0.146447, 1, 0.96194, 0.853553, 0.691342
    """

    formula = staticmethod(lambda t, eta0, low, c, T: low + (eta0 - low) * (1 + F.cos(math.pi * c / T)) / 2)

    def __init__(self, T_0: int, T_mult: int = 1, low: float = 0.0) -> None:
        if T_0 < 1 or T_mult < 1:
            raise ArgumentError(f"CosineRestarts: T_0 {T_0} and T_mult {T_mult} must be at least 1.")
        self.T_0, self.T_mult, self.low = T_0, T_mult, low

    def arguments(self, t: float) -> dict[str, Any]:
        length = self.T_0
        if self.T_mult == 1:
            t %= length
        while t >= length:
            t, length = t - length, length * self.T_mult
        return {"low": self.low, "c": t, "T": length}


class OneCycle(Schedule):
    """Up to `peak` and down to almost nothing, once (Smith and Topin 2018).

    The phases go from peak / div to peak, and from there to peak / div / final_div; with `three_phase` there is one
    more between them, back to peak / div. In the formula x goes from 0 to 1 in a phase.

    OneCycle(1.0, 10): 0.04, 0.52, 1, 0.950485, 0.811746, 0.611262, 0.388742, 0.188258, 0.0495194, 4e-06
    """

    formula = staticmethod(lambda t, eta0, first, last, x: last + (first - last) / 2 * (1 + F.cos(math.pi * x)))

    def __init__(
        self, peak: float, total: int, rising: float = 0.3, linear: bool = False, div: float = 25.0,
        final_div: float = 1e4, three_phase: bool = False,
    ) -> None:  # fmt: skip
        if total < 1 or not 0 <= rising <= 1:
            raise ArgumentError(f"OneCycle: total {total} must be at least 1, and the rising share {rising} in [0, 1].")
        self.peak, self.total, self.rising, self.linear = peak, total, rising, linear
        self.div, self.final_div, self.three_phase = div, final_div, three_phase

    def phase(self, t: float) -> tuple[int, float]:
        """(which phase, the share of it that has passed)."""
        if t > self.total:
            raise ArgumentError(f"OneCycle has {self.total} steps; it was asked for step {t}.", fix="Make it longer.")
        ends = [self.rising * self.total - 1]
        if self.three_phase:
            ends.append(2 * self.rising * self.total - 2)
        ends.append(self.total - 1)
        k = next((k for k, end in enumerate(ends) if t <= end), len(ends) - 1)
        begin, end = ends[k - 1] if k else 0.0, ends[k]
        return k, (t - begin) / (end - begin) if end != begin else 1.0

    def between(self, t: float, stations: Sequence[float]) -> float:
        """The value at step t of what goes from station to station, one a phase."""
        k, x = self.phase(t)
        first, last = stations[k], stations[k + 1]
        if self.linear:
            return first + (last - first) * x
        return float(type(self).formula(t, 0.0, first, last, x))

    def __call__(self, t: float, eta: float | None = None) -> float:
        low = self.peak / self.div
        return self.between(t, [low, self.peak, *([low] if self.three_phase else []), low / self.final_div])


class Cyclic(Schedule):
    """From `low` up to `high` in `up` steps and back in `down`, again and again (Smith 2017).

    `scale` shrinks the height: it takes the number of the cycle, from 1, or with `by_step` the step. In the formula x
    goes from 0 to 1 and back.

    Cyclic(0.0, 1.0, 4): 0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0, 0.25
    """

    formula = staticmethod(lambda t, eta0, low, high, x, scale: low + (high - low) * x * scale)

    def __init__(
        self, low: float, high: float, up: int = 2000, down: int | None = None,
        scale: Callable[[float], float] = lambda cycle: 1.0, by_step: bool = False,
    ) -> None:  # fmt: skip
        self.low, self.high, self.up, self.down = low, high, up, up if down is None else down
        self.scale, self.by_step = scale, by_step

    def arguments(self, t: float) -> dict[str, Any]:
        length = self.up + self.down
        cycle = math.floor(1 + t / length)
        x, turn = 1 + t / length - cycle, self.up / length
        height = x / turn if x <= turn else (x - 1) / (turn - 1)
        return {"low": self.low, "high": self.high, "x": height, "scale": self.scale(t if self.by_step else cycle)}
