"""Random numbers written into tensors, and drawn by weights. Each draw comes from a `Generator` (see `random`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import get_default_dtype, parse
from ..engine.values import looked_at
from ..errors import ArgumentError, ShapeError
from ..ops.conversion import check_device
from ..ops.primitive import operation
from ..ops.shapes import as_sizes, common_shape
from ..random import Generator, drawing, stream
from ..tensor import Tensor, wrap


def _written(self: Any, values: Any, what: str) -> Any:
    """The values in the tensor's place; where they were drawn, gradients end."""
    return self.overwrite(wrap(np.asarray(values).astype(self.dtype)), what)


@operation(function=False)
def uniform_(self: Any, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Any:
    """Write uniform random numbers in [from, to)."""
    return _written(self, stream(generator).uniform(from_, to, self.shape), "uniform_")


@operation(function=False)
def normal_(self: Any, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Any:
    """Write normal random numbers. Raises `ArgumentError` for a negative standard deviation."""
    return _written(self, _normal(mean, std, self.shape, generator), "normal_")


@operation(function=False)
def bernoulli_(self: Any, p: float = 0.5, *, generator: Generator | None = None) -> Any:
    """Write 1 with probability p, else 0. Raises `ArgumentError` unless 0 <= p <= 1."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"bernoulli_(): p is a probability, not {p}.")
    return _written(self, stream(generator).random(self.shape) < p, "bernoulli_")


@operation(function=False)
def random_(self: Any, from_: int = 0, to: int | None = None, *, generator: Generator | None = None) -> Any:
    """Write random integers from `from` to `to` - 1; random_(n) counts from 0.

    Raises `ArgumentError` if there is none between.
    """
    if to is None:
        from_, to = 0, from_
    if to <= from_:
        raise ArgumentError(f"random_(): there is no integer from {from_} to {to} - 1.")
    return _written(self, stream(generator).integers(from_, to, self.shape), "random_")


@operation(function=False)
def exponential_(self: Any, lambd: float = 1.0, *, generator: Generator | None = None) -> Any:
    """Write exponential random numbers of mean 1 / lambd. Raises `ArgumentError` unless lambd > 0."""
    if not lambd > 0:
        raise ArgumentError(f"exponential_(): the rate is {lambd}; it must be positive.")
    return _written(self, stream(generator).exponential(1 / lambd, self.shape), "exponential_")


def _normal(mean: Any, std: Any, size: tuple[int, ...], generator: Generator | None) -> np.ndarray[Any, Any]:
    if np.any(np.asarray(std) < 0):
        raise ArgumentError("A standard deviation can't be negative.")
    return np.asarray(mean + std * np.asarray(stream(generator).standard_normal(size)))


@drawing
def _normal_of_numbers(mean: Any, std: Any, size: tuple[int, ...], generator: Generator | None, dtype: Any) -> Tensor:
    return wrap(_normal(mean, std, size, generator).astype(dtype))


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    requires_grad: bool = False, device: Any = None,
) -> Tensor:  # fmt: skip
    """Normal random numbers: of a shape, or one for each element of the tensors `mean` and `std`.

    Gradients end where numbers are drawn; where they shall go on, write mean + std * randn_like(mean).
    Raises `ArgumentError` for a negative standard deviation.
    """
    check_device(device)
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    kind = parse(dtype) or next((x.dtype for x in given if x.dtype.kind == "f"), get_default_dtype())
    shape = as_sizes((size,)) if size is not None else common_shape([np.shape(x) for x in (mean, std)], "normal()")
    if given:  # what they hold is looked at, and may be other numbers when this is done again
        mean, std = (looked_at(x) if isinstance(x, Tensor) else x for x in (mean, std))
        output: Tensor = wrap(_normal(mean, std, shape, generator).astype(kind))
    else:
        output = _normal_of_numbers(mean, std, shape, generator, kind)
    return output.requires_grad_() if requires_grad else output


@operation()
def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Any:
    """Numbers 0 ... n - 1, drawn with the weights in `input`: (n,) gives (num_samples,), (m, n) gives (m, num_samples).

    The weights need not add up to 1. Raises `ArgumentError` for weights that are negative, infinite, or all 0, and for
    more samples than there are weights above 0 without `replacement`; `ShapeError` for other shapes.
    """
    weights = np.atleast_2d(np.asarray(input.detach()._data, dtype=float))
    if input.ndim not in (1, 2):
        raise ShapeError(f"multinomial() takes weights (n,) or (m, n), not {input.shape}.")
    if not np.isfinite(weights).all() or (weights < 0).any() or not (weights.sum(1) > 0).all():
        raise ArgumentError("multinomial(): weights must be finite, not negative, and not all 0.")
    if not replacement and ((weights > 0).sum(1) < num_samples).any():
        raise ArgumentError(
            f"multinomial() of {num_samples} different numbers, but fewer have a weight.", fix="Use replacement=True."
        )
    rng = stream(generator)
    rows = [rng.choice(weights.shape[1], num_samples, replace=replacement, p=row / row.sum()) for row in weights]
    output = np.array(rows, dtype=np.int64)
    return wrap(output if input.ndim == 2 else output[0])
