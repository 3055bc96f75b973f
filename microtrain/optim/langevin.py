"""Gradient descent with noise at a temperature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..formula import F
from ..random import Generator, default_generator
from .optimizer import Optimizer, check_range
from .rule import Rule


def _formula(p: Any, g: Any, xi: Any, lr: Any, sigma: Any) -> tuple[Any, ...]:
    return (p - lr * g + sigma * xi,)


class LangevinGD(Optimizer):
    """p <- p - lr g + sqrt(2 lr temperature) xi with xi ~ N(0, 1) for each element: SGLD.

    For small steps the parameters end up distributed as exp(-loss / temperature). It shows what noise does; the noise
    of mini-batches is another: it differs from place to place and direction to direction, and goes with lr / batch
    size.

    Args:
        temperature: 0 is gradient descent.
        generator: of the noise; the default one if None. Its state is part of `state_dict()`.

    Raises `ArgumentError` for negative values.
    """

    rule = Rule("LangevinGD", ["noise"], _formula, {"sigma": lambda lr, temperature: F.sqrt(2 * lr * temperature)})
    transient = ("noise",)
    reference = "Langevin 1908; Welling and Teh 2011"
    idea = "Noise at a temperature carries the parameters out of shallow minima."

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, temperature: float = 1.0, generator: Generator | None = None,
        *, maximize: bool = False, **pytorchs: Any,
    ) -> None:  # fmt: skip
        check_range("LangevinGD", lr=lr, temperature=temperature)
        super().__init__(params, {"lr": lr, "temperature": temperature, "maximize": maximize}, pytorchs)
        self.generator = generator or default_generator

    def prepare(self) -> None:
        """Draw the noise."""
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is not None:
                    noise = self.state_of(p, self.rule, group)["noise"]._array()
                    noise[...] = self.generator.numpy.standard_normal(noise.shape)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "generator": self.generator.get_state()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.generator.set_state(state_dict["generator"])
