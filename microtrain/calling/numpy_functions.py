"""NumPy's functions that have the same meaning on tensors, with NumPy's parameters; see `numpy_protocol`.

Each is called by the names and in the order that NumPy knows; calls with other arguments (dtype=, out=, where=) are no
business of these.
"""

# ruff: noqa: PLW0108 (the lambdas have NumPy's names for the parameters)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import NotDifferentiableError
from ..ops import linalg
from ..ops.arithmetic import mul
from ..ops.primitive import FUNCTIONS, METHODS


def _reduction(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, keepdims=False: FUNCTIONS[name](a, axis, keepdims)


def _spread(name: str) -> Callable[..., Any]:
    """NumPy divides by n unless told otherwise (ddof), PyTorch by n - 1."""
    return lambda a, axis=None, ddof=0, keepdims=False: FUNCTIONS[name](a, axis, keepdim=keepdims, correction=ddof)


def _where_is(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, keepdims=False: FUNCTIONS[name](a, axis, keepdims)


def _running(name: str) -> Callable[..., Any]:
    return lambda a, axis=None: FUNCTIONS[name](a.reshape(-1) if axis is None else a, 0 if axis is None else axis)


def _dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return mul(a, b)
    if np.ndim(b) > 2:
        raise NotDifferentiableError("np.dot of tensors with more than two axes.", fix="Use matmul (@) or mt.einsum.")
    return linalg.matmul(a, b)


def _all_of(name: str) -> Callable[..., Any]:
    """The same parameters, by position."""
    return lambda a, *others: FUNCTIONS[name](a, *others)


def _round(a: Any, decimals: int = 0) -> Any:
    return FUNCTIONS["round"](a, decimals=decimals)


def _repeat(a: Any, repeats: int, axis: int | None = None) -> Any:
    return FUNCTIONS["repeat_interleave"](a, repeats, axis)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    from ..linalg import norm  # on a floor above this one

    return norm(x, ord, axis, keepdims)


# NumPy's function: ours
SAME: dict[Any, Callable[..., Any]] = {
    **{getattr(np, name): _reduction(name) for name in ("sum", "mean", "prod", "any", "all")},
    **{getattr(np, name): _reduction(name) for name in ("amax", "amin")},
    np.max: _reduction("amax"),
    np.min: _reduction("amin"),
    np.var: _spread("var"),
    np.std: _spread("std"),
    np.argmax: _where_is("argmax"),
    np.argmin: _where_is("argmin"),
    np.cumsum: _running("cumsum"),
    np.cumprod: _running("cumprod"),
    np.clip: lambda a, a_min=None, a_max=None, min=None, max=None: FUNCTIONS["clamp"](
        a, a_min if min is None else min, a_max if max is None else max
    ),
    np.round: _round,
    np.around: _round,
    np.where: lambda condition, x=None, y=None: FUNCTIONS["where"](condition, x, y),
    np.sort: lambda a, axis=-1: FUNCTIONS["sort"](a, axis).values,
    np.argsort: lambda a, axis=-1: FUNCTIONS["argsort"](a, axis),
    np.concatenate: lambda arrays, axis=0: FUNCTIONS["cat"](arrays, axis),
    np.stack: lambda arrays, axis=0: FUNCTIONS["stack"](arrays, axis),
    np.vstack: _all_of("vstack"),
    np.hstack: _all_of("hstack"),
    np.column_stack: _all_of("column_stack"),
    np.reshape: lambda a, shape: FUNCTIONS["reshape"](a, shape),
    np.ravel: _all_of("flatten"),
    np.squeeze: lambda a, axis=None: FUNCTIONS["squeeze"](a, axis),
    np.expand_dims: lambda a, axis: FUNCTIONS["unsqueeze"](a, axis),
    np.transpose: lambda a, axes=None: a.T if axes is None else FUNCTIONS["permute"](a, axes),
    np.swapaxes: lambda a, axis1, axis2: FUNCTIONS["transpose"](a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: FUNCTIONS["movedim"](a, source, destination),
    np.broadcast_to: lambda array, shape: FUNCTIONS["broadcast_to"](array, shape),
    np.flip: lambda m, axis=None: FUNCTIONS["flip"](m) if axis is None else FUNCTIONS["flip"](m, axis),
    np.roll: lambda a, shift, axis=None: FUNCTIONS["roll"](a, shift, axis),
    np.tile: lambda A, reps: FUNCTIONS["tile"](A, reps),
    np.repeat: _repeat,
    np.diag: lambda v, k=0: FUNCTIONS["diag"](v, k),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: FUNCTIONS["diagonal"](a, offset, axis1, axis2),
    np.trace: _all_of("trace"),
    np.tril: lambda m, k=0: FUNCTIONS["tril"](m, k),
    np.triu: lambda m, k=0: FUNCTIONS["triu"](m, k),
    np.outer: lambda a, b: FUNCTIONS["outer"](a.reshape(-1), b.reshape(-1)),
    np.dot: _dot,
    np.inner: _all_of("inner"),
    np.kron: _all_of("kron"),
    np.cross: _all_of("cross"),
    np.diff: lambda a, n=1, axis=-1: FUNCTIONS["diff"](a, n, axis),
    np.tensordot: lambda a, b, axes=2: FUNCTIONS["tensordot"](a, b, axes),
    np.einsum: lambda subscripts, *operands: FUNCTIONS["einsum"](subscripts, *operands),
    np.take_along_axis: lambda arr, indices, axis: FUNCTIONS["take_along_dim"](arr, indices, axis),
    np.quantile: lambda a, q, axis=None, keepdims=False: FUNCTIONS["quantile"](a, q, axis, keepdims),
    np.astype: lambda x, dtype: METHODS["to"](x, dtype),
    np.linalg.norm: _norm,
    np.linalg.inv: _all_of("inv"),
    np.linalg.det: _all_of("det"),
    np.linalg.slogdet: _all_of("slogdet"),
    np.linalg.solve: _all_of("solve"),
    np.linalg.cholesky: _all_of("cholesky"),
    np.linalg.eigvalsh: _all_of("eigvalsh"),
}
