"""`microtrain demo`: real digits, a real training run, and a report of what happened."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from .. import float32, no_grad
from ..data import DataLoader, Digits, load_digits
from ..errors import MicrotrainError
from ..files import atomically, make_folder, write_text
from ..kernels.compiling import together
from ..nn import MLP
from ..nn.functional import cross_entropy
from ..optim import Adam
from ..random import Generator
from ..tensor import Tensor
from ..train import History, accuracy, confusion_matrix, fit
from ..weights import save


class Trained(NamedTuple):
    """What the training leaves."""

    model: MLP
    history: History
    seconds: float


def train(
    digits: Digits, seed: int, epochs: int, hidden: list[int], lr: float, batch_size: int = 32, show: bool = True
) -> Trained:
    """An MLP trained on the digits with Adam; the learning rate falls along half a cosine to 0."""
    generator = Generator(seed)
    model = MLP([64, *hidden, 10], dtype=float32, generator=generator)
    optimizer = Adam(model.parameters(), lr=lr)

    def cool_down(history: History) -> None:
        optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + np.cos(np.pi * len(history) / epochs))

    start = time.perf_counter()
    history = fit(
        model,
        DataLoader((digits.train_images, digits.train_labels), batch_size, shuffle=True, generator=generator),
        optimizer,
        epochs,
        test_batches=DataLoader((digits.test_images, digits.test_labels), 360),
        metrics={"accuracy": accuracy},
        on_epoch=cool_down,
        show=show,
    )
    return Trained(model, history, time.perf_counter() - start)


def run_demo(out: Path, *, seed: int, epochs: int, hidden: list[int], lr: float) -> None:
    """Train, and write curves, confusion matrix, wrong digits, compute graph, weights and report into `out`."""
    console = Console(stderr=True)
    make_folder(out)  # before the training: what it finds should not be lost
    digits = load_digits(float32)
    console.print(f"Training on {len(digits.train_images):,} digits, testing on {len(digits.test_images)} others ...")
    with together("the kernels of the training"):
        trained = train(digits, seed, epochs, hidden, lr)

    with no_grad():
        logits = trained.model(digits.test_images)
    predicted, labels = logits.argmax(1).numpy(), digits.test_labels.numpy()
    score = float((predicted == labels).mean())
    console.print(f"{score:.2%} of the test digits are right, after {trained.seconds:.1f} s of training.")

    save(trained.model.state_dict(), out / "weights.safetensors")
    trained.history.save(out / "history.json")
    settings = {
        "seed": seed,
        "epochs": epochs,
        "hidden": hidden,
        "lr": lr,
        "train_images": len(digits.train_images),
        "test_images": len(labels),
        "test_accuracy": score,
    }
    write_text(out / "settings.json", json.dumps(settings, indent=1))
    notes = _draw(out, trained, digits, logits, predicted)
    for note in notes:
        console.print(note, markup=False)
    from .report import write_report

    write_report(out, trained.history, settings, trained.model, trained.seconds, notes)
    console.print(f"Open {out / 'report.html'}")


def _draw(out: Path, trained: Trained, digits: Digits, logits: Tensor, predicted: Any) -> list[str]:
    """All pictures; returns what could not be drawn and why."""
    notes: list[str] = []
    try:
        _plot(out, trained, digits, logits, predicted)
    except MicrotrainError as error:  # no matplotlib: the rest is there all the same
        notes.append(str(error))
    drawing = _graph_of_one_step(trained.model, digits)
    for name in ("compute_graph.svg", "compute_graph.png"):
        try:
            drawing.save(out / name)
        except MicrotrainError as error:
            notes.append(f"{name} was not drawn. {error}")
    return notes


def _plot(out: Path, trained: Trained, digits: Digits, logits: Tensor, predicted: Any) -> None:
    """The pictures that matplotlib draws."""
    from ..viz.plots import confusion, images, learning_curves
    from ..viz.plots.axes import new_row

    labels = digits.test_labels.numpy()
    wrong = np.flatnonzero(predicted != labels)
    certainty = logits.softmax(1).numpy()
    titles = [f"{labels[k]} read as {predicted[k]}\n{certainty[k, predicted[k]]:.0%} sure" for k in wrong]
    pictures = digits.test_images.numpy()[wrong].reshape(-1, 8, 8)

    left, right = new_row(2, (10, 3.8))
    learning_curves(trained.history, "loss", left)
    learning_curves(trained.history, "accuracy", right)
    counts = confusion_matrix(predicted, labels, 10)
    for name, ax in {
        "learning_curves": left,
        "confusion_matrix": confusion(counts),
        "wrong_digits": images(pictures, titles),
    }.items():
        with atomically(out / f"{name}.png") as path:
            ax.figure.savefig(path, format="png")


def _graph_of_one_step(model: MLP, digits: Digits) -> Any:
    """The graph of the loss of one batch, after its backward pass."""
    from ..viz.graph import graph, record

    model.zero_grad()
    for name, parameter in model.named_parameters():
        parameter.named(name)
    images, labels = digits.train_images[:32].named("images"), digits.train_labels[:32].named("labels")
    with record() as recording:  # sees large results and their gradients too, which the graph itself does not keep
        loss = cross_entropy(model(images), labels).named("loss")
        loss.backward()
    return graph(recording)
