"""ReduceLROnPlateau: the one scheduler that looks at what comes out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

from ...errors import ArgumentError, SignatureError
from ..equation import Equation
from ..optimizer import Optimizer
from .scheduler import LRScheduler, apply, per_group


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by `factor` when a measurement has not become better for more than `patience` steps.

    With factor 0.5, patience 1 and the losses 5, 4, 4, 4, 4, 4, 4, 4, 4, 4 the rates after each step are:
    1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625

    Args:
        mode: "min" or "max": which way is better.
        threshold, threshold_mode: by how much it must be better, as a share of the best so far ("rel") or as such
            ("abs").
        cooldown: steps after a reduction during which nothing is counted.
        min_lr: the rate falls no further; a list has one for each group.
        eps: a smaller reduction is not made.

    Raises `ArgumentError` for values out of range.
    """

    rule = Equation.of("ReduceLROnPlateau", "lr", lambda eta0, factor, n: eta0 * factor**n)

    def __init__(
        self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
        threshold_mode: str = "rel", cooldown: int = 0, min_lr: float | Sequence[float] = 0.0, eps: float = 1e-8,
    ) -> None:  # fmt: skip
        if not factor < 1:
            raise ArgumentError(f"ReduceLROnPlateau: factor is {factor}; it must be less than 1.")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ArgumentError(
                f"ReduceLROnPlateau: mode is 'min' or 'max', not {mode!r}, threshold_mode 'rel' or 'abs', "
                f"not {threshold_mode!r}."
            )
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.min_lrs = per_group("min_lr", min_lr, optimizer)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.reductions = 0
        super().__init__(optimizer)

    def step(self, metrics: SupportsFloat | None = None, epoch: float | None = None) -> None:  # type: ignore[override]
        """Take in a measurement. Raises `SignatureError` without one."""
        if metrics is None:
            raise SignatureError(
                "ReduceLROnPlateau.step() needs a number.",
                "The rate falls when what it watches has not become better.",
                "scheduler.step(loss), with the loss of a test set, say.",
            )
        value = float(metrics)
        self.position = self.position + 1 if epoch is None else epoch
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.reductions += 1
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        apply(self.optimizer)

    def _is_better(self, value: float) -> bool:
        if not math.isfinite(self.best):
            return value < self.best if self.mode == "min" else value > self.best
        margin = self.threshold * self.best if self.threshold_mode == "rel" else self.threshold
        return value < self.best - margin if self.mode == "min" else value > self.best + margin

    def rate(self, index: int, eta: float) -> float:
        smallest = self.min_lrs[index] if index < len(self.min_lrs) else self.min_lrs[-1]
        for _ in range(self.reductions):
            lower = max(eta * self.factor, smallest)
            if eta - lower > self.eps:
                eta = lower
        return eta

    def state_dict(self) -> dict[str, Any]:
        return {
            "last_epoch": self.position, "best": self.best, "num_bad_epochs": self.num_bad_epochs,
            "cooldown_counter": self.cooldown_counter, "reductions": self.reductions,
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        for name in ("best", "num_bad_epochs", "cooldown_counter", "reductions"):
            setattr(self, name, state_dict[name])
        super().load_state_dict(state_dict)
