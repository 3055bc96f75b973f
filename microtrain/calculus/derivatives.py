"""Derivatives as functions: grad, vjp, jvp, jacobian, hessian, hvp. All are a few lines over the backward walk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..calling.signatures import fitting
from ..engine.backward import differentiate, listed, require_grad
from ..engine.recording import grad_mode
from ..errors import ArgumentError, DtypeError, GraphError, ShapeError, UnsupportedError
from ..ops.joining import stack
from ..tensor import Tensor, wrap
from . import many_vjps

Tensors = Tensor | Sequence[Tensor]


@fitting
def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool = False,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` (their sum, weighted by `grad_outputs`) with respect to `inputs`.

    Unlike `backward` it leaves `.grad` as it is.
    Returns a tuple, one gradient for each input. Raises `GraphError` for an input that the outputs do not depend on,
    unless `allow_unused` (then None) or `materialize_grads` (then zeros, whose own gradients are zeros with
    `create_graph`); `UnsupportedError` for `is_grads_batched`. `only_inputs` is an old argument.
    """
    if is_grads_batched:
        raise UnsupportedError(
            "grad(): is_grads_batched=True is not supported.",
            "There is one vector v in v^T J at a time.",
            "Use mt.autograd.functional.jacobian, or one call for each vector, with retain_graph=True.",
        )
    if not only_inputs:
        raise ArgumentError("grad() leaves .grad as it is.", fix="Leave out only_inputs=False, or use backward().")
    if callable(outputs):
        raise DtypeError(
            "grad() takes the value of a function, not the function.",
            fix="y = f(x); mt.grad(y, x). Of functions there are mt.vjp(f, x), jvp, jacobian, hessian and hvp.",
        )
    ys, xs = listed(outputs), listed(inputs)
    seeds = [None] * len(ys) if grad_outputs is None else listed(grad_outputs)
    if len(seeds) != len(ys):
        raise ArgumentError(f"grad(): {len(ys)} outputs, but {len(seeds)} grad_outputs.")
    for x in xs:
        require_grad(x, "grad()")
    found = differentiate(ys, seeds, xs, retain_graph, create_graph)
    gradients: list[Any] = []
    for k, x in enumerate(xs):
        g = found.get(x.grad_fn or x)
        if g is None and not (allow_unused or materialize_grads):
            raise GraphError(
                f"grad(): the outputs do not depend on input {k} (shape {x.shape}).",
                "It was not used, or only through detach() or an operation without a derivative.",
                "Pass allow_unused=True to get None for it, or materialize_grads=True to get zeros.",
            )
        if g is None:
            zeros = Tensor(np.zeros(x.shape, x.dtype), requires_grad=create_graph) if materialize_grads else None
            gradients.append(zeros)
        else:
            g = g if isinstance(g, Tensor) else wrap(g)
            gradients.append(g.clone() if any(x is before for before in xs[:k]) else g)  # never shared
    return tuple(gradients)


class _Traced:
    """A function called once, on leaves of its own or (`connected`) on what still depends on the caller's tensors."""

    def __init__(self, func: Callable[..., Any], inputs: Tensors, connected: bool) -> None:
        if not callable(func):
            raise DtypeError(f"Derivatives are taken of a function, not of {type(func).__name__}.")
        self.single_input = isinstance(inputs, Tensor)
        xs = listed(inputs)
        for x in xs:
            if not isinstance(x, Tensor):
                raise DtypeError(f"The inputs must be tensors, not {type(x).__name__}.")
        with grad_mode(True):
            self.inputs = [x * 1 if connected and x.requires_grad else x.detach().requires_grad_() for x in xs]
            outputs = func(*self.inputs)
        self.single_output = isinstance(outputs, Tensor)
        self.outputs: list[Tensor] = listed(outputs)
        for y in self.outputs:
            if not isinstance(y, Tensor):
                raise DtypeError(f"The function returned {type(y).__name__}, not a tensor.")

    def scalar(self, what: str) -> Tensor:
        if not self.single_output or self.outputs[0].numel() != 1:
            raise ShapeError(f"{what} needs a function with a single number as its value.")
        with grad_mode(True):
            y: Tensor = self.outputs[0].reshape(()) if self.outputs[0].ndim else self.outputs[0]
        return y

    def directions(self, v: Any, what: str) -> list[Any]:
        """`v` as one tensor for each input, of its shape and dtype; None is 1, for an input that is a single number."""
        if v is None:
            if not self.single_input or self.inputs[0].numel() != 1:
                raise ShapeError(f"{what} without a direction needs an input that is a single number.")
            v = np.ones(self.inputs[0].shape)
        vs = listed(v)
        if len(vs) != len(self.inputs):
            raise ArgumentError(f"{what}: {len(vs)} directions for {len(self.inputs)} inputs.")
        return [_like(d, x, f"{what}: a direction") for d, x in zip(vs, self.inputs, strict=True)]

    def shape_result(self, nested: list[list[Any]]) -> Any:
        """nested[i][j] for output i and input j, without the levels that the caller does not have."""
        rows = [row[0] if self.single_input else tuple(row) for row in nested]
        return rows[0] if self.single_output else tuple(rows)

    def output_values(self, connected: bool) -> Any:
        values = [y if connected else y.detach() for y in self.outputs]
        return values[0] if self.single_output else tuple(values)


