"""Rates that change at certain steps, or as a function says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from ...errors import ArgumentError
from ...formula import F
from .schedule import Schedule


class Constant(Schedule):
    """`factor` times the rate for the first `total` steps, then the rate itself.

    Constant(0.5, 3): 0.5, 0.5, 0.5, 1, 1, 1, 1, 1, 1, 1
    """

    formula = staticmethod(lambda t, eta0, factor, T: eta0 * F.where(t < T, factor, 1.0))

    def __init__(self, factor: float = 1.0, total: int = 0) -> None:
        self.factor, self.total = factor, total

    def arguments(self, t: float) -> dict[str, Any]:
        return {"factor": self.factor, "T": self.total}


class Step(Schedule):
    """Falls by `gamma` every `every` steps: explore first, tune later.

    Step(3, 0.5): 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125
    """

    formula = staticmethod(lambda t, eta0, gamma, every: eta0 * gamma ** F.floor(t / every))

    def __init__(self, every: int, gamma: float = 0.1) -> None:
        if every < 1:
            raise ArgumentError(f"Step: every is {every}; it must be at least 1.")
        self.every, self.gamma = every, gamma

    def arguments(self, t: float) -> dict[str, Any]:
        return {"gamma": self.gamma, "every": self.every}


class MultiStep(Schedule):
    """Falls by `gamma` at each milestone; in the formula n is how many of them have passed.

    MultiStep([2, 5], 0.5): 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25
    """

    formula = staticmethod(lambda t, eta0, gamma, n: eta0 * gamma**n)

    def __init__(self, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma

    def arguments(self, t: float) -> dict[str, Any]:
        return {"gamma": self.gamma, "n": bisect_right(self.milestones, t)}


class Lambda(Schedule):
    """The rate times f(t).

    Lambda(lambda t: 1 / (1 + t)): 1, 0.5, 0.333333, 0.25, 0.2, 0.166667, 0.142857, 0.125, 0.111111, 0.1
    """

    formula = staticmethod(lambda t, eta0, f: eta0 * f)

    def __init__(self, function: Callable[[float], float]) -> None:
        self.function = function

    def arguments(self, t: float) -> dict[str, Any]:
        return {"f": self.function(t)}


class Multiplicative(Schedule):
    """The rate times f(1) f(2) ... f(t).

    Multiplicative(lambda t: 0.5): 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.00195312
    """

    formula = staticmethod(lambda t, eta0, product: eta0 * product)

    def __init__(self, function: Callable[[float], float]) -> None:
        self.function = function
        self._products = [1.0]

    def arguments(self, t: float) -> dict[str, Any]:
        while len(self._products) <= t:
            self._products.append(self._products[-1] * self.function(len(self._products)))
        return {"product": self._products[int(t)]}
