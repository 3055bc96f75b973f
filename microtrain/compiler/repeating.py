"""Many steps at once: what `repeat` and `minibatches` of a compiled step do.

Where a step can't be done in machine code, it is called as always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.recording import MODE
from ..errors import ArgumentError
from ..tensor import Tensor, wrap
from . import trees
from .many import run_many
from .variant import Variant

if TYPE_CHECKING:
    from .compiled import Compiled

Ready = tuple[Variant, Any]  # a compiled form, and what it returns


def repeat(compiled: Compiled, n: int, args: Any, kwargs: Any, record: Sequence[Tensor]) -> Any:
    """`Compiled.repeat`."""
    if not isinstance(n, (int, np.integer)) or n < 0:
        raise ArgumentError(f"repeat({n!r}): the number of steps is a whole number, and not negative.")
    if not record:
        return _many(compiled, n, args, kwargs)
    key = tuple(map(id, record))
    if key not in compiled._recorders:
        compiled._recorders[key] = type(compiled)(_recording(compiled.step, list(record)))
    return _many(compiled._recorders[key], n, args, kwargs)


def minibatches(compiled: Compiled, loader: Any, epochs: int) -> Any:
    """`Compiled.minibatches`."""
    results: list[Any] = []
    for _ in range(epochs):
        whole = loader.epoch() if hasattr(loader, "epoch") else None
        if whole is None:
            batches = (batch if isinstance(batch, (list, tuple)) else [batch] for batch in loader)
            results += [trees.stacked([compiled(*batch)]) for batch in batches]
        else:
            data = [whole] if isinstance(whole, Tensor) else whole
            results += _epoch(compiled, data, loader.batch_size, loader.drop_last)
    return trees.chained(results)


def _epoch(compiled: Compiled, data: Sequence[Tensor], size: int, drop_last: bool) -> list[Any]:
    """The results of an epoch, each with an axis of steps."""
    count = len(data[0]._data)
    batches = [tuple(wrap(x._data[start : start + size]) for x in data) for start in range(0, count, size)]
    full = count // size
    if drop_last:
        del batches[full:]
    results: list[Any] = []
    with compiled._lock:
        while len(results) < full:
            first = len(results)
            arguments, ready = _repeatable(compiled, batches[first], {})
            if ready is not None:
                advance = {k: x._data.nbytes for k, x in enumerate(arguments)}
                results.append(_natively(ready, full - first, arguments, advance))
                break
            results.append(trees.stacked([compiled(*batches[first])]))
    return results + [trees.stacked([compiled(*batch)]) for batch in batches[full:]]


def _many(compiled: Compiled, n: int, args: Any, kwargs: Any) -> Any:
    """The results of n steps with the same arguments."""
    done: list[Any] = []
    with compiled._lock:
        while len(done) < n:
            arguments, ready = _repeatable(compiled, args, kwargs)
            if ready is not None:
                rest = _natively(ready, n - len(done), arguments, {})
                return trees.chained([*done, rest]) if done else rest
            done.append(trees.stacked([compiled(*args, **kwargs)]))  # now: the next step may write to what it returned
    return trees.chained(done)


def _repeatable(compiled: Compiled, args: Any, kwargs: Any) -> tuple[list[Any], Ready | None]:
    """The arguments, and the compiled form that can do many steps with them, if there is one."""
    arguments, key = trees.flat(args, kwargs, compiled._constant)
    form = compiled._forms.get(key)
    ready = form.ready(arguments) if form is not None and not MODE.get().listeners else None
    if ready is not None:
        variant = ready[0]
        if not variant.repeatable or variant.aliases.copied or not variant.tried.covers(arguments):
            ready = None
    return arguments, ready


def _natively(ready: Ready, n: int, arguments: list[Any], advance: dict[int, int]) -> Any:
    """The results of n steps in machine code; `advance` has the bytes from one step's argument to the next."""
    variant, template = ready
    records = [np.empty((n, *a.shape), a.dtype) for a in variant.plan.outputs]
    variant.protect()
    run_many(variant, n, arguments, advance, records)
    return trees.recorded(template, records, arguments, n)


def _recording(step: Callable[..., Any], record: list[Tensor]) -> Callable[..., Any]:
    """The step, which also returns the values of some tensors after it."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        result = step(*args, **kwargs)
        return result, [x.detach().clone() for x in record]

    recorded.__name__ = getattr(step, "__name__", "step")
    return recorded