def _like(v: Any, x: Tensor, what: str) -> Tensor:
    v = v if isinstance(v, Tensor) else Tensor(v)
    if v.shape != x.shape:
        raise ShapeError(f"{what} has shape {v.shape}, but shape {x.shape} is needed.")
    like: Tensor = v if v.dtype == x.dtype else v.to(x.dtype)
    return like


def _gradients(y: Tensor, xs: list[Tensor], seed: Any, create_graph: bool) -> list[Any]:
    """One row of the Jacobian; zeros where y does not depend on x."""
    if not y.requires_grad:
        return [wrap(np.zeros(x.shape, x.dtype)) for x in xs]
    return list(grad([y], xs, [seed], retain_graph=True, create_graph=create_graph, materialize_grads=True))


def _check_strict(groups: Sequence[Sequence[Tensor]], xs: list[Tensor], of: str) -> None:
    """PyTorch's strict=True: raise `GraphError` if no output of a group depends on some input."""
    for k, ys in enumerate(groups):
        ones = [wrap(np.ones(y.shape, y.dtype)) for y in ys]
        seeded = [(y, one) for y, one in zip(ys, ones, strict=True) if y.requires_grad]
        outputs, seeds = [y for y, _ in seeded], [one for _, one in seeded]
        found = differentiate(outputs, seeds, xs, retain_graph=True, create_graph=False) if seeded else {}
        for i, x in enumerate(xs):
            if (x.grad_fn or x) not in found:
                raise GraphError(
                    f"{of}{f' {k}' if len(groups) > 1 else ''} does not depend on input {i}.",
                    "With strict=True that is an error.",
                    "With strict=False its derivative is zero.",
                )


def _inner(rows: Iterable[Any], directions: Iterable[Any]) -> Any:
    """The sum of all products: one number."""
    terms = [(row * d).sum() for row, d in zip(rows, directions, strict=True)]
    return sum(terms[1:], start=terms[0])


@fitting
def vjp(
    func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v^T J): one backward pass. `v` has the shape of the output; 1 for a single number.

    With `strict` an input that the outputs do not depend on raises `GraphError`; else its derivative is zero.
    """
    traced = _Traced(func, inputs, create_graph)
    if strict:
        _check_strict([traced.outputs], traced.inputs, "The value")
    seeds = [None] * len(traced.outputs) if v is None else listed(v)
    if len(seeds) != len(traced.outputs):
        raise ArgumentError(f"vjp(): {len(seeds)} vectors for {len(traced.outputs)} outputs.")
    pairs = [(y, s) for y, s in zip(traced.outputs, seeds, strict=True) if y.requires_grad]
    if pairs:
        gradients = grad(
            [y for y, _ in pairs], traced.inputs, [s for _, s in pairs],
            create_graph=create_graph, materialize_grads=True,
        )  # fmt: skip
    else:
        gradients = tuple(wrap(np.zeros(x.shape, x.dtype)) for x in traced.inputs)
    return traced.output_values(create_graph), gradients[0] if traced.single_input else gradients


@fitting
def jvp(
    func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), J v): the derivative in the direction `v`, by two backward passes.

    u -> u^T J is linear in u, and its derivative in the direction v is J v (Townsend 2017). Without `v` the input must
    be a single number. `strict` as for `vjp`.
    """
    traced = _Traced(func, inputs, create_graph)
    directions = traced.directions(v, "jvp()")
    if strict:
        _check_strict([traced.outputs], traced.inputs, "The value")
    products: list[Any] = []
    for y in traced.outputs:
        u = wrap(np.zeros(y.shape, y.dtype)).requires_grad_(y.is_floating_point())
        rows = _gradients(y, traced.inputs, u, create_graph=True)
        with grad_mode(True):
            along = _inner(rows, directions)
        products.append(_gradients(along, [u], None, create_graph)[0])
    return traced.output_values(create_graph), products[0] if traced.single_output else tuple(products)


