"""Calling a function for many inputs at once: run it one time, note its operations, and do these on batches.

    many = Replay(f, [x, y])          # runs f() once; x and y are the tensors it reads
    values = many([xs, ys])           # xs (K, *x.shape), ys (K, *y.shape): K values, as if f had been called K times

The function must do the same operations whatever the values of its inputs are. One that looks at a value (`if x > 0:`,
`x.item()`) is found out and called K times instead. So is one whose replayed values differ from those of real calls,
which are made for some of the points every time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.quiet import quiet, restore
from ..engine.recording import grad_mode, listen
from ..errors import DtypeError
from ..ops.primitive import TABLE, Primitive
from ..tensor import Tensor
from .batching import Batch, NotBatchable

Array = np.ndarray[Any, Any]
CACHE = 1 << 18  # bytes of the largest batch on the way
FIRST = 3  # so many replays are compared with real calls at several points; later ones at one point, each time another
CHECKED = 3  # how many those several points are
SAME = 1e-9  # relative to the largest value


class _Tape:
    """Listens to what a function does."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self.steps: list[tuple[Primitive, tuple[Any, ...], dict[str, Any], int]] = []
        self.slots: dict[Any, int] = {}  # node, leaf or the id of an array -> number of the value
        self.keep: list[Any] = []  # so that no id is given away again
        self.broken = False
        for x in inputs:
            self._number(x)

    def _number(self, tensor: Tensor) -> int:
        number = len(self.keep)
        for key in (tensor._node or tensor, id(tensor), id(tensor._data)):
            self.slots[key] = number
        self.keep.append((tensor, tensor._data))
        return number

    def find(self, x: Any) -> int | None:
        """The number of a value that depends on the inputs; None for constants."""
        if not isinstance(x, Tensor):
            return self.slots.get(id(x)) if isinstance(x, (np.ndarray, np.generic)) else None
        for key in (x._node, id(x), id(x._data)):
            if key is not None and key in self.slots:
                return self.slots[key]
        return None

    def forward(self, primitive: Primitive, inputs: Any, params: dict[str, Any], output: Tensor, node: Any) -> None:
        numbers = tuple(self.find(x) for x in inputs)
        if all(n is None for n in numbers):
            return
        if not (primitive.elementwise or TABLE.get(primitive.name) is primitive):
            self.broken = True
        sources = tuple(x if n is None else n for x, n in zip(inputs, numbers, strict=True))
        many = (n is not None for n in numbers)
        self.steps.append((primitive, tuple(zip(sources, many, strict=True)), params, self._number(output)))

    def backward(self, *_: Any) -> None:
        """Nothing: what a recorded backward pass computes comes through `forward`."""

    def write(self, tensor: Tensor, new: Tensor, what: str) -> None:
        if self.find(tensor) is not None or self.find(new) is not None:
            self.broken = True

    def drawn(self, *_: Any) -> None:
        """Random numbers: every call gets its own."""
        self.broken = True

    def read(self, tensor: Any) -> None:
        """A value left the graph: the function may act on it."""
        if self.find(tensor) is not None:
            self.broken = True


class Replay:
    """`function()`, which reads the leaves `inputs`, for many values of them; it returns a tensor or several.

    With `create_graph` inside the function its gradients are replayed as well. Raises `DtypeError` if it returns
    anything but tensors.
    """

    def __init__(self, function: Callable[[], Any], inputs: Sequence[Tensor]) -> None:
        self.function, self.inputs = function, list(inputs)
        tape = _Tape(inputs)
        with listen(tape), grad_mode(True):
            outputs = function()
        self.single = isinstance(outputs, Tensor)
        self.outputs: list[Tensor] = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        for y in self.outputs:
            if not isinstance(y, Tensor):
                raise DtypeError(f"The function returned {type(y).__name__} instead of a tensor.")
        self.batched = not tape.broken  # can it be replayed?
        self.wanted = [tape.find(y) for y in self.outputs]
        self.start = [tape.find(x) for x in self.inputs]
        self.steps = self._needed(tape.steps)
        self._tape = tape
        self.calls = 0
        self.sizes = [0.0] * len(self.outputs)  # the largest values seen: what rounding errors are relative to

    def _needed(self, steps: list[Any]) -> list[Any]:
        """The steps that lead to the outputs, each with the values that nobody reads after it."""
        alive = {n for n in self.wanted if n is not None}
        kept = []
        for primitive, sources, params, number in reversed(steps):
            if number in alive:
                read = {n for n, many in sources if many}
                kept.append((primitive, sources, params, number, read - alive))
                alive |= read
        return kept[::-1]

    def __call__(self, values: Sequence[Array]) -> Any:
        """For each input its K values, (K, *shape): the K values of each output, (K, *shape)."""
        values = [np.asarray(v, x.dtype) for v, x in zip(values, self.inputs, strict=True)]
        count = len(values[0])
        results = [np.empty((count, *y.shape), y.dtype) for y in self.outputs]
        if self.batched and count > CHECKED:
            token = quiet()
            try:
                self._in_chunks(values, results, count)
            except NotBatchable:
                self.batched = False
            finally:
                restore(token)
            self.calls += 1
            if self.batched and self._agrees(values, results, count):
                return results[0] if self.single else results
            self.batched = False
        self._call_each(values, range(count), results)
        return results[0] if self.single else results

    def _in_chunks(self, values: Sequence[Array], results: list[Array], count: int) -> None:
        largest = max([1, *(np.size(data) * data.itemsize for _, data in self._tape.keep)])
        step = max(4, min(count, CACHE // largest))
        for begin in range(0, count, step):
            part = slice(begin, min(begin + step, count))
            known: dict[int, Batch] = {n: Batch(v[part]) for n, v in zip(self.start, values, strict=True)}  # type: ignore[misc]
            for primitive, sources, params, number, last in self.steps:
                known[number] = Batch.apply(primitive, *(known[x] if many else x for x, many in sources), **params)
                for n in last:
                    if n not in self.wanted:
                        del known[n]
            for result, n, y in zip(results, self.wanted, self.outputs, strict=True):
                result[part] = y._data if n is None else known[n].data

    def _agrees(self, values: Sequence[Array], results: list[Array], count: int) -> bool:
        """Do real calls give the same? (What the function reads besides its inputs may be another by now.)"""
        points = [0, count // 2, count - 1] if self.calls <= FIRST else [self.calls * 7919 % count]
        real = [np.empty((len(points), *y.shape), y.dtype) for y in self.outputs]
        self._call_each([v[points] for v in values], range(len(points)), real)
        for k, (result, truth) in enumerate(zip(results, real, strict=True)):
            size = float(np.max(np.abs(truth), initial=0, where=np.isfinite(truth)))
            self.sizes[k] = max(self.sizes[k], size)  # near a critical point a gradient is nothing but rounding
            if not np.allclose(result[points], truth, rtol=SAME, atol=SAME * self.sizes[k], equal_nan=True):
                return False
        return True

    def _call_each(self, values: Sequence[Array], points: Any, results: list[Array]) -> None:
        """Real calls, one for each point; the inputs are put back afterwards."""
        before = [x._data for x in self.inputs]
        try:
            for k in points:
                for x, v in zip(self.inputs, values, strict=True):
                    x._data = np.array(v[k])
                with grad_mode(True):
                    outputs = self.function()
                for result, y in zip(results, [outputs] if self.single else outputs, strict=True):
                    result[k] = y._data
        finally:
            for x, old in zip(self.inputs, before, strict=True):
                x._data = old
