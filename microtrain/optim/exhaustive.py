"""Trying everything: exhaustive search over quantised parameters, for models of a few parameters.

It finds the global minimum and proves that nothing is lower, of the quantised models; the continuous minimum between
the levels may be lower still (Mezard and Mora 2009). K levels of P parameters are K^P candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.sites import call_site
from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor
from .equation import Equation
from .optimizer import Closure
from .whole import WholeOptimizer

LIMIT = 10**8  # candidates; more take hours


@dataclass
class Exhausted:
    """The outcome: `loss` is the lowest, and `solutions` all parameters that reach it, shape (k, parameters)."""

    loss: float
    solutions: np.ndarray
    evaluations: int

    @property
    def best(self) -> np.ndarray:
        """The first of the solutions."""
        return self.solutions[0]  # type: ignore[no-any-return]


def exhaustive(loss: Callable[[np.ndarray], Any], levels: Sequence[Sequence[float]], batch: int = 4096) -> Exhausted:
    """Compute the loss of every combination of levels.

    Args:
        loss: takes candidates of shape (k, parameters) and returns their k losses.
        levels: the values that each parameter may take.
        batch: how many candidates are tried at a time.

    Raises `ArgumentError` for no or too many candidates, `ShapeError` if `loss` does not return k numbers.
    """
    grids = [np.asarray(values, dtype=float) for values in levels]
    count = int(np.prod([float(len(grid)) for grid in grids]))
    if not 0 < count <= LIMIT:
        raise ArgumentError(f"exhaustive(): {count:,} candidates, but it tries between 1 and {LIMIT:,}.")
    lowest, found = np.inf, np.empty((0, len(grids)))
    for start in range(0, count, batch):
        numbers = np.unravel_index(np.arange(start, min(start + batch, count)), [len(grid) for grid in grids])
        candidates = np.stack([grid[k] for grid, k in zip(grids, numbers, strict=True)], axis=1)
        values = loss(candidates)
        values = np.asarray(values.detach() if isinstance(values, Tensor) else values, dtype=float)
        if values.shape != (len(candidates),):
            raise ShapeError(f"exhaustive(): the loss of {len(candidates)} candidates has shape {values.shape}.")
        if values.min() < lowest:
            lowest, found = values.min(), candidates[:0]
        found = np.concatenate([found, candidates[values == lowest]])
    return Exhausted(float(lowest), found, count)


class ExhaustiveSearch(WholeOptimizer):
    """Sets the parameters to the best of all combinations of `levels`, in one step.

    `step(closure)`: the closure returns the loss. Afterwards `self.outcome` says what was found. Raises `ArgumentError`
    for too many candidates.
    """

    rule = Equation(
        "ExhaustiveSearch",
        ("p <- argmin over q in levels x ... x levels of L(q)", r"\phi \leftarrow \arg\min_{q \in Q^{n}} L(q)"),
    )
    reference = "Mezard and Mora 2009"
    idea = "Try everything; only for very small models."

    def __init__(self, params: Iterable[Any], levels: Sequence[float] = (-1.0, 0.0, 1.0)) -> None:
        super().__init__(params, {"lr": 0.0, "levels": tuple(levels)})
        self.outcome: Exhausted | None = None

    def step(self, closure: Closure | None = None) -> Any:
        objective, where = self.objective(closure, "It computes the loss of every candidate."), call_site(2)
        objective.with_gradient()  # shows whether the closure needs a graph

        def losses(candidates: np.ndarray) -> np.ndarray:
            values = []
            for candidate in candidates:
                self.flat.write(candidate)
                values.append(objective.value())
            return np.array(values)

        with self.flat.kept("ExhaustiveSearch", where):
            self.outcome = exhaustive(losses, [self.param_groups[0]["levels"]] * self.flat.size)
        self.move(self.outcome.best, where)
        return self.outcome.loss


def binary_perceptron(x: Any, y: Any) -> tuple[np.ndarray, int]:
    """All weights in {-1, +1} with y (x w) > 0 for every pattern, and how many partial weights were looked at.

    x has shape (patterns, weights), y shape (patterns,) with values -1 and +1. A depth-first search leaves a branch as
    soon as some pattern can't become right any more; an empty answer is a proof that there are no such weights. Raises
    `ShapeError` if x and y do not go together.
    """
    patterns = np.asarray(x, dtype=float)
    if patterns.ndim != 2 or np.shape(y) != patterns.shape[:1]:
        raise ShapeError(f"binary_perceptron(): x has shape {patterns.shape} and y {np.shape(y)}.")
    signed = patterns * np.asarray(y, dtype=float)[:, None]
    count = signed.shape[1]
    rest = np.concatenate([np.cumsum(np.abs(signed)[:, ::-1], axis=1)[:, ::-1], np.zeros((len(signed), 1))], axis=1)
    solutions, nodes = [], 0
    stack: list[tuple[tuple[int, ...], np.ndarray]] = [((), np.zeros(len(signed)))]
    while stack:
        weights, sums = stack.pop()
        nodes += 1
        if not (sums + rest[:, len(weights)] > 0).all():
            continue
        if len(weights) == count:
            solutions.append(weights)
            continue
        column = signed[:, len(weights)]
        stack += [((*weights, w), sums + w * column) for w in (1, -1)]
    return np.array(solutions, dtype=int).reshape(len(solutions), count), nodes
