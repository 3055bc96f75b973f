"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError
from ..random import Generator
from . import init
from .activations import ReLU
from .containers import Sequential
from .layers import Linear
from .module import Module


class MLP(Sequential):
    """Linear layers of the given widths with an activation between them: MLP([64, 32, 10]).

    The weights start with He's variance 2 / fan_in, the biases at 0. Raises `ArgumentError` for fewer than two widths.
    """

    def __init__(
        self, widths: Sequence[int], activation: type[Module] = ReLU, *, dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:  # fmt: skip
        if len(widths) < 2:
            raise ArgumentError(f"MLP({list(widths)}) needs at least the number of inputs and of outputs.")
        layers: list[Module] = []
        for k, (fan_in, fan_out) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            if k:
                layers.append(activation())
            layer = Linear(fan_in, fan_out, dtype=dtype, generator=generator)
            init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            init.zeros_(layer.bias)  # type: ignore[arg-type]
            layers.append(layer)
        super().__init__(*layers)
        self.widths = tuple(widths)
