"""What all schedulers share: they write the learning rate of an optimizer's groups as a function of the step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from ...engine.recording import MODE
from ...errors import ArgumentError, DtypeError
from ..optimizer import Group, Optimizer
from ..schedules import Schedule

Value = TypeVar("Value")


class LRScheduler:
    """Base of the schedulers. Call `step()` after each `optimizer.step()` (or after each epoch).

    The rate is a pure function of the step: a scheduler's state is the number of the step, and the rate that it starts
    from is the group's "initial_lr". Several schedulers of one optimizer apply one after the other, in the order in
    which they were made: factors multiply, whichever comes first. One that starts from "initial_lr" (`LambdaLR`,
    `OneCycleLR`, `CyclicLR`, `CosineAnnealingWarmRestarts`) takes no account of those before it, and those after it are
    applied to what it says. (PyTorch's write over these at each step, so that a factor is lost or lasts one step; and
    its cosine, a recursion, differs from ours after other schedulers by up to a few eta_min.) A rate that was set by
    hand in between scales what they say from then on.

    Write your own by giving it a `Schedule`, or as in PyTorch by a method `get_lr` that returns the rate of each group,
    made of `self.last_epoch` and `self.base_lrs`. A group that is added later goes on from the rate it is added with.

    Args:
        last_epoch: go on after this step; the groups must then have an "initial_lr".
        schedule: the function of the step, or a list with one for each group.

    Raises `DtypeError` for what is no optimizer, `ArgumentError` where there is no rate to start from.
    """

    from_initial: ClassVar[bool] = False

    def __init__(
        self, optimizer: Optimizer, last_epoch: int = -1, schedule: Schedule | Sequence[Schedule] | None = None
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise DtypeError(f"{type(self).__name__} takes an optimizer, not {type(optimizer).__name__}.")
        for k, group in enumerate(optimizer.param_groups):
            _check_number(k, group)
            if last_epoch != -1 and "initial_lr" not in group:
                raise ArgumentError(
                    f"Group {k} has no 'initial_lr', but last_epoch is {last_epoch}.",
                    fix="Load the optimizer's state_dict first, or leave last_epoch out.",
                )
        self.optimizer = optimizer
        self.schedule: Any = schedule
        self.position: float = last_epoch + 1  # how many steps have been made; fractions of an epoch are possible
        self._own: list[float] = []  # what an overridden get_lr said
        self._warned = False
        optimizer.schedulers.append(self)
        try:
            self._moved()
            apply(optimizer)
        except BaseException:
            optimizer.schedulers.remove(self)  # one that could not be made rules nothing
            raise

    @property
    def last_epoch(self) -> int:
        """The number of steps so far."""
        return math.floor(self.position)

    @last_epoch.setter
    def last_epoch(self, value: float) -> None:
        self.position = value

    @property
    def _step_count(self) -> int:
        """PyTorch's count, which begins with 1; programs read it in a `get_lr` of their own."""
        return self.last_epoch + 1

    @property
    def base_lrs(self) -> list[float]:
        """The rates that the groups start from."""
        return [group["initial_lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The present rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:
        """What the schedule says for each group, if it starts from `base_lrs`."""
        return [self.rate(k, eta) for k, eta in enumerate(self.base_lrs)]

    def rate(self, index: int, eta: float) -> float:
        """The rate of a group at the present step, if it starts from `eta`."""
        if self._own:
            return self._of_group(self._own, index)
        if self.from_initial:
            eta = self.optimizer.param_groups[index]["initial_lr"]
        several = isinstance(self.schedule, (list, tuple))
        schedule = self._of_group(self.schedule, index) if several else self.schedule
        return schedule(self.position, eta) if schedule is not None else eta

    def _of_group(self, values: Sequence[Value], index: int) -> Value:
        if index >= len(values):
            raise ArgumentError(
                f"{type(self).__name__} rules {len(values)} groups, but the optimizer has a group number {index}.",
                "It was made with one value for each group that there was.",
                "Add the groups before you make the scheduler.",
            )
        return values[index]

    def welcome(self, index: int) -> None:
        """A group was added to the optimizer: its rate is that of the present step, from which all go on."""
        group = self.optimizer.param_groups[index]
        _check_number(index, group)
        base = rate = float(group["lr"])
        group["initial_lr"] = base
        for scheduler in self.optimizer.schedulers:
            scheduler._moved()
            rate = scheduler.rate(index, rate)
        self.optimizer.scheduled[index] = rate, base

    def step(self, epoch: float | None = None) -> None:
        """One step further, or to step `epoch`, which may be a fraction: epoch + batch / batches.

        Raises `ArgumentError` for an epoch before the first.
        Warns if the optimizer has not made a step yet: then its first step would miss the first rate.
        """
        if epoch is not None and epoch < 0:
            raise ArgumentError(f"step(): epoch is {epoch}, and the first one is 0.")
        if self.optimizer.steps == 0 and not self._warned:
            self._warned = True
            warnings.warn(
                "The scheduler was called before the optimizer made a step, so the first rate is never used. "
                "Call optimizer.step() first, then scheduler.step().",
                UserWarning,
                stacklevel=2,
            )
        for listener in MODE.get().listeners:
            if hasattr(listener, "called"):
                listener.called(self.step, (epoch,))
        self.position = self.position + 1 if epoch is None else epoch
        self._moved()
        apply(self.optimizer)

    def _moved(self) -> None:
        """The position has changed."""
        if type(self).get_lr is not LRScheduler.get_lr:
            for group in self.optimizer.param_groups:
                group.setdefault("initial_lr", float(group["lr"]))
            self._own = [float(lr) for lr in self.get_lr()]

    def adjust(self, index: int, group: Group) -> None:
        """Set what else the schedule rules, such as the momentum."""

    def state_dict(self) -> dict[str, Any]:
        """The step, as plain data."""
        return {"last_epoch": self.position}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a step; sets the learning rates."""
        self.position = state_dict["last_epoch"]
        self.optimizer.scheduled.clear()
        self._moved()
        apply(self.optimizer)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(step {self.position:g}, {self.schedule})"


def _check_number(index: int, group: Group) -> None:
    """Raise `ArgumentError` if a group's rate is no number that could be scheduled."""
    if callable(group["lr"]):
        raise ArgumentError(f"The learning rate of group {index} is a schedule already.", fix="Use one of the two.")


def apply(optimizer: Optimizer) -> None:
    """Write the rate of every group, as all schedulers together say."""
    for index, group in enumerate(optimizer.param_groups):
        lr = float(group["lr"])
        base = float(group.setdefault("initial_lr", lr))
        lr_before, base_before = optimizer.scheduled.get(index, (lr, base))
        by_hand = lr != lr_before and base == base_before  # the rate was set, and not also what it starts from
        if by_hand and not optimizer.schedulers[-1].from_initial:
            base = base * (lr / lr_before) if lr_before else lr
        group["initial_lr"] = rate = base
        for scheduler in optimizer.schedulers:
            rate = scheduler.rate(index, rate)
            scheduler.adjust(index, group)
        group["lr"] = float(rate)
        optimizer.scheduled[index] = group["lr"], base


def per_group(name: str, value: Value | Sequence[Value], optimizer: Optimizer) -> list[Value]:
    """One value for each group."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count  # type: ignore[list-item]
    if len(value) != count:
        raise ArgumentError(f"{name} has {len(value)} values, but the optimizer has {count} groups.")
    return list(value)
