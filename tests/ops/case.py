"""What the tests know of an operation: ours, PyTorch's, NumPy's, and which inputs to try it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import microtrain as mt
from microtrain.tensor import wrap

Shape = tuple[int, ...]


class Dice:
    """Where a case gets its choices from: here a seeded generator, in the oracle tests Hypothesis."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self._rng.integers(low, high + 1))

    def pick(self, options: Sequence[Any]) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def flag(self) -> bool:
        return bool(self.integer(0, 1))

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.integer(0, 10**6))

    # ---- shapes and axes ----

    def shape(self, min_ndim: int = 0, max_ndim: int = 3, smallest: int = 0, largest: int = 4) -> Shape:
        """Lengths of 0 are possible but rare, so that most examples have something in them."""
        ndim = self.integer(min_ndim, max_ndim)
        lengths = [n for n in [*range(1, largest + 1), *range(1, largest + 1), 0] if n >= smallest]
        return tuple(self.pick(lengths) for _ in range(ndim))

    def broadcastable(self, how_many: int) -> list[Shape]:
        """Shapes that broadcast together."""
        whole = self.shape()
        shapes = []
        for _ in range(how_many):
            missing = self.integer(0, len(whole)) if self.integer(0, 2) == 0 else 0
            shapes.append(tuple(1 if self.integer(0, 4) == 0 else n for n in whole[missing:]))
        return shapes

    def dim(self, ndim: int) -> int:
        return self.integer(-ndim, ndim - 1) if ndim else self.pick([0, -1])

    def dims(self, ndim: int) -> Any:
        """None, one axis, or several."""
        kind = self.integer(0, 2)
        if kind == 0 or ndim == 0:
            return None
        if kind == 1:
            return self.dim(ndim)
        chosen = [i for i in range(ndim) if self.flag()] or [0]
        return tuple(i - ndim if self.flag() else i for i in chosen)


# ---- values ----------------------------------------------------------------------------------------------------------


def real(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.uniform(-2.5, 2.5, shape)


def off_zero(rng: np.random.Generator, shape: Shape) -> Any:
    """Away from 0, where many functions have a kink."""
    return rng.uniform(0.2, 2.5, shape) * rng.choice([-1.0, 1.0], shape)


def positive(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.uniform(0.3, 2.5, shape)


def unit(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.uniform(-0.9, 0.9, shape)


def over_one(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.uniform(1.2, 3.0, shape)


def off_whole(rng: np.random.Generator, shape: Shape) -> Any:
    """Away from whole numbers and from halves, where rounding jumps."""
    return rng.integers(-3, 3, shape) + rng.choice([0.25, 0.75], shape) + rng.uniform(-0.1, 0.1, shape)


def distinct(rng: np.random.Generator, shape: Shape) -> Any:
    """No two equal, and none close to another."""
    n = int(np.prod(shape))
    return ((rng.permutation(n) - n / 2 + 0.3) * 0.37).reshape(shape)


def with_zeros(rng: np.random.Generator, shape: Shape) -> Any:
    return off_zero(rng, shape) * (rng.random(shape) > 0.3)


def probability(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.uniform(0.05, 0.95, shape)


Maker = Callable[[np.random.Generator, Shape], Any]

# ---- memory layouts --------------------------------------------------------------------------------------------------

LAYOUTS = ("C", "F", "steps", "reversed", "scalar or broadcast")


def laid_out(array: Any, layout: str) -> Any:
    """The same values in memory of another kind. (Only "broadcast" changes values: it repeats the first slice.)"""
    array = np.asarray(array)
    if layout == "F":
        return np.array(array, order="F")
    if layout == "steps" and array.ndim:
        wide = np.full(tuple(2 * n for n in array.shape), 7, dtype=array.dtype)
        wide[(slice(None, None, 2),) * array.ndim] = array
        return wide[(slice(None, None, 2),) * array.ndim]
    if layout == "reversed":
        return np.flip(np.flip(array).copy())
    if layout == "scalar or broadcast":
        return np.broadcast_to(array[:1], array.shape) if array.ndim and len(array) else array[()]
    return np.array(array)


# ---- cases -----------------------------------------------------------------------------------------------------------


@dataclass
class Drawn:
    """One example: arrays (float64 stands for the dtype of the test), and keyword parameters."""

    inputs: list[Any]
    params: dict[str, Any] = field(default_factory=dict)
    repeatable: bool = True  # may a slice be repeated (broadcast layout), or would that make ties or singular matrices?

    def lay_out(self, dice: Dice, dtype: str) -> None:
        """Convert the floats to `dtype` and put everything in memory of some kind."""
        layouts = LAYOUTS if self.repeatable else LAYOUTS[:-1]
        for k, array in enumerate(self.inputs):
            if np.asarray(array).dtype.kind == "f":
                self.inputs[k] = laid_out(np.asarray(array).astype(dtype), dice.pick(layouts))


@dataclass(frozen=True)
class Case:
    """One operation, or one way of using it.

    `ours(*tensors, **params)`; `torch(torch, *tensors, **params)` or the name in torch; `numpy(*arrays, **params)` or
    None. `order` is how often it is differentiated in the tests.
    """

    name: str
    ours: Callable[..., Any]
    torch: Any
    draw: Callable[[Dice], Drawn]
    numpy: Callable[..., Any] | None = None
    order: int = 2
    tolerance: float = 1.0  # a factor to the tolerances
    differences: bool = True  # can finite differences check it?
    special: bool = False  # elementwise: also compare at special values
    differs: Callable[..., Any] | None = None  # special values where we differ from PyTorch on purpose ...
    why: str = ""  # ... and the reason

    def __post_init__(self) -> None:
        assert (self.differs is None) == (not self.why)

    def __repr__(self) -> str:
        return self.name

    def theirs(self, torch: Any) -> Callable[..., Any]:
        if callable(self.torch):
            return lambda *xs, **params: self.torch(torch, *xs, **params)
        function = torch
        for part in (self.torch or self.name).split("."):
            function = getattr(function, part)
        return function  # type: ignore[no-any-return]


def elementwise(
    name: str, ours: Callable[..., Any], torch: Any, makers: Sequence[Maker], numpy: Any = None, **options: Any
) -> Case:
    """A case whose inputs broadcast."""

    def draw(dice: Dice) -> Drawn:
        shapes = dice.broadcastable(len(makers))
        return Drawn([make(dice.rng(), shape) for make, shape in zip(makers, shapes, strict=True)])

    return Case(name, ours, torch, draw, numpy, **{"special": True, **options})


def flat(outputs: Any) -> list[Any]:
    """The outputs of an operation as a list."""
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


def leaf(array: Any) -> mt.Tensor:
    """A tensor around this very memory, with its strides; it requires grad if it is a float."""
    tensor = wrap(array)
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor
