"""What a tensor has in common with an array: shape, dtype, and ways to get at the values."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from opcode import opmap
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, IndexingError, NotDifferentiableError, ShapeError
from ..formula import Operand
from ..pytorch.devices import CPU, device
from ..show import short
from .recording import MODE


class Values(Operand):
    """The part of `Tensor` that knows nothing of gradients, except that NumPy would lose them."""

    # 0-dimensional results stay NumPy scalars (ten times faster than 0-d arrays) until somebody wants to share or
    # write their memory; `_array` then makes them arrays.
    _data: Any

    @property
    def requires_grad(self) -> bool:
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The kind of number, NumPy's dtype."""
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """How many axes."""
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """The size in bytes."""
        return self._data.nbytes  # type: ignore[no-any-return]

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one axis."""
        if dim is None:
            return self._data.shape
        try:
            return self._data.shape[dim]
        except (IndexError, TypeError):
            raise IndexingError(f"size({dim!r}): a tensor of shape {self.shape} has {self.ndim} axes.") from None

    def dim(self) -> int:
        """How many axes."""
        return self._data.ndim  # type: ignore[no-any-return]

    def numel(self) -> int:
        """How many elements."""
        return self._data.size  # type: ignore[no-any-return]

    @property
    def device(self) -> device:
        """Where it lives: always the CPU."""
        return CPU

    is_cuda = is_mps = is_sparse = is_quantized = is_meta = is_nested = False
    is_cpu = True
    layout = "strided"

    def element_size(self) -> int:
        """The bytes of one element."""
        return self._data.dtype.itemsize  # type: ignore[no-any-return]

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self._data.dtype.itemsize  # type: ignore[no-any-return]

    def stride(self, dim: int | None = None) -> Any:
        """How many elements to go in memory to the next one along each axis (or one of them)."""
        steps = tuple(n // self._data.dtype.itemsize for n in self._array().strides)
        if dim is None:
            return steps
        self.size(dim)  # raises if there is no such axis
        return steps[dim]

    def data_ptr(self) -> int:
        """The address of the first element: equal for tensors that begin in the same memory."""
        return self._array().ctypes.data

    def is_complex(self) -> bool:
        """No: tensors hold real numbers."""
        return False

    def is_signed(self) -> bool:
        """Can its elements be negative?"""
        return self._data.dtype.kind in "fi"

    def is_contiguous(self) -> bool:
        """Do the elements lie in memory in the order of the axes?"""
        return bool(self._data.flags.c_contiguous)

    def is_floating_point(self) -> bool:
        """Can it require grad?"""
        return self._data.dtype.kind == "f"  # type: ignore[no-any-return]

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise DtypeError("len() of a tensor without axes (shape ()).", fix="Use numel(), which is 1.")
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        if self._data.ndim == 0:
            raise DtypeError("A tensor without axes (shape ()) can't be iterated over.", fix="Use item().")
        return (self[i] for i in range(len(self)))  # type: ignore[index]

    def __contains__(self, value: Any) -> bool:
        return bool((looked_at(self) == (value._data if isinstance(value, Values) else value)).any())

    def __delitem__(self, index: Any) -> None:
        raise DtypeError(
            "Elements of a tensor can't be deleted.", fix="Take the others: x[keep], or mt.cat([x[:k], x[k + 1 :]])."
        )

    def __getattr__(self, name: str) -> Any:
        """Asked for what is not there: say why, or what was probably meant."""
        if name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        from ..pytorch.missing import refuse

        refuse("microtrain.Tensor", name, dir(type(self)))

    # ---- the values --------------------------------------------------------------------------------------------------

    def _array(self) -> np.ndarray[Any, Any]:
        """The memory itself, as an array that may be shared and written."""
        if not isinstance(self._data, np.ndarray):
            self._data = np.array(self._data)
        return self._data

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self._data.size != 1:
            raise ShapeError(
                f"item() takes the only element, but this tensor has {self._data.size} (shape {self.shape}).",
                fix="Index it first, reduce it with sum() or mean(), or use tolist().",
            )
        return looked_at(self).item()

    def tolist(self) -> Any:
        """Nested Python lists (or a number)."""
        return looked_at(self).tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """A read-only NumPy view of the values. `numpy().copy()` gives an array to write to.

        Raises `NotDifferentiableError` if the tensor requires grad, unless `force`: NumPy would lose the gradient.
        """
        if self.requires_grad and not force:
            raise self._cut("numpy()")
        looked_at(self)
        # A write through it would go past the graph, unseen; unlike an array's flag, a memoryview's can't be reset.
        return np.asarray(memoryview(self._array()).toreadonly())  # type: ignore[arg-type]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self.requires_grad:
            raise self._cut("NumPy")
        if copy is False and dtype is not None and np.dtype(dtype) != self.dtype:
            raise ArgumentError(f"A tensor of dtype {self.dtype} can't become {np.dtype(dtype)} without a copy.")
        if copy or (dtype is not None and np.dtype(dtype) != self.dtype):
            return np.array(looked_at(self), dtype=dtype)
        return self.numpy()

    def _cut(self, who: str) -> NotDifferentiableError:
        return NotDifferentiableError(
            f"{who} was given a tensor that requires grad ({short(self._data)}).",
            "Its result would be a plain array, and the gradient would be lost without a word.",
            "Use microtrain's function (mt.stack, mt.where, mt.cat ...) to stay differentiable, "
            "or x.detach().numpy() if the gradient is not wanted.",
        )

    def _single(self) -> Any:
        if self._data.size != 1:
            raise ShapeError(
                f"A tensor with {self._data.size} elements (shape {self.shape}) is not one number.",
                fix="For a truth value use any() or all(); for a number index it or reduce it first.",
            )
        return looked_at(self).item()

    def __float__(self) -> float:
        if self.requires_grad and _being_stored():
            raise self._cut("A NumPy array")
        return float(self._single())

    def __int__(self) -> int:
        return int(self._single())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise DtypeError(f"Only an integer tensor can be an index, not {short(self._data)}.", fix="Use int(x).")
        return int(self._single())

    def __bool__(self) -> bool:
        return bool(self._single())


def looked_at(tensor: Values) -> Any:
    """The values, which the program now sees: a listener may have to know, because it can act on them."""
    for listener in MODE.get().listeners:
        if hasattr(listener, "read"):
            listener.read(tensor)
    return tensor._data


def _being_stored() -> bool:
    """Is the statement that runs just now `something[...] = value`? Then NumPy is asking for a float to put there."""
    frame = sys._getframe(2)
    return frame.f_code.co_code[frame.f_lasti] == opmap["STORE_SUBSCR"]
