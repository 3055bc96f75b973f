"""Lowering: the rows of a captured step, said in the few kinds of steps that machine code is made of.

There are about 130 rows; nearly all are elementwise (`Map`), sums and extremes (`Reduce`), matrix products (`Product`)
or other views of the same memory, which cost nothing. A softmax is a few of these. What is none of them is done by
NumPy between two pieces of machine code (`InPython`), and `explain()` says so.

On the way, what is equal is computed once, arithmetic of constants is done, and what nobody needs is left out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.quiet import quiet, restore
from ..errors import ArgumentError
from ..formula import Expr
from ..kernels.source import _Writer, expanded
from ..ops.primitive import TABLE
from .arrays import (
    Apply,
    Array,
    Assemble,
    Const,
    InPython,
    Map,
    Memory,
    Product,
    Reduce,
    Shape,
    Step,
    Surprise,
    dense_strides,
    seen,
)  # fmt: skip
from .program import Op, Program, Update, Value
from .rules import BOOL, FLOATS, RULES


class Lowering:
    """Turns a program into steps. `array_of` says where each value is."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.steps: list[Step] = []
        self.array_of: dict[Value, Any] = {}
        self.outside: list[tuple[Value, Memory]] = []  # memory that is there before the step
        self.updates: list[tuple[Update, Memory, list[Memory], Memory, Memory]] = []  # p, state, gradients, numbers
        self.checks: list[tuple[Array, int]] = []  # labels, number of classes
        self.known: dict[Any, Any] = {}
        self.left: list[Memory] = []  # what arrays have moved from; kept, for `known` tells memories by their id
        self.slopes: dict[tuple[int, int], Surprise] = {}
        self.op: Any = None
        for op in program.ops:
            self.op = op
            if isinstance(op, Update):
                self._update(op)
            else:
                self.array_of[op.out] = self._lower(op)

    # ---- values and memory -------------------------------------------------------------------------------------------

    def get(self, x: Any) -> Any:
        """An input: an array, or a constant."""
        if not isinstance(x, Value):
            kind = np.asarray(x).dtype
            return Const(x.item() if isinstance(x, np.generic) else x, (), kind if isinstance(x, np.generic) else None)
        if x not in self.array_of:
            if x.kind == "made" and x.source.size and (x.source == x.source.flat[0]).all():
                self.array_of[x] = Const(x.source.flat[0].item(), x.shape, x.dtype)
            else:
                memory = Memory(x.size, x.dtype, outside=True, name=x.name or x.kind)
                strides = _strides_of(x)
                if strides != dense_strides(x.shape):
                    memory.size = 1 + sum((n - 1) * s for n, s in zip(x.shape, strides, strict=True))
                self.outside.append((x, memory))
                self.array_of[x] = Array(memory, x.shape, strides)
        return self.array_of[x]

    def new(self, shape: Shape, dtype: Any) -> Array:
        """Memory for a result."""
        shape = tuple(int(n) for n in shape)
        return Array(Memory(math.prod(shape), np.dtype(dtype)), shape, dense_strides(shape))

    def filled(self, x: Any) -> Array:
        """A constant as an array, where one is needed."""
        if isinstance(x, Array):
            return x
        key = ("filled", repr(x.value), x.shape, x.dtype)
        if key not in self.known:
            out = self.new(x.shape, x.dtype or np.float64)
            self.add(Assemble(self.site, self.phase, out, x.value, []))
            self.known[key] = out
        return self.known[key]  # type: ignore[no-any-return]

    def add(self, step: Step) -> None:
        self.steps.append(step)

    @property
    def site(self) -> Any:
        return self.op.site

    @property
    def phase(self) -> str:
        return getattr(self.op, "phase", "step")

    # ---- elementwise -------------------------------------------------------------------------------------------------

    def map(self, name: str, *args: Any, dtype: Any = None) -> Any:
        """An elementwise row, known by its name."""
        arrays = [a for a in args if not (isinstance(a, Const) and a.dtype is None) and not isinstance(a, (int, float))]
        kind = dtype or next((a.dtype for a in arrays if a.dtype.kind == "f"), np.dtype(np.float64))
        if name in COMPARISONS:
            kind = BOOL
        shape = np.broadcast_shapes(*(a.shape for a in args if isinstance(a, (Array, Const))))
        found = self.elementwise(
            TABLE[name], [self.get(a) if isinstance(a, (int, float)) else a for a in args], shape, kind
        )
        assert found is not None, name
        return found

    def elementwise(self, row: Any, args: list[Any], shape: Shape, dtype: Any) -> Any:
        """An elementwise row on arrays and constants; None if it can't be translated."""
        if row.name in ("mul", "div") and _is_one(args[1]) and _fits(args[0], shape, dtype):
            return args[0]
        if row.name == "mul" and _is_one(args[0]) and _fits(args[1], shape, dtype):
            return args[1]
        if row.name in ("positive", "clone") and _fits(args[0], shape, dtype):
            return args[0]
        if all(isinstance(a, Const) for a in args):
            return self._folded(row, args, shape, dtype)
        compute = _computed_in(args, dtype)
        if compute is None or not translatable(row, tuple(_kind(a) for a in args), compute.name, dtype == BOOL):
            return None
        key = (row, tuple(_key(a) for a in args), tuple(shape), dtype)
        if key not in self.known:
            out = self.new(shape, dtype)
            self.add(Map(self.site, self.phase, row, list(args), out, compute))
            self.known[key] = out
        return self.known[key]

    @staticmethod
    def _folded(row: Any, args: list[Any], shape: Shape, dtype: Any) -> Any:
        token = quiet()
        try:
            numbers = [a.value if a.dtype is None else np.dtype(a.dtype).type(a.value) for a in args]
            value = np.asarray(row.forward(*numbers)).astype(dtype)
        finally:
            restore(token)
        return Const(value.item(), tuple(shape), np.dtype(dtype))

    def copied(self, x: Any, shape: Shape, dtype: Any) -> Any:
        """The elements in memory of their own, perhaps in another dtype."""
        if isinstance(x, Const):
            return Const(np.asarray(x.value).astype(dtype).item(), tuple(shape), np.dtype(dtype))
        out = self.new(shape, dtype)
        if x.dtype == out.dtype:
            self.add(Assemble(self.site, self.phase, out, None, [(x, out)]))
        else:
            self.add(Map(self.site, self.phase, None, [x], out, out.dtype))
        return out

    # ---- views -------------------------------------------------------------------------------------------------------

    def view(self, name: str, x: Any, **params: Any) -> Any:
        """A row that shows the same elements otherwise."""
        return self.shown(TABLE[name], x, params)

    def shown(self, row: Any, x: Any, params: dict[str, Any]) -> Any:
        if isinstance(x, Const):
            shape = row.forward(np.broadcast_to(np.int8(0), x.shape), **params).shape
            return Const(x.value, shape, x.dtype)
        found = seen(x, row, params)
        if found is None:  # it takes a copy, in order
            found = seen(self.copied(x, x.shape, x.dtype), row, params)
            assert found is not None
        if found.memory is x.memory and (found.shape, found.strides, found.offset) == (x.shape, x.strides, x.offset):
            return x
        key = ("view", id(found.memory), found.shape, found.strides, found.offset)
        return self.known.setdefault(key, found)

    # ---- reductions --------------------------------------------------------------------------------------------------

    def reduce(self, how: str, x: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
        """The "sum", "max" or "min"."""
        dims = tuple(sorted(dims))
        kept = tuple(1 if i in dims else n for i, n in enumerate(x.shape))
        shape = kept if keepdim else tuple(n for i, n in enumerate(x.shape) if i not in dims)
        if isinstance(x, Const):
            count = math.prod(x.shape[i] for i in dims)
            return Const(x.value * count if how == "sum" else x.value, shape, x.dtype)
        if all(x.shape[i] == 1 for i in dims):
            return self.view("reshape", x, shape=shape)
        key = (how, _key(x), dims)
        if key not in self.known:
            out = self.new(tuple(n for i, n in enumerate(x.shape) if i not in dims), x.dtype)
            self.add(Reduce(self.site, self.phase, how, x, dims, out))
            self.known[key] = out
        return self.view("reshape", self.known[key], shape=shape)

    def mean(self, x: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
        count = math.prod(x.shape[i] for i in dims)
        return self.map("div", self.reduce("sum", x, dims, keepdim), count, dtype=x.dtype)

    # ---- products ----------------------------------------------------------------------------------------------------

    def product(self, a: Any, b: Any) -> Any:
        """a @ b, as NumPy's matmul."""
        a, b = self.filled(a), self.filled(b)
        left, right = len(a.shape) == 1, len(b.shape) == 1
        if left:
            a = self.view("reshape", a, shape=(1, *a.shape))
        if right:
            b = self.view("reshape", b, shape=(*b.shape, 1))
        if len(b.shape) == 2 and len(a.shape) > 2:  # one tall matrix instead of many
            tall = seen(a, TABLE["reshape"], {"shape": (math.prod(a.shape[:-1]), a.shape[-1])})
            if tall is not None:
                shape = (*a.shape[:-1], b.shape[-1])
                result = self.view("reshape", self._product(tall, b), shape=shape)
                return self.view("reshape", result, shape=shape[:-1]) if right else result
        result = self._product(a, b)
        shape = result.shape
        if left:
            shape = (*shape[:-2], shape[-1])
        if right:
            shape = shape[:-1]
        return self.view("reshape", result, shape=shape)

    def _product(self, a: Array, b: Array) -> Array:
        key = ("product", _key(a), _key(b))
        if key not in self.known:
            batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            out = self.new((*batch, a.shape[-2], b.shape[-1]), a.dtype)
            self.add(Product(self.site, self.phase, self._for_blas(a), self._for_blas(b), out))
            self.known[key] = out
        return self.known[key]  # type: ignore[no-any-return]

    def _for_blas(self, x: Array) -> Array:
        """BLAS wants the elements of each row (or of each column) side by side."""
        (m, n), (down, right) = x.shape[-2:], x.strides[-2:]
        if ((right == 1 or n == 1) and (down >= n or m == 1)) or ((down == 1 or m == 1) and (right >= m or n == 1)):
            return x
        return self.copied(x, x.shape, x.dtype)  # type: ignore[no-any-return]

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
        p = Memory(sum(sizes), dtype, outside=True, name="parameters")
        state = [Memory(p.size, dtype, outside=True, name=name) for name in op.bucket.rule.state]
        g = Memory(p.size, dtype, outside=True, name="gradients")
        numbers = Memory(op.numbers, np.dtype(np.float64), outside=True, name="numbers")
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
            elif isinstance(before, Array) and value.kind == "tensor":  # it lies in the bucket's memory
                self.left.append(before.memory)
                for array in [a for a in self._all() if a.memory is before.memory]:
                    array.offset += start
                    array.memory = p
                self.outside = [(v, m) for v, m in self.outside if v is not value]
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

    def _settle(self, x: Any, place: Array) -> None:
        """See to it that these values are at this place: by computing them there if possible."""
        if isinstance(x, Array) and not x.memory.outside and x.whole:
            self.left.append(x.memory)
            for array in [a for a in self._all() if a.memory is x.memory and a is not x]:
                array.memory, array.offset = place.memory, array.offset + place.offset
            x.memory, x.offset = place.memory, place.offset
            return
        self.add(Assemble(self.site, "step", place, None, [(x, place)]))


BITWISE = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    "bitwise_not": "logical_not",
}


def _strides_of(x: Value) -> Shape:
    """How a value from outside lies in memory; arguments are copied if they do not lie in order."""
    data = x.source._array() if x.kind == "tensor" else x.source if x.kind == "array" else None
    if data is None or data.flags.c_contiguous:
        return dense_strides(x.shape)
    if any(s < 0 or s % data.itemsize for s in data.strides):
        raise ArgumentError(
            f"mt.compile: a tensor from outside of shape {data.shape} lies backwards in memory.",
            fix="Make it contiguous before the step: x = x.contiguous().",
        )
    return tuple(s // data.itemsize for s in data.strides)


COMPARISONS = frozenset(["eq", "ne", "lt", "le", "gt", "ge", "isfinite", "isnan", "isinf", "logical_not"])


def _is_one(x: Any) -> bool:
    return isinstance(x, Const) and x.value == 1 and not isinstance(x.value, bool)


def _fits(x: Any, shape: Shape, dtype: Any) -> bool:
    return isinstance(x, Array) and x.shape == tuple(shape) and x.dtype == dtype


def _kind(x: Any) -> str:
    if isinstance(x, Const):
        return "bool" if isinstance(x.value, bool) else repr(x.value) if x.value in (-2, -1, 0.5, 1, 2, 3) else "number"
    return "booleans" if x.dtype == BOOL else "array"


def _key(x: Any) -> Any:
    return (repr(x.value), x.dtype) if isinstance(x, Const) else (id(x.memory), x.offset, x.shape, x.strides)


def _computed_in(args: list[Any], dtype: Any) -> Any:
    """The dtype of the arithmetic; None if machine code does not have it."""
    kinds = [a.dtype for a in args if a.dtype is not None and a.dtype != BOOL]
    found = np.result_type(*kinds) if kinds else np.dtype(np.float64)
    if dtype.kind == "f":
        found = dtype
    elif dtype != BOOL:
        return None  # integers
    if found.kind in "iu":
        found = np.dtype(np.float64)  # comparisons: exact up to 2**53
    return found if found in FLOATS else None


_translatable: dict[Any, bool] = {}


def translatable(row: Any, kinds: tuple[str, ...], dtype: str, boolean: bool) -> bool:
    """Can this row be part of a kernel, on operands of these kinds?"""
    key = (row, kinds, dtype, boolean)
    if key not in _translatable:
        if len(_translatable) > 10_000:
            _translatable.clear()
        symbols = [Expr(f"v{k}") for k in range(len(kinds))]
        args = [
            s if k in ("array", "booleans") else {"bool": True, "number": 0.37}.get(k, k)
            for s, k in zip(symbols, kinds, strict=True)
        ]
        args = [eval(a) if isinstance(a, str) else a for a in args]
        try:
            (e,) = expanded([row(*args)])
            inputs = [(s, k) for s, k in zip(symbols, kinds, strict=True) if k in ("array", "booleans")]
            writer = _Writer(dtype, inputs, [e])
            (writer.as_boolean if boolean else writer.as_number)(e)
            _translatable[key] = writer.is_boolean(e) == boolean
        except Exception:  # formulas that symbols can't read raise whatever they like
            _translatable[key] = False
    return _translatable[key]
