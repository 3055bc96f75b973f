"""One loop nest, as source: what is read, computed, written and added up at each place.

The formulas are printed by `kernels.writer`, like the kernels of single operations; here they get their loop: as few
axes as possible, every array read once, sums kept in a register.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formula import Expr
from ..kernels.layout import merged
from ..kernels.writer import LIMITED, Writer, expanded, with_full
from .arrays import Array, Storage

if TYPE_CHECKING:
    from .emit import Emitter

POINTER = {"float64": "f64", "float32": "f32", "bool": "bool", "int64": "int64", "uint8": "bool"}
INITIAL = {"sum": "0.0", "max": "-inf", "min": "inf"}
MANY = 4096  # numbers from which sums of float32 are added up in float64
LONG = 64  # an axis that can be cut into parts
ANY = -1  # whichever axis is best to cut


class Loop:
    """One loop nest over a shape: what is read, computed, written and added up at each place."""

    def __init__(self, emitter: Emitter, shape: tuple[int, ...], dtype: str, cut: int | None = None) -> None:
        self.emitter, self.shape, self.dtype = emitter, shape, dtype
        self.cut = cut  # the axis of which the function is to do a part only, from `first` to before `last`
        self.cut_length = self.cut_row = 0  # of that axis: its length, and the elements of the loop at each place there
        self.partial: dict[int, Storage] = {}  # number of a fold: where each part leaves its own result of it
        self.places: list[tuple[Storage, int]] = []  # the arguments of the function: where each array begins
        self.values: dict[int, Any] = {}  # array -> its expression
        self.loads: list[tuple[Expr, str, Array]] = []  # (symbol, kind, the array with the axes of the loop)
        self.numbers: list[tuple[Expr, Storage, int]] = []
        self.stores: list[tuple[Array, Any]] = []
        self.folds: list[tuple[str, Array, Any]] = []
        self.plain: list[tuple[Array, str]] = []  # (place, source)
        self.moved: list[tuple[Array, Array]] = []  # (to, from)

    def spread(self, x: Array) -> Array:
        """The array with the axes of the loop: stride 0 where it is repeated."""
        missing = len(self.shape) - len(x.shape)
        strides = (0,) * missing + tuple(0 if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True))
        return Array(x.memory, self.shape, strides, x.offset)

    def read(self, x: Array) -> Any:
        """The expression of a value: computed here, or read from memory."""
        if id(x) in self.values:
            return self.values[id(x)]
        symbol = Expr(f"v{len(self.loads) + 1}")
        self.loads.append((symbol, "booleans" if np.dtype(x.dtype) == bool else "array", self.spread(x)))
        self.values[id(x)] = symbol
        return symbol

    def number(self, memory: Storage, k: int) -> Expr:
        symbol = Expr(f"h{len(self.numbers) + 1}")
        self.numbers.append((symbol, memory, k))
        return symbol

    def store(self, place: Array, e: Any) -> None:
        self.stores.append((self.spread(place), e))

    def fold(self, how: str, place: Array, e: Any) -> None:
        self.folds.append((how, place, e))

    def _name(self, memory: Storage, offset: int) -> str:
        if (memory, offset) not in self.places:
            self.places.append((memory, offset))
        return f"m{self.places.index((memory, offset))}"

    # ---- the source --------------------------------------------------------------------------------------------------

    def source(self, name: str) -> str:
        """The function; and where sin, cos or tan occur, another one for arguments that are very large.

        These have fast versions that are good up to a limit. The loop notes whether an argument is beyond, and if so
        all is done once more with the slow ones. (Not where the loop writes over what it reads: there it is slow at
        once.)
        """
        values = [e for _, e in self.stores] + [e for *_, e in self.folds]
        values = _expanded(values)
        inputs = [(s, kind) for s, kind, _ in self.loads] + [(s, "number") for s, _, _ in self.numbers]
        computed = self.dtype if self.dtype in ("float32", "float64") else "float64"  # others: copied, filled, compared
        writer = Writer(computed, inputs, [e for e in values if isinstance(e, Expr)])
        nest = Nest(self, writer, values)
        lines = nest.lines()
        cast, em = POINTER[self.dtype], self.emitter
        slow = {f"{n}_{cast}" for n in LIMITED}
        em.called |= {c for c in writer.called if c not in slow}
        if not writer.limited:
            return "\n".join([*self._head(name), *lines])
        full = {f"{c}_full" for c in writer.called & slow}
        em.called |= full
        slowly = [with_full(line, cast) for line in lines]
        read = {id(a.memory) for *_, a in self.loads}
        if any(id(place.memory) in read for place, *_ in [*self.stores, *((a,) for _, a, _ in self.folds)]):
            return "\n".join([*self._head(name, wide=False), *slowly])
        em.called |= {"RANGE", *(writer.called & slow)}
        limit = f'RANGE["{writer.limited[0].name}"]["{self.dtype}"]'
        looks = [f"beyond |= abs({writer.as_number(e.args[0])}) > LIMIT" for e in writer.limited]
        quick = nest.lines(list(dict.fromkeys(looks)))
        return "\n".join([
            *self._head(f"{name}_full", wide=False), *slowly, "", "",
            f"{name}_LIMIT = {limit}  # of the fast functions", "", "",
            *self._head(name), "    beyond = False", *(line.replace("LIMIT", f"{name}_LIMIT") for line in quick),
            "    if beyond:", f"        {name}_full({', '.join(self._arguments())})",
        ])  # fmt: skip

    def _arguments(self) -> list[str]:
        return [*(["first", "last"] if self.cut is not None else []), *(self._name(*place) for place in self.places)]

    def _head(self, name: str, wide: bool = True) -> list[str]:
        return self.emitter.head(name, self._arguments(), wide)


class Nest:
    """The lines of a loop nest: as few axes as possible, and every line in the outermost loop that it can be in."""

    def __init__(self, loop: Loop, writer: Writer, values: list[Any]) -> None:
        self.loop, self.writer, self.values = loop, writer, values
        accesses = [a for *_, a in loop.loads] + [a for a, _ in loop.stores] + [a for _, a, _ in loop.folds]
        accesses += [loop.spread(a) for a, _ in loop.plain] + [loop.spread(a) for pair in loop.moved for a in pair]
        self.axes, self.steps = loop.shape, [a.strides for a in accesses]
        if loop.cut in (None, ANY):
            self.axes, self.steps = merged(loop.shape, self.steps)
        self.cut = -1 if loop.cut is None else self._best_to_cut() if loop.cut == ANY else loop.cut
        if self.cut >= 0:
            loop.cut_length, loop.cut_row = self.axes[self.cut], math.prod(self.axes) // self.axes[self.cut]

    def _best_to_cut(self) -> int:
        """The axis of which each part does some: if possible one that nothing is added up over."""
        loop, axes = self.loop, self.axes
        stored = self.steps[len(loop.loads) :][: len(loop.stores) + len(loop.folds)]
        long = [d for d, n in enumerate(axes) if n >= LONG] or [axes.index(max(axes))]
        return min(long, key=lambda d: sum(not steps[d] for steps in stored))

    def _range(self, d: int) -> str:
        return "range(first, last)" if d == self.cut else f"range({self.axes[d]})"

    def lines(self, looks: Sequence[str] = ()) -> list[str]:
        """All lines of the function's body; `looks` are some to go behind the formulas."""
        loop, writer, axes = self.loop, self.writer, self.axes
        steps, values = iter(self.steps), iter(self.values)
        self.begin: list[str] = []
        self.before: list[list[str]] = [[] for _ in range(len(axes) + 1)]  # lines before the loop over axis d
        self.inside = [*writer.lines, *looks]
        self.after: list[list[str]] = [[] for _ in range(len(axes) + 1)]
        for symbol, kind, a in loop.loads:
            strides = next(steps)
            text = self._at(a, strides)
            if kind == "booleans":
                text = f"{text} != 0"
            elif np.dtype(a.dtype).name != loop.dtype:
                loop.emitter.called.add(POINTER[loop.dtype])
                text = f"{POINTER[loop.dtype]}({text})"
            used = [d for d, s in enumerate(strides) if s]
            self.before[used[-1] + 1 if used else 0].append(f"{writer.names[symbol]} = {text}")
        numbers = [f"{writer.names[s]} = {loop._name(memory, 0)}[{k}]" for s, memory, k in loop.numbers]
        for a, _ in loop.stores:
            e, boolean = next(values), np.dtype(a.dtype) == bool
            text = writer.as_boolean(e) if boolean else writer.as_number(e)
            self.inside.append(f"{self._at(a, next(steps))} = {text}")
        for k, (how, a, _) in enumerate(loop.folds):
            self._fold(how, a, next(steps), next(values), k)
        for a, text in loop.plain:
            self.inside.append(f"{self._at(a, next(steps))} = {text}")
        for to, source in loop.moved:
            place = self._at(to, next(steps))
            self.inside.append(f"{place} = {self._at(source, next(steps))}")
        lines = [*self.begin, *numbers]
        for d in range(len(axes)):
            lines += ["    " * d + x for x in self.before[d]]
            lines.append(f"{'    ' * d}for i{d} in {self._range(d)}:")
        lines += ["    " * len(axes) + x for x in (*self.before[len(axes)], *self.inside)]
        for d in range(len(axes) - 1, -1, -1):
            lines += ["    " * d + x for x in self.after[d]]
        return [f"    {line}" for line in lines]

    def _at(self, a: Array, strides: tuple[int, ...], name: str = "") -> str:
        """An element, in the innermost loop."""
        parts = [f"i{d}" if s == 1 else f"i{d} * {s}" for d, s in enumerate(strides) if s]
        return f"{name or self.loop._name(a.memory, a.offset)}[{' + '.join(parts) or '0'}]"

    def _fold(self, how: str, a: Array, strides: tuple[int, ...], e: Any, k: int) -> None:
        """Add up in a register along the inner axes that are reduced, in memory along the others."""
        axes, dtype, cast = self.axes, self.loop.dtype, POINTER[self.loop.dtype]
        self.loop.emitter.called |= {cast, "any_order"} if how == "sum" else {cast, "inf", how + "imum"}
        depth = len(axes)
        while depth and not strides[depth - 1]:
            depth -= 1
        value = self.writer.as_number(e)
        combine = {"sum": "any_order", "max": "maximum", "min": "minimum"}[how]
        name = self._home(a, strides, k)
        place = self._at(a, strides, name)
        split = any(not s for s in strides[:depth])  # reduced along an outer axis too: the result grows in memory
        if split:
            kept = [d for d, s in enumerate(strides) if s]
            self.begin += ["    " * at + f"for i{d} in {self._range(d)}:" for at, d in enumerate(kept)]
            self.begin.append("    " * len(kept) + f"{place} = {cast}({INITIAL[how]})")
        if depth == len(axes):
            self.inside.append(f"{place} = {combine}({place}, {value})")
            return
        total = f"total{k}"
        if how == "sum" and dtype == "float32" and math.prod(axes[depth:]) > MANY:  # more digits
            self.loop.emitter.called.add("f64")
            self.before[depth].append(f"{total} = f64(0.0)")
            self.inside.append(f"{total} = any_order({total}, f64({value}))")
        else:
            self.before[depth].append(f"{total} = {cast}({INITIAL[how]})")
            self.inside.append(f"{total} = {combine}({total}, {value})")
        self.after[depth].append(
            f"{place} = {combine}({place}, {cast}({total}))" if split else f"{place} = {cast}({total})"
        )

    def _home(self, a: Array, strides: tuple[int, ...], k: int) -> str:
        """The name of the memory where a fold's result grows: a part's own, if every part adds to the same places."""
        if self.cut < 0 or strides[self.cut]:
            return self.loop._name(a.memory, a.offset)
        size = math.prod(n for n, s in zip(self.axes, strides, strict=True) if s)
        memory = self.loop.partial.setdefault(k, Storage(size, a.dtype))
        return self.loop._name(memory, 0)


def _expanded(values: list[Any]) -> list[Any]:
    """Rows replaced by their formulas, down to what can be written; numbers stay."""
    found = [e for e in values if isinstance(e, Expr)]
    done = iter(expanded(found) if found else ())
    return [next(done) if isinstance(e, Expr) else e for e in values]


def without_comments(source: str) -> str:
    """The source as it is compiled and cached: comments name the learner's lines, which move without changing it."""
    return "".join(f"{line}\n" for line in source.splitlines() if not line.lstrip().startswith("# "))
