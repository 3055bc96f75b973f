"""A loss as a function of one long vector: what every analysis here looks at.

    objective = Objective(lambda: mse_loss(model(x), y), model)       # a closure and the parameters it reads
    objective = Objective(lambda w: (w**4).sum(), mt.zeros(3))        # a function, and a point for the shape

`objective(theta)`, `.gradient(theta)`, `.hessian(theta)` take a vector (P,) and leave the parameters as they are;
without one they look at where the parameters are now. `.values`, `.gradients`, `.hessians` take many, (K, P), and do
them together.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from ..calculus import many_vjps
from ..calculus.derivatives import grad
from ..calculus.replay import Replay
from ..engine.backward import differentiate
from ..engine.recording import grad_mode
from ..errors import ArgumentError, DtypeError, GraphError, ShapeError
from ..nn.module import Module
from ..ops.joining import cat
from ..optim.flat import Flat
from ..tensor import Tensor

Array = np.ndarray[Any, Any]
Loss = Callable[..., Tensor]
Params = Any  # a Module, a tensor, an array, or several tensors


class Objective:
    """A loss of P numbers.

    Args:
        loss: a closure without arguments that reads `params`, or a function that is called with tensors like them.
        params: a Module, one tensor (or array), or several tensors.

    Raises `DtypeError` for a loss that returns no tensor, `ShapeError` for one that is not a single number,
    `GraphError` if there are no parameters that require grad.
    """

    def __init__(self, loss: Loss, params: Params) -> None:
        given = _parameters(params)
        self.is_closure = _takes_nothing(loss, len(given))
        if self.is_closure:
            self.params = [p for p in given if p.requires_grad]
            self.closure: Callable[[], Tensor] = loss
            if any(not p.is_leaf for p in self.params):
                raise GraphError("The parameters of a closure must be leaves, not results.", fix="Use x.detach().")
        else:
            self.params = [p.detach().clone().requires_grad_() for p in given]
            self.closure = lambda: loss(*self.params)
        if not self.params:
            raise GraphError(
                "There are no parameters that require grad, so there is nothing to look at.",
                fix="Pass the module, or tensors with requires_grad=True.",
            )
        self.flat = Flat(self.params)
        self.size = self.flat.size

    # ---- at one point ------------------------------------------------------------------------------------------------

    @property
    def theta(self) -> Array:
        """Where the parameters are now, (P,); a copy."""
        return self.flat.values()

    def __call__(self, theta: Any = None) -> float:
        """The loss."""
        with self._at(theta), grad_mode(False):
            return float(self._loss()._data)

    def gradient(self, theta: Any = None) -> Array:
        """The gradient, (P,)."""
        with self._at(theta), grad_mode(True):
            return self._first(self._loss())

    def value_and_gradient(self, theta: Any = None) -> tuple[float, Array]:
        """(loss, gradient), from one pass."""
        with self._at(theta), grad_mode(True):
            loss = self._loss()
            return float(loss._data), self._first(loss)

    def hessian(self, theta: Any = None) -> Array:
        """All second derivatives, (P, P); exactly symmetric."""
        with self._at(theta), grad_mode(True):
            return many_vjps.hessian(self._gradient_graph(), self.params, self.flat.parts, self.flat.dtype)

    def hvp(self, vector: Any, theta: Any = None) -> Array:
        """The Hessian times a vector (P,), or times each of several, (K, P). See `product` for many in turn."""
        return self.product(theta)(vector)

    def product(self, theta: Any = None) -> Callable[[Any], Array]:
        """v -> H v at one point: the gradient's graph is made once, and each product is one backward pass."""
        with self._at(theta), grad_mode(True):
            gradients = self._gradient_graph()

        def multiply(vector: Any) -> Array:
            v = np.asarray(vector, self.flat.dtype)
            if v.shape[-1:] != (self.size,) or v.ndim > 2:
                raise ShapeError(f"A direction of shape {v.shape} does not fit {self.size} parameters.")
            if v.ndim == 2:
                return self._products(gradients, v)
            pairs = [(g, s) for g, s in zip(gradients, self.flat.split(v), strict=True) if g.requires_grad]
            if not pairs:
                return np.zeros(self.size, self.flat.dtype)
            ys, seeds = zip(*pairs, strict=True)
            found = differentiate(ys, seeds, self.params, retain_graph=True, create_graph=False)
            return self.flat.joined([found.get(p) for p in self.params])

        return multiply

    # ---- at many points ----------------------------------------------------------------------------------------------

    def values(self, thetas: Any) -> Array:
        """The losses at K points, (K, P) -> (K,): computed together where the loss allows it (see `replay`)."""
        return self._together("values", thetas)  # type: ignore[no-any-return]

    def gradients(self, thetas: Any) -> Array:
        """The gradients at K points, (K, P) -> (K, P)."""
        return self._together("gradients", thetas)  # type: ignore[no-any-return]

    def hessians(self, thetas: Any) -> Array:
        """The Hessians at K points, (K, P) -> (K, P, P)."""
        points = self._points(thetas)
        if self.size > 32:  # the replayed program has a backward pass for each parameter
            return np.array([self.hessian(t) for t in points]).reshape(-1, self.size, self.size)
        return self._together("hessians", points)  # type: ignore[no-any-return]

    def _together(self, what: str, thetas: Any) -> Any:
        points = self._points(thetas)
        replay: Replay = getattr(self, f"_replayed_{what}")
        return replay(
            [points[:, part].reshape(-1, *p.shape) for p, part in zip(self.params, self.flat.parts, strict=True)]
        )

    @cached_property
    def _replayed_values(self) -> Replay:
        return Replay(self._loss, self.params)

    @cached_property
    def _replayed_gradients(self) -> Replay:
        return Replay(lambda: _joined(self._gradient_graph()), self.params)

    @cached_property
    def _replayed_hessians(self) -> Replay:
        def rows() -> Tensor:
            g = _joined(self._gradient_graph())
            if not g.requires_grad:
                return Tensor(np.zeros((self.size, self.size), self.flat.dtype))
            each: list[Tensor] = [
                _joined(grad([g[i]], self.params, retain_graph=True, create_graph=True, materialize_grads=True))
                for i in range(self.size)
            ]
            full: Tensor = cat([row.reshape(1, self.size) for row in each])
            return full

        return Replay(rows, self.params)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _loss(self) -> Tensor:
        loss: Any = self.closure()
        if not isinstance(loss, Tensor):
            raise DtypeError(f"The loss is {type(loss).__name__}, not a tensor.", fix="Leave out .item() and float().")
        if loss.numel() != 1:
            raise ShapeError(
                f"The loss has shape {loss.shape}; it must be a single number.", fix="Take its mean() or sum()."
            )
        number: Tensor = loss.reshape(()) if loss.ndim else loss
        return number

    def _first(self, loss: Tensor) -> Array:
        if not loss.requires_grad:
            return np.zeros(self.size, self.flat.dtype)
        found = differentiate([loss], [None], self.params, retain_graph=False, create_graph=False)
        return self.flat.joined([found.get(p) for p in self.params])

    def _gradient_graph(self) -> list[Tensor]:
        loss = self._loss()
        if not loss.requires_grad:
            return [Tensor(np.zeros(p.shape, p.dtype)) for p in self.params]
        return list(grad([loss], self.params, create_graph=True, materialize_grads=True))

    def _products(self, gradients: list[Tensor], vectors: Array) -> Array:
        total = np.zeros((len(vectors), self.size), self.flat.dtype)
        for g, part in zip(gradients, self.flat.parts, strict=True):
            found = many_vjps.products(g, self.params, vectors[:, part].reshape(len(vectors), *g.shape))
            total += np.concatenate([b.reshape(len(vectors), math.prod(b.shape[1:])) for b in found], axis=1)
        return total

    def _points(self, thetas: Any) -> Array:
        points = np.asarray(thetas, self.flat.dtype)
        if points.ndim != 2 or points.shape[1] != self.size:
            raise ShapeError(
                f"Points of shape {points.shape} for {self.size} parameters.", fix=f"Give (K, {self.size})."
            )
        return points

    def _at(self, theta: Any) -> _At:
        if theta is not None:
            theta = np.asarray(theta, self.flat.dtype)
            if theta.shape != (self.size,):
                raise ShapeError(f"A point of shape {theta.shape} for {self.size} parameters.")
        return _At(self.flat, theta)

    def __repr__(self) -> str:
        return f"<Objective of {self.size} parameters: {', '.join(str(list(p.shape)) for p in self.params)}>"


