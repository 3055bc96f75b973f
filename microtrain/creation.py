"""Making tensors: from data, from patterns, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .errors import ArgumentError, DtypeError
from .ops.conversion import check_device
from .random import Generator, stream
from .tensor import Tensor, wrap


def _finish(data: Any, requires_grad: bool, device: Any = None) -> Tensor:
    check_device(device)
    output = wrap(data)
    return output.requires_grad_() if requires_grad else output


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    """`zeros(2, 3)` and `zeros((2, 3))` mean the same."""
    if len(size) == 1 and isinstance(size[0], (Sequence, np.ndarray)):
        size = tuple(size[0])
    for n in size:
        if not isinstance(n, (int, np.integer)) or n < 0:
            raise ArgumentError(f"A shape is made of lengths (0, 1, 2 ...), not {n!r}.")
    return tuple(int(n) for n in size)


def _float(dtype: Any) -> np.dtype[Any]:
    return dtypes.parse(dtype) or dtypes.get_default_dtype()


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A new tensor with a copy of the data: numbers, nested lists, arrays.

    Python floats become the default dtype (float64), integers int64, arrays keep their dtype. Raises `ShapeError` for
    rows of unequal length, `DtypeError` for what is not a number.
    """
    check_device(device)
    if isinstance(data, Tensor):
        return Tensor(data, dtype, requires_grad)
    return _finish(dtypes.to_array(data, dtype), requires_grad)


def as_tensor(data: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """The tensor itself if it is one already (in another dtype if asked), else `tensor(data)`."""
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return wrap(dtypes.to_array(data, dtype))


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor with a copy of the array. (PyTorch shares the memory; a write to it would go past the graph unseen.)"""
    if not isinstance(array, np.ndarray):
        raise DtypeError(f"from_numpy() takes an array, not {type(array).__name__}.", fix="Use tensor().")
    return Tensor(array)


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros of a shape: zeros(2, 3) or zeros((2, 3))."""
    return _finish(np.zeros(_shape(size), _float(dtype)), requires_grad, device)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones of a shape."""
    return _finish(np.ones(_shape(size), _float(dtype)), requires_grad, device)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor to be written to; it holds zeros, so that a program that forgets to is still deterministic."""
    return zeros(*size, dtype=dtype, requires_grad=requires_grad, device=device)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """One value everywhere; the dtype is that of the value unless given."""
    shape = _shape((size,) if isinstance(size, (int, np.integer)) else tuple(size))
    value = dtypes.to_array(fill_value, dtype)
    return _finish(np.full(shape, value), requires_grad, device)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """The n x n (or n x m) identity matrix."""
    return _finish(np.eye(n, m, dtype=_float(dtype)), requires_grad, device)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """start, start + step ... before end; arange(n) counts from 0. Integers give int64."""
    if end is None:
        start, end = 0, start
    if step == 0:
        raise ArgumentError("arange() with step 0 never ends.")
    data = np.arange(start, end, step, dtype=dtypes.parse(dtype))
    if dtype is None and data.dtype.kind == "f":
        data = data.astype(dtypes.get_default_dtype(), copy=False)
    return _finish(data, requires_grad, device)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`steps` numbers at equal distances from start to end, both included."""
    return _finish(np.linspace(start, end, steps, dtype=_float(dtype)), requires_grad, device)


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    return _finish(_drawn(stream(generator).random, size, dtype), requires_grad, device)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Normal random numbers: mean 0, variance 1."""
    return _finish(_drawn(stream(generator).standard_normal, size, dtype), requires_grad, device)


def _drawn(draw: Any, size: tuple[Any, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Drawn in float64, so that a seed gives the same numbers in every dtype, only rounded."""
    return np.asarray(draw(_shape(size))).astype(_float(dtype), copy=False)


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """Random integers low ... high - 1: randint(high, size) or randint(low, high, size)."""
    if size is None:
        low, high, size = 0, low, high
    if high is None or size is None:
        raise ArgumentError("randint() needs a bound and a shape: randint(10, (3,)).")
    data = stream(generator).integers(low, high, _shape((size,)))
    return _finish(data.astype(dtypes.parse(dtype) or dtypes.int64, copy=False), False, device)


def randperm(n: int, *, generator: Generator | None = None, device: Any = None) -> Tensor:
    """0 ... n - 1 in random order."""
    return _finish(stream(generator).permutation(n), False, device)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element gives, else 0."""
    return wrap((stream(generator).random(input.shape) < input.detach().numpy()).astype(input.dtype))


def zeros_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape and dtype of another tensor."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of another tensor."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor to be written to, in the shape and dtype of another."""
    return empty(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """One value, in the shape and dtype of another tensor."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad)


def rand_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform random numbers in the shape and dtype of another tensor."""
    return rand(input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randn_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal random numbers in the shape and dtype of another tensor."""
    return randn(input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, generator: Generator | None = None, dtype: Any = None
) -> Tensor:
    """Random integers in the shape and dtype of another tensor."""
    if high is None:
        low, high = 0, low
    return randint(low, high, input.shape, generator=generator, dtype=dtype or input.dtype)
