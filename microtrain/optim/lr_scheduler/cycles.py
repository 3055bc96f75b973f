"""OneCycleLR and CyclicLR, which set their own rates and move the momentum the other way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import ArgumentError
from .. import schedules
from ..optimizer import Group, Optimizer
from .scheduler import LRScheduler, per_group

Numbers = float | Sequence[float]


def _need_momentum(who: str, optimizer: Optimizer) -> None:
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ArgumentError(
            f"{who} moves the momentum, but {type(optimizer).__name__} has none.", fix="Pass cycle_momentum=False."
        )


def _set_momentum(group: Group, value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and down to almost nothing in one run, while the momentum falls and rises (Smith and Topin 2018).

    OneCycleLR(optimizer, 1.0, 10): 0.04, 0.52, 1, 0.950485, 0.811746, 0.611262, 0.388742, 0.188258, 0.0495194, 4e-06

    Args:
        max_lr: the peak; a list has one for each group.
        total_steps: how many steps there will be; or else epochs and steps_per_epoch.
        pct_start: the share of them that rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: move the momentum (or beta1) from max_momentum to base_momentum and back.
        div_factor, final_div_factor: it begins at max_lr / div_factor, and ends at that over final_div_factor.
        three_phase: come down to the beginning before the rest.

    Raises `ArgumentError` for values out of range, and for a step after the last.
    """

    rule = schedules.OneCycle.rule
    from_initial = True

    def __init__(
        self, optimizer: Optimizer, max_lr: Numbers, total_steps: int | None = None, epochs: int | None = None,
        steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos",
        cycle_momentum: bool = True, base_momentum: Numbers = 0.85, max_momentum: Numbers = 0.95,
        div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError("OneCycleLR needs total_steps, or epochs and steps_per_epoch.")
            total_steps = epochs * steps_per_epoch
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"OneCycleLR: anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}.")
        if cycle_momentum:
            _need_momentum("OneCycleLR", optimizer)
        self.cycle_momentum, self.total_steps = cycle_momentum, total_steps
        self.base_momentum = per_group("base_momentum", base_momentum, optimizer)
        self.max_momentum = per_group("max_momentum", max_momentum, optimizer)
        self.cycles = [
            schedules.OneCycle(
                peak, total_steps, pct_start, anneal_strategy == "linear", div_factor, final_div_factor, three_phase
            )
            for peak in per_group("max_lr", max_lr, optimizer)
        ]
        super().__init__(optimizer, last_epoch, self.cycles)

    def adjust(self, index: int, group: Group) -> None:
        if self.cycle_momentum:
            low, high = self.base_momentum[index], self.max_momentum[index]
            stations = [high, low, high, high] if self.cycles[index].three_phase else [high, low, high]
            _set_momentum(group, self.cycles[index].between(self.position, stations))


SCALES: dict[str, Callable[[float], Callable[[float], float]]] = {
    "triangular": lambda gamma: lambda cycle: 1.0,
    "triangular2": lambda gamma: lambda cycle: 1 / 2.0 ** (cycle - 1),
    "exp_range": lambda gamma: lambda step: gamma**step,
}


class CyclicLR(LRScheduler):
    """Between `base_lr` and `max_lr` up and down in triangles, while the momentum goes the other way (Smith 2017).

    CyclicLR(optimizer, 0.0, 1.0, 4): 0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0, 0.25

    Args:
        step_size_up, step_size_down: the lengths of both sides.
        mode: "triangular", "triangular2" (half the height each cycle) or "exp_range" (gamma^step).
        scale_fn: the height in place of `mode`, of the cycle (from 1) or, with scale_mode "iterations", of the step.
        cycle_momentum: move the momentum (or beta1) between max_momentum and base_momentum.

    Raises `ArgumentError` for values out of range.
    """

    rule = schedules.Cyclic.rule
    from_initial = True

    def __init__(
        self, optimizer: Optimizer, base_lr: Numbers, max_lr: Numbers, step_size_up: int = 2000,
        step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None, scale_mode: str = "cycle", cycle_momentum: bool = True,
        base_momentum: Numbers = 0.8, max_momentum: Numbers = 0.9, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if scale_fn is None:
            if mode not in SCALES:
                raise ArgumentError(f"CyclicLR: mode is one of {', '.join(SCALES)}, not {mode!r}.")
            scale_fn, scale_mode = SCALES[mode](gamma), "iterations" if mode == "exp_range" else "cycle"
        if cycle_momentum:
            _need_momentum("CyclicLR", optimizer)
        self.cycle_momentum = cycle_momentum
        lows, highs = per_group("base_lr", base_lr, optimizer), per_group("max_lr", max_lr, optimizer)
        by_step = scale_mode == "iterations"
        self.cycles = [
            schedules.Cyclic(low, high, step_size_up, step_size_down, scale_fn, by_step)
            for low, high in zip(lows, highs, strict=True)
        ]
        momenta = zip(
            per_group("max_momentum", max_momentum, optimizer), per_group("base_momentum", base_momentum, optimizer),
            strict=True,
        )  # fmt: skip
        self.momenta = [
            schedules.Cyclic(high, low, step_size_up, step_size_down, scale_fn, by_step) for high, low in momenta
        ]
        super().__init__(optimizer, last_epoch, self.cycles)

    def adjust(self, index: int, group: Group) -> None:
        if self.cycle_momentum:
            _set_momentum(group, self.momenta[index](self.position))
