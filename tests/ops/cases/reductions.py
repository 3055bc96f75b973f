"""Sums, means, variances, extremes, norms, running sums and products, sorting."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt

from ..case import Case, Dice, Drawn, Maker, distinct, off_zero, positive, real, with_zeros


def reduced(
    name: str,
    make: Maker = real,
    numpy: Any = True,
    smallest: int = 0,
    ours: Any = None,
    torch: Any = None,
    **options: Any,
) -> Case:
    """A reduction over drawn axes."""

    def draw(dice: Dice) -> Drawn:
        shape = dice.shape(smallest=smallest)
        params = {"dim": dice.dims(len(shape)), "keepdim": dice.flag()}
        return Drawn([make(dice.rng(), shape)], params, repeatable=make is not distinct)

    function = ours or getattr(mt, name)

    def theirs(t: Any, x: Any, dim: Any, keepdim: bool) -> Any:
        axes = tuple(range(x.ndim)) if dim is None else dim
        return torch(t, x, axes, keepdim) if torch else getattr(t, name)(x, axes, keepdim)

    def in_numpy(x: Any, dim: Any, keepdim: bool) -> Any:
        f = getattr(np, name) if numpy is True else numpy
        return f(x, axis=dim, keepdims=keepdim)

    return Case(name, function, theirs, draw, in_numpy if numpy else None, **options)


def _over_axes(t: Any, x: Any, dim: Any, keepdim: bool, f: Callable[[Any, int, bool], Any]) -> Any:
    """A reduction that PyTorch has for one axis only, over several."""
    axes = sorted(d % x.ndim for d in (dim if isinstance(dim, tuple) else [dim])) if x.ndim else []
    for axis in reversed(axes):
        x = f(x, axis, keepdim)
    return x


def _prod(t: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    return _over_axes(t, x, dim, keepdim, lambda x, axis, keepdim: t.prod(x, axis, keepdim))


def _norm(p: float) -> Any:
    return lambda t, x, dim, keepdim: t.linalg.vector_norm(x, p, dim=dim, keepdim=keepdim)


def norm(p: Any, make: Maker = off_zero, smallest: int = 0, **options: Any) -> Case:
    return reduced(
        f"norm with p = {p}",
        make,
        lambda x, axis, keepdims: _numpy_norm(x, p, axis, keepdims),
        smallest,
        lambda x, dim, keepdim: mt.norm(x, p, dim, keepdim),
        _norm(float(p)),
        **options,
    )


def _numpy_norm(x: Any, p: float, axis: Any, keepdims: bool) -> Any:
    if p == 0:
        return np.sum(x != 0, axis=axis, keepdims=keepdims).astype(float)
    if math.isinf(p):
        return (np.max if p > 0 else np.min)(abs(x), axis=axis, keepdims=keepdims)
    return np.sum(abs(x) ** p, axis=axis, keepdims=keepdims) ** (1 / p)


def _several(dice: Dice) -> Drawn:
    """More than one element along each reduced axis, so that there is a variance."""
    shape = dice.shape(1, 3, smallest=2)
    return Drawn([real(dice.rng(), shape)], {"dim": dice.dims(len(shape)), "keepdim": dice.flag()}, repeatable=False)


def variance(name: str, correction: float) -> Case:
    return Case(
        f"{name} with correction {correction}",
        lambda x, dim, keepdim: getattr(mt, name)(x, dim, correction=correction, keepdim=keepdim),
        lambda t, x, dim, keepdim: getattr(t, name)(x, dim, correction=correction, keepdim=keepdim),
        _several,
        lambda x, dim, keepdim: getattr(np, name)(x, axis=dim, keepdims=keepdim, ddof=correction),
    )


def along(
    name: str,
    make: Maker = real,
    ours: Any = None,
    torch: Any = None,
    numpy: Any = None,
    smallest: int = 0,
    **options: Any,
) -> Case:
    """Something along one axis."""

    def draw(dice: Dice) -> Drawn:
        shape = dice.shape(0, 3, smallest)
        return Drawn([make(dice.rng(), shape)], {"dim": dice.dim(len(shape))}, repeatable=make is not distinct)

    return Case(name, ours or getattr(mt, name), torch or name.partition(" ")[0], draw, numpy, **options)


def _along_axis(f: Any) -> Any:
    """NumPy's function along an axis; it has none for tensors without axes."""
    return lambda x, dim: f(np.reshape(x, (-1,) if np.ndim(x) == 0 else np.shape(x)), axis=dim).reshape(np.shape(x))


