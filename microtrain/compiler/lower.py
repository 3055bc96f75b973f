"""Lowering: the rows of a captured step, said in the few kinds of steps that machine code is made of.

There are about 150 rows; nearly all are elementwise (`Map`), sums and extremes (`Reduce`), matrix products (`Product`)
or other views of the same memory, which cost nothing. A softmax is a few of these (rules.py). What is none of them is
done by NumPy between two pieces of machine code (`InPython`), and `explain()` says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.primitive import TABLE
from .arrays import Apply, Array, Assemble, Const, InPython, Storage, dense_strides
from .building import Building
from .elementwise import BOOL, FLOATS
from .program import Op, Program, Update, Value
from .rules import RULES


class Lowering(Building):
    """Turns a program into steps."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        for op in program.ops:
            self.op = op
            if isinstance(op, Update):
                self._update(op)
            else:
                self.array_of[op.out] = self._lower(op)

    # ---- the rows ----------------------------------------------------------------------------------------------------

    def only_converted(self, value: Value) -> bool:
        """Is this used for nothing but a conversion to floats?"""
        uses = [o for o in self.program.ops for a in (o.args if isinstance(o, Op) else o.gradients) if a is value]
        others = [
            *self.program.outputs,
            *(v for _, v in self.program.stores),
            *(g for _, g, _ in self.program.gradients),
        ]
        return value not in others and all(
            isinstance(o, Op) and o.row.name == "to" and o.out.dtype in FLOATS for o in uses
        )

    def _lower(self, op: Op) -> Any:
        args, params, out = [self.get(x) for x in op.args], op.params, op.out
        boolean = op.row.name in BITWISE and all(a.dtype in (None, BOOL) for a in args)
        row: Any = TABLE[BITWISE[op.row.name]] if boolean else op.row
        if out.size:
            if row.elementwise:
                found = self.elementwise(row, args, out.shape, out.dtype)
                if found is not None:
                    return found
            elif row.view:
                return self.shown(row, args[0], params)
            elif op.row.name in RULES and TABLE.get(op.row.name) == row:
                found = RULES[op.row.name](self, op, *args, **params)
                if found is not None:
                    assert found.shape == out.shape, (op.row.name, found.shape, out.shape)
                    return found
        return self._in_python(op, args)

    def _in_python(self, op: Op, args: list[Any]) -> Array:
        out = self.new(op.out.shape, op.out.dtype)
        args = [a.value if isinstance(a, Const) and a.dtype is None else self.filled(a) for a in args]
        if op.row.name == "index" and isinstance(op.params["index"], (tuple, np.ndarray, Value)):
            index = op.params["index"]
            for axis, part in enumerate(index if isinstance(index, tuple) else (index,)):
                if isinstance(part, Value) and part.kind == "argument" and part.dtype.kind in "iu":
                    self.checks.append((self.get(part), op.args[0].shape[axis]))
        params = {name: self._inside(x) for name, x in op.params.items()}
        self.add(InPython(op.site, op.phase, op.row, args, params, out))
        return out

    def _inside(self, x: Any) -> Any:
        """A setting, with arrays in the place of values."""
        if isinstance(x, tuple):
            return tuple(map(self._inside, x))
        return self.filled(self.get(x)) if isinstance(x, Value) else x

    def _update(self, op: Update) -> None:
        """The parameters of a bucket lie one after the other; so must their gradients."""
        sizes = [p.size for p in op.params]
        dtype = op.params[0].dtype
        p = Storage(sum(sizes), dtype, outside=True, name="parameters")
        state = [Storage(p.size, dtype, outside=True, name=name) for name in op.bucket.rule.state]
        g = Storage(p.size, dtype, outside=True, name="gradients")
        numbers = Storage(op.numbers, np.dtype(np.float64), outside=True, name="numbers")
        self.updates.append((op, p, state, g, numbers))
        flat = [Array(m, (p.size,), (1,)) for m in (p, g, *state, numbers)]
        start = 0
        back: list[tuple[Array, Array]] = []  # where parameters are that the optimizer could not move
        for value, gradient, out, (tensor, view, *_) in zip(
            op.params, op.gradients, op.outs, op.bucket.members, strict=True
        ):
            before = self.get(value)
            place = Array(g, gradient.shape, dense_strides(gradient.shape), start)
            self._settle(self.get(gradient), place)
            if view is not None and tensor._data is not view:
                here = Array(p, value.shape, dense_strides(value.shape), start)
                self.add(Assemble(op.site, "step", here, None, [(before, here)]))
                back.append((before, here))
            else:  # it lies in the bucket's memory
                home = next((v for v in self.array_of if v.kind == "tensor" and v.source is tensor), None)
                if home is not None:
                    self._move(self.array_of[home].memory, p, start)
                    self.outside = [(v, m) for v, m in self.outside if v is not home]
                if home is not value:  # and was written in this step, before the update
                    here = Array(p, value.shape, dense_strides(value.shape), start)
                    self.add(Assemble(op.site, "step", here, None, [(before, here)]))
            self.array_of[out] = Array(p, out.shape, dense_strides(out.shape), start)
            start += value.size
        self.add(Apply(op.site, "step", op, flat[0], flat[1], flat[2:-1], flat[-1]))
        for place, here in back:
            self.add(Assemble(op.site, "step", place, None, [(here, place)]))

    def _all(self) -> list[Array]:
        found: dict[int, Array] = {}
        for x in [
            *self.array_of.values(),
            *self.known.values(),
            *(a for s in self.steps for a in (*s.reads(), *s.writes())),
        ]:
            if isinstance(x, Array):
                found[id(x)] = x
        return list(found.values())

    def _move(self, memory: Storage, to: Storage, offset: int) -> None:
        """All that lies in some memory lies elsewhere."""
        self.left.append(memory)
        for array in [a for a in self._all() if a.memory is memory]:
            array.memory, array.offset = to, array.offset + offset

    def _settle(self, x: Any, place: Array) -> None:
        """See to it that these values are at this place: by computing them there if possible."""
        if isinstance(x, Array) and not x.memory.outside and x.whole:
            self._move(x.memory, place.memory, place.offset)
            x.memory, x.offset = place.memory, place.offset
            return
        self.add(Assemble(self.site, "step", place, None, [(x, place)]))


BITWISE = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    "bitwise_not": "logical_not",
}
