"""How the rows of the operation table that are not elementwise compute a batch with one NumPy call.

A rule has (arrays, which of them are batches, the row's parameters) and gives the result with its batch axis in front,
or None where one by one is the only way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..kernels.blas import steady
from ..kernels.products import matmul
from ..ops.primitive import TABLE

Array = Any  # an array, or a NumPy scalar
SMALL_PRODUCT = 1 << 14  # multiplications, up to which calling the BLAS takes longer than what it does

Rule = Callable[[Sequence[Array], Sequence[bool], dict[str, Any]], Any]
RULES: dict[str, Rule] = {}


def aligned(arrays: Sequence[Array], many: Sequence[bool], least: int = 0) -> list[Array]:
    """The arrays with axes of length 1 put in behind the batch axis, so that the rest broadcasts from the right."""
    depth = max([least, *(np.ndim(a) - m for a, m in zip(arrays, many, strict=True))])
    result = []
    for a, m in zip(arrays, many, strict=True):
        missing = depth - (a.ndim - 1) if m else 0
        result.append(a.reshape(a.shape[0], *(1,) * missing, *a.shape[1:]) if missing else a)
    return result


def rule(*names: str) -> Callable[[Rule], Rule]:
    """The decorated function computes these rows on batches."""

    def enter(f: Rule) -> Rule:
        for name in names:
            RULES[name] = f
        return f

    return enter


def _forward(name: str) -> Callable[..., Any]:
    return TABLE[name].forward


@rule("reshape")
def _reshape(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    return arrays[0].reshape(len(arrays[0]), *params["shape"])


@rule("permute")
def _permute(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    return arrays[0].transpose(0, *(d + 1 for d in params["dims"]))


@rule("broadcast_to")
def _broadcast_to(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    (x,) = aligned(arrays, many, len(params["shape"]))
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
        return matmul(a, b)
    if many_a and not many_b and b.ndim == 2 and math.prod(a.shape[1:]) * b.shape[1] < SMALL_PRODUCT:
        # all rows of all matrices in one product; larger ones are better done one by one, without the BLAS's threads
        return matmul(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    a = a[..., None, :] if row else a
    b = b[..., None] if column else b
    y = matmul(*aligned([a, b], many))
    y = y[..., 0] if column else y
    return y[..., 0, :] if row and not column else y[..., 0] if row else y


@rule("linear")
def _linear(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    x, weight, bias = arrays
    y = _matmul([x, weight.swapaxes(-1, -2)], many[:2], {}) if many[0] or many[1] else matmul(x, weight.mT)
    product, offset = aligned([y, bias], [many[0] or many[1], many[2]])
    return product + offset


def _matrices(name: str) -> Rule:
    def each(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
        return _forward(name)(*aligned(arrays, many, 2), **params)

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
    return _forward("add_at")(arrays[0], shape=(len(arrays[0]), *params["shape"]), index=index)


@rule("cat")
def _cat(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    count = next(len(a) for a, m in zip(arrays, many, strict=True) if m)
    parts = [a if m else np.broadcast_to(a, (count, *np.shape(a))) for a, m in zip(arrays, many, strict=True)]
    return np.concatenate(parts, axis=params["dim"] + 1)


@rule("einsum")
@steady
def _einsum(arrays: Sequence[Array], many: Sequence[bool], params: dict[str, Any]) -> Array:
    terms, _, result = params["spec"].partition("->")
    letter = next((c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in params["spec"]), None)
    if letter is None:
        return None
    marked = [letter + t if m else t for t, m in zip(terms.split(","), many, strict=True)]
    return np.einsum(",".join(marked) + "->" + letter + result, *arrays, optimize=len(arrays) > 2)
