"""The deep linear network: layers without a nonlinearity, whose loss is nevertheless not convex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from ..ops.products import linear
from ..random import Generator
from ..tensor import Tensor
from . import init as initial
from .containers import ParameterList
from .layers import empty
from .losses.reduction import as_tensor
from .module import Module


class DeepLinear(Module):
    """f(x) = W_L ... W_2 W_1 x: it represents exactly the linear maps of rank up to its smallest width.

    Args:
        widths: d_0, d_1 ... d_L; weight l has shape (d_l, d_(l-1)).
        init: how the weights start. "scaled": normal with variance 1 / fan_in. "balanced": with
            W_(l+1)^T W_(l+1) = W_l W_l^T, which gradient flow conserves. "orthogonal" or "identity": those matrices.
            A number: normal with that standard deviation (small ones start near the saddle point at 0).

    Inputs are rows, (N, d_0) to (N, d_L); `end_to_end() @ x` is the map of a column. Raises `ArgumentError` for fewer
    than two widths or another `init`.
    """

    def __init__(
        self, widths: Sequence[int], init: str | float = "scaled", *, dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(widths) < 2:
            raise ArgumentError(f"DeepLinear({list(widths)}) needs at least the number of inputs and of outputs.")
        self.widths = tuple(widths)
        pairs = zip(self.widths[1:], self.widths[:-1], strict=True)
        self.weights = ParameterList(empty(shape, dtype) for shape in pairs)
        self.reset_parameters(init, generator)

    def reset_parameters(self, init: str | float = "scaled", generator: Generator | None = None) -> None:
        """Draw new initial values."""
        if init == "balanced":
            initial.balanced_(list(self.weights), generator=generator)
            return
        for w in self.weights:
            if init == "scaled":
                initial.normal_(w, std=max(w.shape[1], 1) ** -0.5, generator=generator)
            elif init == "orthogonal":
                initial.orthogonal_(w, generator=generator)
            elif init == "identity":
                initial.eye_(w)
            elif isinstance(init, (int, float)):
                initial.normal_(w, std=init, generator=generator)
            else:
                raise ArgumentError(
                    f"DeepLinear: init is {init!r}.",
                    fix='Use "scaled", "balanced", "orthogonal", "identity" or a standard deviation.',
                )

    def forward(self, input: Tensor) -> Tensor:
        for w in self.weights:
            input = linear(input, w)
        return input

    def product(self, start: int = 0, end: int | None = None) -> Tensor:
        """W_end ... W_(start+1), the map of layers start + 1 to end: shape (d_end, d_start). Differentiable.

        `product()` is the whole network, `product(k, k)` the identity. Raises `ArgumentError` for other layers.
        """
        depth = len(self.weights)
        end = depth if end is None else end
        if not 0 <= start <= end <= depth:
            raise ArgumentError(f"product({start}, {end}): there are layers 1 to {depth}.")
        if start == end:
            return Tensor(np.eye(self.widths[start], dtype=self.weights[0].dtype))
        product: Tensor = self.weights[start]
        for w in list(self.weights)[start + 1 : end]:
            product = w @ product
        return product

    def end_to_end(self) -> Tensor:
        """The matrix that the network is: (d_L, d_0)."""
        return self.product()

    def imbalance(self) -> list[Tensor]:
        """W_(l+1)^T W_(l+1) - W_l W_l^T for each pair of neighbouring layers.

        Gradient flow does not change them; gradient descent only through the size of its steps.
        """
        weights = list(self.weights)
        return [above.T @ above - below @ below.T for below, above in zip(weights, weights[1:], strict=False)]

    def balancedness(self) -> float:
        """The largest Frobenius norm among `imbalance()`; 0 if the network is balanced."""
        return max((float(m.detach().norm()) for m in self.imbalance()), default=0.0)

    @steady
    def reparametrise(self, matrix: Any, layer: int) -> DeepLinear:
        """Replace W_layer by S W_layer and W_(layer+1) by W_(layer+1) S^-1: the same function, other parameters.

        Changes the parameters in place and returns the network. Raises `ShapeError` unless S is (d_layer, d_layer),
        `ArgumentError` if there is no layer above or S is singular.
        """
        s = np.asarray(as_tensor(matrix).detach())
        if not 1 <= layer < len(self.weights):
            raise ArgumentError(
                f"reparametrise(): layers 1 to {len(self.weights) - 1} have one above them, not {layer}."
            )
        if s.shape != (self.widths[layer],) * 2:
            raise ShapeError(
                f"reparametrise(): S has shape {s.shape}, but layer {layer} has {self.widths[layer]} outputs."
            )
        below, above = (self.weights[k].detach() for k in (layer - 1, layer))
        try:
            inverse = np.linalg.inv(s)
        except np.linalg.LinAlgError:
            raise ArgumentError("reparametrise(): S is singular.", fix="Only invertible maps can be undone.") from None
        below.copy_(s @ below.numpy())
        above.copy_(above.numpy() @ inverse)
        return self

    def extra_repr(self) -> str:
        return " -> ".join(map(str, self.widths))


class DiagonalLinear(Module):
    """y = x . w with w = u * u - v * v: linear in x, but gradient descent from a small start prefers sparse w.

    Inputs (N, d), outputs (N,). `scale` is the value that u and v start with, everywhere.
    """

    def __init__(self, in_features: int, scale: float = 0.01, *, dtype: Any = None) -> None:
        super().__init__()
        self.u = empty((in_features,), dtype)
        self.v = empty((in_features,), dtype)
        initial.constant_(self.u, scale)
        initial.constant_(self.v, scale)

    def weight(self) -> Tensor:
        """The weights w that u and v stand for. Differentiable."""
        return self.u * self.u - self.v * self.v

    def forward(self, input: Tensor) -> Tensor:
        return input @ self.weight()
