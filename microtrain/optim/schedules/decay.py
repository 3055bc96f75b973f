"""Rates that fall, or rise, smoothly."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError
from ...formula import F
from .schedule import Schedule


class Exponential(Schedule):
    """Falls by `gamma` every step.

    Exponential(0.5): 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.00195312
    """

    formula = staticmethod(lambda t, eta0, gamma: eta0 * gamma**t)

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def arguments(self, t: float) -> dict[str, Any]:
        return {"gamma": self.gamma}


class ExponentialTo(Schedule):
    """From the rate to `final` in `total` steps, by the same factor each time; `final` afterwards.

    ExponentialTo(0.0625, 4): 1, 0.5, 0.25, 0.125, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625
    """

    formula = staticmethod(lambda t, eta0, final, T: eta0 * (final / eta0) ** (F.minimum(t, T) / T))

    def __init__(self, final: float, total: int) -> None:
        if not (final > 0 and total >= 1):
            raise ArgumentError(f"ExponentialTo: final {final} must be positive and total {total} at least 1.")
        self.final, self.total = final, total

    def arguments(self, t: float) -> dict[str, Any]:
        return {"final": self.final, "T": self.total}


class Polynomial(Schedule):
    """Falls to 0 in `total` steps like (1 - t / total)^power.

    Polynomial(4, 2.0): 1, 0.5625, 0.25, 0.0625, 0, 0, 0, 0, 0, 0
    """

    formula = staticmethod(lambda t, eta0, T, power: eta0 * (1 - F.minimum(t, T) / T) ** power)

    def __init__(self, total: int = 5, power: float = 1.0) -> None:
        self.total, self.power = total, power

    def arguments(self, t: float) -> dict[str, Any]:
        return {"T": self.total, "power": self.power}


class Linear(Schedule):
    """From `start` times the rate to `end` times the rate in `total` steps.

    Linear(0.5, 1.0, 4): 0.5, 0.625, 0.75, 0.875, 1, 1, 1, 1, 1, 1
    """

    formula = staticmethod(lambda t, eta0, start, end, T: eta0 * (start + (end - start) * F.minimum(t, T) / T))

    def __init__(self, start: float = 1 / 3, end: float = 1.0, total: int = 5) -> None:
        self.start, self.end, self.total = start, end, total

    def arguments(self, t: float) -> dict[str, Any]:
        return {"start": self.start, "end": self.end, "T": self.total}


class InverseTime(Schedule):
    """Falls like 1 / (1 + t / scale): its sum is infinite and that of its squares finite, as Robbins and Monro ask.

    InverseTime(): 1, 0.5, 0.333333, 0.25, 0.2, 0.166667, 0.142857, 0.125, 0.111111, 0.1
    """

    formula = staticmethod(lambda t, eta0, scale: eta0 / (1 + t / scale))

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def arguments(self, t: float) -> dict[str, Any]:
        return {"scale": self.scale}


class InverseSqrt(Schedule):
    """Rises linearly for `warmup` steps to the rate, then falls like 1 / sqrt(t) (Vaswani et al. 2017).

    InverseSqrt(4): 0.25, 0.5, 0.75, 1, 0.894427, 0.816497, 0.755929, 0.707107, 0.666667, 0.632456
    """

    formula = staticmethod(lambda t, eta0, W: eta0 * F.minimum((t + 1) / W, F.sqrt(W / (t + 1))))

    def __init__(self, warmup: int = 1) -> None:
        if warmup < 1:
            raise ArgumentError(f"InverseSqrt: warmup is {warmup}; it must be at least 1.")
        self.warmup = warmup

    def arguments(self, t: float) -> dict[str, Any]:
        return {"W": self.warmup}


class Warmup(Schedule):
    """Rises linearly to the rate in `steps` steps, and stays; the first step is 1 / steps of it, not 0.

    Counting from 0, the first update would change nothing. Join it to anything: Warmup(10).then(Cosine(90), at=10).

    Warmup(5): 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1
    """

    formula = staticmethod(lambda t, eta0, start, W: eta0 * (start + (1 - start) * F.minimum((t + 1) / W, 1.0)))

    def __init__(self, steps: int, start: float = 0.0) -> None:
        self.steps, self.start = steps, start

    def arguments(self, t: float) -> dict[str, Any]:
        return {"start": self.start, "W": self.steps} if self.steps > 0 else {"start": 1.0, "W": 1}
