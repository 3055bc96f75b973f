"""Models with so few parameters that their losses can be drawn: the line, the Gabor function, the shallow network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..random import Generator
from ..tensor import Tensor
from . import init
from .layers import empty
from .module import Module
from .parameter import Parameter


def _number(value: float) -> Parameter:
    return Parameter(float(value))


class Line(Module):
    """phi_0 + phi_1 x (eq. 6.4): the intercept and the slope. One multiplication, one addition."""

    def __init__(self, phi_0: float = 0.0, phi_1: float = 0.0) -> None:
        super().__init__()
        self.phi_0, self.phi_1 = _number(phi_0), _number(phi_1)

    def forward(self, x: Tensor) -> Tensor:
        return self.phi_0 + self.phi_1 * x

    def extra_repr(self) -> str:
        return f"phi_0={self.phi_0.item():.6g}, phi_1={self.phi_1.item():.6g}"


class Gabor(Module):
    """sin(u) exp(-u^2 / 32) with u = phi_0 + 0.06 phi_1 x (eq. 6.8): a wave in an envelope, with a non-convex loss.

    phi_0 moves the wave (its centre is at x = -phi_0 / (0.06 phi_1)) and phi_1 > 0 stretches it. The translation of the
    book says that phi_0 stretches or compresses it; the original calls it the mean position.
    """

    def __init__(self, phi_0: float = 0.0, phi_1: float = 10.0) -> None:
        super().__init__()
        self.phi_0, self.phi_1 = _number(phi_0), _number(phi_1)

    def forward(self, x: Tensor) -> Tensor:
        u = self.phi_0 + 0.06 * self.phi_1 * x
        return u.sin() * (-(u * u) / 32).exp()

    def extra_repr(self) -> str:
        return f"phi_0={self.phi_0.item():.6g}, phi_1={self.phi_1.item():.6g}"


class ShallowNetwork(Module):
    """phi_0 + sum_k phi_k a[theta_k0 + theta_k1 x], k = 1 ... 3 (eq. 6.23): one number in, one out, ten parameters.

    Parameters: `phi_0` (), `phi` (3,), `theta_0` and `theta_1` (3,), normal at the start. The activation a is by
    default the ReLU, whose derivative at 0 is taken as 0. (The translation prints f[x, z] in eq. 6.23 for f[x, phi].)
    Inputs (N,) or (N, 1) give outputs of the same shape.
    """

    def __init__(
        self, hidden: int = 3, activation: Callable[[Tensor], Tensor] = Tensor.relu, *, dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.hidden, self.activation = hidden, activation
        self.phi_0 = empty((), dtype)
        self.phi = empty((hidden,), dtype)
        self.theta_0 = empty((hidden,), dtype)
        self.theta_1 = empty((hidden,), dtype)
        for parameter in self.parameters():
            init.normal_(parameter, generator=generator)

    def preactivations(self, x: Tensor) -> Tensor:
        """theta_k0 + theta_k1 x of all hidden units, shape (*x.shape, hidden)."""
        return self.theta_0 + self.theta_1 * x.unsqueeze(-1)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.squeeze(-1) if x.ndim == 2 else x
        if flat.ndim > 1:
            raise ShapeError(f"ShallowNetwork takes one number for each sample, (N,) or (N, 1), not {x.shape}.")
        output = self.phi_0 + self.activation(self.preactivations(flat)) @ self.phi
        return output.unsqueeze(-1) if x.ndim == 2 else output

    def extra_repr(self) -> str:
        return f"hidden={self.hidden}"
