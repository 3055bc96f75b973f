"""The vocabulary of lowering: what rows of the table are said in.

`map` is an elementwise row, `reduce` a sum or an extreme, `product` a matrix product, `view` another look at the same
memory, `copied` a copy. Each adds a step and returns the array of its result; what is equal is computed once,
arithmetic of constants is done at once, and multiplying by 1 does nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine.quiet import quiet, restore
from ..errors import ArgumentError
from ..kernels.tiles import for_blas
from ..ops.primitive import TABLE
from .arrays import (
    Array,
    Assemble,
    Const,
    Map,
    Product,
    Reduce,
    Shape,
    Step,
    Storage,
    Surprise,
    dense_strides,
    seen,
)  # fmt: skip
from .elementwise import BOOL, COMPARISONS, computed_in, fits, is_one, key_of, kind_of, translatable
from .program import Program, Update, Value

# A transposed matrix is put in order before a product of so many multiplications (from, to), if it is used for so many
# rows (measured). The limits of `ops.products`, for the same reason, are narrower: there NumPy makes the copy.
COPIED_FIRST = (1 << 14, 1 << 20)
TALL = 16


class Building:
    """The steps so far. `array_of` says where each value is."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.steps: list[Step] = []
        self.array_of: dict[Value, Any] = {}
        self.outside: list[tuple[Value, Storage]] = []  # memory that is there before the step
        self.updates: list[tuple[Update, Storage, list[Storage], Storage, Storage]] = []  # p, state, gradients, numbers
        self.checks: list[tuple[Array, int]] = []  # labels, number of classes
        self.known: dict[Any, Any] = {}
        self.left: list[Storage] = []  # what arrays have moved from; kept, for `known` tells storages by their id
        self.slopes: dict[tuple[int, int], Surprise] = {}
        self.op: Any = None

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
                memory = Storage(x.size, x.dtype, outside=True, name=x.name or x.kind)
                strides = _strides_of(x)
                if strides != dense_strides(x.shape):
                    memory.size = 1 + sum((n - 1) * s for n, s in zip(x.shape, strides, strict=True))
                self.outside.append((x, memory))
                self.array_of[x] = Array(memory, x.shape, strides)
        return self.array_of[x]

    def new(self, shape: Shape, dtype: Any) -> Array:
        """Memory for a result."""
        shape = tuple(int(n) for n in shape)
        return Array(Storage(math.prod(shape), np.dtype(dtype)), shape, dense_strides(shape))

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
        if row.name in ("mul", "div") and is_one(args[1]) and fits(args[0], shape, dtype):
            return args[0]
        if row.name == "mul" and is_one(args[0]) and fits(args[1], shape, dtype):
            return args[1]
        if row.name in ("positive", "clone") and fits(args[0], shape, dtype):
            return args[0]
        if all(isinstance(a, Const) for a in args):
            return self._folded(row, args, shape, dtype)
        compute = computed_in(row, args, dtype)
        if compute is None or not translatable(row, tuple(kind_of(a) for a in args), compute.name, dtype == BOOL):
            return None
        key = (row, tuple(key_of(a) for a in args), tuple(shape), dtype)
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
        key = (how, key_of(x), dims)
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
        (m, k), n = a.shape[-2:], b.shape[-1]
        turned = len(b.shape) == 2 and b.strides[0] == 1 != b.strides[1]
        if turned and m >= TALL and COPIED_FIRST[0] < m * n * k <= COPIED_FIRST[1]:
            b = self.copied(b, b.shape, b.dtype)  # OpenBLAS has fast code for small A B, and none for A B^T (measured)
        key = ("product", key_of(a), key_of(b))
        if key not in self.known:
            batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            out = self.new((*batch, a.shape[-2], b.shape[-1]), a.dtype)
            self.add(Product(self.site, self.phase, self._for_blas(a), self._for_blas(b), out))
            self.known[key] = out
        return self.known[key]  # type: ignore[no-any-return]

    def _for_blas(self, x: Array) -> Array:
        """BLAS wants the elements of each row (or of each column) side by side."""
        return x if for_blas(x.shape, x.strides) else self.copied(x, x.shape, x.dtype)


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
