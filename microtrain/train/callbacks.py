"""What can be added to the loop. A callback is told when something has happened, and may look and act."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..nn.utils import clip_grad_norm_
from ..tensor import wrap

if TYPE_CHECKING:
    from .run import Run


class Callback:
    """Base of the callbacks; override what you need. `run` has the model, optimizer, history, epoch, batch and step.

    Set `run.stop = "why"` to end the training after this step. What a callback has to remember over an interruption it
    returns from `state_dict` (tensors, numbers, texts, lists and dicts) and takes back in `load_state_dict`.
    """

    def on_start(self, run: Run) -> None:
        """Before the first step, after a checkpoint was read."""

    def before_step(self, run: Run) -> None:
        """The gradients have been computed, the parameters not yet changed."""

    def after_step(self, run: Run) -> None:
        """The parameters have been changed; `run.loss` is the loss before."""

    def on_epoch(self, run: Run) -> None:
        """An epoch is over; its numbers are `run.history.rows[-1]`."""

    def on_end(self, run: Run) -> None:
        """The training is over (but not when it was interrupted)."""

    def state_dict(self) -> dict[str, Any]:
        """What has to be in a checkpoint."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from there."""


class EarlyStopping(Callback):
    """Ends the training when a number of the history has not become better for `patience` epochs.

    Args:
        monitor: which number, such as "test_loss" or "test_accuracy".
        patience: epochs to wait for something better.
        mode: "min" or "max": which way is better.
        min_delta: by how much it must be better to count.
        restore_best: put the parameters of the best epoch back at the end.

    Afterwards `best` is the number and `best_epoch` says when it was reached. (Prechelt 1998, "Early stopping - but
    when?")
    """

    def __init__(
        self, monitor: str = "test_loss", patience: int = 5, mode: str = "min", min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:  # fmt: skip
        if mode not in ("min", "max"):
            raise ArgumentError(f"EarlyStopping: mode is 'min' or 'max', not {mode!r}.")
        if patience < 1 or not min_delta >= 0:
            raise ArgumentError(
                f"EarlyStopping: patience is at least 1 and min_delta not negative, not {patience} and {min_delta}."
            )
        self.monitor, self.patience, self.mode, self.min_delta = monitor, patience, mode, min_delta
        self.restore_best = restore_best
        self.best, self.best_epoch = math.inf if mode == "min" else -math.inf, 0
        self._parameters: dict[str, Any] = {}

    def on_epoch(self, run: Run) -> None:
        row = run.history.rows[-1]
        if self.monitor not in row:
            raise ArgumentError(
                f"EarlyStopping watches '{self.monitor}', but an epoch has {', '.join(row)}.",
                fix="Give fit() test_batches= and metrics=, or watch another number.",
            )
        value = row[self.monitor]
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta or (self.best_epoch == 0 and math.isfinite(value)):
            self.best, self.best_epoch = value, run.epoch
            if self.restore_best:
                state = run.model.state_dict()
                self._parameters = {name: wrap(np.array(value.numpy())) for name, value in state.items()}
        elif run.epoch - self.best_epoch >= self.patience:
            run.stop = f"{self.monitor} has not become better than {self.best:.6g} for {self.patience} epochs"

    def on_end(self, run: Run) -> None:
        if self._parameters:
            run.model.load_state_dict(self._parameters)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "parameters": self._parameters}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.best, self.best_epoch = float(state_dict["best"]), int(state_dict["best_epoch"])
        self._parameters = dict(state_dict["parameters"])


class ClipGradNorm(Callback):
    """Shortens the gradient of all parameters together to `max_norm` before each step (Pascanu et al. 2013)."""

    def __init__(self, max_norm: float, norm_type: float = 2.0) -> None:
        if not max_norm > 0:
            raise ArgumentError(f"ClipGradNorm: max_norm is positive, not {max_norm}.")
        self.max_norm, self.norm_type = max_norm, norm_type

    def on_start(self, run: Run) -> None:
        if run.needs_closure:
            raise ArgumentError(
                f"ClipGradNorm does not go with {type(run.optimizer).__name__}.",
                "That optimizer computes its gradients within the step.",
            )

    def before_step(self, run: Run) -> None:
        clip_grad_norm_(run.model.parameters(), self.max_norm, self.norm_type)
