"""The training loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engine.recording import no_grad
from ..errors import ArgumentError, GraphError
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from ..optim.optimizer import Optimizer
from ..optim.whole import WholeOptimizer
from ..tensor import Tensor
from .arguments import check_parts, check_settings
from .callbacks import Callback
from .history import History
from .interrupts import Interrupted, Interrupts
from .progress import progress
from .run import Run, batch_of
from .watching import LayerStatistics

Metric = Callable[[Tensor, Tensor], float]
Loss = Callable[..., Tensor]


def evaluate(
    model: Module, batches: Iterable[tuple[Tensor, ...]], loss: Loss = cross_entropy,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, float]:  # fmt: skip
    """The mean loss and metrics over all samples, in evaluation mode and without recording gradients.

    Raises `ArgumentError` if there are no batches.
    """
    modes = [(module, module.training) for module in model.modules()]
    count = 0
    totals: dict[str, float] = {}
    model.eval()
    try:
        with no_grad():
            for batch in batches:
                inputs, targets = batch_of(batch)
                outputs = model(*inputs)
                size = _samples(inputs)
                _add(totals, size, loss(outputs, targets).item(), metrics or {}, outputs, targets)
                count += size
    finally:
        for module, training in modes:
            module.training = training
    if not count:
        raise ArgumentError(
            "evaluate() got no batches.", "An iterator gives its batches only once.", "Use a DataLoader."
        )
    return {name: total / count for name, total in totals.items()}


def fit(
    model: Module,
    train_batches: Iterable[tuple[Tensor, ...]],
    optimizer: Optimizer,
    epochs: int,
    *,
    loss: Loss = cross_entropy,
    test_batches: Iterable[tuple[Tensor, ...]] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    scheduler: LRScheduler | None = None,
    scheduler_per: str = "epoch",
    callbacks: Sequence[Callback] = (),
    statistics: int = 0,
    on_epoch: Callable[[History], Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    save_seconds: float = 10.0,
    save_steps: int | None = None,
    generators: Sequence[Any] = (),
    show: bool = True,
) -> History:
    """Train for a number of epochs and return what was measured after each.

    The rows have `epoch`, `train_loss` and the metrics over the epoch's batches (`train_accuracy`, as the parameters
    were at that moment), and the same for `test_batches`. Progress shows on a terminal, unless `show` is False.

    Args:
        train_batches, test_batches: tuples (inputs, targets), or (input, ..., input, targets); gone through once an
            epoch.
        loss: of (outputs, targets), a mean over the batch.
        metrics: {name: function of (outputs, targets)}.
        scheduler: of the learning rate; stepped after each "epoch" or each "batch", as `scheduler_per` says. A
            `ReduceLROnPlateau` watches the test loss, or the training loss if there is no other.
        callbacks: see `Callback`; `EarlyStopping`, `ClipGradNorm`, `LayerStatistics`, `Trajectory`.
        statistics: every so many steps, write loss, learning rate, gradient norms and update ratios of all parameters
            into `history.steps`.
        on_epoch: called with the history after each epoch; if it returns True the training ends.
        out: a folder for checkpoints, `history.json`, `config.json` and in the end `weights.safetensors`. A checkpoint
            is written at the end, on Ctrl-C, and meanwhile every `save_seconds` and every `save_steps`.
        resume: go on from the checkpoint in `out`, exactly as if nothing had happened: give everything else as before.
            Starts from the beginning if there is none.
        generators: random generators that a run draws from, if they are no attributes of what is given here (the model
            and its parts, batches, optimizer, loss, metrics, callbacks); they are kept in the checkpoints too.

    Raises `GraphError` when the loss becomes NaN or infinite: the parameters are lost by then. `Interrupted`, a
    KeyboardInterrupt, after Ctrl-C. `ArgumentError` for arguments that can't be meant, `DataFileError` for a checkpoint
    that does not fit.
    """
    check_parts(model, optimizer, loss, metrics, callbacks)
    check_settings(optimizer, epochs, scheduler, scheduler_per, statistics, save_seconds, save_steps)
    added = [LayerStatistics(statistics)] if statistics else []
    measured = dict(metrics or {})
    drawing = [*generators, test_batches, loss, *measured.values()]
    run = Run(
        model, train_batches, optimizer, epochs, [*added, *callbacks], drawing, None if out is None else Path(out),
        save_seconds, save_steps,
    )  # fmt: skip
    with run.in_folder(resume), Interrupts() as interrupts, progress(run, train_batches, enabled=show) as bar:
        run.describe(loss=getattr(loss, "__name__", repr(loss)))
        run.tell("on_start")
        while run.epoch <= epochs and (run.batch or not run.stop):
            model.train()
            _train_one_epoch(run, loss, measured, scheduler if scheduler_per == "batch" else None, interrupts, bar)
            row = {"epoch": run.epoch, **{f"train_{name}": total / run.count for name, total in run.totals.items()}}
            if test_batches is not None:
                tested = evaluate(model, test_batches, loss, measured)
                row.update({f"test_{name}": number for name, number in tested.items()})
            run.history.append(**row)
            if scheduler is not None and scheduler_per == "epoch":
                plateau = isinstance(scheduler, ReduceLROnPlateau)
                scheduler.step(row.get("test_loss", row["train_loss"])) if plateau else scheduler.step()
            run.tell("on_epoch")
            if on_epoch is not None and on_epoch(run.history):
                run.stop = run.stop or "on_epoch returned True"
            bar(run)
            run.epoch, run.batch, run.totals, run.count = run.epoch + 1, 0, {}, 0
            _pause(run, interrupts)
        run.save()
        run.tell("on_end")
        run.finish()
    return run.history


def _train_one_epoch(
    run: Run, loss: Loss, metrics: dict[str, Metric], scheduler: LRScheduler | None, interrupts: Interrupts,
    bar: Callable[[Run], Any],
) -> None:  # fmt: skip
    """The batches of this epoch that are left."""
    model, optimizer, totals = run.model, run.optimizer, run.totals
    before_step, after_step = run.listeners("before_step"), run.listeners("after_step")
    for batch in run.rest_of_epoch():
        if run.stop:
            break
        inputs, targets = batch_of(batch)
        if run.needs_closure:
            for listener in before_step:
                listener(run)
            outputs, number = _step_by_closure(run, loss, inputs, targets)
        else:
            optimizer.zero_grad()
            outputs = model(*inputs)
            value = loss(outputs, targets)
            value.backward()
            for listener in before_step:
                listener(run)
            optimizer.step()
            number = value.item()
        if number - number != 0:
            raise _lost(run, number)
        run.loss = number
        run.step += 1
        run.batch += 1
        size = _samples(inputs)
        run.count += size
        if metrics:
            _add(totals, size, number, metrics, outputs, targets)
        else:
            totals["loss"] = totals.get("loss", 0.0) + number * size
        if scheduler is not None:
            scheduler.step()
        for listener in after_step:
            listener(run)
        bar(run)
        if run.save_steps and run.step % run.save_steps == 0:
            run.save()
        _pause(run, interrupts)
    if not run.count:
        raise ArgumentError(
            f"There were no batches in epoch {run.epoch}.",
            "An iterator gives its batches only once, and every epoch needs them again.",
            "Use a DataLoader, or a list of batches.",
        )


def _step_by_closure(run: Run, loss: Loss, inputs: list[Any], targets: Any) -> tuple[Any, float]:
    """A step of an optimizer that computes the loss itself, as often as it likes: (the first outputs, the loss)."""
    seen: list[tuple[Any, Tensor]] = []
    backward = not isinstance(run.optimizer, WholeOptimizer)

    def closure() -> Tensor:
        if backward:
            run.optimizer.zero_grad()
        outputs = run.model(*inputs)
        value = loss(outputs, targets)
        seen.append((outputs, value))
        if backward:
            value.backward()
        return value

    run.optimizer.step(closure)
    outputs, value = seen[0]
    return outputs, value.item()


def _pause(run: Run, interrupts: Interrupts) -> None:
    """Between two steps: write a checkpoint if it is time, and stop here if somebody pressed Ctrl-C."""
    if interrupts.seen:
        run.save()
        where = f"Interrupted in epoch {run.epoch} after batch {run.batch} (step {run.step})."
        if run.folder is None:
            raise Interrupted(f'{where} Nothing was saved; fit(..., out="run") would have.')
        raise Interrupted(f"{where} Everything so far is in {run.folder}. To go on, run the same with resume=True.")
    if run.folder is not None and time.perf_counter() - run.saved_at >= run.save_seconds:
        run.save()


def _samples(inputs: list[Any]) -> int:
    """How many samples a batch has."""
    shape = getattr(inputs[0], "shape", None)
    if shape is None:
        return len(inputs[0])
    return shape[0] if shape else 1


def _add(
    totals: dict[str, float], size: int, loss: float, metrics: Mapping[str, Metric], outputs: Any, targets: Any
) -> None:
    """Add what a batch gave to the sums over all samples."""
    totals["loss"] = totals.get("loss", 0.0) + loss * size
    for name, metric in metrics.items():
        totals[name] = totals.get(name, 0.0) + float(metric(outputs, targets)) * size


def _lost(run: Run, loss: float) -> GraphError:
    return GraphError(
        f"The training loss became {loss} in epoch {run.epoch}, batch {run.batch + 1}.",
        "The steps were too long: each overshoots further than the one before.",
        "Use a smaller learning rate, or clip the gradients; detect_anomaly() names the first operation.",
    )
