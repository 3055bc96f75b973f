"""Training with infinitely small steps: gradient flow d theta / dt = -grad f(theta), and the flow of any field.

Gradient descent with rate lr is Euler's method for it, with time lr a step; where both part, the step was too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..calculus.derivatives import jacobian
from ..engine.recording import grad_mode
from ..errors import ArgumentError
from ..kernels.blas import scipys_one_thread_each, steady
from ..tensor import Tensor
from .objective import Array, Loss, Objective, Params, objective

Field = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Flow:
    """A path in time: `times` (T,), `points` (T, P), and `values` (T,), the loss, if there is one.

    Called with a time (or several) it gives the point there, from the solver's interpolation.
    """

    times: Array
    points: Array
    values: Array | None
    evaluations: int
    reason: str
    interpolation: Callable[[Any], Array] = field(repr=False)
    events: tuple[Array, ...] = ()  # for each event the times at which it happened

    @steady
    def __call__(self, times: Any) -> Array:
        found = self.interpolation(np.asarray(times, float))
        return found.T if np.ndim(times) else found

    @property
    def end(self) -> Array:
        """The last point."""
        return self.points[-1]  # type: ignore[no-any-return]

    def plot(self, ax: Any = None) -> Any:
        """Draw it (see `viz.plots.flow`); returns the Axes."""
        from ..viz.plots import flow as draw

        return draw(self, ax=ax)

    def __repr__(self) -> str:
        loss = "" if self.values is None else f", loss {self.values[0]:.4g} -> {self.values[-1]:.4g}"
        return f"<Flow to t = {self.times[-1]:.4g} in {len(self.times)} points{loss}: {self.reason}>"


def gradient_flow(
    loss: Loss | Objective, params: Params = None, *, t_end: float, start: Any = None, method: str = "RK45",
    rtol: float = 1e-8, atol: float = 1e-10, times: Any = None,
    events: Sequence[Callable[[float, Array], float]] = (), gtol: float | None = None,
) -> Flow:  # fmt: skip
    """Follow -grad f from the parameters (or `start`) for a time, by `scipy.integrate.solve_ivp`.

    Args:
        method: SciPy's: "RK45", "DOP853", or for stiff problems (large condition numbers) "LSODA", "BDF", "Radau".
        times: where the points of the result are; by default the solver's own.
        events: functions of (t, theta) whose zeros are recorded; one with the attribute `terminal = True` ends it.
        gtol: stop where the gradient norm falls below it.
    """
    found = objective(loss, params)
    at = found.theta if start is None else np.ravel(np.asarray(start, float))
    if at.shape != (found.size,):
        raise ArgumentError(f"A start with {at.size} numbers for {found.size} parameters.")
    watched = list(events)
    if gtol is not None:

        def settled(t: float, theta: Array) -> float:
            return float(np.linalg.norm(found.gradient(theta))) - gtol

        settled.terminal = True  # type: ignore[attr-defined]
        watched.append(settled)
    result = _solve(lambda t, theta: -found.gradient(theta), at, t_end, method, rtol, atol, times, watched)
    values = found.values(result.points)
    return Flow(
        result.times, result.points, values, result.evaluations, result.reason, result.interpolation, result.events
    )


def flow(
    velocity: Field, start: Any, *, t_end: float, method: str = "RK45", rtol: float = 1e-8, atol: float = 1e-10,
    times: Any = None, events: Sequence[Callable[[float, Array], float]] = (),
) -> Flow:  # fmt: skip
    """Follow any velocity field x -> F(x), written for tensors of shape (P,)."""
    at = np.ravel(np.asarray(start, float))
    return _solve(lambda t, x: field_at(velocity, x), at, t_end, method, rtol, atol, times, events)


def field_at(velocity: Field, x: Any) -> Array:
    """The field at a point, as an array (P,)."""
    with grad_mode(False):
        out = velocity(Tensor(np.asarray(x, float)))
    return np.asarray(out.detach() if isinstance(out, Tensor) else out, float)


@steady
def _solve(
    velocity: Callable[[float, Array], Array], start: Array, t_end: float, method: str, rtol: float, atol: float,
    times: Any, events: Sequence[Any],
) -> Flow:  # fmt: skip
    from scipy.integrate import solve_ivp

    if not np.isfinite(t_end):
        raise ArgumentError(f"t_end is {t_end}.", "A flow is followed for a finite time.", "Use gtol= to stop early.")
    with scipys_one_thread_each:  # implicit methods solve equations
        result = solve_ivp(
            velocity, (0.0, float(t_end)), start, method=method, rtol=rtol, atol=atol, t_eval=times, dense_output=True,
            events=list(events) or None,
        )  # fmt: skip
    if not result.success:
        raise ArgumentError(
            f"The ODE solver gave up at t = {result.t[-1] if len(result.t) else 0:.4g}: {result.message}",
            "The field is stiff, infinite, or runs away in finite time.",
            'Try method="LSODA", a shorter t_end, or a start elsewhere.',
        )
    reason = "an event ended it" if result.status == 1 else "the time was up"
    happened = tuple(result.t_events) if result.t_events is not None else ()
    return Flow(result.t, result.y.T, None, int(result.nfev), reason, result.sol, happened)


def curl(velocity: Field, x: Any) -> Array:
    """J - J^T of a field at a point, (P, P): zero everywhere if and only if the field is a gradient (on a ball).

    In two dimensions the number that is called curl is the entry [1, 0].
    """
    j = np.asarray(jacobian(velocity, Tensor(np.ravel(np.asarray(x, float)))).detach())
    return j - j.T  # type: ignore[no-any-return]


def circulation(velocity: Field, center: Any, radius: float = 1.0, points: int = 400) -> float:
    """The integral of a plane field along a circle: 0 for a gradient field, 2 pi r^2 omega for a rotation."""
    angles = 2 * np.pi * np.arange(points) / points
    ring = np.asarray(center, float) + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    tangent = radius * np.stack([-np.sin(angles), np.cos(angles)], 1)
    along = sum(float(field_at(velocity, p) @ t) for p, t in zip(ring, tangent, strict=True))
    return along * 2 * np.pi / points


@steady
def euler_error(loss: Loss | Objective, start: Any, t_end: float, rates: Sequence[float]) -> Array:
    """How far gradient descent is from the flow after time `t_end`, for each learning rate: falls like the rate."""
    at = np.ravel(np.asarray(start, float))
    found = objective(loss, at)
    true = gradient_flow(found, t_end=t_end, start=at, rtol=1e-11, atol=1e-13).end
    apart = []
    for lr in rates:
        theta = at
        steps = round(t_end / lr)
        for _ in range(steps):
            theta = theta - (t_end / steps) * found.gradient(theta)
        apart.append(float(np.linalg.norm(theta - true)))
    return np.array(apart)
