"""A step in pieces: what is done from Python between two pieces of machine code.

Large products and updates are shared among threads; rows of the table that are not translated are done by NumPy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..errors import CompileError
from ..kernels.loading import NOTHING
from .arrays import Apply, Array, Assemble, Const, InPython, Product
from .emit import Emitter, is_empty
from .operands import Operands
from .plan import STATUS
from .shared import Shared, SharedLoop
from .tiles import worklist


class Pieces:
    """What a step consists of, in order: pieces of machine code, and what is done from Python between them."""

    def __init__(
        self, operands: Operands, emitter: Emitter, call: Callable[..., Any], pointer: ctypes.c_void_p
    ) -> None:
        self.operands = operands
        self.in_order: list[Callable[[], None]] = []
        for k, segment in enumerate(emitter.segments):
            if not is_empty(segment):
                self.in_order.append(partial(call, NOTHING, NOTHING, -1 - k, pointer))
            self.in_order += map(self._in_python, emitter.python[k : k + 1])  # none after the last segment

    def run(self) -> None:
        """One step."""
        addresses = self.operands.addresses
        for piece in self.in_order:
            piece()
            if addresses[STATUS]:
                return

    def _in_python(self, step: InPython | Assemble | Apply | Product | Shared) -> Callable[[], None]:
        """A function that does the step."""
        if isinstance(step, Shared):
            return SharedLoop(step, self.operands).run
        if isinstance(step, Product):
            return partial(worklist(step).run, self.operands.address)
        if isinstance(step, Assemble):
            return partial(self._assemble, step)
        return LargeUpdate(step, self.operands).run if isinstance(step, Apply) else partial(self._by_numpy, step)

    def _by_numpy(self, step: InPython) -> None:
        if "target" in getattr(step.row, "inputs", ()) and self._has_wrong_labels(*step.args[:2]):
            self.operands.addresses[STATUS] = 1
            return
        try:
            with np.errstate(all="ignore"):
                result = step.row.forward(
                    *map(self._arrays, step.args), **{name: self._arrays(x) for name, x in step.params.items()}
                )
            if np.shape(result) != step.out.shape:  # a mask from outside has changed
                raise ValueError(f"it has the shape {np.shape(result)} now, and had {step.out.shape}")
        except (ValueError, IndexError) as error:
            raise CompileError(
                f"mt.compile: '{step.row.name}' failed in a compiled step: {error}\n  at: {step.site}",
                "The step was compiled for what it did before.",
                "Run it eagerly to see more: step.step(...) is the function itself.",
            ) from None
        self.operands.view(step.out)[...] = result

    def _has_wrong_labels(self, x: Any, target: Any) -> bool:
        """Is one of the labels no class? NumPy would count those below zero from the end."""
        labels = self._arrays(target)
        if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
            return False
        return bool(((labels < 0) | (labels >= x.shape[-1])).any())

    def _assemble(self, step: Assemble) -> None:
        if step.fill is not None:
            self.operands.view(step.out)[...] = step.fill
        for x, place in step.pieces:
            self.operands.view(place)[...] = x.value if isinstance(x, Const) else self.operands.view(x)

    def _arrays(self, x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(self._arrays, x))
        return self.operands.view(x) if isinstance(x, Array) else x


class LargeUpdate:
    """An update that threads share: the optimizer's own kernel."""

    def __init__(self, step: Apply, operands: Operands) -> None:
        self.step, self.operands, self.rule = step, operands, step.update.bucket.rule
        (self.numbers,) = [numbers for numbers in operands.numbers if numbers.update is step.update]
        self.where: list[int] = []  # the parameter and its state are, ...
        self.arrays: list[Any] = []  # ... as arrays that stay the same for as long as they are there
        self.memo: dict[str, Any] = {}

    def run(self) -> None:
        view, parts = self.operands.view, [self.step.p, *self.step.state]
        where = [self.operands.addresses[x.memory.slot] for x in parts]
        if where != self.where:
            self.where, self.arrays, self.memo = where, [view(x) for x in parts], {}
        g, (p, *state) = view(self.step.g), self.arrays
        if self.step.update.negate:
            g = -g
        self.rule.update(p, g, state, self.numbers.present()[: len(self.rule.hyper)], self.memo)