def _extreme(name: str) -> Case:
    def draw(dice: Dice) -> Drawn:
        shape = dice.shape(smallest=1)
        params = {"dim": dice.dim(len(shape)), "keepdim": dice.flag()}
        return Drawn([distinct(dice.rng(), shape)], params, repeatable=False)

    return Case(f"{name} along an axis", getattr(mt, name), name, draw)


def _whole(name: str, make: Maker = distinct, **options: Any) -> Case:
    """Over everything."""

    def draw(dice: Dice) -> Drawn:
        return Drawn([make(dice.rng(), dice.shape(smallest=1))], repeatable=False)

    return Case(f"{name} of all", getattr(mt, name), name, draw, **options)


def _topk(dice: Dice) -> Drawn:
    shape = dice.shape(1, 3, smallest=1)
    dim = dice.dim(len(shape))
    params = {"k": dice.integer(0, shape[dim]), "dim": dim, "largest": dice.flag()}
    return Drawn([distinct(dice.rng(), shape)], params, repeatable=False)


def _pair(dice: Dice) -> Drawn:
    return Drawn([real(dice.rng(), shape) for shape in dice.broadcastable(2)])


CASES = [
    reduced("sum"),
    Case("sum of all", mt.sum, "sum", lambda dice: Drawn([real(dice.rng(), dice.shape())]), np.sum),
    Case(
        "sum over axis",
        lambda x: mt.sum(x, axis=-1, keepdims=True),
        lambda t, x: t.sum(x, -1, keepdim=True),
        lambda dice: Drawn([real(dice.rng(), dice.shape(1))]),
        lambda x: np.sum(x, axis=-1, keepdims=True),
    ),
    reduced("mean", smallest=1),
    variance("var", 1),
    variance("var", 0),
    variance("std", 1),
    variance("std", 0),
    _whole("var", make=lambda rng, shape: real(rng, (*shape, 2))),
    _whole("std", make=lambda rng, shape: real(rng, (*shape, 2))),
    reduced("amax", distinct, smallest=1),
    reduced("amin", distinct, smallest=1),
    _extreme("max"),
    _extreme("min"),
    _extreme("median"),
    _whole("max", numpy=np.max),
    _whole("min", numpy=np.min),
    _whole("median"),
    _whole("argmax", order=0, numpy=np.argmax),
    _whole("argmin", order=0, numpy=np.argmin),
    Case("max of two", mt.max, "max", _pair, np.maximum),
    Case("min of two", mt.min, "min", _pair, np.minimum),
    along("argmax", distinct, smallest=1, order=0),
    along("argmin", distinct, smallest=1, order=0),
    reduced(
        "any", with_zeros, order=0, torch=lambda t, x, dim, keepdim: t.any(x, dim, keepdim) if x.ndim else t.any(x)
    ),
    reduced(
        "all", with_zeros, order=0, torch=lambda t, x, dim, keepdim: t.all(x, dim, keepdim) if x.ndim else t.all(x)
    ),
    reduced(
        "logsumexp", real, lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)), smallest=1
    ),
    norm(2),
    norm(1),
    norm(0, order=0),
    norm(3, smallest=1),
    norm(1.5, smallest=1),
    norm(0.5, positive),
    norm(math.inf, distinct, smallest=1),
    norm(-math.inf, distinct, smallest=1),
    Case(
        "norm of all",
        mt.norm,
        "norm",
        lambda dice: Drawn([off_zero(dice.rng(), dice.shape())]),
        lambda x: np.sqrt(np.sum(x * x)),
    ),
    reduced("prod", torch=_prod),
    reduced("prod", with_zeros, torch=_prod),
    _whole("prod", with_zeros, numpy=np.prod),
    along("cumsum", numpy=_along_axis(np.cumsum)),
    along("cumprod", off_zero, numpy=_along_axis(np.cumprod)),
    along("cumprod with zeros", with_zeros, mt.cumprod, numpy=_along_axis(np.cumprod)),
    along("sort", distinct),
    along(
        "sort descending",
        distinct,
        lambda x, dim: mt.sort(x, dim, descending=True),
        lambda t, x, dim: t.sort(x, dim, descending=True),
    ),
    along("argsort", distinct, order=0),
    Case("topk", mt.topk, "topk", _topk),
]
