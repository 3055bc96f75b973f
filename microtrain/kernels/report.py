"""What became of a formula: `mt.explain(t)` shows the kernel behind a result, and what it costs and saves."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..formula import Expr, trace
from ..formula_print import latex, text
from . import tier
from .fused import Fused, FusedUpdate
from .source import WIDTH, wrapped


class Explanation:
    """Prints as text; `latex`, `sources` and `kernels` have the parts."""

    def __init__(self, title: str, formula: str, tex: str, parts: list[tuple[str, Any]], notes: list[str]) -> None:
        self.title, self.formula, self.tex, self.parts, self.notes = title, formula, tex, parts, notes
        self.size = 0  # elements of the tensor that is explained
        self.calls = ""  # source of what NumPy does where there is no kernel, if it is printed, too

    @property
    def kernels(self) -> list[Any]:
        """The kernels that were made so far, or the one that a large array would get."""
        return [kernel for _, kernel in self.parts]

    @property
    def sources(self) -> list[str]:
        """Their Numba source."""
        return [kernel.source.text for kernel in self.kernels]

    def latex(self) -> str:
        """The formula in LaTeX."""
        return self.tex

    def __repr__(self) -> str:
        lines = [self.title, "", *(f"    {line}" for line in wrapped(self.formula, WIDTH)), ""]
        for what, kernel in self.parts:
            lines += [f"Kernel of the {what}", "", *_facts(kernel, self.size), ""]
            lines += [f"    {line}".rstrip() for line in kernel.source.text.splitlines()]
            lines.append("")
        if self.calls:
            lines += ["NumPy, where no kernel is used", "", *(f"    {line}" for line in self.calls.splitlines()), ""]
        for note in self.notes:
            lines += wrapped(note, WIDTH)
        return "\n".join(lines).rstrip()


def _facts(kernel: Any, size: int) -> list[str]:
    """What it cost to make, what it moves, and what it replaces."""
    source, program = kernel.source, kernel.program
    read, written = source.bytes_per_element()
    itemsize = np.dtype(source.dtype).itemsize
    arrays = sum(o.kind in ("array", "booleans") for o in source.operands)
    if not program.is_loaded:
        made = "not yet: that is done when a large array comes"
    elif program.found_in:
        made = f"in {program.seconds:.2f} s, once; here found in the cache in {1000 * program.found_in:.0f} ms"
    else:
        made = f"in {program.seconds:.2f} s, {'and kept in the cache' if program.kept else 'but the cache could not keep it'}"
    ran = [f"    ran        {_count(kernel.runs, 'time')}, on {_count(kernel.elements, 'element')} in all"]
    total = f" (all {size:,}: {_bytes(read * size)} and {_bytes(written * size)})" if size else ""
    replaced = f"{_count(source.steps, 'operation')} of NumPy"
    if source.steps > 1:  # each reads two arrays and writes one, more or less
        moved = source.steps * 3 * itemsize
        replaced += f" with {_count(source.steps - 1, 'array')} in between, about {moved} bytes for each element"
    else:
        replaced += ", which it divides among threads"
    return [
        f"    compiled   {made}",
        *(ran if kernel.runs else []),
        f"    reads      {read} bytes for each element ({_count(arrays, 'array')}), writes {written}{total}",
        f"    replaces   {replaced}",
    ]


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def _bytes(n: int) -> str:
    return f"{n:,} bytes" if n < 10_000 else f"{n / 1000:,.0f} kB" if n < 10_000_000 else f"{n / 1e6:,.0f} MB"


def explain(thing: Any) -> Explanation:
    """The formula behind a tensor (the operation that made it), an operation or an optimizer, and its kernels.

    >>> import microtrain as mt
    >>> from microtrain import F
    >>> bump = mt.elementwise("bump", lambda z: z * F.exp(-z * z))
    >>> explained = mt.explain(bump)
    >>> print(str(explained).partition("from ")[0])
    bump
    <BLANKLINE>
        value: z * exp(-z * z)
        derivative in z: g * z * exp(-z * z) * (-z) + (-g * z * exp(-z * z) * z) + g * exp(-z * z)
    <BLANKLINE>
    Kernel of the value
    <BLANKLINE>
        compiled   not yet: that is done when a large array comes
        reads      8 bytes for each element (1 array), writes 8
        replaces   4 operations of NumPy with 3 arrays in between, about 96 bytes for each element
    <BLANKLINE>
        \"""bump, for float64:
    <BLANKLINE>
            out = z * exp(-z * z)
        \"""
    <BLANKLINE>
    <BLANKLINE>
    >>> print(explained.sources[0].partition("@kernel_function")[2].partition("def kernel")[0].strip())
    def loop(n, z_, out_):
        wide_vectors()
        no_overlap()
        for i in range(n):
            z = z_[i]
            out_[i] = z * exp_f64(-z * z)

    Shows the source of every kernel that was made so far, the time it took to compile, the bytes it reads and writes, and
    what it replaces. If there is none yet, the source that a large array of float64 would get. Raises `ArgumentError` for
    what is none of these.
    """
    if hasattr(thing, "param_groups"):
        thing = thing.rule_for(thing.param_groups[0])  # as its options ask for
    thing = getattr(thing, "rule", thing)  # of a class of optimizers
    if isinstance(getattr(thing, "kernel", None), FusedUpdate):
        return _explain_update(thing)
    if hasattr(thing, "latex") and hasattr(thing, "lines"):  # an equation that is not elementwise
        return Explanation(
            thing.name, "\n".join(text for text, _ in thing.lines), thing.latex(), [], ["NumPy computes it."]
        )
    row = _row_of(thing)
    explained = _explain_row(row)
    if getattr(thing, "grad_fn", None) is not None:
        explained.size = thing.numel()
    return explained


