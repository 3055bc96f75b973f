"""Many tensors of one shape in one array: the same operation on each of them at the price of one call.

A `Batch` holds K arrays of one shape along a leading axis that the program does not see: `batch.shape` is the shape of
one of them. Every row of the operation table reads batches (`Batch.apply`): elementwise rows by broadcasting, the rows
in `batching_rules` by one NumPy call on the whole, and any other row by a loop over the K arrays, which is slower and
no less right. The vjps are made of rows, so one backward walk can carry K gradients: that is how Hessians are computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine.node import SMALL
from ..errors import MicrotrainError
from ..formula import F, Operand
from ..kernels import tier
from ..ops import indexing, products, shapes
from ..ops.primitive import METHODS, Primitive
from ..ops.probability import Saved
from .batching_rules import RULES, Array, aligned


class NotBatchable(MicrotrainError, AttributeError):  # noqa: N818 (it says what to do instead, not what is wrong)
    """The program wants to see a value of which there are many: at a branch, say. One by one, then."""


class Batch(NDArrayOperatorsMixin, Operand):
    """K arrays of one shape: `data` has shape (K, *shape)."""

    __slots__ = ("data",)
    requires_grad = False

    def __init__(self, data: Array) -> None:
        self.data = data

    @staticmethod
    def apply(primitive: Primitive, *inputs: Any, **params: Any) -> Batch:
        """One operation on all K at once. Inputs are batches of the same K, tensors, arrays and numbers."""
        for x in inputs:
            if x.__class__ is Units and (short := x.through(primitive, inputs, params)) is not None:
                return short
        plain = [x.data if isinstance(x, Batch) else getattr(x, "_data", x) for x in inputs]
        many = [isinstance(x, Batch) for x in inputs]
        if primitive.elementwise:
            arrays = aligned(plain, many)
            if max(np.size(a) for a in arrays) >= tier.large and primitive.kernel is not None:
                value = primitive.kernel(arrays)
                if value is not None:
                    return Batch(value)
            return Batch(primitive.forward(*arrays, **params))
        for name, value in params.items():
            if isinstance(value, Saved):  # shared with the node of the recorded call, which is no batch
                params[name] = None
        rule = RULES.get(primitive.name)
        value = rule(plain, many, params) if rule is not None else None
        return Batch(_one_by_one(primitive, plain, many, params) if value is None else value)

    # ---- what the program sees: one of the arrays --------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape[1:]  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self.data.ndim - 1  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        # Nodes remember gradients of up to SMALL elements, for pictures: a batch of them is none.
        return max(int(self.data.size), SMALL + 1)

    def numel(self) -> int:
        return math.prod(self.shape)

    def clone(self) -> Batch:
        return self  # nobody writes to a batch

    @property
    def T(self) -> Batch:  # noqa: N802
        return shapes.permute(self, dims=tuple(range(self.ndim))[::-1])  # type: ignore[no-any-return]

    @property
    def mT(self) -> Batch:  # noqa: N802
        return shapes.matrix_transpose(self)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Batch:
        return indexing.get_part(self, index)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        method = METHODS.get(name)
        if method is None:
            raise NotBatchable(f"A batch has no '{name}'.")
        return lambda *args, **kwargs: method(self, *args, **kwargs)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        row = products.matmul if ufunc is np.matmul else F._row_of(ufunc)
        if row is None or method != "__call__" or options:
            raise NotBatchable(f"np.{ufunc.__name__} of a batch.")
        return Batch.apply(row, *inputs)

    def _seen(self, *_: Any) -> Any:
        raise NotBatchable("One value was asked of a batch, which has many.")

    __hash__ = object.__hash__
    __bool__ = __float__ = __int__ = __index__ = __array__ = __array_function__ = item = tolist = numpy = _seen

    def __repr__(self) -> str:
        return f"<Batch of {len(self.data)}: {self.dtype}{list(self.shape)}>"


class Units(Batch):
    """Arrays that are 0 but for a single 1: the rows of an identity matrix, which products need not multiply by.

    Array k has its 1 at the flat index `places[k]`.
    """

    __slots__ = ("_dtype", "_shape", "places")

    def __init__(self, places: np.ndarray[Any, Any], shape: tuple[int, ...], dtype: Any) -> None:
        self.places, self._shape, self._dtype = places, shape, np.dtype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def ndim(self) -> int:
        return len(self._shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype  # type: ignore[no-any-return]

    @property
    def data(self) -> Array:
        full = np.zeros((len(self.places), math.prod(self._shape)), self.dtype)
        full[np.arange(len(full)), self.places] = 1
        return full.reshape(-1, *self._shape)

    def through(self, primitive: Primitive, inputs: Sequence[Any], params: dict[str, Any]) -> Batch | None:
        """The result of a row that only moves the ones, or multiplies by them; None for other rows."""
        if self.ndim != 2:
            return None
        i, j = np.divmod(self.places, self._shape[1])
        if primitive.name == "permute" and params["dims"] == (1, 0):
            return Units(j * self._shape[0] + i, self._shape[::-1], self.dtype)
        if primitive.name != "matmul" or isinstance(inputs[0], Batch) == isinstance(inputs[1], Batch):
            return None
        left = inputs[0] is self
        other = np.asarray(inputs[left])
        if other.ndim != 2:
            return None
        n, m = (self._shape[0], other.shape[1]) if left else (other.shape[0], self._shape[1])
        product = np.zeros((len(i), n, m), np.result_type(self.dtype, other.dtype))
        if left:
            product[np.arange(len(i)), i] = other[j]
        else:
            product[np.arange(len(i)), :, j] = other.T[i]
        return Batch(product)


def _one_by_one(primitive: Primitive, arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    count = next(len(a) for a, m in zip(arrays, many, strict=True) if m)
    return np.array(
        [
            primitive.forward(*(a[k] if m else a for a, m in zip(arrays, many, strict=True)), **params)
            for k in range(count)
        ]
    )
