"""Clipping gradients, and all parameters as one vector. Call after `backward()`, before `optimizer.step()`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ... import dtypes
from ...engine.quiet import quiet, restore
from ...engine.recording import MODE, no_grad
from ...engine.views import count_write
from ...errors import ArgumentError, DtypeError, GraphError, ShapeError
from ...kernels.products import matmul
from ...ops.arithmetic import maximum
from ...ops.comparison import where_row as where
from ...ops.joining import cat
from ...tensor import Tensor, wrap

Parameters = Tensor | Iterable[Tensor]


def get_total_norm(
    tensors: Parameters, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements of all tensors together; a tensor of shape ().

    It has the dtype of the tensors; not of float16, in which it would soon be infinite, but float32. Raises
    `ArgumentError` for a norm of no positive order, `GraphError` for NaN or infinity if `error_if_nonfinite`.
    """
    order = float(norm_type)
    if not order > 0:
        raise ArgumentError(f"A norm of order {norm_type} is not defined here; it must be positive.")
    if _is_compiled():
        found = _norm_by_operations(_listed(tensors), order)
        if not error_if_nonfinite or math.isfinite(float(found)):
            return found
    listed = _listed(tensors)
    token = quiet()
    try:
        norms = [_norm(t._data, order) for t in listed]
        total = np.array(_norm(np.array(norms), order) if norms else 0.0, _dtype_of(listed))
    finally:
        restore(token)
    if error_if_nonfinite and not math.isfinite(total):
        raise GraphError(
            f"The norm of the gradients is {total}, so they can't be clipped.",
            "Some element is NaN or infinite, or the norm is too large for its dtype.",
            "detect_anomaly() names the operation; error_if_nonfinite=False scales them all the same.",
        )
    norm: Tensor = wrap(total)
    return norm


