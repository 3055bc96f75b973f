"""Linear and logistic regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.blas import steady
from ..ops.probability import binary_cross_entropy_with_logits, cross_entropy, softmax
from ..ops.products import linear
from ..random import Generator
from ..tensor import Tensor
from . import init
from .layers import empty
from .losses import mse_loss
from .losses.reduction import as_tensor
from .module import Module


class LinearRegression(Module):
    """One number from many: y = x . w + b, for inputs (N, d) of shape (N,).

    A `Linear(d, 1)` would give (N, 1), which compares every prediction with every target when it meets targets (N,).
    Weight (d,) and bias () start at 0, where the loss, being convex, has no reason to prefer another place; with
    `generator` they are drawn normal instead.
    """

    def __init__(
        self, in_features: int, bias: bool = True, *, dtype: Any = None, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.weight = empty((in_features,), dtype)
        self.bias = empty((), dtype) if bias else None
        if generator is not None:
            init.normal_(self.weight, generator=generator)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim == 0 or input.shape[-1] != self.in_features:
            raise ShapeError(
                f"LinearRegression: inputs of shape {input.shape}, but there are {self.in_features} weights."
            )
        output = input @ self.weight
        return output if self.bias is None else output + self.bias

    def loss(self, input: Tensor, target: Tensor, reduction: str = "half_mean") -> Tensor:
        """Least squares, by default 1/(2N) sum r^2, whose Hessian in the weights is X^T X / N."""
        return mse_loss(self(input), target, reduction)

    @steady
    def solve(self, input: Any, target: Any) -> LinearRegression:
        """Set the parameters to the least-squares solution, the shortest one if there are many; returns itself."""
        x, y = (np.asarray(as_tensor(a).detach()) for a in (input, target))
        if x.ndim != 2 or x.shape[1] != self.in_features or y.shape != x.shape[:1]:
            raise ShapeError(
                f"solve() takes inputs (N, {self.in_features}) and targets (N,), not {x.shape} and {y.shape}."
            )
        columns = x if self.bias is None else np.column_stack([x, np.ones(len(x))])
        answer = np.linalg.lstsq(columns, y, rcond=None)[0]
        self.weight.detach().copy_(answer[: self.in_features])
        if self.bias is not None:
            self.bias.detach().copy_(answer[-1])
        return self

    def extra_repr(self) -> str:
        return f"{self.in_features}, bias={self.bias is not None}"


class LogisticRegression(Module):
    """Logits that are linear in the input. Two classes: Pr(y = 1 | x) = sigma(x . w + b) (eq. 6.21 and 6.22).

    Args:
        in_features: d; inputs are (N, d).
        classes: with 2 there is one logit for each sample, (N,), weight (d,) and bias (); with more the logits are
            (N, classes), weight (classes, d) and bias (classes,).

    Everything starts at 0 (the loss is convex); with `generator` the weights are drawn normal. Raises `ArgumentError`
    for fewer than 2 classes.
    """

    def __init__(
        self, in_features: int, classes: int = 2, bias: bool = True, *, dtype: Any = None,
        generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if classes < 2:
            raise ArgumentError(f"LogisticRegression with {classes} classes; it takes two.")
        self.in_features, self.classes = in_features, classes
        outputs = () if classes == 2 else (classes,)
        self.weight = empty((*outputs, in_features), dtype)
        self.bias = empty(outputs, dtype) if bias else None
        if generator is not None:
            init.normal_(self.weight, generator=generator)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim == 0 or input.shape[-1] != self.in_features:
            raise ShapeError(
                f"LogisticRegression: inputs of shape {input.shape}, but it takes (N, {self.in_features})."
            )
        if self.classes > 2:
            return linear(input, self.weight, self.bias)  # type: ignore[no-any-return]
        logits = input @ self.weight
        return logits if self.bias is None else logits + self.bias

    def probabilities(self, input: Tensor) -> Tensor:
        """Of class 1, shape (N,), for two classes; of all, shape (N, classes), for more."""
        logits = self(input)
        return logits.sigmoid() if self.classes == 2 else softmax(logits, -1)  # type: ignore[no-any-return]

    def predict(self, input: Tensor) -> Tensor:
        """The more probable class, as integers (N,)."""
        logits = self(input).detach()
        return (logits > 0).long() if self.classes == 2 else logits.argmax(-1)  # type: ignore[no-any-return]

    def loss(self, input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        """The cross-entropy, from the logits. It is convex in the parameters; least squares would not be."""
        logits = self(input)
        if self.classes > 2:
            return cross_entropy(logits, target, None, reduction)  # type: ignore[no-any-return]
        target = as_tensor(target).to(logits.dtype)
        return binary_cross_entropy_with_logits(logits, target, None, reduction)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.in_features}, classes={self.classes}, bias={self.bias is not None}"
