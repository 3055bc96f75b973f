"""A recurrent cell, and the network that runs it along a sequence."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..ops.joining import stack
from ..ops.products import linear
from ..random import Generator, dropout
from ..tensor import Tensor
from . import init
from .layers import empty
from .module import Module
from .parameter import Parameter

ACTIVATIONS = ("tanh", "relu")


def _check(nonlinearity: str) -> str:
    if nonlinearity not in ACTIVATIONS:
        raise ArgumentError(f"nonlinearity is {nonlinearity!r}.", fix='Use "tanh" or "relu".')
    return nonlinearity


class RNNCell(Module):
    """One step of a recurrent network: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    x is (N, input_size) or (input_size,), h is (N, hidden_size) or (hidden_size,), zeros if left out. All parameters
    start uniform in +-1/sqrt(hidden_size), with PyTorch's names. Raises `ArgumentError` for another nonlinearity.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None, *, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_size, self.hidden_size, self.nonlinearity = input_size, hidden_size, _check(nonlinearity)
        self.weight_ih = empty((hidden_size, input_size), dtype, device)
        self.weight_hh = empty((hidden_size, hidden_size), dtype)
        self.bias_ih = empty((hidden_size,), dtype) if bias else None
        self.bias_hh = empty((hidden_size,), dtype) if bias else None
        init.fan_in_uniform_(self.parameters(), hidden_size, generator)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if input.ndim not in (1, 2) or (hx is not None and hx.shape != (*input.shape[:-1], self.hidden_size)):
            raise ShapeError(
                f"RNNCell: an input of shape {input.shape} and a state of {None if hx is None else hx.shape}.",
                f"They are (N, {self.input_size}) and (N, {self.hidden_size}), or vectors of these lengths.",
            )
        step = linear(input, self.weight_ih, self.bias_ih)
        if hx is not None:
            step = step + linear(hx, self.weight_hh, self.bias_hh)
        elif self.bias_hh is not None:
            step = step + self.bias_hh
        return getattr(step, self.nonlinearity)()  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, nonlinearity={self.nonlinearity}"


class RNN(Module):
    """A recurrent network: h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), in one or several layers.

    Args:
        input_size, hidden_size: numbers at each step, and in the state.
        num_layers: each runs along the states of the one below.
        nonlinearity: "tanh" or "relu".
        batch_first: sequences are (N, length, size) instead of (length, N, size); without a batch (length, size).
        dropout: between the layers, while training.

    Called with a sequence and perhaps a first state (num_layers, N, hidden_size), zeros by default, it returns
    (all states of the last layer, the last state of every layer). Parameters are named as in PyTorch. Raises
    `ShapeError` for other shapes, `UnsupportedError` for `bidirectional`.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, *, device: Any = None,
        dtype: Any = None, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if bidirectional:
            raise UnsupportedError(
                "RNN(bidirectional=True) is not in microtrain.",
                "One direction shows how gradients travel through time.",
                "Run a second RNN on x.flip(0) and concatenate; or use PyTorch.",
            )
        if min(input_size, hidden_size, num_layers) < 1:
            raise ArgumentError(f"RNN({input_size}, {hidden_size}, num_layers={num_layers}): each is at least 1.")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.nonlinearity, self.bias, self.batch_first, self.dropout = _check(nonlinearity), bias, batch_first, dropout
        for layer in range(num_layers):
            size = hidden_size if layer else input_size
            setattr(self, f"weight_ih_l{layer}", empty((hidden_size, size), dtype, device))
            setattr(self, f"weight_hh_l{layer}", empty((hidden_size, hidden_size), dtype))
            if bias:
                setattr(self, f"bias_ih_l{layer}", empty((hidden_size,), dtype))
                setattr(self, f"bias_hh_l{layer}", empty((hidden_size,), dtype))
        init.fan_in_uniform_(self.parameters(), hidden_size, generator)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        batched = input.ndim == 3
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"RNN: a sequence of shape {input.shape}.",
                f"It is (length, N, {self.input_size}), or (N, length, {self.input_size}) with batch_first; without a "
                f"batch (length, {self.input_size}).",
            )
        sequence = input.transpose(0, 1) if batched and self.batch_first else input
        wanted = (self.num_layers, *sequence.shape[1:-1], self.hidden_size)
        if hx is not None and hx.shape != wanted:
            raise ShapeError(f"RNN: a first state of shape {hx.shape}; it should be {wanted}.")
        last = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                sequence = dropout(sequence, self.dropout)
            sequence = self._along(sequence, layer, None if hx is None else hx[layer])
            last.append(sequence[-1])
        states = sequence.transpose(0, 1) if batched and self.batch_first else sequence
        return states, stack(last)

    def _of(self, name: str, layer: int) -> Parameter | None:
        return vars(self).get(f"{name}_l{layer}")

    def _along(self, sequence: Tensor, layer: int, h: Tensor | None) -> Tensor:
        """All states of one layer, stacked along the first axis."""
        weight, bias = self._of("weight_hh", layer), self._of("bias_hh", layer)
        steps = linear(sequence, self._of("weight_ih", layer), self._of("bias_ih", layer))  # of all times at once
        if bias is not None:
            steps = steps + bias
        states = []
        for t in range(len(steps)):
            step = steps[t] if h is None else steps[t] + linear(h, weight)
            h = getattr(step, self.nonlinearity)()
            states.append(h)
        return stack(states)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        more = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        return f"{self.input_size}, {self.hidden_size}{more}, nonlinearity={self.nonlinearity}"
