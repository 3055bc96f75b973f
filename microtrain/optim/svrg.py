"""SVRG: stochastic steps whose noise vanishes at the minimum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..calculus.derivatives import grad
from ..engine.recording import grad_mode
from ..engine.sites import call_site
from ..errors import ArgumentError
from ..random import Generator, default_generator
from ..tensor import Tensor
from .flat import Flat
from .optimizer import Closure, Group, Optimizer, check_range
from .rule import Rule


def _formula(p: Any, g: Any, h: Any, mean: Any, lr: Any) -> tuple[Any, ...]:
    return (p - lr * (g - h + mean),)


class SVRG(Optimizer):
    """p <- p - lr (g - h + mean), where g and h are the gradients of one batch here and at a snapshot.

    `mean` is the gradient of all samples at the snapshot, so g - h + mean is right on average and, near the minimum,
    where g and h agree, nearly without noise: SGD with a constant rate that converges all the way.

    Args:
        loss: takes an array of indices and returns the mean loss of these samples for the present parameters.
        n: how many samples there are.
        inner_steps: a new snapshot is taken after so many steps; 2 n by default.
        batch_size: samples drawn for a step, with replacement.
        generator: of the draws; the default one if None. Its state is part of `state_dict()`.

    `step()` needs no closure, and returns the loss of the batch. Raises `ArgumentError` for values out of range.
    """

    rule = Rule("SVRG", ["h", "mean"], _formula)
    transient = ("h",)
    reference = "Johnson and Zhang 2013"
    idea = "Correct each stochastic gradient by what is known of its error elsewhere."

    def __init__(
        self, params: Iterable[Any], lr: float, loss: Callable[[np.ndarray], Tensor], n: int,
        inner_steps: int | None = None, batch_size: int = 1, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        check_range("SVRG", lr=lr)
        if n < 1 or batch_size < 1 or (inner_steps is not None and inner_steps < 1):
            raise ArgumentError("SVRG: n, batch_size and inner_steps must be at least 1.")
        super().__init__(params, {"lr": lr})
        self.loss, self.n, self.batch_size = loss, n, batch_size
        self.inner_steps = 2 * n if inner_steps is None else inner_steps
        self.generator = generator or default_generator
        self.flat = Flat(list(self._params()))
        self._snapshot: np.ndarray | None = None

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        self.flat = Flat(list(self._params()))
        self._snapshot = None

    def _gradient(self, indices: np.ndarray) -> tuple[Tensor, tuple[Tensor, ...]]:
        with grad_mode(True):
            loss = self.loss(indices)
        return loss, grad([loss], self.flat.params, materialize_grads=True)

    def step(self, closure: Closure | None = None) -> Any:
        if closure is not None:
            raise ArgumentError("SVRG.step() takes no closure.", "It has its own loss, of any samples it asks for.")
        where = call_site(2)
        states = [self.state_of(p, self.rule, group) for group in self.param_groups for p in group["params"]]
        if self._snapshot is None or self.steps % self.inner_steps == 0:
            self._snapshot = self.flat.values()
            for state, mean in zip(states, self._gradient(np.arange(self.n))[1], strict=True):
                state["mean"]._array()[...] = mean._data
        indices = self.generator.numpy.integers(self.n, size=self.batch_size)
        with self.flat.kept("SVRG", where):
            self.flat.write(self._snapshot)
            self.flat.written("SVRG", where)
            for state, h in zip(states, self._gradient(indices)[1], strict=True):
                state["h"]._array()[...] = h._data
        loss, gradients = self._gradient(indices)
        for p, g in zip(self.flat.params, gradients, strict=True):
            p.grad = g
        self.update(where)
        return loss

    def state_dict(self) -> dict[str, Any]:
        snapshot = None if self._snapshot is None else self._snapshot.copy()
        own = {"generator": self.generator.get_state(), "snapshot": snapshot, "steps": self.steps}
        return {**super().state_dict(), "svrg": own}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        own = state_dict["svrg"]
        self.generator.set_state(own["generator"])
        self.steps = own["steps"]
        self._snapshot = None if own["snapshot"] is None else np.array(own["snapshot"])
