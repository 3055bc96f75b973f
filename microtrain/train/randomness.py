"""All the streams of random numbers that a run draws from, and where each of them stands."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..nn.module import Module
from ..random import Generator, default_generator

KINDS = (Generator, np.random.Generator)


def streams(things: Iterable[Any]) -> list[Any]:
    """The default generator, those among `things`, and those that are attributes of `things`; each once.

    Of a module all parts are looked through (a `Dropout` has a generator), of a loader also its data set and sampler.
    """
    found: dict[int, Any] = {id(default_generator): default_generator}
    for thing in things:
        for owner in _owners(thing):
            for stream in [owner, *getattr(owner, "__dict__", {}).values()]:
                if isinstance(stream, KINDS):
                    found.setdefault(id(stream), stream)
    return list(found.values())


def _owners(thing: Any) -> Iterator[Any]:
    if isinstance(thing, Module):
        yield from thing.modules()
        return
    yield thing
    for name in ("dataset", "sampler", "batch_sampler"):
        part = getattr(thing, name, None)
        while part is not None:  # a Subset has a data set of its own, a BatchSampler a sampler
            yield part
            of = "dataset" if hasattr(part, "dataset") else "sampler"
            part = getattr(part, of, None)


def states(found: list[Any]) -> dict[str, Any]:
    """Where the streams stand, and Python's and NumPy's global ones, as plain data."""
    version, numbers, gauss = random.getstate()
    return {
        "streams": [g.get_state() if isinstance(g, Generator) else g.bit_generator.state for g in found],
        "numpy": np.random.get_state(legacy=False),
        "python": [version, np.array(numbers, dtype=np.uint32), gauss],
    }


def set_states(found: list[Any], saved: dict[str, Any]) -> None:
    """Put every stream where it was. Raises `ArgumentError` if there were more or fewer, or for anything else."""
    if len(saved["streams"]) != len(found):
        raise ArgumentError(
            f"The checkpoint has {len(saved['streams'])} random generators, but here are {len(found)}.",
            fix="Give the model, the loader and `generators=` the same ones as before.",
        )
    for generator, state in zip(found, saved["streams"], strict=True):
        if isinstance(generator, Generator):
            generator.set_state(state)
        else:
            generator.bit_generator.state = state
    np.random.set_state(saved["numpy"])
    version, numbers, gauss = saved["python"]
    random.setstate((version, tuple(int(n) for n in numbers), gauss))
