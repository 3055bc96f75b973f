"""Derivatives by finite differences, and a look inside the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import microtrain as mt

from .case import Case, Dice, flat, leaf

STEP = 1e-5  # central differences: an error of about STEP^2 from the formula and 1e-16 / STEP from rounding


def slopes(f: Callable[..., float], arrays: list[Any], which: int) -> Any:
    """df / d arrays[which], element by element, by central differences."""
    output = np.zeros(arrays[which].shape)
    for place in np.ndindex(output.shape):
        values = []
        for step in (STEP, -STEP):
            moved = [np.array(a) for a in arrays]
            moved[which][place] += step
            values.append(f(*moved))
        output[place] = (values[0] - values[1]) / (2 * STEP)
    return output


def is_float(x: Any) -> bool:
    return np.asarray(x).dtype.kind == "f"


def check_derivatives(function: Callable[..., Any], arrays: list[Any], order: int = 2, tolerance: float = 1.0) -> None:
    """The gradient of `function(*tensors)`, and its gradient in turn, against finite differences (in float64)."""
    arrays = [np.array(a) for a in arrays]
    rng = np.random.default_rng(0)
    floats = [k for k, a in enumerate(arrays) if is_float(a)]
    weights = [
        rng.uniform(-1, 1, y.shape) if y.is_floating_point() else None for y in flat(function(*map(leaf, arrays)))
    ]

    def weighted(*values: Any) -> Any:
        """The outputs as one number; not linear in them, so that the upstream gradient depends on the inputs too."""
        ys = flat(function(*values))
        parts = [(y * w + 0.1 * y * y).sum() for y, w in zip(ys, weights, strict=True) if w is not None]
        return sum(parts, start=mt.tensor(0.0))

    def first(*values: Any) -> list[Any]:
        xs = [leaf(np.array(v)) for v in values]
        y = weighted(*xs)
        if not y.requires_grad:
            return [np.zeros(values[k].shape) for k in floats]
        return [g.numpy() for g in mt.grad(y, [xs[k] for k in floats], materialize_grads=True)]

    gradients = first(*arrays)
    for k, g in zip(floats, gradients, strict=True):
        expected = slopes(lambda *values: weighted(*map(leaf, values)).item(), arrays, k)
        np.testing.assert_allclose(g, expected, rtol=1e-6 * tolerance, atol=1e-7 * tolerance * scale(expected))
    if order < 2:
        return

    directions = [rng.uniform(-1, 1, arrays[k].shape) for k in floats]

    def along(*values: Any) -> float:
        """The gradient in one direction, as one number."""
        return float(sum(np.sum(g * u) for g, u in zip(first(*values), directions, strict=True)))

    xs = [leaf(a) for a in arrays]
    y = weighted(*xs)
    wanted = [xs[k] for k in floats]
    second = [np.zeros(x.shape) for x in wanted]
    if y.requires_grad:
        gs = mt.grad(y, wanted, create_graph=True, materialize_grads=True)
        total = sum(((g * mt.tensor(u)).sum() for g, u in zip(gs, directions, strict=True)), start=mt.tensor(0.0))
        if total.requires_grad:
            second = [h.numpy() for h in mt.grad(total, wanted, materialize_grads=True)]
    for k, h in zip(floats, second, strict=True):
        expected = slopes(along, arrays, k)
        np.testing.assert_allclose(h, expected, rtol=1e-6 * tolerance, atol=1e-7 * tolerance * scale(expected))


def scale(expected: Any) -> float:
    return max(1.0, float(np.max(np.abs(expected), initial=0)))


def examples(case: Case, count: int, dtype: str = "float64") -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """(arrays, parameters): always the same ones."""
    for seed in range(count):
        dice = Dice(seed)
        drawn = case.draw(dice)
        drawn.lay_out(dice, dtype)
        yield drawn.inputs, drawn.params


def nodes_behind(outputs: list[Any]) -> list[Any]:
    """Every node of the graph that ends in these tensors."""
    found: dict[Any, None] = {}
    stack = [y.grad_fn for y in outputs if y.grad_fn is not None]
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack.extend(parent for parent in node.parents if hasattr(parent, "parents"))
    return list(found)
