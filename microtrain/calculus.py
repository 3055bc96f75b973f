"""Derivatives as functions: grad, vjp, jvp, jacobian, hessian, hvp. All are a few lines over the backward walk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import ArgumentError, DtypeError, GraphError, ShapeError
from .backward import differentiate
from .ops.joining import stack
from .recording import grad_mode
from .tensor import Tensor, wrap
from .walk import own

Tensors = Tensor | Sequence[Tensor]


def _as_list(x: Any) -> list[Any]:
    return [x] if isinstance(x, Tensor) or x is None else list(x)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` (their sum, weighted by `grad_outputs`) with respect to `inputs`; `.grad` stays as it is.

    Returns a tuple, one gradient for each input. Raises `GraphError` for an input that the outputs do not depend on,
    unless `allow_unused` (then None) or `materialize_grads` (then zeros).
    """
    ys, xs = _as_list(outputs), _as_list(inputs)
    seeds = [None] * len(ys) if grad_outputs is None else _as_list(grad_outputs)
    if len(seeds) != len(ys):
        raise ArgumentError(f"grad(): {len(ys)} outputs, but {len(seeds)} grad_outputs.")
    for x in xs:
        if not x.requires_grad:
            raise GraphError(
                "grad() with respect to a tensor that does not require grad.", fix="Mark it: x.requires_grad_()."
            )
    found = differentiate(ys, seeds, xs, retain_graph, create_graph)
    gradients: list[Any] = []
    for k, x in enumerate(xs):
        g = found.get(x.grad_fn or x)
        if g is None and not (allow_unused or materialize_grads):
            raise GraphError(
                f"grad(): the outputs do not depend on input {k} (shape {x.shape}).",
                fix="Pass allow_unused=True to get None for it, or materialize_grads=True to get zeros.",
            )
        if g is None:
            gradients.append(wrap(np.zeros(x.shape, x.dtype)) if materialize_grads else None)
        else:
            gradients.append(g if isinstance(g, Tensor) else wrap(own(g)))
    return tuple(gradients)


class _Traced:
    """A function called once on fresh leaves."""

    def __init__(self, func: Callable[..., Any], inputs: Tensors, connected: bool) -> None:
        self.single_input = isinstance(inputs, Tensor)
        # `connected`: results can be differentiated with respect to the caller's own inputs
        self.inputs = [
            x * 1 if connected and x.requires_grad else x.detach().requires_grad_() for x in _as_list(inputs)
        ]
        with grad_mode(True):
            outputs = func(*self.inputs)
        self.single_output = isinstance(outputs, Tensor)
        self.outputs = _as_list(outputs)
        for y in self.outputs:
            if not isinstance(y, Tensor):
                raise DtypeError(f"The function returned {type(y).__name__}, not a tensor.")

    def scalar(self, what: str) -> Tensor:
        if not self.single_output or self.outputs[0].numel() != 1:
            raise ShapeError(f"{what} needs a function with a single number as its value.")
        return self.outputs[0]

    def shape_result(self, nested: list[list[Any]]) -> Any:
        """nested[i][j] for output i and input j, without the levels that the caller does not have."""
        rows = [row[0] if self.single_input else tuple(row) for row in nested]
        return rows[0] if self.single_output else tuple(rows)

    def output_values(self) -> Any:
        values = [y.detach() for y in self.outputs]
        return values[0] if self.single_output else tuple(values)


def _gradients(y: Tensor, xs: list[Tensor], seed: Any, create_graph: bool) -> list[Tensor]:
    """One row of the Jacobian; zeros where y does not depend on x."""
    if not y.requires_grad:
        return [wrap(np.zeros(x.shape, x.dtype)) for x in xs]
    return list(grad([y], xs, [seed], retain_graph=True, create_graph=create_graph, materialize_grads=True))