def clip_grad_norm_(
    parameters: Parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """Scale all gradients together so that their norm is at most `max_norm`; returns the norm before.

    g <- g min(1, max_norm / (|g| + 1e-6)): the direction stays. The rate of the step that follows is in effect
    lr min(1, max_norm / |g|), see `effective_lr`. Raises what `get_total_norm` raises.
    """
    params = _listed(parameters)
    norm = get_total_norm([p._grad for p in params if p._grad is not None], norm_type, error_if_nonfinite)
    clip_grads_with_norm_(params, max_norm, norm)
    return norm


def clip_grads_with_norm_(
    parameters: Parameters, max_norm: float, total_norm: Tensor | float, foreach: bool | None = None
) -> None:
    """Scale all gradients by min(1, max_norm / (total_norm + 1e-6)), for a norm that is known already."""
    if isinstance(total_norm, Tensor) and _is_compiled():
        scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        with no_grad():
            for p in _listed(parameters):
                if p._grad is not None:
                    p._grad.mul_(scale.to(p._grad.dtype))
        return
    factor = float(max_norm) / (float(total_norm) + 1e-6)
    if not factor >= 1:
        for p in _listed(parameters):
            if p._grad is not None:
                _scale(p._grad, factor, "clip_grad_norm_")


def clip_grad_value_(parameters: Parameters, clip_value: float, foreach: bool | None = None) -> None:
    """Cut every element of every gradient to [-clip_value, clip_value]. The direction changes."""
    limit = float(clip_value)
    for p in _listed(parameters):
        if p._grad is not None:
            if _is_compiled():
                with no_grad():
                    p._grad.clamp_(-limit, limit)
                continue
            g = p._grad._array()
            np.clip(g, -limit, limit, out=g)
            count_write(p._grad, "clip_grad_value_", 3)


def clip_grad_norm_each_(parameters: Parameters, max_norm: float, norm_type: float = 2.0) -> list[Any]:
    """Scale each gradient for itself so that its norm is at most `max_norm`; returns the norms before (0 for none).

    They are floats, and tensors inside a compiled step. Raises `ArgumentError` for a norm of no positive order.
    """
    norms: list[Any] = []
    for p in _listed(parameters):
        norm = get_total_norm([] if p._grad is None else [p._grad], norm_type)
        norms.append(norm if _is_compiled() else float(norm))
        clip_grads_with_norm_(p, max_norm, norms[-1])
    return norms


def clip_grad_adaptive_(parameters: Parameters, clipping: float = 0.01, eps: float = 1e-3) -> list[Any]:
    """Scale the gradient of each unit so that it is at most `clipping` times as long as the unit's weights.

    A unit is a row of a weight matrix (all that leads to one output); a vector, such as a bias, is one unit. `eps` is
    the least length that weights count as, so that zeros can begin to move. Returns the norms before, one array for
    each gradient (a tensor inside a compiled step). (Brock et al. 2021, adaptive gradient clipping.)
    """
    norms: list[Any] = []
    with no_grad():
        for p in _listed(parameters):
            g = p._grad
            if g is None:
                continue
            axes = tuple(range(1, g.ndim)) if g.ndim > 1 else tuple(range(g.ndim))
            length, weights = ((x * x).sum(axes, keepdim=True).sqrt() for x in (g, p.detach()))
            factor = (clipping * weights.clamp(min=eps) / length).clamp(max=1.0)
            g.mul_(where(length > 0, factor, 1.0))
            norms.append(length if _is_compiled() else length.numpy())
    return norms


def effective_lr(lr: float, norm: float, max_norm: float) -> float:
    """The rate that a step of gradient descent has after its gradient was clipped: lr min(1, max_norm / norm).

    The step is never longer than lr max_norm. The book prints min(lr, max_norm / norm), which compares a rate with a
    number that has no unit and would leave lr = 0.1 unclipped at norm 5 and max_norm 1.
    """
    return lr * min(1.0, float(max_norm) / float(norm)) if float(norm) > 0 else lr


# ---------------------------------------------------------------------------------------------------------------------


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters as one vector, in their order; differentiable."""
    joined: Tensor = cat([p.reshape(-1) for p in parameters])
    return joined


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write a vector into the parameters. Raises `ShapeError` if the numbers of elements differ."""
    params = list(parameters)
    count = sum(p.numel() for p in params)
    if vec.shape != (count,):
        raise ShapeError(f"A vector of shape {vec.shape} does not fit {count} parameters.")
    start = 0
    with no_grad():
        for p in params:
            p.copy_(vec[start : start + p.numel()].reshape(p.shape))
            start += p.numel()


def _listed(tensors: Parameters) -> Sequence[Tensor]:
    if isinstance(tensors, Tensor):
        return [tensors]
    if not isinstance(tensors, Iterable):
        raise DtypeError(f"Clipping takes tensors, not {type(tensors).__name__}.", fix="model.parameters()")
    listed = list(tensors)
    for t in listed:
        if not isinstance(t, Tensor):
            raise DtypeError(f"Clipping takes tensors, not {type(t).__name__}.", fix="model.parameters()")
    return listed


def _is_compiled() -> bool:
    """Does the compiler listen? It can only take over what is made of operations.

    Eager steps do not use operations here: with four gradients they take seven times as long as NumPy (measured).
    """
    listeners = MODE.get().listeners
    return bool(listeners) and any(getattr(listener, "compiles", False) for listener in listeners)


def _dtype_of(tensors: Sequence[Tensor]) -> np.dtype[Any]:
    """The dtype of their norm; PyTorch's, but for float16."""
    if not tensors:
        return dtypes.get_default_dtype()
    kinds: list[np.dtype[Any]] = [t._data.dtype for t in tensors]
    if kinds.count(kinds[0]) == len(kinds) and kinds[0] != dtypes.float16:
        return kinds[0]
    return np.result_type(dtypes.float32, *kinds)


def _norm_by_operations(tensors: Sequence[Tensor], order: float) -> Tensor:
    """The same norm of operations, without the care for very large and small numbers."""
    dtype = _dtype_of(tensors)
    if not tensors:
        return wrap(np.array(0.0, dtype))
    with no_grad():
        tensors = [t.to(dtype) for t in tensors]
        if order == math.inf:
            parts = [t.abs().max() for t in tensors]
        else:
            parts = [(t * t if order == 2 else t.abs() ** order).sum() for t in tensors]
        total = parts[0]
        for part in parts[1:]:
            total = maximum(total, part) if order == math.inf else total + part
        found: Tensor = total if order == math.inf else total.sqrt() if order == 2 else total ** (1 / order)
    return found


def _norm(x: Any, order: float) -> float:
    flat: np.ndarray = np.ravel(x)
    if order == math.inf:
        return float(np.abs(flat).max(initial=0.0))
    if order == 2:
        square = float(matmul(flat, flat))
        if 1e-25 < square < 1e25:
            return math.sqrt(square)
    flat = np.abs(flat).astype(np.float64)  # squares of very large or small numbers are infinite or 0
    largest = float(flat.max(initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * float(float(np.sum((flat / largest) ** order)) ** (1 / order))


def _scale(g: Tensor, factor: float, who: str) -> None:
    memory = g._array()
    token = quiet()
    try:
        np.multiply(memory, factor, out=memory)
    finally:
        restore(token)
    count_write(g, who, 4)
