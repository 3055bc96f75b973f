"""PyTorch's names for the schedules that start from the optimizer's own rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ...errors import ArgumentError, DtypeError
from .. import schedules
from ..optimizer import Optimizer
from .scheduler import LRScheduler, per_group

Function = Callable[[int], float]


class LambdaLR(LRScheduler):
    """The rate times `lr_lambda(step)`; a list has one function for each group.

    lr_lambda = lambda t: 1 / (1 + t): 1, 0.5, 0.333333, 0.25, 0.2, 0.166667, 0.142857, 0.125, 0.111111, 0.1
    """

    rule = schedules.Lambda.rule
    from_initial = True

    def __init__(self, optimizer: Optimizer, lr_lambda: Function | Sequence[Function], last_epoch: int = -1) -> None:
        functions = per_group("lr_lambda", lr_lambda, optimizer)
        if not all(map(callable, functions)):
            raise DtypeError(f"LambdaLR: lr_lambda is {lr_lambda!r}, not a function of the step.")
        super().__init__(optimizer, last_epoch, [schedules.Lambda(f) for f in functions])  # type: ignore[arg-type]


class MultiplicativeLR(LRScheduler):
    """Each step multiplies the rate by `lr_lambda(step)`; a list has one function for each group.

    lr_lambda = lambda t: 0.5: 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.00195312
    """

    rule = schedules.Multiplicative.rule

    def __init__(self, optimizer: Optimizer, lr_lambda: Function | Sequence[Function], last_epoch: int = -1) -> None:
        functions = per_group("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch, [schedules.Multiplicative(f) for f in functions])  # type: ignore[arg-type]


class StepLR(LRScheduler):
    """The rate falls by `gamma` every `step_size` steps.

    StepLR(optimizer, 3, 0.5): 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125
    """

    rule = schedules.Step.rule

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, schedules.Step(step_size, gamma))


class MultiStepLR(LRScheduler):
    """The rate falls by `gamma` at each milestone.

    MultiStepLR(optimizer, [2, 5], 0.5): 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25
    """

    rule = schedules.MultiStep.rule

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, schedules.MultiStep(milestones, gamma))


class ConstantLR(LRScheduler):
    """`factor` times the rate for `total_iters` steps, then the rate. Raises `ArgumentError` unless 0 <= factor <= 1.

    ConstantLR(optimizer, 0.5, 3): 0.5, 0.5, 0.5, 1, 1, 1, 1, 1, 1, 1
    """

    rule = schedules.Constant.rule

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ArgumentError(f"ConstantLR: factor is {factor}; it must lie in [0, 1].")
        super().__init__(optimizer, last_epoch, schedules.Constant(factor, total_iters))


class LinearLR(LRScheduler):
    """From `start_factor` to `end_factor` times the rate in `total_iters` steps.

    LinearLR(optimizer, 0.5, 1.0, 4): 0.5, 0.625, 0.75, 0.875, 1, 1, 1, 1, 1, 1

    Raises `ArgumentError` unless 0 < start_factor <= 1 and 0 <= end_factor <= 1.
    """

    rule = schedules.Linear.rule

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1):
            raise ArgumentError(
                f"LinearLR: start_factor {start_factor} must lie in (0, 1] and end_factor {end_factor} in [0, 1]."
            )
        super().__init__(optimizer, last_epoch, schedules.Linear(start_factor, end_factor, total_iters))


class ExponentialLR(LRScheduler):
    """The rate falls by `gamma` every step.

    ExponentialLR(optimizer, 0.5): 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625, 0.00195312
    """

    rule = schedules.Exponential.rule

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, schedules.Exponential(gamma))


class PolynomialLR(LRScheduler):
    """The rate falls to 0 in `total_iters` steps like (1 - t / total_iters)^power.

    PolynomialLR(optimizer, 4, 2.0): 1, 0.5625, 0.25, 0.0625, 0, 0, 0, 0, 0, 0
    """

    rule = schedules.Polynomial.rule

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, schedules.Polynomial(total_iters, power))


class InverseTimeLR(LRScheduler):
    """The rate over 1 + t / scale, as Robbins and Monro ask (not in PyTorch).

    InverseTimeLR(optimizer): 1, 0.5, 0.333333, 0.25, 0.2, 0.166667, 0.142857, 0.125, 0.111111, 0.1
    """

    rule = schedules.InverseTime.rule

    def __init__(self, optimizer: Optimizer, scale: float = 1.0, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, schedules.InverseTime(scale))


class InverseSqrtLR(LRScheduler):
    """`warmup` steps up to the rate, then down like 1 / sqrt(t) (not in PyTorch).

    InverseSqrtLR(optimizer, 4): 0.25, 0.5, 0.75, 1, 0.894427, 0.816497, 0.755929, 0.707107, 0.666667, 0.632456
    """

    rule = schedules.InverseSqrt.rule

    def __init__(self, optimizer: Optimizer, warmup: int = 1, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, schedules.InverseSqrt(warmup))


class WarmupLR(LRScheduler):
    """Linearly up to the rate in `total_iters` steps; unlike LinearLR's, the first is 1 / total_iters (not in PyTorch).

    WarmupLR(optimizer, 5): 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1
    """

    rule = schedules.Warmup.rule

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, start_factor: float = 0.0, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, schedules.Warmup(total_iters, start_factor))


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave from the rate to `eta_min` in `T_max` steps; then it climbs back, unless `hold`.

    CosineAnnealingLR(optimizer, 4): 1, 0.853553, 0.5, 0.146447, 0, 0.146447, 0.5, 0.853553, 1, 0.853553
    """

    rule = schedules.Cosine.rule

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1, *,
        hold: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(optimizer, last_epoch, schedules.Cosine(T_max, eta_min, hold))


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine cycles from the rate to `eta_min`, of T_0 steps first and then T_mult times as many each (SGDR).

    CosineAnnealingWarmRestarts(optimizer, 2, 2): 1, 0.5, 1, 0.853553, 0.5, 0.146447, 1, 0.96194, 0.853553, 0.691342
    """

    rule = schedules.CosineRestarts.rule
    from_initial = True

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, schedules.CosineRestarts(T_0, T_mult, eta_min))
