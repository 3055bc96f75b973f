"""A step in pieces: what is done from Python between two pieces of machine code.

Large products and updates are shared among threads; rows of the table that are not translated are done by NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CompileError
from .arrays import Apply, Array, InPython, Product
from .emit import native_hash
from .operands import Operands
from .plan import STATUS
from .shared import Shared, SharedLoop
from .tiles import Tiles


class Pieces(Operands):
    """The operands, with what works on them from Python."""

    def __init__(self, program: Any, plan: Any, emitter: Any) -> None:
        super().__init__(program, plan, emitter)
        self.tiles: dict[Product, Tiles] = {}
        self.updated: dict[Apply, tuple[list[int], list[Any], dict[str, Any]]] = {}
        self.loops = {piece: SharedLoop(piece, self) for piece in emitter.python if isinstance(piece, Shared)}

    def run_in_pieces(self, call: Any) -> None:
        """One step. `call(k)` runs the k-th piece of machine code."""
        for k in range(len(self.emitter.segments)):
            call(k)
            if self.operands[STATUS]:
                return
            if k < len(self.emitter.python):
                self._in_python(self.emitter.python[k])

    def _in_python(self, step: InPython | Apply | Product | Shared) -> None:
        if isinstance(step, Shared):
            self.loops[step].run()
            return
        if isinstance(step, Product):
            if step not in self.tiles:
                self.tiles[step] = Tiles(step, native_hash())
            self.tiles[step].run(self.place)
            return
        if isinstance(step, Apply):  # a large one: the optimizer's own kernel, shared among threads
            bucket, negate = step.update.bucket, step.update.negate
            (numbers,) = [numbers.present() for numbers in self.numbers if numbers.update is step.update]
            g, (p, *state), memo = self.view(step.g), *self._updated(step)
            bucket.rule.update(p, -g if negate else g, state, numbers[: len(bucket.rule.hyper)], memo)
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
        self.view(step.out)[...] = result

    def _updated(self, step: Apply) -> tuple[list[Any], dict[str, Any]]:
        """The parameter and its state, the same arrays for as long as they are in one place, and the rule's memo."""
        parts = [step.p, *step.state]
        where = [self.operands[x.memory.slot] for x in parts]
        if step not in self.updated or self.updated[step][0] != where:
            self.updated[step] = (where, [self.view(x) for x in parts], {})
        return self.updated[step][1:]

    def _arrays(self, x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(self._arrays, x))
        return self.view(x) if isinstance(x, Array) else x
