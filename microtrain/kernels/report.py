"""What became of a formula: `mt.explain(t)` shows the kernel behind a result, and what it costs and saves."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..formula import Expr
from ..formula_print import latex, text
from . import tier
from .fused import FusedUpdate


class Explanation:
    """Prints as text; `latex`, `sources` and `kernels` have the parts."""

    def __init__(self, title: str, formula: str, tex: str, parts: list[tuple[str, Any]], notes: list[str]) -> None:
        self.title, self.formula, self.tex, self.parts, self.notes = title, formula, tex, parts, notes

    @property
    def kernels(self) -> list[Any]:
        """The kernels that were made so far."""
        return [kernel for _, kernel in self.parts]

    @property
    def sources(self) -> list[str]:
        """Their Numba source."""
        return [kernel.source.text for kernel in self.kernels]

    def latex(self) -> str:
        """The formula in LaTeX."""
        return self.tex

    def __repr__(self) -> str:
        lines = [self.title, "", *(f"    {line}" for line in self.formula.splitlines()), ""]
        for what, kernel in self.parts:
            lines += [f"{what}: {_summary(kernel)}", ""]
            lines += [f"    {line}".rstrip() for line in kernel.source.text.splitlines()]
            lines.append("")
        return "\n".join(lines + self.notes).rstrip()


def _summary(kernel: Any) -> str:
    """One paragraph of facts."""
    source, program = kernel.source, kernel.program
    read, written = source.bytes_per_element()
    size = np.dtype(source.dtype).itemsize
    arrays = sum(o.kind == "array" for o in source.operands)
    if not program.is_loaded:
        made = "not compiled yet"
    elif program.found_in:
        made = f"found in the cache in {1000 * program.found_in:.0f} ms (compiled in {program.seconds:.2f} s)"
    else:
        made = f"compiled in {program.seconds:.2f} s"
    saved = source.steps * 3 * size  # each step of NumPy reads two arrays and writes one, more or less
    replaced = f"It replaces {_count(source.steps, 'operation')} of NumPy"
    if source.steps > 1:
        replaced += f" with {_count(source.steps - 1, 'array')} in between, about {saved} bytes."
    else:
        replaced += ", which it divides among threads."
    return (
        f"{made}; ran {_count(kernel.runs, 'time')}.\n"
        f"    For each element it reads {read} bytes ({_count(arrays, 'array')} of {source.dtype}) and writes {written}.\n"
        f"    {replaced}"
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def explain(thing: Any, *, size: int | None = None) -> Explanation:
    """The formula behind a tensor (the operation that made it), an operation, or an optimizer's rule, and its kernels.

    >>> import microtrain as mt
    >>> x = mt.linspace(-1, 1, 5)
    >>> print(mt.explain(x.tanh))  # doctest: +ELLIPSIS
    tanh: ...

    Shows the source of every kernel that was made so far, the time it took to compile, the bytes it reads and writes for each
    element, and what it replaces. If there is none yet, the source that a large array of float64 would get. Raises
    `ArgumentError` for what is neither.
    """
    if getattr(thing, "kernel", None) is not None and isinstance(thing.kernel, FusedUpdate):
        return _explain_update(thing)
    row = _row_of(thing)
    if not row.elementwise:
        notes = ["It is not elementwise: NumPy computes it" + (", or a kernel of kernels/rows.py where it is large." if
                 row.name in HAND_WRITTEN else ".")]  # fmt: skip
        return Explanation(f"{row.name}:", row.tex or row.name, row.tex, [], notes)
    fused = [("value", row.kernel)]
    for k, vjp in enumerate(row.vjps):
        if vjp is not None:
            fused.append((f"derivative in {row.inputs[k]}", row.derivative(k)))
    formulas, parts, notes = [], [], []
    for what, one in fused:
        try:
            symbols, value = one.expression()
        except Exception:  # a formula that only arrays can read
            notes.append(f"{what}: symbols can't read the formula, so NumPy computes it.")
            continue
        formulas.append(f"{what}: {text(value)}")
        found = [kernel for kernel in one.kernels.values() if kernel is not None]
        if not found and isinstance(value, Expr) and value.row is not None:
            found = [k for k in [one.make("d" * len(symbols))] if k is not None]
        if not found:
            notes.append(f"{what}: NumPy computes it.")
        parts += [(what, kernel) for kernel in found]
    tex = latex(Expr(row.name, row, tuple(Expr(name) for name in row.inputs)))
    notes.append(
        f"Tier '{tier.name}': kernels for arrays of at least {tier.least(False)} elements "
        f"({tier.least(True)} where there is arithmetic only)."
        if not tier.disabled
        else "Numba does not work here: NumPy computes everything."
    )
    return Explanation(f"{row.name}: {tex}", "\n".join(formulas), tex, parts, notes)


HAND_WRITTEN = ("softmax", "log_softmax", "cross_entropy", "surprise", "sum", "mean", "logsumexp")


def _explain_update(rule: Any) -> Explanation:
    kernels = [("update", kernel) for kernel in rule.kernel.kernels.values() if kernel is not None]
    if not kernels:
        count = len(rule.kernel.names)
        kernel = rule.kernel.make("d" * count + "n" * len(rule.hyper))
        kernels = [("update", kernel)] if kernel is not None else []
    return Explanation(str(rule).partition("\n")[0], "\n".join(rule._lines("text")), rule.latex(), kernels, [])


def _row_of(thing: Any) -> Any:
    """The row of the table behind a tensor, a row, or one of the public functions."""
    node = getattr(thing, "grad_fn", None)
    if node is not None:
        return node.primitive
    row = getattr(thing, "row", thing)
    if hasattr(row, "vjps") and hasattr(row, "forward"):
        return row
    from ..ops.primitive import FUNCTIONS, METHODS, TABLE

    name = getattr(thing, "__name__", "")
    if hasattr(thing, "__self__"):  # a method of a tensor
        kind = type(thing.__self__)
        name = next((name for name in METHODS if getattr(kind, name, None) is getattr(thing, "__func__", 0)), name)
    for found in (FUNCTIONS.get(name), METHODS.get(name), TABLE.get(name)):
        if hasattr(found, "vjps"):
            return found
    raise ArgumentError(
        "explain() takes a tensor that an operation made, an operation, or an optimizer's rule, "
        f"not {type(thing).__name__}{' without a graph' if hasattr(thing, 'requires_grad') else ''}.",
        fix="Mark an input with requires_grad=True, or name the operation: mt.explain(mt.tanh).",
    )
