"""Making tensors: from data, from patterns, at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import ArgumentError, DtypeError, NotDifferentiableError
from ..ops.arithmetic import lerp_row
from ..ops.conversion import check_device
from ..ops.shapes import as_sizes
from ..random import Generator, drawing, stream
from ..show import short
from ..tensor import Tensor, wrap


def _finish(data: Any, requires_grad: bool, device: Any = None) -> Tensor:
    check_device(device)
    output: Tensor = wrap(data)
    return output.requires_grad_() if requires_grad else output


def _shape(lengths: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """`zeros(2, 3)`, `zeros((2, 3))` and `zeros(size=(2, 3))` mean the same."""
    wanted = as_sizes(lengths, size)
    if any(n < 0 for n in wanted):
        raise ArgumentError(f"A shape is made of lengths (0, 1, 2 ...), not {wanted}.")
    return wanted


def _float(dtype: Any) -> np.dtype[Any]:
    return dtypes.parse(dtype) or dtypes.get_default_dtype()


def _number(x: Any, who: str) -> Any:
    """A number, also out of a tensor. Raises `NotDifferentiableError` for one that requires grad."""
    _refuse_gradient(x, who)
    value = x.item() if hasattr(x, "item") else x
    if not isinstance(value, (int, float)):
        raise DtypeError(f"{who} takes numbers, not {type(x).__name__}.")
    return value


def _refuse_gradient(x: Any, who: str) -> None:
    if isinstance(x, Tensor) and x.requires_grad:
        raise NotDifferentiableError(
            f"{who} was given a tensor that requires grad ({short(x._data)}).",
            "The result would be made of its value, and the gradient would be lost without a word.",
            "Compute with it: x * mt.ones(3), x.expand(3), x + mt.arange(3); or take x.detach() if the gradient is not "
            "wanted.",
        )


def _keeps_gradient(dtype: Any, *numbers: Any) -> bool:
    """Does one of these require grad, and can a result of this dtype?"""
    return _float(dtype).kind == "f" and any(isinstance(x, Tensor) and x.requires_grad for x in numbers)


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
    return _finish(dtypes.to_array(data, dtype), False)


asarray = as_tensor  # NumPy's name, which PyTorch has too


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor with a copy of the array. (PyTorch shares the memory; a write to it would go past the graph unseen.)"""
    if not isinstance(array, np.ndarray):
        raise DtypeError(f"from_numpy() takes an array, not {type(array).__name__}.", fix="Use tensor().")
    return Tensor(array)


