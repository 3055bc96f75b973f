"""One head of self-attention."""

from __future__ import annotations

from typing import Any

from ..random import Generator
from ..tensor import Tensor
from . import functional as F
from .layers import Linear
from .module import Module


class SelfAttention(Module):
    """One head: softmax(Q K^T / sqrt(d_k)) V, where Q, K and V are linear in the input (Vaswani et al. 2017).

    Args:
        size: numbers at each position.
        key_size: d_k, of queries and keys; `size` by default.
        value_size: numbers at each position of the result; `size` by default.
        causal: each position sees itself and what is before it only.
        bias: whether the three linear maps have one.

    Sequences are (..., length, size) and become (..., length, value_size). The loss of a model with such a head is not
    convex in its weights, not even without an activation.
    """

    def __init__(
        self, size: int, key_size: int | None = None, value_size: int | None = None, *, causal: bool = False,
        bias: bool = False, dtype: Any = None, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.causal = causal
        self.query = Linear(size, key_size or size, bias, dtype=dtype, generator=generator)
        self.key = Linear(size, key_size or size, bias, dtype=dtype, generator=generator)
        self.value = Linear(size, value_size or size, bias, dtype=dtype, generator=generator)

    def forward(self, input: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(
            self.query(input), self.key(input), self.value(input), is_causal=self.causal
        )

    def weights(self, input: Tensor) -> Tensor:
        """Where each position looks: (..., length, length), rows add up to 1."""
        return F.attention_weights(self.query(input), self.key(input), is_causal=self.causal)

    def extra_repr(self) -> str:
        return "causal" if self.causal else ""
