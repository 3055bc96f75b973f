"""What a gradient check found: the table, worst entry first, and one sentence on what is probably wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Entry:
    """One partial derivative that is wrong."""

    output: int
    output_index: tuple[int, ...]
    input: int
    input_name: str
    index: tuple[int, ...]
    ours: float
    numeric: float

    @property
    def absolute(self) -> float:
        """|ours - numeric|."""
        return abs(self.ours - self.numeric)

    @property
    def relative(self) -> float:
        """The absolute error as a part of the numeric derivative."""
        return self.absolute / abs(self.numeric) if self.numeric else float("inf")


@dataclass(frozen=True)
class Kink:
    """A point where the slopes on the two sides differ; every value between them is accepted."""

    input: int
    input_name: str
    index: tuple[int, ...]
    left: float
    right: float
    ours: float

    def __str__(self) -> str:
        name = "" if self.input_name == f"input {self.input}" else f" ({self.input_name})"
        place = f" index {_index(self.index)}" if self.index else ""
        return (
            f"kink at input {self.input}{name}{place}: slope {self.left:.6g} on the left, {self.right:.6g} on the "
            f"right, ours {self.ours:.6g}"
        )


@dataclass
class GradcheckReport:
    """True if the gradients are right. `str()` gives the table of those that are not, worst first."""

    ok: bool
    checked: int  # how many partial derivatives
    failures: list[Entry] = field(default_factory=list)
    kinks: list[Kink] = field(default_factory=list)
    diagnosis: str = ""

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [str(kink) for kink in self.kinks]
        if self.ok:
            return "\n".join([f"gradcheck: all {self.checked} partial derivatives are right.", *lines])
        if not self.failures:
            return "\n".join([f"gradcheck failed: {self.diagnosis}", *lines])
        shown = sorted(self.failures, key=_severity, reverse=True)[:10]
        rows = [("input", "index", "output", "ours", "numeric", "abs", "rel")] + [
            (
                e.input_name, _index(e.index), f"{e.output} {_index(e.output_index)}".removesuffix(" ()"),
                f"{e.ours:.6g}", f"{e.numeric:.6g}", f"{e.absolute:.2g}", f"{e.relative:.2g}",
            )
            for e in shown
        ]  # fmt: skip
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  " + "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
        more = len(self.failures) - len(shown)
        return "\n".join(
            [
                f"gradcheck failed: {len(self.failures)} of {self.checked} partial derivatives are wrong.",
                *table,
                *([f"  ... and {more} more"] if more else []),
                self.diagnosis,
                *lines,
            ]
        )


def _index(index: tuple[int, ...]) -> str:
    return str(index[0]) if len(index) == 1 else str(index)


def _severity(e: Entry) -> float:
    return e.absolute if np.isfinite(e.absolute) else np.inf


@dataclass
class Block:
    """The derivatives of one output with respect to one input: rows are output elements, columns input elements."""

    output: int
    output_shape: tuple[int, ...]
    input: int
    input_name: str
    input_shape: tuple[int, ...]
    ours: Array
    numeric: Array
    wrong: Array  # of booleans
    reached: bool  # did the output require grad at all?

    def entries(self) -> list[Entry]:
        """The wrong ones."""
        return [
            Entry(
                self.output, _at(row, self.output_shape), self.input, self.input_name, _at(column, self.input_shape),
                float(self.ours[row, column]), float(self.numeric[row, column]),
            )
            for row, column in np.argwhere(self.wrong).tolist()
        ]  # fmt: skip


def _at(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


def diagnose(blocks: list[Block], single: bool) -> str:
    """One sentence on the likeliest mistake. `single` says that inputs were float32 or smaller."""
    bad = [b for b in blocks if b.wrong.any()]
    names = " and ".join(dict.fromkeys(f"'{b.input_name}'" for b in bad))
    good = {b.input for b in blocks} - {b.input for b in bad}
    who = f"the gradient of {names}" + (" (the others are right)" if good else "")
    ours = np.concatenate([b.ours.ravel() for b in bad])
    numeric = np.concatenate([b.numeric.ravel() for b in bad])
    wrong = np.concatenate([b.wrong.ravel() for b in bad])

    if not np.isfinite(numeric[wrong]).all():
        return "The function itself is NaN or infinite near this point, so there is nothing to compare with."
    if not np.isfinite(ours[wrong]).all():
        what = "NaN" if np.isnan(ours[wrong]).any() else "infinite"
        return f"In {who} some entries are {what} where the numeric one is finite: 0 / 0 or 0 * inf in backward."
    if not any(b.reached for b in bad):
        return "The output does not require grad: detach(), item(), numpy() or no_grad() on the way cut the graph."
    if single and np.all(np.abs(ours - numeric) <= 2e-2 * np.maximum(1, np.abs(numeric))):
        return "The differences are of the size of float32 rounding: repeat the check with float64 inputs."
    if not ours.any():
        return f"All of {who} is 0: it never arrives (detach() or no_grad() inside, or backward returns zeros)."
    factor = _factor(ours, numeric)
    if factor is not None:
        return _say_factor(factor, who, bad)
    for b in bad:
        if _transposed(b):
            return f"The gradient of '{b.input_name}' is transposed: rows and columns are exchanged."
        rows = _one_row(b)
        if rows:
            return (
                f"Only one of the {rows} rows of the output reaches the gradient of '{b.input_name}', which was "
                "broadcast: sum its gradient over the broadcast axis."
            )
    counted = (np.abs(ours) > 1e-9) | (np.abs(numeric) > 1e-9)  # most are 0 where operations are elementwise
    if wrong[counted].all():
        hint = ""
        if good and all(len(b.input_shape) < max(len(o.input_shape) for o in blocks) for b in bad):
            hint = "; it was broadcast: is the sum over the broadcast axes missing?"
        return f"Every entry of {who} is wrong, with no common factor{hint or ': compare the formula on paper.'}"
    first = next(b for b in bad).entries()[0]
    differ = "differ" if wrong.sum() > 1 else "differs"
    return (
        f"In {who} {wrong.sum()} of {wrong.size} entries {differ}, first at index {_index(first.index)}: look for a "
        "special case (an index, an edge, a branch) rather than a wrong formula."
    )


def _factor(ours: Array, numeric: Array) -> float | None:
    """c with ours = c * numeric everywhere, or None."""
    scale = np.abs(numeric).max()
    large = np.abs(numeric) > 1e-3 * scale
    if not scale or not np.abs(ours[large]).all():
        return None
    factor = float(np.median(ours[large] / numeric[large]))
    close = np.abs(ours - factor * numeric) <= 1e-3 * abs(factor) * scale
    return factor if close.all() and abs(factor - 1) > 1e-4 else None


def _say_factor(factor: float, who: str, bad: list[Block]) -> str:
    if abs(factor + 1) < 1e-3:
        return f"The sign is wrong: {who} is -1 times the numeric one."
    whole = factor if abs(factor) > 1 else 1 / factor
    text = f"{factor:.4g}"
    if abs(whole - round(whole)) < 1e-3 * abs(whole):
        whole = round(whole)
        text = str(whole) if abs(factor) > 1 else f"1/{whole}" if whole > 0 else f"-1/{-whole}"
    lengths = {n for b in bad for n in (*b.input_shape, *b.output_shape, b.numeric.shape[1], b.numeric.shape[0])}
    hint = ""
    if abs(whole) in lengths and abs(whole) > 1:
        hint = ": batch size? A sum where the mean belongs, or the other way round" if abs(factor) > 1 else (
            ": batch size? A mean where the sum belongs, or the other way round"
        )  # fmt: skip
    elif abs(whole) == 2:
        hint = ": the 2 of a square?"
    said = who[0].upper() + who[1:]
    return f"{said} is {text} times the numeric one{hint}."


def _transposed(b: Block) -> bool:
    if len(b.input_shape) != 2 or min(b.input_shape) < 2:
        return False
    n, m = b.input_shape
    swapped = b.numeric.reshape(-1, n, m).transpose(0, 2, 1).reshape(len(b.numeric), -1)
    return bool(np.allclose(b.ours, swapped, rtol=1e-3, atol=1e-5))


def _one_row(b: Block) -> int:
    """How many rows the output has, if only the derivatives of one of them are there."""
    if len(b.output_shape) < 2 or b.output_shape[0] < 2 or len(b.input_shape) >= len(b.output_shape):
        return 0
    rows = b.output_shape[0]
    ours, numeric = b.ours.reshape(rows, -1), b.numeric.reshape(rows, -1)
    for row in (0, -1):
        rest = np.delete(ours, row, axis=0)
        if np.allclose(ours[row], numeric[row], rtol=1e-3, atol=1e-5) and not rest.any():
            return rows
    return 0
