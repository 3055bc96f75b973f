"""The strong Wolfe line search: a step after which the loss is lower and flatter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..engine.quiet import quiet, restore
from ..errors import ArgumentError
from .line_search import LineSearch

Point = tuple[float, float, float]  # (step, value, derivative)


def strong_wolfe(
    phi: Callable[[float], tuple[float, float]], step: float, start: float, slope: float, *, c1: float = 1e-4,
    c2: float = 0.9, tolerance: float = 1e-9, max_iter: int = 25,
) -> LineSearch:  # fmt: skip
    """Find a step with phi(step) <= phi(0) + c1 step phi'(0) and |phi'(step)| <= c2 |phi'(0)|.

    First the step grows until an interval holds such a point, then the interval shrinks, both by cubic interpolation
    (Nocedal and Wright 2006, section 3.5; the steps are those of PyTorch's L-BFGS).

    Args:
        phi: returns the loss and its derivative.
        step: the first to try.
        start, slope: phi(0) and phi'(0), known already.
        tolerance: give up when the interval is shorter.

    If it gives up, `converged` is False and the step the best that was seen, maybe 0. Raises `ArgumentError` if phi
    does not fall at 0.
    """
    if not slope < 0:
        raise ArgumentError(f"strong_wolfe(): the slope is {slope}; along this line the loss does not fall.")
    record = LineSearch("strong Wolfe", 0.0, start, False)
    origin = (0.0, start, slope)

    def ask(t: float) -> Point:
        found, derivative = phi(t)
        value = float(found)
        record.evaluations.append((t, value))
        return t, value if value == value else np.inf, float(derivative)  # beyond where the loss is defined: too far

    def too_high(point: Point) -> bool:
        return point[1] > start + c1 * point[0] * slope

    def flat(point: Point) -> bool:
        return abs(point[2]) <= -c2 * slope

    # An interval that holds a good point: grow until the loss rises, or rises again.
    before, here, rounds = origin, ask(step), 0
    while rounds < max_iter:
        if too_high(here) or (rounds > 1 and here[1] >= before[1]):
            break
        if flat(here):
            record.step, record.value, record.converged = here[0], here[1], True
            return record
        if here[2] >= 0:
            break
        t = here[0]
        further = cubic_minimum(before, here, (t + 0.01 * (t - before[0]), 10 * t))
        before, here = here, ask(further)
        rounds += 1
    else:
        before = origin

    # Shrink it. ends[low] is the better end.
    ends = [before, here]
    low = 0 if before[1] <= here[1] else 1
    near_an_end = False
    while rounds < max_iter:
        left, right = min(ends[0][0], ends[1][0]), max(ends[0][0], ends[1][0])
        record.brackets.append((left, right))
        if right - left < tolerance:
            break
        t, margin = cubic_minimum(ends[0], ends[1]), 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # twice near an end, or at it: no progress that way
            if near_an_end or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                near_an_end = False
            else:
                near_an_end = True
        else:
            near_an_end = False
        here = ask(t)
        rounds += 1
        if too_high(here) or here[1] >= ends[low][1]:
            ends[1 - low] = here
            low = 0 if ends[0][1] <= ends[1][1] else 1
            continue
        if flat(here):
            record.converged = True
        elif here[2] * (ends[1 - low][0] - ends[low][0]) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = here
        if record.converged:
            break
    record.step, record.value, _ = ends[low]
    return record


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points, with their derivatives, is lowest, within `bounds` (or between them)."""
    left, right = bounds or (min(a[0], b[0]), max(a[0], b[0]))
    (x1, f1, g1), (x2, f2, g2) = [tuple(map(np.float64, point)) for point in (a, b)]
    token = quiet()
    try:
        d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
        square = d1 * d1 - g1 * g2
        if not square >= 0:
            return (left + right) / 2
        d2 = np.sqrt(square)
        if x1 <= x2:
            lowest = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
        else:
            lowest = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    finally:
        restore(token)
    return float(min(max(lowest, left), right)) if np.isfinite(lowest) else (left + right) / 2
