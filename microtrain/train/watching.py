"""Callbacks that write down what happens inside: norms and updates of every parameter, and the path of them all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DataFileError
from ..files import atomically
from ..tensor import Tensor
from ..weights import load, save
from .callbacks import Callback

if TYPE_CHECKING:
    from .run import Run

PATH = "trajectory.safetensors"


class LayerStatistics(Callback):
    """Writes down the loss, the learning rate and the norms of every parameter, each `every` steps.

    They go to `history.steps`: "gradient_norm/NAME" is |g|, "weight_norm/NAME" |p| before the step, and
    "update_ratio/NAME" |change of p| / |p|. A ratio around 1e-3 is usual; 0 where p is 0.
    """

    def __init__(self, every: int = 1) -> None:
        if every < 1:
            raise ArgumentError(f"LayerStatistics: every is at least 1, not {every}.")
        self.every = every
        self._before: list[tuple[str, Tensor, Any]] = []
        self._row: dict[str, float] = {}

    def before_step(self, run: Run) -> None:
        if (run.step + 1) % self.every:
            return
        named = [(name, p) for name, p in run.model.named_parameters() if p.requires_grad]
        self._before = [(name, p, p.detach().numpy().copy()) for name, p in named]
        self._row = {"step": run.step + 1, "lr": run.lr()}
        if not run.needs_closure:  # before a later callback clips them
            self._row.update(_gradient_norms(named))

    def after_step(self, run: Run) -> None:
        if not self._before:
            return
        row, before = self._row, self._before
        self._row, self._before = {}, []
        if run.needs_closure:
            row.update(_gradient_norms([(name, p) for name, p, _ in before]))
        row["loss"] = run.loss
        for name, p, old in before:
            size = _norm(old)
            row[f"weight_norm/{name}"] = size
            row[f"update_ratio/{name}"] = _norm(p.detach().numpy() - old) / size if size else 0.0
        run.history.add_step(**row)


def _gradient_norms(named: list[tuple[str, Any]]) -> dict[str, float]:
    return {f"gradient_norm/{name}": 0.0 if p.grad is None else _norm(p.grad.numpy()) for name, p in named}


def _norm(array: Any) -> float:
    """The Euclidean norm, in float64, with a fixed order of summation."""
    flat = np.asarray(array, dtype=np.float64).reshape(-1)
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.sum(flat * flat)))


class Trajectory(Callback):
    """Keeps the parameters themselves each `every` steps, and at the start: the path that the training took.

    `points` has one row for each of `steps`: all parameters in one vector, float64, in the order of
    `model.parameters()`. They are part of every checkpoint, so for large models let `every` be large. The folder of the
    run has them in `trajectory.safetensors` at the end.
    """

    def __init__(self, every: int = 1) -> None:
        if every < 1:
            raise ArgumentError(f"Trajectory: every is at least 1, not {every}.")
        self.every = every
        self.steps: list[int] = []
        self._points: list[Any] = []

    @property
    def points(self) -> np.ndarray[Any, Any]:
        """Shape (kept steps, number of parameters)."""
        return np.array(self._points)

    def on_start(self, run: Run) -> None:
        if not self.steps:
            self._keep(run)

    def after_step(self, run: Run) -> None:
        if run.step % self.every == 0:
            self._keep(run)

    def _keep(self, run: Run) -> None:
        flat = [p.detach().numpy().reshape(-1) for p in run.model.parameters()]
        self.steps.append(run.step)
        self._points.append(np.concatenate(flat, dtype=np.float64))

    def on_end(self, run: Run) -> None:
        if run.folder is not None:
            with atomically(run.folder / PATH) as temporary:
                save({"steps": np.array(self.steps), "points": self.points}, os.fspath(temporary))

    def state_dict(self) -> dict[str, Any]:
        return {"steps": list(self.steps), "points": self.points}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.steps = [int(step) for step in state_dict["steps"]]
        self._points = list(np.asarray(state_dict["points"], dtype=np.float64))


def path_of(folder: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """The path (steps, number of parameters) that a `Trajectory` left in the folder of a run.

    Raises `DataFileError` if there is none.
    """
    content = load(os.fspath(Path(folder) / PATH))
    points = np.asarray(content.get("points")) if isinstance(content, dict) else np.zeros(0)
    if points.ndim != 2 or points.dtype.kind != "f":
        raise DataFileError(f"{folder} has no path of parameters in {PATH}.")
    return points
