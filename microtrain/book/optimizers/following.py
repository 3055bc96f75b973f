"""Where an optimizer goes, for the items of this chapter: many steps, and many runs at once along a leading axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

import microtrain as mt

Loss = Callable[[mt.Tensor], mt.Tensor]
COMPILED_FROM = 1500  # steps: below it the compiler takes longer than the run


def descent(lr: float) -> Callable[[list[mt.Tensor]], Any]:
    """Gradient descent, as `follow` takes it."""
    return lambda p: mt.optim.SGD(p, lr=lr)


def follow(make: Callable[[list[mt.Tensor]], Any], loss: Loss, start: Any, steps: int) -> np.ndarray:
    """The positions of one tensor, (steps + 1, *shape): the start, and where the optimizer is after each step.

    Rows of the tensor are runs of their own if the loss is a sum over them.
    """
    p = mt.tensor(np.array(start, float), requires_grad=True)
    optimizer = make([p])
    begin = p.detach().numpy().copy()

    def step() -> mt.Tensor:
        optimizer.zero_grad()
        loss(p).backward()
        optimizer.step()
        return p.detach().clone()

    with np.errstate(all="ignore"):
        if steps >= COMPILED_FROM and find_spec("numba"):
            later = np.asarray(mt.compile(step).repeat(steps))
        else:
            later = np.array([step().numpy() for _ in range(steps)])
    return np.concatenate([begin[None], later.reshape(steps, *begin.shape)])


def walkers(
    start: float, count: int, temperatures: Any, lr: float, seed: int, loss: Loss, steps: int
) -> Iterator[np.ndarray]:
    """Langevin dynamics of `count` walkers at each temperature: their positions (temperatures, count), step by step."""
    params = [mt.tensor(np.full(count, start), requires_grad=True) for _ in temperatures]
    groups = [{"params": [p], "temperature": float(t)} for p, t in zip(params, temperatures, strict=True)]
    optimizer = mt.optim.LangevinGD(groups, lr=lr, generator=mt.Generator(seed))

    def step() -> mt.Tensor:
        optimizer.zero_grad()
        loss(mt.stack(params)).backward()
        optimizer.step()
        return mt.stack(params).detach()

    go: Callable[[], mt.Tensor] = mt.compile(step) if steps >= 2 * COMPILED_FROM and find_spec("numba") else step
    for _ in range(steps):
        yield np.asarray(go())


def first_within(distances: np.ndarray, limit: float) -> int:
    """The first step (axis 0) at which a distance is below the limit; -1 if there is none."""
    below = np.flatnonzero(distances < limit)
    return int(below[0]) if len(below) else -1


def settled(sizes: np.ndarray, limit: float) -> int:
    """The step from which on all sizes (axis 0) are below the limit; -1 if the last one is not."""
    above = np.flatnonzero(~(sizes < limit))
    if not len(above):
        return 0
    return int(above[-1]) + 1 if above[-1] + 1 < len(sizes) else -1


def flips(path: np.ndarray) -> int:
    """How often a coordinate changes its sign along a path."""
    signs = np.sign(path)
    signs = signs[signs != 0]
    return int((signs[1:] != signs[:-1]).sum())
