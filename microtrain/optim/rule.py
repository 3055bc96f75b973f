"""An optimizer's update rule: one formula over the parameter, its gradient, the state and the hyper-parameters.

    adam = Rule("Adam", state=["m", "v"], formula=lambda p, g, m, v, lr, beta1, ...: (new_p, new_m, new_v))

The formula is elementwise and written like a row of the operation table, so it can be read with arrays (one step), with
symbols (printed, or compiled to a fused kernel), or with tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from numbers import Real
from operator import itemgetter
from typing import Any

import numpy as np

from ..engine.quiet import quiet, restore
from ..errors import ArgumentError
from ..formula import Expr, in_order, is_number, trace
from ..formula_print import assignments
from ..kernels import tier
from ..kernels.fused import FusedUpdate
from .in_place import AsItStands, InPlace

BLOCK = 1 << 14  # elements worked on at a time, so that a formula's intermediate arrays stay in the cache


class Rule:
    """`formula(p, g, *state, **hyper)` returns the new parameter and the new state; the last of it, if it is only read,
    may be left out.

    `scalars` are formulas of numbers that are worked out once a step, in this order, from the hyper-parameters, the
    number of the step `t` (counted from 1) and each other: {"c1": lambda beta1, t: 1 - beta1**t}.
    """

    def __init__(
        self,
        name: str,
        state: Sequence[str],
        formula: Callable[..., tuple[Any, ...]],
        scalars: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.name, self.state, self.formula, self.scalars = name, tuple(state), formula, dict(scalars or {})
        names = list(inspect.signature(formula).parameters)
        self.hyper = tuple(names[2 + len(self.state) :])
        self.pick = _picker(self.hyper)
        self._needs = {key: tuple(inspect.signature(f).parameters) for key, f in self.scalars.items()}
        self._arguments = [(key, f, _picker(self._needs[key])) for key, f in self.scalars.items()]
        self.kernel = FusedUpdate(name, formula, names[: 1 + 1 + len(self.state)])

    def numbers(self, known: dict[str, Any]) -> tuple[Any, ...]:
        """The hyper-parameters in the formula's order. `known` has them by name and gains the `scalars`."""
        for name, scalar, arguments in self._arguments:
            known[name] = float(scalar(*arguments(known)))
        return self.pick(known)

    def __repr__(self) -> str:
        return f"<Rule {self.name}: ({', '.join(('p', *self.state))}) from p, g, {', '.join(self.state + self.hyper)}>"

    def __str__(self) -> str:
        return "\n".join([f"{self.name}:", *(f"    {line}" for line in self._lines("text"))])

    def latex(self) -> str:
        """The rule as the book prints it, one assignment a line."""
        lines = " \\\\\n".join(line.replace(r" \leftarrow ", r" &\leftarrow ", 1) for line in self._lines("latex"))
        return f"\\begin{{aligned}}\n{lines}\n\\end{{aligned}}"

    def mathml(self) -> str:
        """The assignments as `<math>` elements, one a line."""
        return "\n".join(self._lines("mathml"))

    def explain(self) -> Any:
        """What became of the rule: its formula, the kernels that were made of it, and what they replace."""
        from ..kernels.report import explain

        return explain(self)

    def _lines(self, style: str) -> list[str]:
        """The state first, because the parameter's new value is made of its new values."""
        lines = []
        for name, scalar in self.scalars.items():
            if name in self.hyper or any(name in needs for needs in self._needs.values()):
                try:
                    symbols, value = trace(scalar)
                except Exception:  # arithmetic that symbols can't read
                    continue
                rename(symbols, style)
                lines += assignments([(_in_book(name, style), value)], style)
        symbols, outputs = trace(self.formula)
        outputs = _with_fractions(outputs)
        rename(symbols, style)
        p, _, *others = symbols
        named = [(s.name, value) for s, value in zip(others, outputs[1:], strict=False)]
        return lines + assignments(_with_shared([*named, (p.name, outputs[0])], symbols, 2 + len(self.state)), style)

    def update(
        self, p: np.ndarray, g: np.ndarray, state: Sequence[np.ndarray], hyper: Sequence[Any],
        memo: dict[str, Any],
    ) -> None:  # fmt: skip
        """One step, written into `p` and `state`: contiguous arrays of one shape.

        `memo` is a dictionary that is empty at first; whoever updates the same arrays again gives the same each time.
        It keeps the kernel, ready to run, and the memory that NumPy works in. Raises `ArgumentError` for a
        hyper-parameter that is no number.
        """
        size = p.size
        if size >= tier.large_update and self.kernel(p, g, state, hyper, memo):
            return
        work = memo.get("work")
        if work is None:
            work = memo["work"] = self.in_place.work(p if size <= BLOCK else p.reshape(-1)[:BLOCK])
        token = quiet()
        try:
            if size <= BLOCK:
                self.in_place.update(p, g, state, hyper, work)
            else:
                self._update_in_blocks(p.reshape(-1), g.reshape(-1), [x.reshape(-1) for x in state], hyper, work)
        except (TypeError, ValueError) as error:
            for name, value in zip(self.hyper, hyper, strict=False):
                plain = hasattr(value, "dtype") and not np.ndim(value) and not getattr(value, "requires_grad", False)
                if not isinstance(value, Real) and not plain:
                    raise no_number(self.name, name, value) from error
            raise
        finally:
            restore(token)

    def _update_in_blocks(self, p: Any, g: Any, state: Sequence[Any], hyper: Sequence[Any], work: Any) -> None:
        for start in range(0, p.size, BLOCK):
            part = slice(start, start + BLOCK)
            if p.size - start < BLOCK:  # the last of them
                work = self.in_place.work(p[part])
            self.in_place.update(p[part], g[part], [x[part] for x in state], hyper, work)

    @cached_property
    def in_place(self) -> InPlace | AsItStands:
        """What NumPy does in a step."""
        try:
            return InPlace(self.formula, 2 + len(self.state))
        except Exception:  # symbols can't read the formula (it branches), or arrays change places
            return AsItStands(self.formula)


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """A function that gives the values of these names, as a tuple."""
    if not names:
        return lambda known: ()
    (name, *others) = names
    return itemgetter(*names) if others else lambda known: (known[name],)


