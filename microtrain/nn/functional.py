"""The functions behind the modules, under the names of `torch.nn.functional`; the losses are in `nn.losses`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..calling.operators import PUBLIC
from ..calling.signatures import explained
from ..engine.recording import no_grad
from ..engine.values import looked_at
from ..errors import ArgumentError, DtypeError, IndexingError, ShapeError
from ..ops.comparison import where_row
from ..ops.conversion import in_float32
from ..ops.probability import softmax
from ..ops.products import matmul
from ..ops.reductions import mean_row, var_row
from ..pytorch.missing import refuse
from ..tensor import Tensor
from .losses import *  # noqa: F403

_NAMES = """relu relu6 leaky_relu prelu elu selu celu gelu silu mish tanh sigmoid logsigmoid softplus softsign hardtanh
    softmax log_softmax cross_entropy binary_cross_entropy_with_logits linear one_hot pad dropout""".split()
# those with PyTorch's argument `inplace`, and how many there are before it besides the input
_INPLACE = {"relu": 0, "relu6": 0, "leaky_relu": 1, "elu": 1, "selu": 0, "celu": 1, "silu": 0, "mish": 0, "hardtanh": 2}


def _with_inplace(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with PyTorch's argument `inplace`: write the result over the input."""
    before = _INPLACE[name]

    @functools.wraps(function)
    def call(input: Any, *args: Any, inplace: bool = False, **kwargs: Any) -> Any:
        if len(args) > before:
            *args, inplace = args  # type: ignore[assignment]
        output = function(input, *args, **kwargs)
        return input.overwrite(output, f"{name}_") if inplace else output

    return call


for _name in _NAMES:
    _function = PUBLIC[_name]
    globals()[_name] = _with_inplace(_name, _function) if _name in _INPLACE else _function


def _padding_row(padding_idx: int | None, count: int) -> int | None:
    """The row of an embedding that is not trained, counted from 0. Raises `ArgumentError` if there is none."""
    if padding_idx is None or 0 <= padding_idx < count:
        return padding_idx
    if -count <= padding_idx < 0:
        return padding_idx + count
    raise ArgumentError(f"padding_idx is {padding_idx}, with {count} rows.")


