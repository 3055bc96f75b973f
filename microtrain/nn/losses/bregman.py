"""Bregman divergences: how far a convex function lies above its tangent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ...calculus.derivatives import grad
from ...engine.recording import enable_grad
from ...errors import NotDifferentiableError
from ...formula import derive, reading
from ...ops.primitive import Primitive
from ...tensor import Tensor
from .reduction import loss_formula, pair


def bregman_divergence(phi: Callable[[Tensor], Tensor], p: Any, q: Any) -> Tensor:
    """phi(p) - phi(q) - <grad phi(q), p - q>: at least 0 if phi is convex, and 0 at p = q.

    phi is any function of a tensor, its gradient comes from the backward pass; where it returns more than one number
    they are added up (eq. 4.1.2). `lambda x: 0.5 * (x * x).sum()` gives half the squared distance (section 4.1.5 prints
    half the distance), so the MSE is one too. The negative entropy `lambda p: (p * p.log()).sum()` gives the KL
    divergence, and of vectors that do not add up to 1 the generalised one. `lambda z: z.logsumexp(-1)` gives the KL
    divergence of the distributions behind two logits, with its arguments swapped; that is what is right about Theorem
    4.1.6, for softmax, which forgets the level of the logits, is no isomorphism.

    Differentiable in p and q. Raises `ShapeError` where shapes do not fit, `NotDifferentiableError` if phi does not
    depend on its argument through tensor operations.
    """
    p, q = pair(p, q, "bregman_divergence")
    with enable_grad():
        base = q if q.requires_grad else q.detach().requires_grad_()
        value = _total(phi(base))
        if not isinstance(value, Tensor) or not value.requires_grad:
            raise NotDifferentiableError(
                "bregman_divergence(): phi(q) has no gradient.", fix="Write phi with tensor operations."
            )
        (slope,) = grad(value, [base], create_graph=q.requires_grad)
    if not q.requires_grad:
        value, slope = value.detach(), slope.detach()
    return _total(phi(p)) - value - ((p - q) * slope).sum()  # type: ignore[no-any-return]


def _total(x: Any) -> Any:
    return x.sum() if isinstance(x, Tensor) and x.ndim else x


def bregman_formula(phi: Callable[[Any], Any]) -> Primitive:
    """The divergence of one element, as an elementwise row, from a formula phi of one number.

    The formula is written with operators and `microtrain.F`: `lambda x: x * x` gives the squared error,
    `lambda x: x * F.log(x)` x ln(x/t) - x + t, `lambda x: -F.log(x)` the Itakura-Saito divergence. Its derivative is
    derived from it. Raises `ArgumentError` if it can't be read with symbols.
    """
    with reading(
        "The formula of a Bregman divergence",
        "It is of one number: elements are added up, or averaged, afterwards.",
        "Write it with operators and F: lambda x: x * x. bregman_divergence() takes a function of whole tensors.",
    ):
        slope = _derivative(phi)
    bend = _derivative(lambda x: slope(x) + 0 * x)  # + 0 x: a constant slope has no x to derive by
    return loss_formula(
        "bregman",
        lambda x, target: phi(x) - phi(target) - slope(target) * (x - target),
        [
            lambda g, x, target: g * (slope(x) - slope(target)),
            lambda g, x, target: -g * (x - target) * bend(target),
        ],
        tex=r"D_\phi({x}, {target})",
    )


def _derivative(phi: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """phi' as a formula."""
    (vjp,) = derive(phi)
    assert vjp is not None  # of one input: derive() raises if there is no derivative in it
    if len(inspect.signature(vjp).parameters) == 1:
        return lambda x: vjp(1.0)
    return lambda x: vjp(1.0, x)