def no_number(who: str, name: str, value: Any) -> ArgumentError:
    """The error about a hyper-parameter that has to be a number."""
    shape = tuple(getattr(value, "shape", ()))
    what = f"an array of shape {shape}" if shape else f"{value!r:.80}"
    fix = f'For other values make groups: {{"params": [w], "{name}": 0.1}}.' if shape else ""
    return ArgumentError(f"{who}: {name} is {what}; it has to be a number.", fix=fix)


BOOK = {  # lr is printed as eta
    "p": "phi", "eta": "eta'", "sgd_lr": "eta_sgd", "temperature": "T", "momentum_decay": "psi", "top": "v_max",
}  # fmt: skip


def _in_book(name: str, style: str) -> str:
    """The book's name; in text everything keeps its name in the program."""
    return name if style == "text" else BOOK.get(name, name)


def rename(symbols: Sequence[Expr], style: str) -> None:
    """Give the symbols of a formula the names that are printed in this style."""
    for symbol in symbols:
        symbol.name = _in_book(symbol.name, style)


def _with_fractions(outputs: Sequence[Any]) -> list[Any]:
    """x * (1 / c), which is quicker where c is a number, as the x / c that it stands for."""
    new: dict[Any, Any] = {}
    for e in in_order(outputs):
        args = tuple([new[a] if isinstance(a, Expr) else a for a in e.args])
        row, last = e.row, args[-1] if args else None
        if e.name == "mul" and isinstance(last, Expr) and last.name == "div" and is_number(last.args[0], 1):
            row, args = last.row, (args[0], last.args[1])
        new[e] = e if row is None else Expr(row.name, row, args)
    return [new[e] if isinstance(e, Expr) else e for e in outputs]


def _with_shared(named: list[tuple[str, Any]], symbols: Sequence[Expr], arrays: int) -> list[tuple[str, Any]]:
    """What the formula computes once and uses more than once gets a name of its own: d for Adadelta's step, say.

    `named` are the new values in the order of printing; the first `arrays` symbols are no single numbers.
    """
    values = [value for _, value in named]
    order, taken = in_order(values), {s.name for s in symbols}
    free = iter([name for name in "dabchjk" if name not in taken])
    lines = list(named)
    for part in order:
        inside = set(in_order([part]))
        work = sum(e.row is not None for e in inside)
        uses = sum(any(a is part for a in e.args) for e in order)
        elementwise = not inside.isdisjoint(symbols[:arrays])
        if work > 1 and uses > 1 and elementwise and not any(part is value for value in values):
            at = next(k for k, (_, value) in enumerate(lines) if part in set(in_order([value])))
            lines.insert(at, (next(free), part))
    return lines
