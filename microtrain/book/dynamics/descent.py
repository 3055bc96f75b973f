"""Gradient descent of very many steps, for the items of this chapter: compiled where it takes long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import analysis

Loss = Callable[..., mt.Tensor]
COMPILED_FROM = 3000  # steps: below it the compiler takes longer than the run


def copied(*params: mt.Tensor) -> Any:
    """Where the parameters are now."""
    return tuple(p.detach().clone() for p in params)


def descend(
    loss: Loss, starts: Sequence[Any], lr: float, steps: int, watch: Callable[..., Any] = copied
) -> tuple[list[np.ndarray], Any]:
    """Run gradient descent; the ends of the parameters, and what `watch` saw after each step, with an axis of steps.

    Args:
        loss: a function of as many tensors as there are `starts`. Many runs at once are a leading axis of them; the
            loss is then the sum over the runs, each of which has its own gradient.
        starts: arrays, or the parameters of a module, which then move.
        watch: a function of the same tensors, to one tensor or a tuple of them.
    """
    params = [s if isinstance(s, mt.Tensor) else mt.tensor(np.array(s, float), requires_grad=True) for s in starts]
    optimizer = mt.optim.SGD(params, lr=lr)

    def step() -> Any:
        optimizer.zero_grad()
        loss(*params).backward()
        optimizer.step()
        with mt.no_grad():
            return watch(*params)

    seen = mt.compile(step).repeat(steps) if steps >= COMPILED_FROM else _stacked([step() for _ in range(steps)])
    return [np.array(p.detach()) for p in params], seen


def path(loss: Loss, start: Any, lr: float, steps: int) -> np.ndarray:
    """All positions of gradient descent on a function of one tensor, (steps + 1, *shape)."""
    begin = np.array(start, float)
    _, (seen,) = descend(loss, [begin], lr, steps)
    return np.concatenate([begin[None], np.asarray(seen)])


def exponents(jacobians: np.ndarray, k: int | None = None) -> analysis.Lyapunov:
    """The Lyapunov exponents of an orbit whose Jacobians, (T, P, P), are known already."""
    along = iter(jacobians)
    start = np.zeros(jacobians.shape[1])
    return analysis.map_lyapunov(lambda x: x, start, jacobian=lambda x: next(along), steps=len(jacobians), burn=0, k=k)


def _stacked(seen: list[Any]) -> Any:
    if isinstance(seen[0], tuple):
        return tuple(np.array([np.asarray(row[k]) for row in seen]) for k in range(len(seen[0])))
    return np.array([np.asarray(row) for row in seen])
