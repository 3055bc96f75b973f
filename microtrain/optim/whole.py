"""Base of the optimizers that treat all parameters as one vector."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from ..engine.quiet import quiet, restore
from ..errors import ArgumentError
from ..kernels.blas import one_thread_each
from .closure_loss import ClosureLoss
from .flat import Flat
from .optimizer import Closure, Group, Optimizer, need_closure

Method = TypeVar("Method", bound=Callable[..., Any])


def steady_and_quiet(method: Method) -> Method:
    """A step with one thread of BLAS, for the same bits each time, and without NumPy's warnings.

    When it diverges, NaN and infinity are values, as everywhere here.
    """

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        token = quiet()
        try:
            with one_thread_each:
                return method(*args, **kwargs)
        finally:
            restore(token)

    return call  # type: ignore[return-value]


class WholeOptimizer(Optimizer):
    """An optimizer with a single group, whose parameters are `self.flat`."""

    def __init__(self, params: Iterable[Any], defaults: Group, pytorchs: Mapping[str, Any] | None = None) -> None:
        super().__init__(params, defaults, pytorchs)
        self.flat = Flat(self.param_groups[0]["params"])

    def add_param_group(self, param_group: Group) -> None:
        """Only the constructor can: the parameters are one vector. Raises `ArgumentError`."""
        if self.param_groups:
            raise ArgumentError(f"{type(self).__name__} treats all parameters as one vector, so it has one group only.")
        super().add_param_group(param_group)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "steps": self.steps}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.steps = state_dict.get("steps", 0)

    def names_in_state(self, group: Group) -> tuple[str, ...]:
        return ()

    def objective(self, closure: Closure | None, why: str) -> ClosureLoss:
        """The loss as a function of the parameters."""
        return ClosureLoss(need_closure(closure, type(self).__name__, why), self.flat)

    def lr(self) -> float:
        """The learning rate of this step, which is counted here."""
        self.steps += 1
        return self.rate(self.param_groups[0], self.steps - 1)

    def move(self, to: np.ndarray, where: tuple[Any, int]) -> None:
        """Write the parameters."""
        self.flat.write(to)
        self.flat.written(type(self).__name__, where)
