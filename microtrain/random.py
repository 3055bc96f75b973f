"""Random numbers. Every draw comes from a `Generator`; without one, from the default that `manual_seed` sets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .engine.recording import MODE
from .errors import ArgumentError, DtypeError
from .ops.conversion import check_device
from .ops.primitive import operation
from .ops.probability import dropout_row

Drawn = TypeVar("Drawn", bound=Callable[..., Any])


class Generator:
    """A stream of random numbers (PCG64), independent of all others.

    The same seed gives the same bits on every machine, whatever else draws random numbers. PyTorch's argument `device`
    may be given, by name or in the place of the seed: "cpu".
    """

    def __init__(self, seed: Any = 0, *, device: Any = None) -> None:
        if isinstance(seed, str) or hasattr(seed, "type"):
            seed, device = 0, seed
        check_device(device)
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from a seed, a non-negative integer."""
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ArgumentError(f"A seed is a non-negative integer, not {seed!r}.")
        self._seed = int(seed)
        self._numpy: np.random.Generator | None = None
        return self

    @property
    def numpy(self) -> np.random.Generator:
        """NumPy's generator, which does the work. Made when first used: `numpy.random` takes long to import."""
        if self._numpy is None:
            self._numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self._numpy

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands, as plain numbers and strings (it can be written as JSON)."""
        return {"seed": self._seed, **self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Go on from where `get_state` was called. Raises `ArgumentError` for anything else."""
        try:
            self.manual_seed(int(state["seed"]))
            self.numpy.bit_generator.state = {key: value for key, value in state.items() if key != "seed"}
        except (TypeError, KeyError, ValueError) as error:
            what = f"This is not the state of a Generator: {error!r}."
            raise ArgumentError(what, fix="Give what get_state() returned.") from None
        return self

    def clone_state(self) -> Generator:
        """Another generator that stands where this one does."""
        return Generator().set_state(self.get_state())

    def __repr__(self) -> str:
        return f"Generator(seed={self._seed})"


default_generator = Generator(0)


def manual_seed(seed: int) -> Generator:
    """Seed the default generator: the same seed gives the same numbers, and training the same bits.

    That holds whatever the number of threads (with another BLAS than NumPy's own, it is for that library to say).
    """
    return default_generator.manual_seed(seed)


def stream(generator: Generator | None) -> np.random.Generator:
    """NumPy's generator behind `generator`, or behind the default. Raises `DtypeError` for anything else."""
    if generator is None:
        return default_generator.numpy
    if not isinstance(generator, Generator):
        raise DtypeError(
            f"A generator is a microtrain.Generator, not {type(generator).__module__}.{type(generator).__qualname__}.",
            fix="Use mt.Generator(seed).",
        )
    return generator.numpy


def drawing(function: Drawn) -> Drawn:
    """A function that returns random numbers, and different ones when it is called again: a listener may need to."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        for listener in MODE.get().listeners:
            if hasattr(listener, "drawn"):
                listener.drawn(function, args, kwargs, result)
        return result

    return call  # type: ignore[return-value]


@drawing
def _those_to_keep(shape: tuple[int, ...], p: float, generator: Generator | None) -> Any:
    """Which elements dropout lets through."""
    return np.asarray(stream(generator).random(shape) >= p)


@operation(method=False)
def dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None = None
) -> Any:
    """While training, zeroes each element with probability `p` and scales the others by 1 / (1 - p).

    So the expected value stays the same, and nothing needs scaling afterwards (Srivastava et al. 2014). Raises
    `ArgumentError` unless 0 <= p <= 1.
    """
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout(): p is a probability, from 0 to 1, not {p}.")
    if not training or p == 0:
        return input
    keep = _those_to_keep(input.shape, p, generator)
    output = dropout_row(input, keep, 1 / (1 - p) if p < 1 else 0.0)
    return input.overwrite(output, "dropout") if inplace else output
