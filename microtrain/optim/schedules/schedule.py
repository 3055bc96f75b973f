"""What a schedule is, and how schedules are combined."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ...engine.quiet import quiet, restore
from ...errors import ArgumentError
from ..equation import Equation


class Schedule:
    """Base of the schedules. A subclass has a formula, and `arguments` says what it is called with at step t.

    In formulas eta0 is the rate that the schedule starts from: `eta`, or what it is called with.
    """

    formula: ClassVar[Callable[..., Any]]  # of t, eta0 and what `arguments` returns
    rule: ClassVar[Equation]
    eta: float = 1.0

    def __init_subclass__(cls) -> None:
        if "formula" in cls.__dict__:
            cls.rule = Equation.of(cls.__name__, "lr", cls.formula)

    def arguments(self, t: float) -> dict[str, Any]:
        """The formula's other arguments."""
        return {}

    def __call__(self, t: float, eta: float | None = None) -> float:
        """The learning rate after t steps, if it starts from `eta`."""
        token = quiet()
        try:
            return float(type(self).formula(t=t, eta0=self.eta if eta is None else eta, **self.arguments(t)))
        finally:
            restore(token)

    def values(self, count: int) -> list[float]:
        """The rates of the first steps."""
        return [self(t) for t in range(count)]

    def then(self, other: Schedule, at: int) -> Schedule:
        """This schedule before step `at`, and from there on `other`, counted from 0 again."""
        return Succession([self, other], [at])

    def __mul__(self, other: Any) -> Schedule:
        """Apply `other` to what this one says; with a number, set the rate that it starts from."""
        if isinstance(other, Schedule):
            return Chain([self, other])
        twin = copy.copy(self)
        twin.eta = self.eta * float(other)
        return twin

    __rmul__ = __mul__

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.__dict__.items() if key != "eta")
        return (f"{self.eta:g} * " if self.eta != 1 else "") + f"{type(self).__name__}({settings})"


class Chain(Schedule):
    """All of them, each applied to what those before it say: the product, for those that are factors."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        if not schedules:
            raise ArgumentError("Chain of no schedules.")
        self.schedules = _joined(schedules)
        self.eta = self.schedules[0].eta

    def __call__(self, t: float, eta: float | None = None) -> float:
        rate = self.eta if eta is None else eta
        for schedule in self.schedules:
            rate = schedule(t, rate)
        return rate


def _joined(schedules: Sequence[Schedule]) -> list[Schedule]:
    """The schedules, of which only the first can have a rate of its own: the others start from what they are given."""
    for schedule in schedules[1:]:
        if schedule.eta != 1:
            raise ArgumentError(
                f"{schedule} starts from a rate of its own, {schedule.eta:g}, which would be overlooked here.",
                "Combined schedules have one rate that they start from.",
                "Multiply the first, or the whole: 0.1 * Warmup(10).then(Cosine(90), at=10).",
            )
    return list(schedules)


class Succession(Schedule):
    """One after the other: the next begins, counted from 0, at each milestone."""

    def __init__(self, schedules: Sequence[Schedule], milestones: Sequence[int]) -> None:
        if len(milestones) != len(schedules) - 1 or list(milestones) != sorted(milestones):
            needed = len(schedules) - 1
            raise ArgumentError(f"{needed + 1} schedules need {needed} rising milestones, not {milestones}.")
        self.schedules, self.milestones = _joined(schedules), list(milestones)
        self.eta = self.schedules[0].eta

    def __call__(self, t: float, eta: float | None = None) -> float:
        k = bisect_right(self.milestones, t)
        return self.schedules[k](t - self.milestones[k - 1] if k else t, self.eta if eta is None else eta)
