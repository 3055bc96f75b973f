"""Schedulers made of schedulers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ...errors import ArgumentError
from ..equation import Equation
from ..optimizer import Group, Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import LRScheduler


def _adopted(who: str, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> list[LRScheduler]:
    """The schedulers, which no longer act for themselves."""
    if not schedulers:
        raise ArgumentError(f"{who} of no schedulers.")
    for scheduler in schedulers:
        if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
            raise ArgumentError(f"{who} can't contain {type(scheduler).__name__}.", "Its step() takes no measurements.")
        if scheduler.optimizer is not (optimizer or schedulers[0].optimizer):
            raise ArgumentError(f"{who}: all schedulers must belong to the same optimizer.")
        if scheduler in scheduler.optimizer.schedulers:
            scheduler.optimizer.schedulers.remove(scheduler)
    return list(schedulers)


class SequentialLR(LRScheduler):
    """One scheduler after the other: the next takes over at each milestone, and counts from 0 again.

    Warm-up joined to anything: SequentialLR(optimizer, [WarmupLR(optimizer, 5), CosineAnnealingLR(optimizer, 4)], [5]):
    0.2, 0.4, 0.6, 0.8, 1, 1, 0.853553, 0.5, 0.146447, 0

    Each starts from the initial rate (in PyTorch MultiplicativeLR goes on from what there is). Raises `ArgumentError`
    unless there is one milestone less than schedulers.
    """

    rule = Equation(
        "SequentialLR",
        ("lr <- a(t) if t < T else b(t - T)", r"\eta \leftarrow a(t) \text{ if } t < T \text{ else } b(t - T)"),
    )

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        if not schedulers:
            raise ArgumentError("SequentialLR of no schedulers.")
        if len(milestones) != len(schedulers) - 1:
            needed = len(schedulers) - 1
            raise ArgumentError(
                f"SequentialLR: {needed + 1} schedulers need {needed} milestones, not {len(milestones)}."
            )
        self.schedulers, self.milestones = _adopted("SequentialLR", schedulers, optimizer), list(milestones)
        optimizer.scheduled.clear()
        super().__init__(optimizer, last_epoch)

    @property
    def active(self) -> LRScheduler:
        """The one whose turn it is."""
        return self.schedulers[bisect_right(self.milestones, self.position)]

    def _moved(self) -> None:
        k = bisect_right(self.milestones, self.position)
        self.active.position = self.position - self.milestones[k - 1] if k else self.position
        self.active._moved()

    def rate(self, index: int, eta: float) -> float:
        return self.active.rate(index, eta)

    def adjust(self, index: int, group: Group) -> None:
        self.active.adjust(index, group)

    def __repr__(self) -> str:
        return f"SequentialLR(step {self.position:g}, {self.schedulers}, {self.milestones})"


class ChainedScheduler(LRScheduler):
    """Several schedulers that apply one after the other at every step: the product, for those that are factors.

    ChainedScheduler([ConstantLR(optimizer, 0.5, 3), ExponentialLR(optimizer, 0.5)]):
    0.5, 0.25, 0.125, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.00195312

    It does the same as calling `step()` of each of them. Each is a function of the step and of the rate that those
    before it give. In PyTorch some change what there is since the last step instead, so there a StepLR after a
    CosineAnnealingWarmRestarts counts for single steps only; factors, such as those above, agree.
    """

    rule = Equation("ChainedScheduler", ("lr <- b(t, a(t, eta0))", r"\eta \leftarrow b(t, a(t, \eta_{0}))"))

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self.schedulers = _adopted("ChainedScheduler", schedulers, optimizer)
        first = self.schedulers[0]
        first.optimizer.scheduled.clear()
        super().__init__(first.optimizer, first.last_epoch - 1)

    def _moved(self) -> None:
        for scheduler in self.schedulers:
            scheduler.position = self.position
            scheduler._moved()

    def rate(self, index: int, eta: float) -> float:
        for scheduler in self.schedulers:
            eta = scheduler.rate(index, eta)
        return eta

    def adjust(self, index: int, group: Group) -> None:
        for scheduler in self.schedulers:
            scheduler.adjust(index, group)

    def __repr__(self) -> str:
        return f"ChainedScheduler(step {self.position:g}, {self.schedulers})"