class _At:
    """Inside the block the parameters are at `theta`; None leaves them where they are."""

    def __init__(self, flat: Flat, theta: Array | None) -> None:
        self.flat, self.theta = flat, theta

    def __enter__(self) -> None:
        self.before = [p._data for p in self.flat.params]
        if self.theta is not None:
            for p, part in zip(self.flat.params, self.flat.parts, strict=True):
                p._data = np.array(self.theta[part].reshape(p.shape), p.dtype)  # other memory: nothing is overwritten

    def __exit__(self, *_: object) -> None:
        for p, data in zip(self.flat.params, self.before, strict=True):
            p._data = data


def given_matrix(loss: Any) -> Array | None:
    """The matrix that was given in place of a loss, as an array or a Tensor (`mt.hessian` gives one); None if none."""
    return loss.detach().numpy() if isinstance(loss, Tensor) else loss if isinstance(loss, np.ndarray) else None


def objective(loss: Loss | Objective, params: Params = None) -> Objective:
    """An `Objective`; one that is given already is returned as it is."""
    if isinstance(loss, Objective):
        return loss
    if params is None:
        raise ArgumentError("A loss needs its parameters: objective(loss, params).")
    return Objective(loss, params)


def _joined(tensors: Iterable[Tensor]) -> Tensor:
    """Tensors as one vector."""
    return cat([t.reshape(t.numel()) for t in tensors])  # type: ignore[no-any-return]


def _parameters(params: Params) -> list[Tensor]:
    if isinstance(params, Module):
        return list(params.parameters())
    if isinstance(params, Tensor):
        return [params]
    if isinstance(params, (np.ndarray, int, float)) or (isinstance(params, (list, tuple)) and _numbers(params)):
        return [Tensor(np.array(params, dtype=float))]
    listed = list(params)
    if len({id(p) for p in listed}) < len(listed):
        raise ArgumentError("A parameter is in the list twice.", "Its derivatives would be counted twice.")
    wrong = [type(p).__name__ for p in listed if not isinstance(p, Tensor)]
    if wrong or not listed:
        raise DtypeError(
            f"Parameters are tensors, not {', '.join(wrong) or 'nothing'}.",
            fix="Pass model, model.parameters() or a tensor.",
        )
    return listed


def _numbers(values: Any) -> bool:
    return bool(values) and all(isinstance(v, (int, float, np.number)) for v in values)


def _takes_nothing(loss: Loss, count: int) -> bool:
    """Is it a closure? Arguments with defaults, as in `lambda model=model: ...`, do not count."""
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    wanted = sum(p.default is p.empty for p in places)
    several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if wanted and (wanted > count or (len(places) < count and not several)):
        raise ArgumentError(
            f"The loss takes {wanted} arguments, but there are {count} parameters.",
            "A function is called with one tensor for each of them; a closure has no arguments.",
        )
    return not wanted and not several
