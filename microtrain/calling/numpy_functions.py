"""NumPy's functions that have the same meaning on tensors, with NumPy's parameters; see `numpy_protocol`.

Each is called by the names and in the order that NumPy knows; calls with other arguments (dtype=, out=, where=) are no
business of these.
"""

# ruff: noqa: PLW0108 (the lambdas have NumPy's names for the parameters)
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, IndexingError, NotDifferentiableError, ShapeError
from ..functions.arranging import equal_parts
from ..functions.creation import linspace
from ..functions.norms import norm, vector_norm
from ..ops import arithmetic, special
from ..ops.arithmetic import mul
from ..ops.primitive import FUNCTIONS, METHODS, Primitive
from ..ops.products import matmul
from ..ops.shapes import normalise_dim, normalise_dims
from ..tensor import Tensor


def _reduction(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, keepdims=False: FUNCTIONS[name](a, axis, keepdims)


def _spread(name: str) -> Callable[..., Any]:
    """NumPy divides by n unless told otherwise (ddof), PyTorch by n - 1."""
    return lambda a, axis=None, ddof=0, keepdims=False: FUNCTIONS[name](a, axis, keepdim=keepdims, correction=ddof)


def _where_is(name: str) -> Callable[..., Any]:
    return lambda a, axis=None, keepdims=False: FUNCTIONS[name](a, axis, keepdims)


def _flat_if(axis: int | None, a: Any, function: Callable[[Any, int], Any]) -> Any:
    """A function along an axis; NumPy's None means all elements, as a vector."""
    return function(a.reshape(-1), 0) if axis is None else function(a, axis)


def _running(name: str) -> Callable[..., Any]:
    return lambda a, axis=None: _flat_if(axis, a, FUNCTIONS[name])


def _dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return mul(a, b)
    if np.ndim(b) > 2:
        return FUNCTIONS["tensordot"](a, b, ([-1], [-2]))
    return matmul(a, b)


def _all_of(name: str) -> Callable[..., Any]:
    """The same parameters, by position."""
    return lambda a, *others: FUNCTIONS[name](a, *others)


def _nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if not copy:
        raise NotDifferentiableError("np.nan_to_num(copy=False) of a tensor.", fix="Use x.nan_to_num_().")
    return FUNCTIONS["nan_to_num"](x, nan, posinf, neginf)


def _pad(array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: float = 0) -> Any:
    """NumPy counts the axes from the first, PyTorch from the last."""
    if mode != "constant":
        if array.requires_grad:
            raise NotDifferentiableError(
                f"np.pad(mode={mode!r}) of a tensor that requires grad.", fix="Use mt.nn.functional.pad."
            )
        return np.pad(array.numpy(), pad_width, mode)
    try:
        pairs = np.broadcast_to(pad_width, (array.ndim, 2))[::-1]
    except ValueError:
        raise ArgumentError(
            f"np.pad(): pad_width is {pad_width!r} for an array of shape {array.shape}.",
            "It is one number, a pair (before, after), or a pair for each axis.",
        ) from None
    return FUNCTIONS["pad"](array, pairs.reshape(-1).tolist(), mode, constant_values)


def _parts(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return list(FUNCTIONS["tensor_split"](ary, indices_or_sections, axis))


def _equal_parts(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return list(equal_parts(ary, indices_or_sections, normalise_dim(axis, ary.ndim), "np.split()"))


def _average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    if weights is None:
        return FUNCTIONS["mean"](a, axis, keepdims)
    a, weights = _each([a, weights])
    if weights.ndim == 1 and isinstance(axis, int) and len(weights) == a.shape[axis]:
        weights = weights.reshape(*(-1 if i == axis % a.ndim else 1 for i in range(a.ndim))).expand_as(a)
    if np.shape(weights) != np.shape(a):
        raise ShapeError(
            f"np.average(): weights of shape {np.shape(weights)} for numbers of shape {np.shape(a)}.",
            fix="Reshape the weights, so that they say which axis they belong to.",
        )
    total = FUNCTIONS["sum"]
    return total(a * weights, axis, keepdims) / total(weights, axis, keepdims)


def _each(arrays: Any) -> list[Any]:
    """Several arrays, some of them perhaps lists of numbers, as tensors."""
    return [x if isinstance(x, Tensor) else Tensor(np.asarray(x)) for x in arrays]


def _concatenate(arrays: Any, axis: int | None = 0) -> Any:
    each = _each(arrays)
    return FUNCTIONS["cat"]([x.reshape(-1) for x in each] if axis is None else each, axis or 0)


def _append(arr: Any, values: Any, axis: int | None = None) -> Any:
    return _concatenate([arr, values], axis)


def _round(a: Any, decimals: int = 0) -> Any:
    return FUNCTIONS["round"](a, decimals=decimals)


def _expand_dims(a: Any, axis: Any) -> Any:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    for dim in sorted(normalise_dims(axes, a.ndim + len(axes))):
        a = FUNCTIONS["unsqueeze"](a, dim)
    return a


def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    indices = np.asarray(getattr(indices, "_data", indices))
    return _flat_if(axis, a, lambda x, dim: x[(slice(None),) * normalise_dim(dim, x.ndim) + (indices,)])


def _ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return FUNCTIONS["amax"](a, axis, keepdims) - FUNCTIONS["amin"](a, axis, keepdims)


def _quantile(a: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """PyTorch's knows one axis; several become the last."""
    if isinstance(axis, tuple):
        axes = normalise_dims(axis, a.ndim)
        a = FUNCTIONS["movedim"](a, axes, tuple(range(-len(axes), 0))).flatten(-len(axes))
        result = FUNCTIONS["quantile"](a, q, -1)
        return _expand_dims(result, tuple(d + np.ndim(q) for d in axes)) if keepdims else result
    return FUNCTIONS["quantile"](a, q, axis, keepdims)


def _percentile(a: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _quantile(a, np.true_divide(q, 100), axis, keepdims)


def _median(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Between the two in the middle, where PyTorch's is the lower of them."""
    return _quantile(a, 0.5, axis, keepdims)


def _rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    axis, start = normalise_dim(axis, a.ndim), start + a.ndim * (start < 0)
    if not 0 <= start <= a.ndim:
        raise IndexingError(f"np.rollaxis() of shape {a.shape}: start is beyond its {a.ndim} axes.")
    return FUNCTIONS["movedim"](a, axis, start - (start > axis))


def _linspace(start: Any, stop: Any, num: int = 50) -> Any:
    """mt.linspace, and between arrays of any shape: along a new first axis."""
    axes = max(np.ndim(start), np.ndim(stop))
    if not axes:
        return linspace(start, stop, num)
    return arithmetic.lerp_row(*_each([start, stop]), linspace(0, 1, num).reshape(-1, *[1] * axes))


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """The first choice whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ArgumentError(f"np.select() was given {len(condlist)} conditions and {len(choicelist)} choices.")
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        default = FUNCTIONS["where"](condition, choice, default)
    return default


def _polyval(p: Any, x: Any) -> Any:
    """Horner's rule; the coefficient of the highest power comes first."""
    (x,) = _each([x])
    return functools.reduce(lambda value, coefficient: value * x + coefficient, p, x * 0)


def _variables(m: Any, y: Any, rowvar: bool) -> Any:
    """Data in rows, below them that of `y`."""
    each = [x if rowvar or x.ndim < 2 else x.T for x in _each([m] if y is None else [m, y])]
    return each[0] if y is None else FUNCTIONS["vstack"](each)


def _cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    return FUNCTIONS["cov"](_variables(m, y, rowvar), correction=1 - bias if ddof is None else ddof)


def _corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    return FUNCTIONS["corrcoef"](_variables(x, y, rowvar))


def _repeat(a: Any, repeats: int, axis: int | None = None) -> Any:
    return FUNCTIONS["repeat_interleave"](a, repeats, axis)


# NumPy's other names for elementwise functions: the row
UFUNCS: dict[np.ufunc, Primitive] = {
    np.fabs: arithmetic.abs,
    np.conjugate: arithmetic.positive,
    np.deg2rad: special.deg2rad,
    np.radians: special.deg2rad,
    np.rad2deg: special.rad2deg,
    np.degrees: special.rad2deg,
}

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
    np.sort: lambda a, axis=-1: _flat_if(axis, a, lambda x, dim: FUNCTIONS["sort"](x, dim).values),
    np.argsort: lambda a, axis=-1: _flat_if(axis, a, FUNCTIONS["argsort"]),
    np.concatenate: _concatenate,
    np.stack: lambda arrays, axis=0: FUNCTIONS["stack"](_each(arrays), axis),
    np.vstack: lambda tup: FUNCTIONS["vstack"](_each(tup)),
    np.hstack: lambda tup: FUNCTIONS["hstack"](_each(tup)),
    np.column_stack: lambda tup: FUNCTIONS["column_stack"](_each(tup)),
    np.reshape: lambda a, shape: FUNCTIONS["reshape"](a, shape),
    np.ravel: _all_of("flatten"),
    np.squeeze: lambda a, axis=None: FUNCTIONS["squeeze"](a, axis),
    np.expand_dims: _expand_dims,
    np.transpose: lambda a, axes=None: a.T if axes is None else FUNCTIONS["permute"](a, axes),
    np.swapaxes: lambda a, axis1, axis2: FUNCTIONS["transpose"](a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: FUNCTIONS["movedim"](a, source, destination),
    np.broadcast_to: lambda array, shape: FUNCTIONS["broadcast_to"](array, shape),
    np.flip: lambda m, axis=None: FUNCTIONS["flip"](m) if axis is None else FUNCTIONS["flip"](m, axis),
    np.roll: lambda a, shift, axis=None: FUNCTIONS["roll"](a, shift, axis),
    np.tile: lambda A, reps: FUNCTIONS["tile"](A, reps),
    np.repeat: _repeat,
    np.flipud: _all_of("flipud"),
    np.fliplr: _all_of("fliplr"),
    np.rot90: lambda m, k=1, axes=(0, 1): FUNCTIONS["rot90"](m, k, axes),
    np.split: _equal_parts,
    np.array_split: _parts,
    np.vsplit: lambda ary, indices_or_sections: list(FUNCTIONS["vsplit"](ary, indices_or_sections)),
    np.hsplit: lambda ary, indices_or_sections: list(FUNCTIONS["hsplit"](ary, indices_or_sections)),
    np.append: _append,
    np.pad: _pad,
    np.dstack: lambda tup: FUNCTIONS["dstack"](_each(tup)),
    np.atleast_1d: _all_of("atleast_1d"),
    np.atleast_2d: _all_of("atleast_2d"),
    np.atleast_3d: _all_of("atleast_3d"),
    np.meshgrid: lambda *xi, indexing="xy": FUNCTIONS["meshgrid"](*xi, indexing=indexing),
    np.average: _average,
    np.nansum: _reduction("nansum"),
    np.nanmean: _reduction("nanmean"),
    np.nan_to_num: _nan_to_num,
    np.real: lambda val: val,
    np.sinc: _all_of("sinc"),
    np.diag: lambda v, k=0: FUNCTIONS["diag"](v, k),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: FUNCTIONS["diagonal"](a, offset, axis1, axis2),
    np.trace: lambda a, offset=0, axis1=0, axis2=1: FUNCTIONS["diagonal"](a, offset, axis1, axis2).sum(-1),
    np.tril: lambda m, k=0: FUNCTIONS["tril"](m, k),
    np.triu: lambda m, k=0: FUNCTIONS["triu"](m, k),
    np.outer: lambda a, b: FUNCTIONS["outer"](a.reshape(-1), b.reshape(-1)),
    np.dot: _dot,
    np.inner: _all_of("inner"),
    np.kron: _all_of("kron"),
    np.cross: _all_of("cross"),
    np.vdot: lambda a, b: _dot(a.reshape(-1), b.reshape(-1)),
    np.diff: lambda a, n=1, axis=-1: FUNCTIONS["diff"](a, n, axis),
    np.tensordot: lambda a, b, axes=2: FUNCTIONS["tensordot"](
        a, b, axes if isinstance(axes, int) else [[d] if isinstance(d, int) else d for d in axes]
    ),
    np.einsum: lambda subscripts, *operands: FUNCTIONS["einsum"](subscripts, *operands),
    np.take_along_axis: lambda arr, indices, axis: FUNCTIONS["take_along_dim"](arr, indices, axis),
    np.quantile: _quantile,
    np.percentile: _percentile,
    np.median: _median,
    np.ptp: _ptp,
    np.take: _take,
    np.copy: lambda a: a.clone(),
    np.rollaxis: _rollaxis,
    np.select: _select,
    np.polyval: _polyval,
    np.cov: _cov,
    np.corrcoef: _corrcoef,
    np.linspace: _linspace,
    np.trapezoid: lambda y, x=None, dx=1.0, axis=-1: FUNCTIONS["trapezoid"](y, x, dx=dx, dim=axis),
    np.vander: lambda x, N=None, increasing=False: FUNCTIONS["vander"](x, N, increasing),
    np.matrix_transpose: lambda x: x.mT,
    np.astype: lambda x, dtype: METHODS["to"](x, dtype),
    np.linalg.norm: lambda x, ord=None, axis=None, keepdims=False: norm(x, ord, axis, keepdims),
    np.linalg.vector_norm: lambda x, *, axis=None, keepdims=False, ord=2: vector_norm(x, ord, axis, keepdims),
    np.linalg.trace: lambda x, *, offset=0: FUNCTIONS["diagonal"](x, offset, -2, -1).sum(-1),
    np.linalg.diagonal: lambda x, *, offset=0: FUNCTIONS["diagonal"](x, offset, -2, -1),
    np.linalg.inv: _all_of("inv"),
    np.linalg.det: _all_of("det"),
    np.linalg.slogdet: _all_of("slogdet"),
    np.linalg.solve: _all_of("solve"),
    np.linalg.cholesky: _all_of("cholesky"),
    np.linalg.eigvalsh: _all_of("eigvalsh"),
    np.linalg.eigh: _all_of("eigh"),
    np.linalg.matrix_power: _all_of("matrix_power"),
    np.linalg.multi_dot: lambda arrays: FUNCTIONS["chain_matmul"](*arrays),
}
