"""A training run: what the loop works on, what callbacks see, and how it is kept in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataFileError
from ..files import locked, make_folder, remove_leftovers, write_text
from ..nn.module import Module
from ..optim.line_search import LineSearch
from ..optim.momentum import Nesterov
from ..optim.optimizer import Optimizer
from ..optim.whole import WholeOptimizer
from ..weights import MissingFileError, save
from . import checkpoint_files, randomness
from .callbacks import Callback
from .checkpoint import WRONG, Checkpoint, has_state
from .history import History, writable
from .keeping import keep


class Run:
    """What there is to know about a training run while it goes on.

    `model`, `optimizer`, `history`, `epochs` (to be made), `epoch` (under way, from 1), `batch` (done in this epoch),
    `step` (done in all), `loss` (of the last batch), `callbacks`; set `stop` to a reason to end the training.
    """

    def __init__(
        self, model: Module, batches: Iterable[Any], optimizer: Optimizer, epochs: int, callbacks: Sequence[Callback],
        generators: Iterable[Any], folder: Path | None, save_seconds: float, save_steps: int | None,
    ) -> None:  # fmt: skip
        self.model, self.optimizer, self.epochs, self.callbacks = model, optimizer, epochs, list(callbacks)
        self.history = History()
        self.epoch, self.batch, self.step, self.loss, self.stop = 1, 0, 0, float("nan"), ""
        self.totals: dict[str, float] = {}  # sums over the samples of this epoch
        self.count = 0  # of these samples
        self.needs_closure = isinstance(optimizer, (WholeOptimizer, Nesterov))
        self.folder, self.save_seconds, self.save_steps = folder, save_seconds, save_steps
        self.saved_at = time.perf_counter()
        self._batches = batches
        self._generators = [*generators, *callbacks]
        self._tells_its_place = has_state(batches)
        self._at_epoch_start: dict[str, Any] = {}  # the random streams, for batches that can't tell where they stand

    def lr(self) -> float:
        """The learning rate of the first group."""
        return self.optimizer.rate(self.optimizer.param_groups[0], self.step)

    def tell(self, event: str) -> None:
        """Call this method of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def listeners(self, event: str) -> list[Any]:
        """This method of those callbacks that have one."""
        return [getattr(c, event) for c in self.callbacks if getattr(type(c), event) is not getattr(Callback, event)]

    def rest_of_epoch(self) -> Iterator[Any]:
        """The batches of this epoch that have not been trained on."""
        if self._tells_its_place:
            return iter(self._batches)
        found = randomness.streams([self._batches, *self._generators])
        if not self.batch:
            self._at_epoch_start = randomness.states(found)
            return iter(self._batches)
        now = randomness.states(found)
        randomness.set_states(found, self._at_epoch_start)
        batches = iter(self._batches)
        for _ in islice(batches, self.batch):
            pass
        randomness.set_states(found, now)
        return batches

    # ---- the folder --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_folder(self, resume: bool) -> Iterator[None]:
        """Holds the folder, and goes on from what is in it if `resume`."""
        if self.folder is None:
            if resume:
                raise ArgumentError("fit(): resume=True needs to know where the run is.", fix='fit(..., out="run").')
            yield
            return
        make_folder(self.folder)
        with locked(self.folder) as ours:
            if not ours:
                raise ArgumentError(f"Another process is writing to {self.folder}.", fix="Choose another folder.")
            remove_leftovers(self.folder)
            if checkpoint_files.present(self.folder) and not resume:
                raise ArgumentError(
                    f"There is a run in {self.folder} already.",
                    fix="Choose another folder, delete this one, or go on from there with resume=True.",
                )
            if resume:
                with contextlib.suppress(MissingFileError):  # interrupted before the first checkpoint: from the start
                    self._go_on_from(Checkpoint.load(self.folder))
            yield

    def save(self) -> None:
        """Write a checkpoint, if there is a folder for it."""
        if self.folder is None:
            return
        more = {
            "epoch": self.epoch, "batch": self.batch, "totals": self.totals, "count": self.count, "stop": self.stop,
            "rows": np.frombuffer(json.dumps(self.history.rows).encode(), np.uint8),  # JSON, as long as it may be
            "steps": {name: np.array(column) for name, column in self.history.steps.items()},
            "at_epoch_start": self._at_epoch_start,
            "callbacks": [[type(c).__name__, c.state_dict()] for c in self.callbacks],
        }  # fmt: skip
        Checkpoint.take(
            self.model, self.optimizer, self._batches, step=self.step, generators=self._generators, more=more
        ).save(self.folder)
        self.history.save(self.folder / "history.json")
        self.saved_at = time.perf_counter()

    def _go_on_from(self, checkpoint: Checkpoint) -> None:
        more = checkpoint.more
        try:
            names = [name for name, _ in more["callbacks"]]
            if names != [type(c).__name__ for c in self.callbacks]:
                raise DataFileError(f"The run in {self.folder} had the callbacks {names or 'none'}; give it the same.")
            rows = json.loads(bytes(np.asarray(more["rows"])))
            history = History.of({"rows": rows, "steps": {name: x.tolist() for name, x in more["steps"].items()}})
            epoch, batch, count = (int(more[name]) for name in ("epoch", "batch", "count"))
            totals = {str(name): float(value) for name, value in more["totals"].items()}
            stop = str(more["stop"])
            checkpoint.put_back(self.model, self.optimizer, self._batches, generators=self._generators)
            for callback, (_, state) in zip(self.callbacks, more["callbacks"], strict=True):
                callback.load_state_dict(state)
            at_epoch_start = dict(more["at_epoch_start"])
        except WRONG as error:
            if isinstance(error, DataFileError):
                raise
            raise DataFileError(
                f"The checkpoint in {self.folder} is not that of a run of fit(): {type(error).__name__}: {error}."
            ) from None
        self.step, self.epoch, self.batch, self.count = checkpoint.step, epoch, batch, count
        self.history, self.totals, self.stop, self._at_epoch_start = history, totals, stop, at_epoch_start

    def describe(self, **settings: Any) -> None:
        """Write down what is run, for people and for pictures."""
        if self.folder is None:
            return
        from .. import __version__

        config = {
            "model": repr(self.model), "parameters": sum(p.numel() for p in self.model.parameters()),
            "optimizer": type(self.optimizer).__name__, "settings": repr(self.optimizer), "epochs": self.epochs,
            **settings, "microtrain": __version__, "numpy": np.__version__, "python": platform.python_version(),
        }  # fmt: skip
        write_text(self.folder / "config.json", json.dumps(writable(config), indent=1))

    def finish(self) -> None:
        """Write what the run leaves: the parameters as they are after the callbacks' last word."""
        if self.folder is None:
            return
        save(self.model.state_dict(), os.fspath(self.folder / "weights.safetensors"))
        search = getattr(self.optimizer, "search", None)
        if isinstance(search, LineSearch):  # the last one
            keep(self.folder, "line-search", search)


def batch_of(batch: Any) -> tuple[list[Any], Any]:
    """(inputs, targets) of a batch. Raises `ArgumentError` if it is anything else."""
    if isinstance(batch, Mapping) or not isinstance(batch, (tuple, list)) or len(batch) < 2:
        size = f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""
        raise ArgumentError(
            f"A batch is a tuple (inputs, targets), not a {type(batch).__name__}{size}.",
            fix="DataLoader((inputs, targets), batch_size) makes such batches.",
        )
    *inputs, targets = batch
    return inputs, targets
