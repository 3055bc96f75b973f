"""Functions of PyTorch for statistics and sampled curves, made of others: their derivatives come by themselves."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..engine.values import looked_at
from ..errors import ArgumentError, ShapeError
from ..ops.arithmetic import clamp
from ..ops.comparison import where_row
from ..ops.exponential import logaddexp
from ..ops.extremes import ValuesAndIndices, amax, amin, only_element, pick_along
from ..ops.indexing import gather_row, getitem_row
from ..ops.joining import along, cat
from ..ops.primitive import operation
from ..ops.reductions import kept, mean, sum as total
from ..ops.scans import cumsum
from ..ops.shapes import normalise_dim, reshape
from ..ops.sorting import argsort, sort
from ..tensor import Tensor, wrap


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(np.asarray(x))


# ---- order -----------------------------------------------------------------------------------------------------------

ROUNDINGS = ("linear", "lower", "higher", "nearest", "midpoint")


def _parts(q: Any) -> Tensor:
    """q as a tensor; it may require grad."""
    parts = _tensor(q).to(np.float64)
    if parts.ndim > 1 or not bool(((parts >= 0) & (parts <= 1)).all()):
        raise ArgumentError(f"quantile(): q is a number from 0 to 1, or a vector of them, not {q}.")
    return parts


@operation()
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The value below which a part q of the elements lies, along an axis or of all.

    For a vector q the result has a first axis of that length; a gradient flows to q too. Between two elements it
    interpolates; "lower", "higher", "nearest" and "midpoint" are the other ways. Where there is a NaN the result is
    NaN. Raises `ArgumentError` for q outside [0, 1] or another interpolation, `ShapeError` if there are no elements.
    """
    if interpolation not in ROUNDINGS:
        raise ArgumentError(f"quantile(): interpolation is {interpolation!r}.", fix="Use " + ", ".join(ROUNDINGS) + ".")
    parts = _parts(q)
    x = input if dim is not None else input.reshape(-1)
    axis = normalise_dim(dim if dim is not None else 0, x.ndim)
    n = x.shape[axis] if x.ndim else 1
    if n == 0:
        raise ShapeError(f"quantile() of no elements: the tensor has shape {input.shape}.")
    x = x if x.dtype.kind == "f" else x.to(np.float64)
    ordered = (sort(x, axis).values if x.ndim else x.reshape(1)).movedim(axis, 0)
    place = parts * (n - 1)
    low, high = place.detach().floor(), place.detach().ceil()
    weight = {
        "linear": place - low, "lower": 0 * low, "higher": 0 * low + 1, "midpoint": 0 * low + 0.5,
        "nearest": place.detach().round() - low,
    }[interpolation]  # fmt: skip
    below, above = ordered[low.long()], ordered[high.long()]
    wide = weight.to(ordered.dtype).reshape(parts.shape + (1,) * (ordered.ndim - 1))
    result = below + wide * (above - below)
    result = where_row((ordered != ordered).any(0), np.nan, result)
    if keepdim and input.ndim:
        if dim is None:
            return result.reshape(*parts.shape, *[1] * input.ndim)
        return result.unsqueeze(axis + parts.ndim)
    return result


@operation()
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """(value, index) of the k-th smallest element along an axis; k counts from 1."""
    axis = normalise_dim(dim, input.ndim)
    n = input.shape[axis] if input.ndim else 1
    if not 1 <= k <= n:
        raise ArgumentError(f"kthvalue(): there is no element number {k} among {n} (the first is 1).")
    if input.ndim == 0:
        return only_element(input)
    indices = getitem_row(argsort(input, axis), index=along(axis, slice(k - 1, k)))
    return pick_along(input, indices, axis, keepdim)


@operation()
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """(the most frequent value, where it stands last) along an axis; the smallest of equally frequent ones."""
    axis = normalise_dim(dim, input.ndim)
    if input.ndim == 0:
        return only_element(input)
    if input.shape[axis] == 0:
        raise ShapeError(f"mode() of no elements: the tensor has shape {input.shape}.")
    if input.numel() == 0:  # no row to look at
        return pick_along(input, wrap(np.zeros(kept(input.shape, (axis,)), dtype=np.int64)), axis, keepdim)

    def last_of_most(row: Any) -> Any:
        _, which, counts = np.unique(row, return_inverse=True, return_counts=True)
        return np.flatnonzero(which == np.argmax(counts))[-1:]  # also of NaN, which equals nothing

    indices = wrap(np.apply_along_axis(last_of_most, axis, looked_at(input)))
    return pick_along(input, indices, axis, keepdim)


@operation()
def msort(input: Any) -> Any:
    """Sorted along the first axis."""
    return sort(input, 0).values


class Extremes(NamedTuple):
    """The smallest and the largest element."""

    min: Any
    max: Any


@operation()
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Extremes:
    """(smallest, largest), over everything or along an axis."""
    return Extremes(amin(input, dim, keepdim), amax(input, dim, keepdim))


