"""Layers with parameters, dropout, and changes of shape."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..dtypes import get_default_dtype, parse
from ..errors import ArgumentError, DtypeError, ShapeError
from ..ops.conversion import check_device
from ..ops.products import linear, linear_row
from ..random import Generator
from ..tensor import Tensor
from . import functional as F, init
from .functional import _padding_row
from .module import Module
from .parameter import Parameter, UninitializedParameter


def empty(shape: tuple[int, ...], dtype: Any, device: Any = None) -> Parameter:
    """A parameter to be filled by an initialiser.

    Raises `DtypeError` for sizes that are no integers, `ArgumentError` for negative ones.
    """
    check_device(device)
    try:
        sizes = [operator.index(n) for n in shape]
    except TypeError:
        raise DtypeError(f"A parameter of shape {shape}: sizes are integers.") from None
    if any(n < 0 for n in sizes):
        raise ArgumentError(f"A parameter of shape {shape}: sizes can't be negative.")
    return Parameter(np.zeros(sizes, parse(dtype) or get_default_dtype()))


class Linear(Module):
    """y = x W^T + b, from `in_features` to `out_features` numbers; weight (out, in), bias (out,).

    Both start uniform in +-1/sqrt(in_features), as in PyTorch.
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None,
        *, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = empty((out_features, in_features), dtype, device)
        self.bias = empty((out_features,), dtype) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """Draw new initial values."""
        init.fan_in_uniform_([self.weight, self.bias], self.in_features, generator)

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        if bias is None:
            return linear(input, weight)  # type: ignore[no-any-return]
        return Tensor.apply(linear_row, input, weight, bias)  # as `linear` does, on the shortest way

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class LazyLinear(Linear):
    """A `Linear` that learns `in_features` from the first input it sees; from then on it is an ordinary `Linear`.

    Until then its parameters have no shape. The optimizer may be made before or after.
    """

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None,
        *, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        Module.__init__(self)
        check_device(device)
        kind = parse(dtype) or get_default_dtype()
        self.in_features, self.out_features, self.generator = 0, out_features, generator
        self.weight = UninitializedParameter(dtype=kind)
        self.bias = UninitializedParameter(dtype=kind) if bias else None

    def _become_linear(self, in_features: int, draw: bool) -> None:
        self.in_features = in_features
        for parameter, shape in ((self.weight, (self.out_features, in_features)), (self.bias, (self.out_features,))):
            if isinstance(parameter, UninitializedParameter):
                parameter.materialize(shape)
        generator = self.__dict__.pop("generator")
        self.__class__ = Linear  # type: ignore[assignment]
        if draw:
            self.reset_parameters(generator)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim == 0:
            raise ShapeError("LazyLinear needs an input with at least one axis, not shape ().")
        loaded = not isinstance(self.weight, UninitializedParameter)  # load_state_dict() has given it values
        self._become_linear(self.weight.shape[1] if loaded else input.shape[-1], draw=not loaded)
        return self.forward(input)


class Bilinear(Module):
    """y_k = x1^T W_k x2 + b_k, from two inputs; weight (out, in1, in2), bias (out,)."""

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None, *, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = empty((out_features, in1_features, in2_features), dtype, device)
        self.bias = empty((out_features,), dtype) if bias else None
        init.fan_in_uniform_([self.weight, self.bias], in1_features, generator)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Embedding(Module):
    """A row of numbers for each of `num_embeddings` things: integers of any shape become (..., embedding_dim).

    The rows start normal with variance 1; that of `padding_idx` starts at 0 and gets no gradient. With `_weight` they
    start as these rows, all of them, and with `_freeze` they stay so. The other arguments are those of
    `functional.embedding`.

    Raises `ArgumentError` for a `padding_idx` that is no row, `ShapeError` for a `_weight` of another shape.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False, _weight: Tensor | None = None,
        _freeze: bool = False, device: Any = None, dtype: Any = None, *, generator: Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.padding_idx = _padding_row(padding_idx, num_embeddings)
        self.weight = empty((num_embeddings, embedding_dim), dtype, device)
        if _weight is not None:
            if _weight.shape != self.weight.shape:
                raise ShapeError(f"Embedding: _weight has shape {_weight.shape}, but the rows {self.weight.shape}.")
            self.weight = Parameter(_weight.detach().clone())
        else:
            init.normal_(self.weight, generator=generator)
            if self.padding_idx is not None:
                self.weight.detach()[self.padding_idx] = 0
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None, *more: Any, **options: Any
    ) -> Embedding:
        """The given rows (count, size), which are not trained if `freeze`; the rest is as for an `Embedding`."""
        if not isinstance(embeddings, Tensor):
            raise DtypeError(f"Embedding.from_pretrained() takes a tensor, not {type(embeddings).__name__}.")
        if embeddings.ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained(): rows of numbers are a matrix, not {embeddings.shape}.")
        count, size = embeddings.shape
        options |= {"_weight": embeddings, "_freeze": freeze}
        return cls(count, size, padding_idx, *more, **options)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        shortened = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{shortened}"


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) over the last axes, times a trained weight, plus a trained bias (Ba et al. 2016)."""

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps = shape, eps
        self.weight = init.ones_(empty(shape, dtype, device)) if elementwise_affine else None
        self.bias = empty(shape, dtype) if elementwise_affine and bias else None

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class Dropout(Module):
    """While training, zeroes each element with probability `p` and scales the others by 1 / (1 - p)."""

    def __init__(self, p: float = 0.5, inplace: bool = False, generator: Generator | None = None) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"Dropout: p is a probability, not {p}.")
        self.p, self.inplace, self.generator = p, inplace, generator

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace, generator=self.generator)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Flatten(Module):
    """Axes start_dim to end_dim made one; the first is kept by default, for batches."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis cut into several: Unflatten(1, (8, 8)) makes (N, 64) into (N, 8, 8)."""

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        if not -input.ndim <= self.dim < input.ndim:
            raise ShapeError(f"Unflatten: an input of shape {input.shape} has no axis {self.dim}.")
        dim = self.dim % input.ndim
        return input.reshape(*input.shape[:dim], *self.unflattened_size, *input.shape[dim + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