def vjp(func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False) -> tuple[Any, Any]:
    """(func(*inputs), v^T J): one backward pass. `v` has the shape of the output; 1 for a single number."""
    traced = _Traced(func, inputs, create_graph)
    seeds = [None] * len(traced.outputs) if v is None else _as_list(v)
    gradients = grad(
        traced.outputs, traced.inputs, seeds, create_graph=create_graph, materialize_grads=True
    )  # fmt: skip
    return traced.output_values(), gradients[0] if traced.single_input else gradients


def jvp(func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False) -> tuple[Any, Any]:
    """(func(*inputs), J v): the derivative in the direction `v`, by two backward passes.

    u -> u^T J is linear in u, and its derivative in the direction v is J v (Townsend 2017).
    """
    traced = _Traced(func, inputs, create_graph)
    directions = [wrap(np.ones(x.shape, x.dtype)) for x in traced.inputs] if v is None else _as_list(v)
    for x, direction in zip(traced.inputs, directions, strict=True):
        if direction.shape != x.shape:
            raise ShapeError(f"jvp(): a direction of shape {direction.shape} for an input of shape {x.shape}.")
    products = []
    for y in traced.outputs:
        u = wrap(np.zeros(y.shape, y.dtype)).requires_grad_()
        rows = _gradients(y, traced.inputs, u, create_graph=True)
        with grad_mode(True):
            along = sum(((row * d).sum() for row, d in zip(rows, directions, strict=True)), start=wrap(np.float64(0)))
        products.append(_gradients(along, [u], None, create_graph)[0] if along.requires_grad else u.detach())
    return traced.output_values(), products[0] if traced.single_output else tuple(products)


def jacobian(func: Callable[..., Any], inputs: Tensors, create_graph: bool = False) -> Any:
    """All partial derivatives: shape (*output.shape, *input.shape); a tuple for several inputs or outputs."""
    traced = _Traced(func, inputs, create_graph)
    nested = []
    for y in traced.outputs:
        rows = []
        for k in range(y.numel()):
            seed = np.zeros(y.numel(), y.dtype)
            seed[k] = 1
            rows.append(_gradients(y, traced.inputs, wrap(seed.reshape(y.shape)), create_graph))
        blocks = []
        for j, x in enumerate(traced.inputs):
            if create_graph and rows:
                blocks.append(stack([row[j] for row in rows]).reshape(y.shape + x.shape))
            else:
                data = [row[j]._data for row in rows]
                blocks.append(wrap(np.array(data, dtype=x.dtype).reshape(y.shape + x.shape)))
        nested.append(blocks)
    return traced.shape_result(nested)


def hessian(func: Callable[..., Any], inputs: Tensors, create_graph: bool = False) -> Any:
    """Second derivatives of a function whose value is a single number: shape (*x.shape, *x.shape).

    For several inputs a tuple of tuples, [i][j] for inputs i and j. Raises `ShapeError` if the value is not one number.
    """
    single = isinstance(inputs, Tensor)

    def gradient(*xs: Tensor) -> Any:
        traced = _Traced(func, xs, True)
        y = traced.scalar("hessian()").reshape(())
        return tuple(_gradients(y, traced.inputs, None, create_graph=True))

    result = jacobian(gradient, _as_list(inputs), create_graph)
    return result[0][0] if single else result


def hvp(func: Callable[..., Any], inputs: Tensors, v: Any, create_graph: bool = False) -> tuple[Any, Any]:
    """(func(*inputs), H v): the Hessian times a vector, at the price of two backward passes and without the Hessian."""
    traced = _Traced(func, inputs, create_graph)
    y = traced.scalar("hvp()").reshape(())
    directions = _as_list(v)
    gradients = _gradients(y, traced.inputs, None, create_graph=True)
    with grad_mode(True):
        along = sum(((g * d).sum() for g, d in zip(gradients, directions, strict=True)), start=wrap(np.float64(0)))
    products = tuple(_gradients(along, traced.inputs, None, create_graph))
    return y.detach(), products[0] if traced.single_input else products
