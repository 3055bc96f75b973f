"""An update rule as NumPy calls that write into arrays kept from step to step.

Read with arrays, a formula makes a new array for every operation, and NumPy converts every Python number again: with
the few hundred parameters of a small network that is half of the time. So the rule is read with symbols, once, and
printed as a function of the same operations in the same order. That of `p - lr * g` is

    def update(p, g, state, hyper, work):
        lr, = hyper
        n1, t1, = work
        n1[()] = +lr
        multiply(n1, g, out=t1)
        subtract(p, t1, out=p)

n1 is an array of no axes that holds a number (the + raises for None, which NumPy would store as NaN), and t1 memory for
what is in between. Elsewhere s1 is a number that is worked out first, and x1 an array that NumPy makes anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..formula import BOOLEAN, Expr, F, Python, in_order, trace

NOT_INTO = BOOLEAN | {"pow"}  # true or false; NumPy has shortcuts for exponents that are Python numbers


class InPlace:
    """`formula(p, g, *state, *hyper)` returns the new p and state; the first `arrays` of its arguments are arrays.

    Raises what reading the formula with symbols raises.
    """

    def __init__(self, formula: Callable[..., Any], arrays: int) -> None:
        symbols, outputs = trace(formula)
        if not outputs:
            raise ArgumentError("An update rule returns nothing.")
        writer = _Writer(symbols, arrays)
        writer.write([symbols[0], *symbols[2:arrays]][: len(outputs)], outputs)
        self.places, self.temporaries = len(writer.places), len(writer.temporaries)
        names = [s.name for s in symbols]
        parts = [names[2:arrays], names[arrays:], [*writer.places.values(), *writer.temporaries]]
        packed = [writer.python.free(whole) for whole in ("state", "hyper", "work")]
        unpacked = [f"{', '.join(part)}, = {whole}" for part, whole in zip(parts, packed, strict=True) if part]
        head = f"def update({', '.join([*names[:2], *packed])}):"
        self.source = "\n    ".join([head, *unpacked, *writer.with_numbers, *writer.with_arrays]) + "\n"
        exec(self.source, writer.python.namespace)
        self.update: Callable[..., None] = writer.python.namespace["update"]

    def work(self, like: np.ndarray) -> list[np.ndarray]:
        """`update` takes it last: a place for each number, and arrays like this one for what is in between."""
        places = [np.empty((), like.dtype) for _ in range(self.places)]
        return places + [np.empty(like.shape, like.dtype) for _ in range(self.temporaries)]


class AsItStands:
    """The same for formulas that symbols can't read."""

    source = ""

    def __init__(self, formula: Callable[..., Any]) -> None:
        self.formula = formula

    def work(self, like: np.ndarray) -> list[np.ndarray]:
        return []

    def update(self, p: Any, g: Any, state: Sequence[Any], hyper: Sequence[Any], work: Any) -> None:
        found = self.formula(p, g, *state, *hyper)
        if not isinstance(found, (tuple, list)) or not 0 < len(found) <= 1 + len(state):
            raise ArgumentError(
                f"An update rule returns {_what(found)}.",
                f"It has to be a tuple: the new parameter and then the new state, up to {1 + len(state)} values here.",
                "A tuple of one is written (p - lr * g,).",
            )
        values = [np.array(x) for x in found]  # one may be the memory of another
        for old, new in zip((p, *state), values, strict=False):
            old[...] = new


def _what(found: Any) -> str:
    return f"{len(found)} values" if isinstance(found, (tuple, list)) else f"one {type(found).__name__}"


