"""Many steps at once: `repeat` and `minibatches` of a compiled step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.recording import MODE
from ..errors import ArgumentError
from ..tensor import Tensor, wrap
from . import trees
from .variant import Variant


class Repeating:
    """The part of `Compiled` that does many steps; where one can't be done in machine code, it is called as always."""

    _lock: Any
    _forms: dict[Any, Any]
    _constant: set[int]
    _recorders: dict[Any, Any]
    __call__: Callable[..., Any]

    def __init__(self, step: Callable[..., Any]) -> None:
        self.step = step

    def repeat(self, n: int, *args: Any, record: Sequence[Tensor] = (), **kwargs: Any) -> Any:
        """n steps with the same arguments, in machine code; what they returned, with an axis of n in front.

        Args:
            n: how many steps.
            args, kwargs: the arguments of each step.
            record: tensors whose values after every step are wanted, such as parameters. The result is then
                (what the steps returned, [n values of each tensor]).

        Raises `ArgumentError` for an n that is negative or no whole number, and what the step raises.
        """
        if not isinstance(n, (int, np.integer)) or n < 0:
            raise ArgumentError(f"repeat({n!r}): the number of steps is a whole number, and not negative.")
        if not record:
            return self._many(n, args, kwargs)
        key = tuple(map(id, record))
        if key not in self._recorders:
            self._recorders[key] = type(self)(_recording(self.step, list(record)))
        return self._recorders[key]._many(n, args, kwargs)

    def minibatches(self, loader: Any, epochs: int = 1) -> Any:
        """A step for each batch of a `DataLoader`; what they returned, one after the other.

        Where the data are tensors in memory, the whole epoch is put in order once, and its steps run in machine code.
        """
        results: list[Any] = []
        for _ in range(epochs):
            whole = loader.epoch() if hasattr(loader, "epoch") else None
            if whole is None:
                batches = (batch if isinstance(batch, (list, tuple)) else [batch] for batch in loader)
                results += [trees.stacked([self(*batch)]) for batch in batches]
            else:
                results += self._epoch(
                    [whole] if isinstance(whole, Tensor) else whole, loader.batch_size, loader.drop_last
                )
        return trees.chained(results)

    def _epoch(self, data: Sequence[Tensor], size: int, drop_last: bool) -> list[Any]:
        count = len(data[0]._data)
        batches = [tuple(wrap(x._data[start : start + size]) for x in data) for start in range(0, count, size)]
        full = count // size
        if drop_last:
            del batches[full:]
        results: list[Any] = []
        with self._lock:
            while len(results) < full:
                first = len(results)
                arguments, ready = self._repeatable(batches[first], {})
                if ready is not None:
                    advance = {k: x._data.nbytes for k, x in enumerate(arguments)}
                    results.append(self._natively(ready, full - first, arguments, advance))
                    break
                results.append(trees.stacked([self(*batches[first])]))
        return results + [trees.stacked([self(*batch)]) for batch in batches[full:]]

    def _many(self, n: int, args: Any, kwargs: Any) -> Any:
        done: list[Any] = []
        with self._lock:
            while len(done) < n:
                arguments, ready = self._repeatable(args, kwargs)
                if ready is not None:
                    rest = self._natively(ready, n - len(done), arguments, {})
                    return trees.chained([trees.stacked(done), rest]) if done else rest
                done.append(self(*args, **kwargs))
        return trees.stacked(done)

    def _repeatable(self, args: Any, kwargs: Any) -> tuple[list[Any], tuple[Variant, Any] | None]:
        """The arguments, and the compiled form that can do many steps with them, if there is one."""
        arguments, key = trees.flat(args, kwargs, self._constant)
        form = self._forms.get(key)
        ready = form.ready(arguments) if form is not None and not MODE.get().listeners else None
        if ready is not None:
            variant = ready[0]
            if not variant.repeatable or variant.aliases.copied or not variant.tried.covers(arguments):
                ready = None
        return arguments, ready

    @staticmethod
    def _natively(ready: tuple[Variant, Any], n: int, arguments: list[Any], advance: dict[int, int]) -> Any:
        variant, template = ready
        records = [np.empty((n, *a.shape), a.dtype) for a in variant.plan.outputs]
        variant.protect()
        variant.run_many(n, arguments, advance, records)
        return trees.recorded(template, records, arguments, n)


def _recording(step: Callable[..., Any], record: list[Tensor]) -> Callable[..., Any]:
    """The step, which also returns the values of some tensors after it."""

    def recorded(*args: Any, **kwargs: Any) -> Any:
        result = step(*args, **kwargs)
        return result, [x.detach().clone() for x in record]

    recorded.__name__ = getattr(step, "__name__", "step")
    return recorded