def embedding(
    input: Any, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Rows of `weight` (count, size) by number: shape (*input.shape, size).

    Args:
        padding_idx: this row gets no gradient.
        max_norm: rows that are used and have a larger norm (a p-norm, p = `norm_type`) are shortened in place first.
        scale_grad_by_freq: divide the gradient of each row by how often its number occurs in the input.
        sparse: accepted for PyTorch's sake; gradients are dense arrays.

    Raises `DtypeError` for numbers that are not integers, `IndexingError` for one outside 0 ... count - 1.
    """
    numbers = np.asarray(input._data if isinstance(input, Tensor) else input)
    if weight.ndim != 2:
        raise ShapeError(f"embedding() takes its rows out of a matrix, not out of shape {weight.shape}.")
    if numbers.dtype.kind not in "iu":
        raise DtypeError(f"embedding() takes integers, not {numbers.dtype}.", fix="Convert them: x.long().")
    if numbers.size and (numbers.min() < 0 or numbers.max() >= weight.shape[0]):
        wrong = numbers[(numbers < 0) | (numbers >= weight.shape[0])].flat[0]
        raise IndexingError(
            f"embedding(): there is no row {wrong} among {weight.shape[0]}.",
            f"Rows are numbered 0 ... {weight.shape[0] - 1}.",
        )
    if max_norm is not None:
        _shorten(weight, np.unique(numbers), max_norm, norm_type)
    rows = weight[numbers]
    if scale_grad_by_freq and rows.requires_grad:
        values = looked_at(input) if isinstance(input, Tensor) else numbers  # compiled steps don't count
        _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
        often = counts[which].reshape(*numbers.shape, 1).astype(weight.dtype)
        rows.register_hook(lambda g: g / often)
        rows = rows.clone()  # whose gradient is as it was
    if padding_idx is None:
        return rows
    padded = (numbers == _padding_row(padding_idx, weight.shape[0]))[..., None]
    return where_row(padded, rows.detach(), rows)  # type: ignore[no-any-return]


def _shorten(weight: Tensor, numbers: Any, longest: float, p: float) -> None:
    """Scale the rows with these numbers to a norm of at most `longest`, in place."""
    with no_grad():
        lengths = weight[numbers].norm(p, 1, keepdim=True)
        if bool((lengths > longest).any()):
            weight[numbers] = weight[numbers] * where_row(lengths > longest, longest / (lengths + 1e-7), 1.0)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x1^T W_k x2 + b_k, for inputs (..., n1) and (..., n2) and a weight (k, n1, n2)."""
    if input1.shape[-1:] + input2.shape[-1:] != weight.shape[1:] or input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(
            f"bilinear(): inputs {input1.shape} and {input2.shape} do not fit a weight {weight.shape} (out, in1, in2)."
        )
    through = matmul(input1.unsqueeze(-2).unsqueeze(-2), weight)  # (..., k, 1, n2)
    output = (through.squeeze(-2) * input2.unsqueeze(-2)).sum(-1)
    return output if bias is None else output + bias  # type: ignore[no-any-return]


def _standardized(x: Tensor, *, dim: tuple[int, ...], eps: float) -> Tensor:
    spread = var_row(x, dim=dim, keepdim=True, correction=0.0)
    return (x - mean_row(x, dim=dim, keepdim=True)) * (spread + eps).rsqrt()  # type: ignore[no-any-return]


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) over the last axes, those of `normalized_shape`; then scaled and shifted.

    Raises `ShapeError` if the last axes differ from `normalized_shape`.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise ShapeError(f"layer_norm(): the last axes of {input.shape} are not {shape}.")
    dim = tuple(range(input.ndim - len(shape), input.ndim))
    output = in_float32(_standardized, input, dim=dim, eps=eps)
    if weight is not None:
        output = output * weight
    return output if bias is None else output + bias  # type: ignore[no-any-return]


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(norm(x), eps) along an axis."""
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis of their common shape; each norm is at least eps."""
    x1, x2 = PUBLIC["broadcast_tensors"](x1, x2)
    lengths = x1.norm(2, dim).clamp(min=eps) * x2.norm(2, dim).clamp(min=eps)
    return (x1 * x2).sum(dim) / lengths


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(Q K^T / sqrt(d)) V: each query's mean of the values, weighted by how well the keys fit (Vaswani 2017).

    Args:
        query: (..., L, d). key: (..., S, d). value: (..., S, d_v). The result has shape (..., L, d_v).
        attn_mask: booleans (True: may be looked at) or numbers added to the scores, broadcast to (..., L, S).
        is_causal: position i sees only the positions up to i.
        scale: instead of 1 / sqrt(d).
        enable_gqa: there may be fewer heads (axis -3) of keys and values than of queries: each serves several.

    Raises `ShapeError` where the shapes do not fit, `ArgumentError` for a mask together with `is_causal`.
    """
    if enable_gqa:
        key, value = (_for_each_head(x, query) for x in (key, value))
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    if dropout_p:
        weights = PUBLIC["dropout"](weights, dropout_p)
    return matmul(weights, value)  # type: ignore[no-any-return]


def _for_each_head(x: Tensor, query: Tensor) -> Tensor:
    """Keys or values, repeated until there are as many heads as of queries."""
    if min(x.ndim, query.ndim) < 3 or not x.shape[-3] or query.shape[-3] % x.shape[-3]:
        raise ShapeError(
            f"enable_gqa: the heads of {x.shape} do not divide those of the queries, {query.shape}.",
            "Heads are axis -3. Each of keys and values serves the same number of heads of queries.",
        )
    return x.repeat_interleave(query.shape[-3] // x.shape[-3], -3)


def attention_weights(
    query: Tensor, key: Tensor, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """softmax(Q K^T / sqrt(d)), the weights of `scaled_dot_product_attention`: rows add up to 1.

    Where the mask lets a position look at nothing its row is 0, as in PyTorch.
    """
    if query.ndim < 2 or key.ndim < 2 or query.shape[-1] != key.shape[-1]:
        raise ShapeError(f"Attention: queries {query.shape} and keys {key.shape} must be (..., length, d) with one d.")
    scores = matmul(query, key.mT) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        if attn_mask is not None:
            raise ArgumentError("Attention takes a mask or is_causal, not both.")
        attn_mask = np.tril(np.ones(scores.shape[-2:], dtype=bool))
    if attn_mask is not None:
        if attn_mask.dtype.kind == "b":
            sees = attn_mask.any(-1, keepdims=True)  # softmax of nothing but -inf would be NaN
            return where_row(sees, softmax(where_row(attn_mask | ~sees, scores, -np.inf), -1), 0.0)  # type: ignore[no-any-return]
        scores = scores + attn_mask
    return softmax(scores, -1)  # type: ignore[no-any-return]


for _name, _function in list(globals().items()):
    if not _name.startswith("_") and getattr(_function, "__module__", "").startswith(f"{__package__}."):
        # a call that does not fit is answered as for `microtrain.name`
        globals()[_name] = _function = explained(_name, _function)
        _function.__module__ = __name__


def __getattr__(name: str) -> Any:
    return refuse(__name__, name, list(globals()))
