"""An elementwise operation of your own, from a one-line formula. For anything else there is function.py."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import to_array
from ..errors import ArgumentError, ShapeError
from ..formula import Operand, derive, inputs_of_ufunc, python_function, reading, trace
from ..ops.formula_reductions import REDUCTIONS, reduce_formula
from ..ops.primitive import Primitive
from ..tensor import Tensor, wrap


def elementwise(
    name: str, forward: Callable[..., Any], vjps: Sequence[Callable[..., Any] | None] | None = None, *, tex: str = ""
) -> Callable[..., Tensor]:
    """An elementwise operation of your own, from one formula.

    >>> import microtrain as mt
    >>> from microtrain import F
    >>> bump = mt.elementwise("bump", lambda x: F.exp(-x * x))
    >>> x = mt.tensor([0.0, 1.0], requires_grad=True)
    >>> bump(x).sum().backward()
    >>> x.grad
    tensor([-0.        , -0.73575888])

    `bump.sum(x)`, `mean`, `max` and `logsumexp` (with `dim` and `keepdim`) reduce the values; for large arrays one
    kernel does both, and the values are never stored.

    `forward` is written with operators and `F`'s functions. The derivative follows from it by the chain rule, or is
    given as `vjps`, one lambda for each input: `[lambda g, y, x: g * (-2 * x * y)]`, whose parameters name what it
    needs (see `microtrain.ops.primitive`). Other numbers that the formula refers to are read once, now. Raises
    `ArgumentError` if the formula branches or calls what `F` has not.
    """
    if isinstance(forward, np.ufunc):
        forward = _with_names(forward)
    if vjps is None:
        with reading(
            f"The formula of '{name}'",
            "Its derivative is derived from it, so it may contain only operators and F's functions.",
            "Write F.exp(x) instead of math.exp(x), or give the derivative: elementwise(name, forward, [vjp]).",
        ):
            vjps = derive(forward)
    else:
        vjps = _given(name, forward, vjps)
    row = Primitive(name, _fresh(_fixed(forward)), vjps, tex=tex, elementwise=True)

    def operation(*inputs: Any) -> Any:
        if len(inputs) != len(row.inputs):
            raise _miscounted(name, row, inputs)
        for x in inputs:
            if isinstance(x, Operand):
                return x.apply(row, *inputs)  # a symbol's, inside another formula
        return row(wrap(to_array(inputs[0])), *inputs[1:])

    def reduction(how: str, *inputs: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if len(inputs) != len(row.inputs):
            raise _miscounted(f"{name}.{how}", row, inputs)
        if not any(isinstance(x, Operand) for x in inputs):
            inputs = wrap(to_array(inputs[0])), *inputs[1:]
        return reduce_formula(row, how, *inputs, dim=dim, keepdim=keepdim)

    operation.__name__ = operation.__qualname__ = name
    operation.__module__ = getattr(forward, "__module__", __name__)  # if it has the same name there, it can be pickled
    operation.__doc__ = inspect.getdoc(forward) or f"Elementwise {name}."
    operation.row = row  # type: ignore[attr-defined]
    for how in REDUCTIONS:
        setattr(operation, how, functools.partial(reduction, how))
    return operation


def _miscounted(called: str, row: Primitive, inputs: tuple[Any, ...]) -> ArgumentError:
    count = f"{len(row.inputs)} input{'s' * (len(row.inputs) != 1)} ({', '.join(row.inputs)})"
    return ArgumentError(f"{called}() takes {count}, not {len(inputs)}.")


def _with_names(ufunc: np.ufunc) -> Callable[..., Any]:
    """A function of NumPy's whose signature has its inputs alone."""

    @functools.wraps(ufunc, assigned=["__name__", "__doc__"])
    def function(*inputs: Any) -> Any:
        return ufunc(*inputs)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in inputs_of_ufunc(ufunc)]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def _given(name: str, forward: Callable[..., Any], vjps: Any) -> list[Callable[..., Any] | None]:
    """The vjps that a user wrote, one for each input or none at all."""
    fix = "Give a list with a function for each input, as [lambda g, y: g * y], or None where no gradient flows."
    if not isinstance(vjps, (list, tuple)):
        raise ArgumentError(f"elementwise({name!r}): the vjps are a {type(vjps).__name__}, not a list.", fix=fix)
    count = len(inspect.signature(forward).parameters)
    if len(vjps) not in (0, count):
        raise ArgumentError(f"elementwise({name!r}): {len(vjps)} vjps for {count} input{'s' * (count != 1)}.", fix=fix)
    for vjp in vjps:
        if vjp is not None and not (inspect.isfunction(vjp) and inspect.signature(vjp).parameters):
            raise ArgumentError(f"elementwise({name!r}): {vjp!r} is no function of the gradient that arrives.", fix=fix)
    return [None if vjp is None else _checked(name, vjp) for vjp in vjps]


def _fixed(formula: Callable[..., Any]) -> Callable[..., Any]:
    """The formula with the numbers it refers to as they are now: value, derivative and kernels go by the same."""
    try:
        fixed = python_function("formula", *trace(formula))
    except Exception:  # symbols can't read it: NumPy computes it, as it is
        return formula
    functools.update_wrapper(fixed, formula)
    return fixed


def _fresh(forward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward`, but its result is always an array of the broadcast shape, in memory of its own."""

    @functools.wraps(forward)
    def call(*arrays: Any) -> Any:
        value = forward(*arrays)
        if type(value) is np.ndarray and value.base is None:
            for x in arrays:  # small arrays take longer to be looked at closely than to be computed
                if type(x) is np.ndarray and (x.shape != value.shape or x is value):
                    break
            else:
                return value
        if any(isinstance(x, Operand) for x in arrays):
            return value
        shape = np.broadcast_shapes(*map(np.shape, arrays))
        if np.shape(value) != shape:
            value = np.broadcast_to(value, shape).copy()
        if isinstance(value, np.ndarray):
            return value.copy() if any(np.may_share_memory(value, x) for x in arrays) else value
        return np.asarray(value)[()]

    return call


def _checked(name: str, formula: Callable[..., Any]) -> Callable[..., Any]:
    """A vjp, but its result has the shape of the output and memory of its own."""
    vjp = _fixed(formula)
    makes_new = vjp is not formula  # what symbols can read returns a new array, or one of those that it was given

    @functools.wraps(vjp)
    def call(g: Any, *rest: Any) -> Any:
        gradient = vjp(g, *rest)
        if makes_new and type(gradient) is type(g) is np.ndarray and gradient.base is None:
            for x in (g, *rest):  # small arrays take longer to be looked at closely than to be computed
                if x is gradient:
                    break
            else:
                if gradient.shape == g.shape and gradient.dtype == g.dtype:
                    return gradient
        if isinstance(g, Operand) or isinstance(gradient, Operand):
            return gradient if isinstance(gradient, Operand) else g * 0 + gradient
        if np.shape(gradient) not in ((), g.shape):
            raise ShapeError(
                f"A vjp of '{name}' returned shape {np.shape(gradient)} for an upstream gradient of shape {g.shape}.",
                "The vjp of an elementwise operation is elementwise too; broadcasting is undone afterwards.",
            )
        # a new array, because what is kept for another walk must not become a gradient that is written to
        return np.array(np.broadcast_to(gradient, g.shape), dtype=g.dtype)[()]

    return call
