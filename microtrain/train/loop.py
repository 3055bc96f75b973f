"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import GraphError
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from ..recording import no_grad
from ..tensor import Tensor
from .history import History
from .progress import progress

Metric = Callable[[Tensor, Tensor], float]


def evaluate(
    model: Module, batches: Iterable[tuple[Tensor, ...]], loss: Callable[..., Tensor] = cross_entropy,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, float]:  # fmt: skip
    """The mean loss and metrics over all samples, in evaluation mode and without recording gradients."""
    was_training, count = model.training, 0
    totals: dict[str, float] = {}
    model.eval()
    try:
        with no_grad():
            for inputs, targets in batches:
                outputs = model(inputs)
                values = {"loss": loss(outputs, targets).item()}
                values.update({name: metric(outputs, targets) for name, metric in (metrics or {}).items()})
                for name, value in values.items():
                    totals[name] = totals.get(name, 0.0) + value * len(inputs)
                count += len(inputs)
    finally:
        model.train(was_training)
    return {name: total / count for name, total in totals.items()}


def fit(
    model: Module,
    train_batches: Iterable[tuple[Tensor, ...]],
    optimizer: Optimizer,
    epochs: int,
    *,
    loss: Callable[..., Tensor] = cross_entropy,
    test_batches: Iterable[tuple[Tensor, ...]] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    on_epoch: Callable[[History], Any] | None = None,
    show: bool = True,
) -> History:
    """Train for a number of epochs and return what was measured after each.

    The rows have `epoch`, `train_loss` and the metrics over the epoch's batches (`train_accuracy`, as the parameters
    were at that moment), and the same for `test_batches`. `on_epoch(history)` is called after each; if it returns True
    the training ends. Progress shows on a terminal, unless `show` is False.

    Raises `GraphError` when the loss becomes NaN or infinite: the parameters are lost by then.
    """
    history = History()
    with progress(epochs, enabled=show) as bar:
        for epoch in range(1, epochs + 1):
            model.train()
            totals: dict[str, float] = {}
            count = 0
            for inputs, targets in train_batches:
                optimizer.zero_grad()
                outputs = model(inputs)
                value = loss(outputs, targets)
                value.backward()
                optimizer.step()
                values = {"loss": value.item()}
                values.update({name: metric(outputs, targets) for name, metric in (metrics or {}).items()})
                for name, number in values.items():
                    totals[name] = totals.get(name, 0.0) + number * len(inputs)
                count += len(inputs)
            row = {"epoch": epoch, **{f"train_{name}": total / count for name, total in totals.items()}}
            if row["train_loss"] - row["train_loss"] != 0:
                raise GraphError(
                    f"The training loss became {row['train_loss']} in epoch {epoch}.",
                    "The steps were too long: each overshoots further than the one before.",
                    "Use a smaller learning rate, or clip the gradients; detect_anomaly() names the first operation.",
                )
            if test_batches is not None:
                measured = evaluate(model, test_batches, loss, metrics)
                row.update({f"test_{name}": number for name, number in measured.items()})
            history.append(**row)
            bar(row)
            if on_epoch is not None and on_epoch(history):
                break
    return history
