"""Experiments with a name, for `microtrain sweep NAME`."""

from __future__ import annotations

from typing import Any

from ..dtypes import float32
from ..errors import ArgumentError
from ..train.history import History
from .target import experiment


@experiment("digits")
def digits(
    lr: float = 1e-3, width: int = 64, depth: int = 1, batch_size: int = 32, epochs: int = 10, optimizer: str = "Adam",
    seed: int = 0,
) -> History:  # fmt: skip
    """Handwritten digits, classified by an MLP with `depth` hidden layers of `width` units; returns the history."""
    from .. import optim
    from ..data import DataLoader, load_digits
    from ..nn import MLP
    from ..random import Generator
    from ..train import accuracy, fit

    kind: Any = getattr(optim, optimizer, None)
    if not isinstance(kind, type) or optim.Optimizer not in kind.__mro__:
        raise ArgumentError(f"There is no optimizer '{optimizer}'.")
    data, generator = load_digits(float32), Generator(seed)
    model = MLP([64, *[width] * depth, 10], dtype=float32, generator=generator)
    return fit(
        model,
        DataLoader((data.train_images, data.train_labels), batch_size, shuffle=True, generator=generator),
        kind(model.parameters(), lr=lr),
        epochs,
        test_batches=DataLoader((data.test_images, data.test_labels), 360),
        metrics={"accuracy": accuracy},
        show=False,
    )