class _Writer:
    """The lines of the function."""

    def __init__(self, symbols: Sequence[Expr], arrays: int) -> None:
        self.python = Python(symbols)
        self.is_array = set(symbols[:arrays])
        self.is_float = set(symbols[:arrays])  # of these arrays it is known; the others may be true and false, or whole
        self.names: dict[Any, str] = {s: s.name for s in symbols}
        self.with_numbers: list[str] = []  # the first lines: a wrong number raises before anything is written
        self.with_arrays: list[str] = []
        self.places: dict[str, str] = {}  # of numbers
        self.temporaries: list[str] = []
        self.idle: list[str] = []  # temporaries whose value nobody needs any more

    def write(self, targets: Sequence[Expr], outputs: Sequence[Any]) -> None:
        """Compute the outputs, each in the memory of its target where nobody needs the old value any more."""
        order = in_order(outputs)
        last = {a: k for k, e in enumerate(order) for a in e.args if isinstance(a, Expr)}  # who reads it last
        last.update((e, len(order)) for e in outputs if isinstance(e, Expr))
        home = {value: target for target, value in zip(targets, outputs, strict=True) if isinstance(value, Expr)}
        for k, e in enumerate(order):
            if e.row is None:
                continue
            if self.is_array.isdisjoint(a for a in e.args if isinstance(a, Expr)):
                self._assign(e, "s", self.with_numbers)
                continue
            self.is_array.add(e)
            done = {self.names[a] for a in e.args if isinstance(a, Expr) and last[a] == k}
            self.idle += sorted(done.intersection(self.temporaries))
            ufunc = self._ufunc_of(e)
            if ufunc is None:
                self._assign(e, "x", self.with_arrays)
            elif e in home and last.get(home[e], k) <= k:
                self._call(ufunc, e, home[e].name)
            else:
                self._call(ufunc, e, self._temporary())
        for target, value in zip(targets, outputs, strict=True):
            if value is not target and value in set(targets):
                raise ArgumentError("An array of an update rule becomes the old value of another.")
            if self._text(value) != target.name:
                self.with_arrays.append(f"{target.name}[...] = {self._text(value)}")

    def _ufunc_of(self, e: Expr) -> np.ufunc | None:
        """NumPy's function that can write this into an array of floats; None if it has to be computed as it stands.

        What is made of no float keeps NumPy's rules for its dtype: true + true is true, and & needs whole numbers.
        """
        if F._rows.get(e.name) is not e.row:  # a row of the program's own: nobody knows what it returns
            return None
        values = e.args[1:] if e.name == "where" else e.args
        if e.name in BOOLEAN or self.is_float.isdisjoint(a for a in values if isinstance(a, Expr)):
            return None
        self.is_float.add(e)
        ufunc = getattr(F, e.name)
        return ufunc if isinstance(ufunc, np.ufunc) and e.name not in NOT_INTO else None

    def _assign(self, e: Expr, kind: str, lines: list[str]) -> None:
        """A line that computes a number, or an array in memory of its own."""
        source = self.python.operation(e, [self._text(a) for a in e.args])
        self.names[e] = self.python.free(f"{kind}{len(lines) + 1}")
        lines.append(f"{self.names[e]} = {source}")

    def _call(self, ufunc: np.ufunc, e: Expr, into: str) -> None:
        """A line that computes an array into memory that is there."""
        called = self.python.free(ufunc.__name__)
        self.python.namespace[called] = ufunc
        operands = [self.names[a] if a in self.is_array else self._place(a) for a in e.args]
        self.with_arrays.append(f"{called}({', '.join(operands)}, out={into})")
        self.names[e] = into

    def _text(self, e: Any) -> str:
        return self.names[e] if isinstance(e, Expr) else self.python.number(e)

    def _place(self, e: Any) -> str:
        """The array that holds a number."""
        number = self._text(e)
        if number not in self.places:
            place = self.places[number] = self.python.free(f"n{len(self.places) + 1}")
            sign = "+" if isinstance(e, Expr) and e.row is None else ""  # raises for None, which NumPy takes for NaN
            self.with_numbers.append(f"{place}[()] = {sign}{number}")
        return self.places[number]

    def _temporary(self) -> str:
        if self.idle:
            return self.idle.pop()
        self.temporaries.append(self.python.free(f"t{len(self.temporaries) + 1}"))
        return self.temporaries[-1]
