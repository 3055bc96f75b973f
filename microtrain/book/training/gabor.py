"""The Gabor loss (eq. 6.9) for many runs at once: gradient descent, SGD, line search, and where they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis
from microtrain.data.points import gabor_points
from microtrain.nn.functional import mse_loss

from ..dynamics.saddle_points import gabor

objective = gabor  # the sum of squared errors on the 30 points, as a function of (phi_0, phi_1)
WINDOW = ((-10.0, 10.0), (2.5, 22.5))  # of phi_0 and phi_1, what Figure 6.4 shows
GLOBAL = 0.66  # losses below it belong to the global minimum, 0.6457; the next one has 3.36
COMPILED_FROM = 1900  # steps: below it the compiler takes longer than the run
X, Y = (np.asarray(part) for part in gabor_points())


def each_loss(point: Any) -> tuple[Callable[[], mt.Tensor], mt.nn.Gabor]:
    """The 30 losses e_i as a closure, and the model at this point that it reads: for gradients of single samples."""
    model, (x, y) = mt.nn.Gabor(*point), gabor_points()
    return lambda: mse_loss(model(x), y, "none"), model


def refined(point: Any) -> analysis.CriticalPoint:
    """The critical point next to this one, as exactly as the numbers allow."""
    return analysis.critical_points(objective(), [point], step_cap=0.5)[0]


@cache
def landscape(resolution: int = 121) -> analysis.Landscape:
    """The loss in the window."""
    found = analysis.landscape(objective(), None, *WINDOW, resolution=resolution)
    return analysis.Landscape(found.x, found.y, found.values, analysis.Plane(np.zeros(2), np.eye(2), NAMES))


NAMES = (r"$\phi_0$", r"$\phi_1$")


def window_starts(rng: np.random.Generator, runs: int) -> np.ndarray:
    """Starts (runs, 2), uniform in the window."""
    return np.stack([rng.uniform(*limits, runs) for limits in WINDOW], 1)


def many(starts: Any) -> mt.nn.Gabor:
    """One model for each start (runs, 2): parameters (runs, 1), outputs (runs, points)."""
    model = mt.nn.Gabor()
    model.phi_0, model.phi_1 = (mt.nn.Parameter(np.array(column, float)[:, None]) for column in np.transpose(starts))
    return model


def where(model: mt.nn.Gabor) -> np.ndarray:
    """The parameters of `many`, (runs, 2); a copy."""
    return np.concatenate([np.asarray(p.detach()) for p in model.parameters()], axis=1)


def descend(starts: Any, lr: float, steps: int, data: Any = None) -> np.ndarray:
    """The ends (runs, 2) of gradient descent; `data` are other points than the 30, for all or for each (runs, N)."""
    model, (x, y) = many(starts), data or gabor_points()
    optimizer = mt.optim.SGD(model.parameters(), lr=lr)

    def step() -> None:
        optimizer.zero_grad()
        mse_loss(model(x), y, "sum").backward()
        optimizer.step()

    if steps >= COMPILED_FROM and find_spec("numba"):
        mt.compile(step).repeat(steps)
    else:
        for _ in range(steps):
            step()
    return where(model)


def path(start: Any, lr: float, steps: int) -> analysis.Path:
    """One run of gradient descent."""
    return analysis.trace(lambda p: mt.optim.SGD(p, lr=lr), objective(), steps=steps, start=start, name="GD")


def searched(start: Any, steps: int, longest: float = 2.0, tol: float = 1e-6) -> analysis.Path:
    """One run of gradient descent with a bracketing line search between 0 and `longest`."""
    return analysis.trace(
        lambda p: mt.optim.LineSearchGD(p, "bracket", lr=longest, tol=tol),
        objective(),
        steps=steps,
        start=start,
        name="line search",
    )


def searched_together(starts: Any, steps: int, longest: float = 2.0, rounds: int = 22) -> np.ndarray:
    """The ends (runs, 2) of gradient descent with the bracketing of `optim.bracketing`, all runs at once."""
    loss, points = objective(), np.array(starts, float)
    for _ in range(steps):
        slopes, low = loss.gradients(points), np.zeros(len(points))
        width, at_low = np.full(len(points), longest), loss.values(points)
        for _ in range(rounds):
            b, c = low + width / 3, low + 2 * width / 3
            at_b, at_c = np.split(loss.values(np.concatenate([points - s[:, None] * slopes for s in (b, c)])), 2)
            up = (at_b > at_c) & ~(at_low <= at_c)
            low, at_low, width = np.where(up, b, low), np.where(up, at_b, at_low), width * 2 / 3
        points -= (low + width / 2)[:, None] * slopes
    return points


def batches(rng: np.random.Generator, runs: int, size: int, fresh: bool = True) -> Iterator[np.ndarray]:
    """For each step the samples (runs, size) of each run's batch; fresh ones, or epoch by epoch without replacement."""
    while True:
        order = rng.random((runs, len(X)))
        if fresh:
            yield np.argpartition(order, size, axis=1)[:, :size] if size < len(X) else np.argsort(order, axis=1)
        else:
            shuffled = np.argsort(order, axis=1)
            for k in range(0, len(X), size):
                yield shuffled[:, k : k + size]


def sgd(
    rng: np.random.Generator, starts: Any, size: int, lr: float, steps: int, halve: int = 0, fresh: bool = True,
) -> np.ndarray:  # fmt: skip
    """The positions (steps + 1, runs, 2) of SGD with the sum over the batch; every `halve` steps the rate is halved."""
    model = many(starts)
    optimizer = mt.optim.SGD(model.parameters(), lr=lr)
    schedule = mt.optim.lr_scheduler.StepLR(optimizer, halve or steps + 1, 0.5)
    places = [where(model)]
    for _, chosen in zip(range(steps), batches(rng, len(places[0]), size, fresh), strict=False):
        optimizer.zero_grad()
        mse_loss(model(mt.tensor(X[chosen])), mt.tensor(Y[chosen]), "sum").backward()
        optimizer.step()
        schedule.step()
        places.append(where(model))
    return np.array(places)
