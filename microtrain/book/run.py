"""One run of an item: what it measured, and how that compares with what the book says."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..errors import ArgumentError
from .entry import Item, Text
from .text import number, plain


@dataclass(frozen=True)
class Claim:
    """One number (or one fact) beside what is expected of it."""

    text: Text
    measured: Any
    expected: str  # readable: "0.9 +- 1e-12", ">= 2"
    passed: bool
    margin: float | None = None  # how far inside (positive) or outside: of the tolerance, the limit or half the range


WIDEST = 9.6  # inches; on 740 pixels a small legend of such a picture has letters 9 pixels high


@dataclass
class Figure:
    """A picture that is drawn when somebody looks at it; one that moves, if it has frames."""

    caption: Text
    draw: Callable[..., Any]  # takes the Axes, one or several; with frames it returns what shows frame k
    panels: tuple[int, int] = (1, 1)  # rows, columns
    size: tuple[float, float] = (6.0, 4.0)  # inches
    frames: int = 0
    seconds: float = 6.0
    solid: tuple[int, ...] = ()  # the panels, from 0, that have three axes

    def svg(self) -> str:
        """The picture as SVG; of one that moves the last frame."""
        from .drawing import svg

        return svg(self)

    def webp(self) -> bytes:
        """The frames as an animated WebP that goes on for ever. Raises `ArgumentError` if there are none."""
        from .drawing import movie

        if not self.frames:
            raise ArgumentError(f"'{self.caption[0]}' has no frames.", fix="svg() gives the picture.")
        return movie(self)


@dataclass(frozen=True)
class Table:
    """Numbers in rows."""

    caption: Text
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass
class Run:
    """What an item's function writes to, and afterwards the result."""

    item: Item
    seed: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    form: str = "right"
    claims: list[Claim] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    # ---- what the function calls -------------------------------------------------------------------------------------

    def claim(
        self,
        text: Text,
        measured: Any,
        *,
        equals: float | None = None,
        within: float = 0.0,
        relative: float = 0.0,
        at_least: float | None = None,
        at_most: float | None = None,
        between: tuple[float, float] | None = None,
    ) -> bool:
        """Compare a number, or the worst of an array of any shape, with what is expected; a truth value with True.

        Args:
            equals: the number, up to `within` + `relative` * |equals|.
            at_least, at_most, between: limits, included.

        Returns whether it holds. Raises `ArgumentError` if nothing is expected of a number, or there is no number.
        """
        limits = [x is not None for x in (equals, at_least, at_most, between)]
        if isinstance(measured, (bool, np.bool_)) and not any(limits):
            self.claims.append(Claim(text, bool(measured), "yes", bool(measured)))
            return bool(measured)
        if sum(limits) != 1:
            raise ArgumentError(f"'{self.item.id}': a claim of a number needs equals, at_least, at_most or between.")
        array = np.ravel(np.asarray(measured, dtype=float))
        if not array.size:
            raise ArgumentError(f"'{self.item.id}': a claim of no number at all: {text[0]}")
        if equals is not None:
            tolerance = within + relative * abs(equals)
            worst = float(array[np.argmax(np.abs(array - equals))]) if np.isfinite(array).all() else math.nan
            passed = abs(worst - equals) <= tolerance
            margin = (tolerance - abs(worst - equals)) / tolerance if tolerance else None
            expected = f"{equals:.10g}" + (f" ± {tolerance:.2g}" if tolerance else "")
        else:
            low, high = between or (at_least, at_most)
            worst = float(array.min() if low is not None else array.max())
            if low is not None and high is not None and high - array.max() < array.min() - low:
                worst = float(array.max())
            passed = bool((low is None or array.min() >= low) and (high is None or array.max() <= high))
            margin = _share(array, low, high)
            expected = f"{low:.6g} … {high:.6g}" if between else f"≥ {low:.6g}" if low is not None else f"≤ {high:.6g}"
        self.claims.append(Claim(text, worst, expected, bool(passed), margin))
        return bool(passed)

    def figure(
        self,
        caption: Text,
        draw: Callable[..., Any],
        panels: tuple[int, int] = (1, 1),
        size: tuple[float, float] = (6.0, 4.0),
        *,
        frames: int = 0,
        seconds: float = 6.0,
        solid: Sequence[int] = (),
    ) -> None:
        """A picture: `draw` gets as many Axes as there are panels, when somebody looks.

        With `frames` it moves: `draw` draws what stays and returns a function of k = 0 ... frames - 1 that sets what
        changes. The last frame is the picture for paper, and for whoever wants no motion: it must tell the story.
        The panels whose numbers (from 0) are in `solid` have three axes.

        Raises `ArgumentError` for a picture wider than `WIDEST` inches.
        """
        if size[0] > WIDEST:
            raise ArgumentError(
                f"A picture is {size[0]:g} inches wide.",
                "Where it is shown letters would be too small to read: a page leaves it some 740 pixels.",
                f"Make it at most {WIDEST:g} wide, with shorter legends, or put panels below each other.",
            )
        self.figures.append(Figure(caption, draw, panels, size, frames, seconds, tuple(solid)))

    def table(self, caption: Text, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Numbers in rows."""
        self.tables.append(Table(caption, tuple(columns), tuple(tuple(row) for row in rows)))

    def note(self, english: str, chinese: str) -> None:
        """A remark on what was seen."""
        self.notes.append((english, chinese))

    # ---- the result --------------------------------------------------------------------------------------------------

    @property
    def usual(self) -> bool:
        """Were the parameters the defaults? Elsewhere the expected numbers need not hold."""
        return self.form == "right" and all(self.values[p.name] == p.default for p in self.item.parameters)

    @property
    def passed(self) -> bool:
        """Is every claim as expected?"""
        return bool(self.claims) and all(claim.passed for claim in self.claims)

    def as_data(self) -> dict[str, Any]:
        """Everything but the pictures, as plain data."""
        return {
            "id": self.item.id,
            "seed": self.seed,
            "values": self.values,
            "claims": [asdict(claim) for claim in self.claims],
            "tables": [asdict(table) for table in self.tables],
            "notes": self.notes,
            "seconds": self.seconds,
            "passed": self.passed,
        }

    def __str__(self) -> str:
        lines = [f"{self.item.id}: {plain(self.item.title[0])} ({self.item.verdict})"]
        lines.append(f"  {plain(self.item.statement[0])}")
        if self.item.correction[0]:
            lines.append(f"  correction: {plain(self.item.correction[0])}")
        for claim in self.claims:
            mark = ("as expected" if claim.passed else "NOT as expected") if self.usual else "measured"
            measured = number(claim.measured, claim.expected)
            lines.append(f"  {plain(claim.text[0])}: {measured} (expected {claim.expected}): {mark}")
        lines += [f"  {plain(text)}" for note in self.notes for text in note]  # the rest in Chinese: `book show`
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from .notebook import html

        return html(self)


def execute(item: Item, given: dict[str, Any] | None = None, seed: int = 0, form: str = "right") -> Run:
    """Run an item. Raises `ArgumentError` for parameters that it has not, and for a seed that is none."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError(f"{item.id}: seed={seed!r} is not possible.", fix="A seed is a whole number from 0 on.")
    run = Run(item, int(seed), item.values(given or {}), form)
    start = time.perf_counter()
    item.function(run, **run.values, **({"form": form} if item.printed else {}))
    run.seconds = time.perf_counter() - start
    return run


def _share(array: np.ndarray, low: float | None, high: float | None) -> float | None:
    """How far numbers are inside their limits, as a share of half the range, or of the only limit (not of 0)."""
    least, most = float(array.min()), float(array.max())
    if low is None or high is None:
        limit, inside = (low, least - low) if low is not None else (high, (high or 0.0) - most)
        return inside / abs(limit) if limit else None
    return 2 * min(least - low, high - most) / (high - low)