def _check_strategy(strategy: str) -> None:
    """Raise `ArgumentError` for what PyTorch does not know either."""
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ArgumentError(f"The strategy is 'reverse-mode' or 'forward-mode', not {strategy!r}.")


@fitting
def jacobian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """All partial derivatives: shape (*output.shape, *input.shape); a tuple for several inputs or outputs.

    With `strict` an output that does not depend on an input raises `GraphError`; else that block is zero. `vectorize`
    and `strategy` are accepted for PyTorch's sake, where they say how it is computed.
    """
    _check_strategy(strategy)
    traced = _Traced(func, inputs, create_graph)
    if strict:
        _check_strict([[y] for y in traced.outputs], traced.inputs, "Output")
    nested = []
    for y in traced.outputs:
        if create_graph and y.numel():
            flat = np.eye(y.numel(), dtype=y.dtype).reshape(-1, *y.shape)
            by_element = [_gradients(y, traced.inputs, wrap(seed), create_graph) for seed in flat]
            with grad_mode(True):
                blocks = [
                    stack([row[j] for row in by_element]).reshape(y.shape + x.shape)
                    for j, x in enumerate(traced.inputs)
                ]
        else:
            found = many_vjps.rows(y, traced.inputs)
            blocks = [wrap(d.reshape(y.shape + x.shape)) for d, x in zip(found, traced.inputs, strict=True)]
        nested.append(blocks)
    return traced.shape_result(nested)


@fitting
def hessian(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """Second derivatives of a function whose value is a single number: shape (*x.shape, *x.shape).

    For several inputs a tuple of tuples, [i][j] for inputs i and j. Raises `ShapeError` if the value is not one number,
    and with `strict` `GraphError` where the value, or a part of the gradient, does not depend on an input. `vectorize`
    and `outer_jacobian_strategy` are accepted for PyTorch's sake, where they say how it is computed.
    """
    _check_strategy(outer_jacobian_strategy)
    if create_graph:

        def gradient(*xs: Tensor) -> Any:
            traced = _Traced(func, xs, True)
            return tuple(_slopes(traced, "hessian()", strict, [[i] for i in range(len(xs))]))

        result = jacobian(gradient, listed(inputs), True)
    else:
        traced = _Traced(func, inputs, False)
        xs = traced.inputs
        blocks = [[np.zeros((a.numel(), b.numel()), b.dtype) for b in xs] for a in xs]
        slopes = _slopes(traced, "hessian()", strict, [[i] for i in range(len(xs))])
        many_vjps.second_derivatives(slopes, xs, blocks)
        result = tuple(
            tuple(wrap(block.reshape(a.shape + b.shape)) for block, b in zip(row, xs, strict=True))
            for row, a in zip(blocks, xs, strict=True)
        )
    return result[0][0] if isinstance(inputs, Tensor) else result


def _slopes(traced: _Traced, what: str, strict: bool, groups: list[list[int]]) -> list[Any]:
    """The gradient of a single number, in each input, as tensors of the graph."""
    slopes = _gradients(traced.scalar(what), traced.inputs, None, create_graph=True)
    if strict:
        _check_strict([traced.outputs], traced.inputs, "The value")
        of = "The gradient" if len(groups) == 1 else "The gradient in input"
        _check_strict([[slopes[i] for i in group] for group in groups], traced.inputs, of)
    return slopes


@fitting
def hvp(
    func: Callable[..., Any], inputs: Tensors, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), H v): the Hessian times a vector, at the price of two backward passes and without the Hessian.

    Without `v` the input must be a single number. With `strict` an input that the value, or the gradient, does not
    depend on raises `GraphError`.
    """
    traced = _Traced(func, inputs, create_graph)
    slopes = _slopes(traced, "hvp()", strict, [list(range(len(traced.inputs)))])
    directions = traced.directions(v, "hvp()")
    pairs = zip(slopes, directions, strict=True)
    curved = [(g, d) for g, d in pairs if g.requires_grad]
    if curved:  # the Hessian is symmetric: v^T H is one backward pass through the gradient, seeded with v
        gradients, seeds = zip(*curved, strict=True)
        products = grad(gradients, traced.inputs, seeds, create_graph=create_graph, materialize_grads=True)
    else:
        products = tuple(wrap(np.zeros(x.shape, x.dtype)) for x in traced.inputs)
    return traced.output_values(create_graph), products[0] if traced.single_input else products
