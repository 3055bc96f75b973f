"""Training runs that draw random numbers everywhere, to be interrupted by the tests."""

from __future__ import annotations

import numpy as np

import microtrain as mt
from microtrain import nn, optim
from microtrain.data import DataLoader
from microtrain.train import ClipGradNorm, EarlyStopping, Trajectory, accuracy, fit


def data(n=80):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-1, 0.6, (n // 2, 2)), rng.normal(1, 0.6, (n // 2, 2))])
    return mt.tensor(x), mt.tensor(np.repeat([0, 1], n // 2))


def parts(seed=0, dtype=mt.float64):
    """(model, optimizer, loader, scheduler): dropout with a generator of its own, Adam, warm restarts."""
    g = mt.Generator(seed)
    model = nn.Sequential(
        nn.Linear(2, 16, dtype=dtype, generator=g), nn.Tanh(), nn.Dropout(0.2, generator=mt.Generator(5)),
        nn.Linear(16, 8, dtype=dtype, generator=g), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2, dtype=dtype, generator=g),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
    x, y = data()
    loader = DataLoader((x.to(dtype), y), 8, shuffle=True, generator=g)
    return model, optimizer, loader, scheduler


def train(out=None, epochs=6, seed=0, optimizer=None, batches=None, callbacks=None, **options):
    """(model, optimizer, history, trajectory) of a run with everything that has a state."""
    mt.manual_seed(7)  # a resumed run begins like this too, and must not notice
    model, adam, loader, scheduler = parts(seed)
    if optimizer is not None:
        adam, scheduler = optimizer(model.parameters()), None
    path = Trajectory(every=7)
    x, y = data()
    history = fit(
        model, loader if batches is None else batches, adam, epochs, test_batches=DataLoader((x, y), 80),
        metrics={"accuracy": accuracy}, scheduler=scheduler, scheduler_per="batch", statistics=5, out=out, show=False,
        callbacks=[path, ClipGradNorm(1.0), EarlyStopping(patience=50), *(callbacks or [])]
        if not callable(callbacks) else callbacks(path), **options,
    )  # fmt: skip
    return model, adam, history, path


def outcome(run):
    """Everything that a run computed, as plain data."""
    model, optimizer, history, path = run
    return {
        "model": dict(model.state_dict()), "optimizer": optimizer.state_dict(), "history": history.state_dict(),
        "steps": path.steps, "points": path.points, "next": mt.default_generator.get_state(),
    }  # fmt: skip