def _explain_row(row: Any) -> Explanation:
    from ..ops.formula_reductions import PARTS

    if row in PARTS:
        return _explain_reduction(row, *PARTS[row])
    tex = _latex_of(row)
    if not row.elementwise:
        return Explanation(row.name, tex, tex, [], [_HAND_WRITTEN.get(row.name, "NumPy computes it.")])
    fused = [("value", row.kernel)]
    for k, vjp in enumerate(row.vjps):
        if vjp is not None:
            fused.append((f"derivative in {row.inputs[k]}", row.vjp_kernel(k)))
    formulas, parts, notes = [], [], []
    for what, one in fused:
        try:
            symbols, value = one.expression()
        except Exception:  # a formula that only arrays can read
            notes.append(f"The {what}: symbols can't read the formula, so NumPy computes it.")
            continue
        formulas.append(f"{what}: {text(_written(one, value))}")
        found = [kernel for kernel in one.kernels.values() if kernel is not None]
        if not found and isinstance(value, Expr) and value.row is not None:
            found = [k for k in [one.make("d" * len(symbols))] if k is not None]
        if not found:
            notes.append(f"The {what}: NumPy computes it.")
        parts += [(what, kernel) for kernel in found]
    title = row.name + (f": {row.note}" if row.note else "")
    return Explanation(title, "\n".join(formulas) or tex, tex, parts, [*notes, _tier()])


def _written(fused: Fused, value: Any) -> Any:
    """The formula as it stands in the table, also where kernels know its row by name."""
    try:
        return trace(getattr(fused.formula, "forward", fused.formula))[1]
    except Exception:  # there is none
        return value


def _explain_reduction(reduced: Any, row: Any, how: str) -> Explanation:
    explained = _explain_row(row)
    title = f"{reduced.name}, in one kernel: the {how} is taken block by block, and the values are never stored"
    return Explanation(title, explained.formula, reduced.tex, explained.parts, explained.notes)


def _explain_update(rule: Any) -> Explanation:
    kernels = [("update", kernel) for kernel in rule.kernel.kernels.values() if kernel is not None]
    if not kernels:
        count = len(rule.kernel.names)
        kernel = rule.kernel.make("d" * count + "n" * len(rule.hyper))
        kernels = [("update", kernel)] if kernel is not None else []
    title = str(rule).partition("\n")[0].rstrip(":")
    explanation = Explanation(title, "\n".join(rule._lines("text")), rule.latex(), kernels, [_tier()])
    explanation.calls = rule.in_place.source
    return explanation


def _tier() -> str:
    if tier.disabled:
        return "Numba does not work here: NumPy computes everything."
    if tier.name == "numpy":
        return "The tier is 'numpy' now: NumPy computes everything."
    if tier.name == "numba":
        return "The tier is 'numba' now: kernels compute whatever they can."
    return (
        f"Kernels compute arrays of at least {tier.large:,} elements ({tier.least(True):,} for a single operation of "
        "arithmetic), NumPy smaller ones."
    )


_ROWS = "Where the array is large, a hand-written kernel (kernels/rows.py) takes each row while it is in the cache; else NumPy."
_FOLDS = "Where the array is large, its threads share the work (kernels/folding.py); else NumPy computes it."
_HAND_WRITTEN = {
    **dict.fromkeys(["softmax", "log_softmax", "cross_entropy", "surprise"], _ROWS),
    **dict.fromkeys(["sum", "mean", "max", "min", "amax", "amin", "logsumexp"], _FOLDS),
}


def _latex_of(row: Any) -> str:
    return latex(Expr(row.name, row, tuple(Expr(name) for name in row.inputs)))


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
        "explain() takes a tensor that an operation made, an operation, or an optimizer or its rule, "
        f"not {type(thing).__name__}{' without a graph' if hasattr(thing, 'requires_grad') else ''}.",
        fix="Mark an input with requires_grad=True, or name the operation: mt.explain(mt.tanh).",
    )
