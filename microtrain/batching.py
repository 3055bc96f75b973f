"""Many tensors of one shape in one array: the same operation on each of them at the price of one call.

A `Batch` holds K arrays of one shape along a leading axis that the program does not see: `batch.shape` is the shape of
one of them. Every row of the operation table reads batches (`Batch.apply`): elementwise rows by broadcasting, the rows
in `RULES` by one NumPy call on the whole, and any other row by a loop over the K arrays, which is slower and no less
right. The vjps are made of rows, so one backward walk can carry K gradients: that is how Hessians are computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .errors import MicrotrainError
from .formula import F, Operand
from .kernels import tier
from .node import SMALL
from .ops import indexing, linalg, shapes
from .ops.primitive import METHODS, Primitive
from .ops.probability import Saved

Array = Any  # an array, or a NumPy scalar
SMALL_PRODUCT = 1 << 14  # multiplications, up to which calling the BLAS takes longer than what it does


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
            arrays = _aligned(plain, many)
            if max(np.size(a) for a in arrays) >= tier.large and primitive.kernel is not None:
                value = primitive.kernel(arrays, params)
                if value is not None:
                    return Batch(value)
            return Batch(primitive.forward(*arrays, **params))
        for name, value in params.items():
            if isinstance(value, Saved):  # what is left there would be found by another, who is not a batch
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
        return int(
            max(self.data.size, SMALL + 1)
        )  # nodes remember small gradients for pictures, but not a batch of them

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
        row = linalg.matmul if ufunc is np.matmul else F._row_of(ufunc)
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


def _aligned(arrays: Sequence[Array], many: Sequence[bool], least: int = 0) -> list[Array]:
    """The arrays with axes of length 1 put in behind the batch axis, so that the rest broadcasts from the right."""
    depth = max([least, *(np.ndim(a) - m for a, m in zip(arrays, many, strict=True))])
    aligned = []
    for a, m in zip(arrays, many, strict=True):
        missing = depth - (a.ndim - 1) if m else 0
        aligned.append(a.reshape(a.shape[0], *(1,) * missing, *a.shape[1:]) if missing else a)
    return aligned


def _one_by_one(primitive: Primitive, arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    count = next(len(a) for a, m in zip(arrays, many, strict=True) if m)
    return np.array(
        [
            primitive.forward(*(a[k] if m else a for a, m in zip(arrays, many, strict=True)), **params)
            for k in range(count)
        ]
    )


# ---- rules: (arrays, which of them are batches, params) -> the result with its batch axis, or None for one by one ----

Rule = Callable[[Sequence[Array], Sequence[bool], dict[str, Any]], Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """The decorated function computes these rows on batches."""

    def enter(f: Rule) -> Rule:
        for name in names:
            RULES[name] = f
        return f

    return enter


def _forward(name: str) -> Callable[..., Any]:
    from .ops.primitive import TABLE

    return TABLE[name].forward


@rule("reshape")
def _reshape(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    return arrays[0].reshape(len(arrays[0]), *params["shape"])


@rule("permute")
def _permute(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    return arrays[0].transpose(0, *(d + 1 for d in params["dims"]))


@rule("broadcast_to")
def _broadcast_to(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    (x,) = _aligned(arrays, many, len(params["shape"]))
    return np.broadcast_to(x, (len(x), *params["shape"]))


@rule("clone")
def _clone(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    return np.array(arrays[0], order="C")


@rule("to")
def _to(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    return arrays[0].astype(params["dtype"])


def _reduces(name: str) -> Rule:
    def reduce(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
        x, dim = arrays[0], tuple(d + 1 for d in params["dim"])
        return _forward(name)(x, **{**params, "dim": dim}) if dim else None

    return reduce


for _name in ("mean", "var", "std", "any", "all", "amax", "amin", "logsumexp", "norm"):
    RULES[_name] = _reduces(_name)


@rule("sum")
def _sum(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    dim, keepdim = params["dim"], params["keepdim"]
    x = arrays[0]
    if not keepdim and dim == tuple(range(x.ndim - 1)) and x.ndim > 1 and x.flags.c_contiguous:
        return np.add.reduce(x.reshape(len(x), -1), axis=1)
    return np.add.reduce(x, axis=tuple(d + 1 for d in dim), keepdims=keepdim)


def _along_last(name: str) -> Rule:
    """Rows that read one axis, named by `dim`."""

    def along(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
        return _forward(name)(arrays[0], **{**params, "dim": params["dim"] + 1})

    return along


for _name in ("softmax", "log_softmax"):
    RULES[_name] = _along_last(_name)


def _of_labels(name: str) -> Rule:
    """The losses of logits (K, ..., C) and labels that are the same for all K."""

    def losses(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
        logits, target = arrays
        if many[1]:
            return None
        target = np.asarray(target)
        labels = np.broadcast_to(target, (len(logits), *target.shape))
        if name == "cross_entropy":
            values = _forward("surprise")(logits, labels)
            return values.reshape(len(logits), -1).sum(axis=1) / target.size
        return _forward(name)(logits, labels)

    return losses


for _name in ("surprise", "cross_entropy", "softmax_less_one_hot"):
    RULES[_name] = _of_labels(_name)


@rule("matmul")
def _matmul(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    (a, b), (many_a, many_b) = arrays, many
    a, b = (np.asarray(a), np.asarray(b))
    row, column = a.ndim - many_a == 1, b.ndim - many_b == 1
    if many_a and not many_b and (b.ndim == 1 or a.ndim == 2 == b.ndim):
        return a @ b
    if many_a and not many_b and b.ndim == 2 and math.prod(a.shape[1:]) * b.shape[1] < SMALL_PRODUCT:
        # all rows of all matrices in one product; larger ones are better done one by one, without the BLAS's threads
        return (a.reshape(math.prod(a.shape[:-1]), a.shape[-1]) @ b).reshape(*a.shape[:-1], b.shape[-1])
    a = a[..., None, :] if row else a
    b = b[..., None] if column else b
    y = np.matmul(*_aligned([a, b], many))
    y = y[..., 0] if column else y
    return y[..., 0, :] if row and not column else y[..., 0] if row else y


@rule("linear")
def _linear(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    x, weight, bias = arrays
    y = _matmul([x, weight.swapaxes(-1, -2)], many[:2], {}) if many[0] or many[1] else np.matmul(x, weight.mT)
    product, offset = _aligned([y, bias], [many[0] or many[1], many[2]])
    return product + offset


def _matrices(name: str) -> Rule:
    def each(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
        return _forward(name)(*_aligned(arrays, many, 2), **params)

    return each


for _name in (
    "inv",
    "solve",
    "det",
    "slogdet_sign",
    "logabsdet",
    "cholesky",
    "eigvalsh",
    "eigenvectors",
    "tril",
    "triu",
):
    RULES[_name] = _matrices(_name)


def _behind_batch(index: Any) -> tuple[Any, ...] | None:
    """The index that leaves the batch axis alone; None if NumPy would move that axis elsewhere."""
    parts = index if isinstance(index, tuple) else (index,)
    fancy = [k for k, part in enumerate(parts) if isinstance(part, (np.ndarray, list))]
    if fancy and fancy != list(range(fancy[0], fancy[0] + len(fancy))):
        return None
    if fancy and any(isinstance(part, (int, np.integer)) for part in parts):
        return None
    return (slice(None), *parts)


@rule("getitem", "index")
def _index(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    index = _behind_batch(params["index"])
    return None if index is None else arrays[0][index]


@rule("add_at")
def _add_at(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    index = _behind_batch(params["index"])
    if index is None:
        return None
    return indexing._add_at(arrays[0], shape=(len(arrays[0]), *params["shape"]), index=index)


@rule("cat")
def _cat(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    count = next(len(a) for a, m in zip(arrays, many, strict=True) if m)
    parts = [a if m else np.broadcast_to(a, (count, *np.shape(a))) for a, m in zip(arrays, many, strict=True)]
    return np.concatenate(parts, axis=params["dim"] + 1)


@rule("einsum")
def _einsum(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    terms, _, result = params["spec"].partition("->")
    letter = next((c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in params["spec"]), None)
    if letter is None:
        return None
    marked = [letter + t if m else t for t, m in zip(terms.split(","), many, strict=True)]
    return np.einsum(",".join(marked) + "->" + letter + result, *arrays, optimize=len(arrays) > 2)
