"""PyTorch's older ways of making tensors of a dtype: FloatTensor(...), x.type(...), x.new_zeros(...)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..errors import DtypeError
from ..ops.conversion import check_device, to
from ..ops.primitive import operation
from ..ops.shapes import as_sizes
from ..tensor import Tensor, wrap
from .creation import bernoulli, full_like


class TensorType:
    """`FloatTensor` and its kind: FloatTensor([1, 2]) from data, FloatTensor(2, 3) of a shape (zeros).

    Also for `x.type(FloatTensor)` and `isinstance(x, FloatTensor)`.
    """

    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype = name, np.dtype(dtype)

    def __call__(self, *args: Any) -> Tensor:
        if len(args) == 1 and not isinstance(args[0], (int, np.integer)):
            return Tensor(args[0], self.dtype)
        output: Tensor = wrap(np.zeros(as_sizes(args) if args else (0,), self.dtype))
        return output

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == self.dtype

    def __repr__(self) -> str:
        return f"<{self.name}: tensors of dtype {self.dtype}>"


TYPES = {
    name: TensorType(name, dtype)
    for name, dtype in {
        "FloatTensor": dtypes.float32,
        "DoubleTensor": dtypes.float64,
        "HalfTensor": dtypes.float16,
        "LongTensor": dtypes.int64,
        "IntTensor": dtypes.int32,
        "ShortTensor": dtypes.int16,
        "CharTensor": dtypes.int8,
        "ByteTensor": dtypes.uint8,
        "BoolTensor": dtypes.bool_,
    }.items()
}
_NAME_OF = {kind.dtype: name for name, kind in TYPES.items()}


@operation(name="type", function=False)
def as_type(self: Any, dtype: Any = None) -> Any:
    """In another dtype (or the kind of tensor of that dtype, FloatTensor); without an argument the name of its own."""
    if dtype is None:
        return f"microtrain.{_NAME_OF.get(self.dtype, 'Tensor')}"
    if isinstance(dtype, str):
        name = dtype.rpartition(".")[2]
        if name not in TYPES and name not in np.sctypeDict:
            raise DtypeError(f"{dtype!r} is not a dtype.", fix=f"Use {', '.join(TYPES)} or a dtype.")
        dtype = TYPES.get(name, name)
    return to(self, dtype.dtype if isinstance(dtype, TensorType) else dtype)


def _new(self: Any, data: Any, dtype: Any, requires_grad: bool, device: Any) -> Any:
    check_device(device)
    output = wrap(data.astype(dtypes.parse(dtype) or self.dtype, copy=False))
    return output.requires_grad_() if requires_grad else output


@operation(function=False)
def new_tensor(self: Any, data: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Any:
    """A tensor with a copy of the data, in the dtype of this one."""
    raw = data.detach() if isinstance(data, Tensor) else data
    return _new(self, np.array(raw), dtype, requires_grad, device)


@operation(function=False)
def new_zeros(self: Any, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Any:
    """Zeros of a shape, in the dtype of this one."""
    return _new(self, np.zeros(as_sizes(size)), dtype, requires_grad, device)


@operation(function=False)
def new_empty(self: Any, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Any:
    """A tensor to be written to (it holds zeros), in the dtype of this one."""
    return _new(self, np.zeros(as_sizes(size)), dtype, requires_grad, device)


@operation(function=False)
def new_ones(self: Any, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Any:
    """Ones of a shape, in the dtype of this one."""
    return _new(self, np.ones(as_sizes(size)), dtype, requires_grad, device)


@operation(function=False)
def new_full(
    self: Any, size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Any:
    """One value everywhere, in the dtype of this one."""
    return _new(self, np.full(as_sizes((size,)), fill_value), dtype, requires_grad, device)


@operation(function=False)
def nelement(self: Any) -> int:
    """How many elements."""
    return self.numel()  # type: ignore[no-any-return]


@operation(function=False)
def ndimension(self: Any) -> int:
    """How many axes."""
    return self.ndim  # type: ignore[no-any-return]


@operation(name="is_nonzero", function=False)
def is_not_zero(self: Any) -> bool:
    """Is the only element not 0?"""
    return bool(self)


@operation(function=False)
def is_same_size(self: Any, other: Any) -> bool:
    """Have both the same shape?"""
    return self.shape == other.shape  # type: ignore[no-any-return]


@operation(name="bernoulli", function=False)
def bernoulli_of(self: Any, p: float | None = None, *, generator: Any = None) -> Any:
    """1 with the probability that each element gives (or p everywhere), else 0."""
    return bernoulli(self if p is None else full_like(self, p), generator=generator)


@operation(name="detach", method=False)
def detached(input: Any) -> Any:
    """The same memory without the graph."""
    return input.detach()


@operation(function=False)
def get_device(self: Any) -> int:
    """-1: it is on the CPU."""
    return -1


Size: type[tuple[int, ...]] = tuple  # what `x.shape` is


def variable(data: Tensor, requires_grad: bool = False) -> Tensor:
    """The tensor itself: what PyTorch once called a Variable."""
    return data.requires_grad_() if requires_grad else data


def is_tensor(obj: Any) -> bool:
    """Is it a tensor?"""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Could it require grad?"""
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """How many elements."""
    return input.numel()
