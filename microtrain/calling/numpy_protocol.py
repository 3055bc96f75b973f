"""What happens when NumPy meets a tensor: `np.exp(t)`, `array + t`, `np.sum(t)`.

Where the operation table has the same function, it does the work and the gradient is kept. Elsewhere NumPy gets the
plain array if no gradient is wanted, and an error says so if one would be lost.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import NotDifferentiableError
from ..formula import F
from ..ops.primitive import FUNCTIONS
from ..ops.products import matmul
from ..tensor import Tensor, wrap
from .numpy_functions import SAME, UFUNCS
from .signatures import plain


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """`np.exp(t)` and `array + t` come here."""
    row = matmul if ufunc is np.matmul else F._row_of(ufunc) or UFUNCS.get(ufunc)
    if row is not None and method == "__call__" and not options:
        return Tensor.apply(row, *inputs)
    what = f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else "")
    what += f" with {', '.join(options)}" if options else ""
    if any(isinstance(out, Tensor) for out in options.get("out", ())):
        raise NotDifferentiableError(
            f"{what} would write to a tensor behind its back.", fix="Write t[...] = values, or use t.copy_(values)."
        )
    if any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        raise NotDifferentiableError(
            f"{what} was called with a tensor that requires grad, and microtrain has no derivative for it.",
            "NumPy's functions work on tensors where the operation table has the same function.",
            "Use microtrain's own functions, or x.detach().numpy() if the gradient is not wanted.",
        )
    result = getattr(ufunc, method)(*(x._data if isinstance(x, Tensor) else x for x in inputs), **options)
    if options.get("out") is not None or result is None:
        return result
    return tuple(map(wrap, result)) if isinstance(result, tuple) else wrap(result)


SHAPES = frozenset([np.shape, np.ndim, np.size])  # functions that look at nothing else

# Functions that look at shapes, answer yes or no, or say where: no gradient can be lost.
HARMLESS = SHAPES.union(
    [np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.shares_memory]
    + [np.may_share_memory, np.result_type, np.array_equal, np.allclose, np.isclose, np.isin, np.array2string]
    + [np.array_repr, np.array_str, np.searchsorted, np.digitize, np.iscomplexobj, np.isrealobj]
)


def array_function(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """`np.sum(t)` and the like come here."""
    ours = SAME.get(function)
    if ours is not None and _fits(ours, args, kwargs):
        return ours(*map(_tensors, args), **kwargs)

    def raw(x: Any) -> Any:
        if isinstance(x, Tensor):
            if function in SHAPES:
                return np.broadcast_to(np.False_, x.shape)  # the values stay where they are
            if x.requires_grad and function not in HARMLESS:
                raise NotDifferentiableError(
                    f"np.{function.__name__} was called with a tensor that requires grad.",
                    "NumPy would return a plain array, and the gradient would be lost without a word.",
                    _what_to_use(function, ours),
                )
            return x.numpy(force=True)
        if isinstance(x, (list, tuple)):
            return type(x)(raw(item) for item in x)
        return x

    return function(*raw(args), **{key: raw(value) for key, value in kwargs.items()})


def _what_to_use(function: Any, ours: Callable[..., Any] | None) -> str:
    """Instead of a function of NumPy that has no derivative here, or not with these arguments."""
    name, detach = function.__name__, "x.detach() if the gradient is not wanted."
    if ours is not None:
        called = f"{name}{plain(inspect.signature(ours))}"
        return f"Of tensors it takes the arguments of {called} alone. Use these, or {detach}"
    return f"Use mt.{name}, or {detach}" if name in FUNCTIONS else f"Use {detach}"


def _fits(function: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _tensors(x: Any) -> Any:
    """Arrays as tensors, also inside a list or tuple."""
    if isinstance(x, np.ndarray):
        return Tensor(x)
    return type(x)(map(_tensors, x)) if type(x) in (list, tuple) else x
