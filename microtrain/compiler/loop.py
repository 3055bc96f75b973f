"""One loop nest, as source: what is read, computed, written and added up at each place.

The formulas are printed by `kernels.source`, like the kernels of single operations; here they get their loop: as few
axes as possible, every array read once, sums kept in a register.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formula import Expr
from ..kernels.layout import merged
from ..kernels.source import LIMITED, _with_full, _Writer, expanded
from .arrays import Array, Memory

if TYPE_CHECKING:
    from .emit import Emitter

POINTER = {"float64": "f64", "float32": "f32", "bool": "bool", "int64": "int64", "uint8": "bool"}
INITIAL = {"sum": "0.0", "max": "-inf", "min": "inf"}


class Loop:
    """One loop nest over a shape: what is read, computed, written and added up at each place."""

    def __init__(self, emitter: Emitter, shape: tuple[int, ...], dtype: str) -> None:
        self.emitter, self.shape, self.dtype = emitter, shape, dtype
        self.places: list[tuple[Memory, int]] = []  # the arguments of the function: where each array begins
        self.values: dict[int, Any] = {}  # array -> its expression
        self.loads: list[tuple[Expr, str, Array]] = []  # (symbol, kind, the array with the axes of the loop)
        self.numbers: list[tuple[Expr, Memory, int]] = []
        self.stores: list[tuple[Array, Any]] = []
        self.folds: list[tuple[str, Array, Any]] = []
        self.plain: list[tuple[Array, str]] = []  # (place, source)
        self.moved: list[tuple[Array, Array]] = []  # (to, from)

    def _spread(self, x: Array) -> Array:
        """With the axes of the loop: stride 0 where it is repeated."""
        missing = len(self.shape) - len(x.shape)
        strides = (0,) * missing + tuple(0 if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True))
        return Array(x.memory, self.shape, strides, x.offset)

    def read(self, x: Array) -> Any:
        """The expression of a value: computed here, or read from memory."""
        if id(x) in self.values:
            return self.values[id(x)]
        symbol = Expr(f"v{len(self.loads) + 1}")
        self.loads.append((symbol, "booleans" if np.dtype(x.dtype) == bool else "array", self._spread(x)))
        self.values[id(x)] = symbol
        return symbol

    def number(self, memory: Memory, k: int) -> Expr:
        symbol = Expr(f"h{len(self.numbers) + 1}")
        self.numbers.append((symbol, memory, k))
        return symbol

    def store(self, place: Array, e: Any) -> None:
        self.stores.append((self._spread(place), e))

    def fold(self, how: str, place: Array, e: Any) -> None:
        self.folds.append((how, place, e))

    def _name(self, memory: Memory, offset: int) -> str:
        if (memory, offset) not in self.places:
            self.places.append((memory, offset))
        return f"m{self.places.index((memory, offset))}"

    def source(self, name: str) -> str:
        """The function."""
        em = self.emitter
        expressions = [
            e if isinstance(e, Expr) else None for e in (*[e for _, e in self.stores], *[e for *_, e in self.folds])
        ]
        done = (
            iter(expanded([e for e in expressions if e is not None]))
            if any(e is not None for e in expressions)
            else iter(())
        )
        given = [
            next(done) if e is not None else c
            for e, c in zip(expressions, (*[e for _, e in self.stores], *[e for *_, e in self.folds]), strict=True)
        ]
        inputs = [(s, kind) for s, kind, _ in self.loads] + [(s, "number") for s, _, _ in self.numbers]
        writer = _Writer(self.dtype, inputs, [e for e in given if isinstance(e, Expr)])
        accesses = [a for *_, a in self.loads] + [a for a, _ in self.stores] + [a for _, a, _ in self.folds]
        accesses += [self._spread(a) for a, _ in self.plain] + [self._spread(a) for pair in self.moved for a in pair]
        axes, steps = merged(self.shape, [a.strides for a in accesses])
        steps_of = iter(steps)
        outside: list[str] = []
        inside: list[str] = []
        before: list[list[str]] = [[] for _ in range(len(axes) + 1)]  # lines before the loop over axis d
        after: list[list[str]] = [[] for _ in range(len(axes) + 1)]

        def at(a: Array, strides: tuple[int, ...]) -> str:
            parts = [f"i{d}" if s == 1 else f"i{d} * {s}" for d, s in enumerate(strides) if s]
            return f"{self._name(a.memory, a.offset)}[{' + '.join(parts) or '0'}]"

        for symbol, kind, a in self.loads:
            strides = next(steps_of)
            text = at(a, strides)
            if kind == "booleans":
                text = f"{text} != 0"
            elif np.dtype(a.dtype).name != self.dtype:
                em.called.add(POINTER[self.dtype])
                text = f"{POINTER[self.dtype]}({text})"
            used = [d for d, s in enumerate(strides) if s]
            before[used[-1] + 1 if used else 0].append(f"{writer.names[symbol]} = {text}")
        for symbol, memory, k in self.numbers:
            outside.append(f"{writer.names[symbol]} = {self._name(memory, 0)}[{k}]")
        inside += writer.lines
        results = iter(given)
        for a, _ in self.stores:
            e, strides = next(results), next(steps_of)
            boolean = np.dtype(a.dtype) == bool
            inside.append(f"{at(a, strides)} = {writer.as_boolean(e) if boolean else self._converted(writer, e, a)}")
        inits: list[str] = []
        for k, (how, a, _) in enumerate(self.folds):
            e, strides = next(results), next(steps_of)
            em.called |= {"any_order"} if how == "sum" else {"inf", how + "imum"}
            self._fold(writer, how, a, strides, e, k, axes, inits, inside, before, after, at)
        for a, text in self.plain:
            inside.append(f"{at(a, next(steps_of))} = {text}")
        for to, source in self.moved:
            strides = next(steps_of)
            inside.append(f"{at(to, strides)} = {at(source, next(steps_of))}")
        lines = [*inits, *outside]
        for d, length in enumerate(axes):
            pad = "    " * d
            lines += [pad + x for x in before[d]]
            lines.append(f"{pad}for i{d} in range({length}):")
        lines += ["    " * len(axes) + x for x in (*before[len(axes)], *inside)]
        for d in range(len(axes) - 1, -1, -1):
            lines += ["    " * d + x for x in after[d]]
        if writer.limited:
            lines = [_with_full(x, POINTER[self.dtype]) for x in lines]
            cast = POINTER[self.dtype]
            writer.called = {f"{c}_full" if c in {f"{n}_{cast}" for n in LIMITED} else c for c in writer.called}
        em.called |= writer.called
        head = em.head(name, [self._name(*place) for place in self.places])
        return "\n".join([*head, *(f"    {line}" for line in lines)])

    def _converted(self, writer: _Writer, e: Any, a: Array) -> str:
        return writer.as_number(e)

    def _fold(
        self, writer: _Writer, how: str, a: Array, strides: tuple[int, ...], e: Any, k: int, axes: tuple[int, ...],
        inits: list[str], inside: list[str], before: list[list[str]], after: list[list[str]], at: Any,
    ) -> None:  # fmt: skip
        """Add up in a register along the inner axes that are reduced, in memory along the others."""
        em, cast = self.emitter, POINTER[self.dtype]
        em.called.add(cast)
        depth = len(axes)
        while depth and not strides[depth - 1]:
            depth -= 1
        value = writer.as_number(e)
        combine = {"sum": "any_order", "max": "maximum", "min": "minimum"}[how]
        place = at(a, strides)
        split = any(not s for s in strides[:depth])  # reduced along an outer axis too: the result grows in memory
        if split:
            size = math.prod(n for n, s in zip(axes, strides, strict=True) if s)
            inits += [f"for r in range({size}):", f"    {self._name(a.memory, a.offset)}[r] = {cast}({INITIAL[how]})"]
        if depth == len(axes):
            inside.append(f"{place} = {combine}({place}, {value})")
            return
        total = f"total{k}"
        long = how == "sum" and self.dtype == "float32" and math.prod(axes[depth:]) > 4096
        if long:  # more digits, where many numbers are added
            em.called.add("f64")
            before[depth].append(f"{total} = f64(0.0)")
            inside.append(f"{total} = any_order({total}, f64({value}))")
        else:
            before[depth].append(f"{total} = {cast}({INITIAL[how]})")
            inside.append(f"{total} = {combine}({total}, {value})")
        after[depth].append(f"{place} = {combine}({place}, {cast}({total}))" if split else f"{place} = {cast}({total})")