def _running(input: Any, dim: int, best: Any) -> ValuesAndIndices:
    axis = normalise_dim(dim, input.ndim)
    if input.ndim == 0:
        return ValuesAndIndices(input.clone(), wrap(np.zeros((), np.int64)))
    raw = looked_at(input)
    wide = tuple(-1 if k == axis else 1 for k in range(input.ndim))
    here = (raw == best.accumulate(raw, axis=axis)) | np.isnan(raw)  # the last of equal ones counts
    indices = wrap(np.maximum.accumulate(np.where(here, np.arange(raw.shape[axis]).reshape(wide), 0), axis=axis))
    return ValuesAndIndices(gather_row(input, indices, dim=axis), indices)


@operation()
def cummax(input: Any, dim: int) -> ValuesAndIndices:
    """(largest so far, where it stands) along an axis."""
    return _running(input, dim, np.maximum)


@operation()
def cummin(input: Any, dim: int) -> ValuesAndIndices:
    """(smallest so far, where it stands) along an axis."""
    return _running(input, dim, np.minimum)


@operation()
def logcumsumexp(input: Any, dim: int) -> Any:
    """ln of the running sum of exp along an axis, without overflow, and right where the first terms are far smaller."""
    axis = normalise_dim(dim, input.ndim)
    numbers = input * 1.0  # of integers too
    some = numbers != -np.inf  # ln 0; two of them have no derivatives, but the lowest numbers there are do
    output = where_row(some, numbers, float(np.finfo(numbers.dtype).min))
    step = 1
    while input.ndim and step < input.shape[axis]:  # element i holds the sum of the last `step` terms up to i
        start, later, earlier = (
            getitem_row(output, index=along(axis, part)) for part in (slice(step), slice(step, None), slice(-step))
        )
        output = cat([start, logaddexp(later, earlier)], axis)
        step *= 2
    return where_row(cumsum(some, axis) > 0, output, -np.inf)


# ---- moments ---------------------------------------------------------------------------------------------------------


@operation()
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum of the elements that are not NaN."""
    return total(where_row(input != input, 0, input), dim, keepdim, dtype=dtype)


@operation()
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean of the elements that are not NaN."""
    sums = nansum(input, dim, keepdim, dtype=dtype)
    count = total(input == input, dim, keepdim)
    return sums / (count.to(sums.dtype) if sums.dtype.kind == "f" else count)


@operation()
def cov(input: Any, *, correction: float = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of the rows (variables) over the columns (observations); divides by n - correction.

    `fweights` (whole numbers) says how often each observation occurred, `aweights` how much it counts. The divisor is
    then sum w - correction * sum (w a) / sum w, with w the product of both and a the aweights (`numpy.cov`).
    """
    if input.ndim > 2:
        raise ShapeError(f"cov() takes variables in rows and observations in columns, not shape {input.shape}.")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    if fweights is None and aweights is None:
        apart = x - mean(x, 1, True)
        return ((apart @ apart.mT) / max(0.0, x.shape[1] - correction)).squeeze()
    ones = Tensor(np.ones(x.shape[1], dtype=x.dtype if x.dtype.kind == "f" else np.float64))
    often, heavy = (ones if w is None else ones * _tensor(w).to(ones.dtype) for w in (fweights, aweights))
    weights = often * heavy
    if weights.shape != x.shape[1:] or bool((weights < 0).any()):
        raise ShapeError(
            f"cov(): weights of shape {weights.shape} for {x.shape[1]} observations; none may be negative."
        )
    apart = x - (x * weights).sum(1, keepdim=True) / weights.sum()
    divisor = weights.sum() - correction * (weights * heavy).sum() / weights.sum()
    return ((apart * weights) @ apart.mT / divisor).squeeze()


@operation()
def corrcoef(input: Any) -> Any:
    """The correlation matrix of the rows (variables)."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    spread = c.diagonal().sqrt()
    return clamp(c / spread.unsqueeze(1) / spread, -1, 1)


@operation()
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of input - other."""
    return (input - other).norm(p)


# ---- looking up ------------------------------------------------------------------------------------------------------


@operation()
def take(input: Any, index: Any) -> Any:
    """The elements at these places of the flattened tensor."""
    return reshape(input, shape=(-1,))[index]


# ---- sampled curves --------------------------------------------------------------------------------------------------


def _trapezoids(y: Any, x: Any, dx: float, dim: int) -> Any:
    axis = normalise_dim(dim, y.ndim)
    if y.ndim == 0:
        raise ShapeError("trapezoid() takes at least one axis.")
    n = max(0, y.shape[axis] - 1)
    heights = (y.narrow(axis, 0, n) + y.narrow(axis, y.shape[axis] - n, n)) / 2
    if x is None:
        return heights * dx
    x = _tensor(x)
    if x.ndim == 1:
        return heights * x.diff().reshape(*[-1 if k == axis else 1 for k in range(y.ndim)])
    return heights * x.diff(dim=axis)


@operation(method=False, aliases=["trapz"])
def trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Any:
    """The integral of a curve by trapezoids: heights y at the places x, or at distances dx."""
    return total(_trapezoids(y, x, dx, dim), dim)


@operation(method=False)
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Any:
    """The integral up to each place but the first."""
    return cumsum(_trapezoids(y, x, dx, dim), dim)