def zeros(*shape: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros of a shape: zeros(2, 3) or zeros((2, 3))."""
    return _finish(np.zeros(_shape(shape, size), _float(dtype)), requires_grad, device)


def ones(*shape: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones of a shape."""
    return _finish(np.ones(_shape(shape, size), _float(dtype)), requires_grad, device)


def empty(*shape: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor to be written to; it holds zeros, so that a program that forgets to is still deterministic."""
    return zeros(*shape, size=size, dtype=dtype, requires_grad=requires_grad, device=device)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """One value everywhere; the dtype is that of the value unless given."""
    shape = _shape((size,) if isinstance(size, (int, np.integer)) else tuple(size))
    _refuse_gradient(fill_value, "full()")
    value = dtypes.to_array(fill_value, dtype)
    return _finish(np.full(shape, value), requires_grad, device)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """The n x n (or n x m) identity matrix."""
    shape = _shape((n, n if m is None else m))
    return _finish(np.eye(*shape, dtype=_float(dtype)), requires_grad, device)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """start, start + step ... before end; arange(n) counts from 0. Integers give int64.

    Raises `ArgumentError` if `step` is 0 or leads away from `end`.
    """
    if end is None:
        start, end = 0, start
    start, end, step = (_number(x, "arange()") for x in (start, end, step))
    if step == 0:
        raise ArgumentError("arange() with step 0 never ends.")
    if (end - start) * step < 0:
        raise ArgumentError(
            f"arange({start}, {end}, {step}): steps of {step} lead away from the end.",
            fix=f"Use a step of {-step}, or exchange start and end (then flip).",
        )
    try:
        data = np.arange(start, end, step)  # told an integer dtype, NumPy would round the step
    except (ValueError, OverflowError):
        raise ArgumentError(f"arange({start}, {end}, {step}) has no number of elements that fits in memory.") from None
    wanted = dtypes.parse(dtype) or (dtypes.get_default_dtype() if data.dtype.kind == "f" else data.dtype)
    if wanted.kind in "iu" and data.size and not _fits(data[[0, -1]], wanted):
        raise ArgumentError(f"arange({start}, {end}, {step}) does not fit into {wanted}.", fix="Take a wider dtype.")
    return _finish(data.astype(wanted, copy=False), requires_grad, device)


def _fits(values: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> bool:
    """Are they in the range of an integer dtype?"""
    limits = np.iinfo(dtype)
    return bool(np.all((values >= limits.min) & (values <= limits.max)))


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`steps` numbers at equal distances from start to end, both included.

    Of ends that require grad it is differentiable.
    """
    (count,) = _shape((steps,))
    if _keeps_gradient(dtype, start, end):
        share = linspace(0, 1, steps, device=device)
        start, end = (x.reshape(()) if isinstance(x, Tensor) else _number(x, "linspace()") for x in (start, end))
        between: Tensor = lerp_row(start, end, share)
        return between.to(_float(dtype))
    start, end = _number(start, "linspace()"), _number(end, "linspace()")
    return _finish(np.linspace(start, end, count).astype(_float(dtype), copy=False), requires_grad, device)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, requires_grad: bool = False,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """base ** x for `steps` numbers x at equal distances from start to end, both included.

    Of ends and a base that require grad it is differentiable.
    """
    if _keeps_gradient(dtype, start, end, base):
        powers: Tensor = base ** linspace(start, end, steps, device=device)
        return powers.to(_float(dtype))
    for x in (start, end, base):
        _refuse_gradient(x, "logspace()")
    exponents = linspace(start, end, steps)
    return _finish(np.asarray(base**exponents._data).astype(_float(dtype), copy=False), requires_grad, device)


def scalar_tensor(s: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor without axes, of the default dtype."""
    return tensor(_number(s, "scalar_tensor()"), dtype=_float(dtype), requires_grad=requires_grad, device=device)


def poisson(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Poisson random numbers with the rates in `input`. Raises `ArgumentError` for a negative one."""
    rates = input.detach().numpy()
    if not np.all(rates >= 0):
        raise ArgumentError("poisson(): a rate can't be negative.")
    return _finish(np.asarray(stream(generator).poisson(rates)).astype(input.dtype), False)


@drawing
def rand(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    return _finish(_drawn(stream(generator).random, _shape(shape, size), dtype), requires_grad, device)


@drawing
def randn(
    *shape: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Normal random numbers: mean 0, variance 1."""
    return _finish(_drawn(stream(generator).standard_normal, _shape(shape, size), dtype), requires_grad, device)


def _drawn(draw: Any, size: tuple[Any, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Drawn in float64, so that a seed gives the same numbers in every dtype, only rounded."""
    if _float(dtype).kind != "f":
        raise DtypeError(f"rand() and randn() draw floats, not {_float(dtype)}.", fix="Use randint().")
    return np.asarray(draw(size)).astype(_float(dtype), copy=False)


@drawing
def randint(
    low: Any = None, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """Random integers low ... high - 1: randint(high, size) or randint(low, high, size)."""
    if size is None:
        low, high, size = 0, low, high
    low = 0 if low is None else low  # randint(high=10, size=(3,))
    if high is None or size is None:
        raise ArgumentError("randint() needs a bound and a shape: randint(10, (3,)).")
    low, high = int(low), int(high)
    if low >= high:
        raise ArgumentError(
            f"randint(): there is no integer from {low} to {high} - 1.", fix="The upper bound is left out: low < high."
        )
    wanted = dtypes.parse(dtype) or dtypes.int64
    held = np.iinfo(wanted if wanted.kind in "iu" else dtypes.int64)
    if low < held.min or high - 1 > held.max:
        raise ArgumentError(f"randint(): {wanted} does not hold all integers from {low} to {high} - 1.")
    data = stream(generator).integers(low, high, _shape((size,)))
    return _finish(data.astype(wanted, copy=False), False, device)


@drawing
def randperm(n: int, *, generator: Generator | None = None, device: Any = None) -> Tensor:
    """0 ... n - 1 in random order."""
    (count,) = _shape((n,))
    return _finish(stream(generator).permutation(count), False, device)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element gives, else 0. Raises `ArgumentError` unless they are in [0, 1]."""
    p = input.detach().numpy()
    if not np.all((p >= 0) & (p <= 1)):
        raise ArgumentError(f"bernoulli(): probabilities are between 0 and 1, not {p.min():.6g} to {p.max():.6g}.")
    return _finish((stream(generator).random(input.shape) < p).astype(input.dtype), False)


# ---- like another tensor; there is one way for its memory to lie, so `memory_format` says nothing --------------------


def zeros_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, memory_format: Any = None
) -> Tensor:
    """Zeros in the shape and dtype of another tensor."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device)


def ones_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, memory_format: Any = None
) -> Tensor:
    """Ones in the shape and dtype of another tensor."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device)


def empty_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, memory_format: Any = None
) -> Tensor:
    """A tensor to be written to, in the shape and dtype of another."""
    return empty(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    memory_format: Any = None,
) -> Tensor:
    """One value, in the shape and dtype of another tensor."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device)


def rand_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False,
    device: Any = None, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Uniform random numbers in the shape and dtype of another tensor."""
    return rand(
        input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device
    )


def randn_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, requires_grad: bool = False,
    device: Any = None, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Normal random numbers in the shape and dtype of another tensor."""
    return randn(
        input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device
    )


def randint_like(
    input: Tensor, low: int | None = None, high: int | None = None, *, generator: Generator | None = None,
    dtype: Any = None, device: Any = None, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Random integers in the shape and dtype of another tensor: randint_like(x, high) or randint_like(x, low, high)."""
    if high is None:
        low, high = None, low
    return randint(low, high, input.shape, generator=generator, dtype=dtype or input.dtype, device=device)
