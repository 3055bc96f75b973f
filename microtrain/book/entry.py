"""What an item of the book is: one claim, definition, figure or problem, with the code that runs it.

An item is a function with a decorator, anywhere in this package; nothing else has to be told of it:

    @item(
        "gd-parabola-regimes",
        kind="theorem",
        source="The dynamics of gradient descent, a one-dimensional parable",
        title=("Five regimes on a parabola", "抛物线上的五种情形"),
        statement=("...", "..."),
        verdict="holds",
        ranges={"eta": (0.0, 3.0)},
    )
    def five_regimes(run: Run, eta: float = 0.1) -> None:
        ...
        run.claim(("...", "..."), measured, equals=0.9, within=1e-12)
        run.figure(("...", "..."), draw)

The function's parameters, with their defaults, are what a learner can change.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ArgumentError

Text = tuple[str, str]  # in English, in Chinese
KINDS = (
    "algorithm", "definition", "experiment", "figure", "function", "guidance", "line-search", "loss", "model",
    "optimizer", "problem", "schedule", "table", "theorem",
)  # fmt: skip
VERDICTS = ("holds", "holds with a condition", "does not hold as printed")
SIGNS = dict(zip(VERDICTS, ("●", "◐", "○"), strict=True))  # told apart without colour, too


@dataclass(frozen=True)
class Parameter:
    """What a learner can change in an item."""

    name: str
    default: Any
    low: float | None = None  # for numbers: the range, ends included
    high: float | None = None
    choices: tuple[Any, ...] = ()

    def checked(self, value: Any, owner: str) -> Any:
        """The value as the default's type. Raises `ArgumentError`, with the range, if it does not fit."""
        kind = type(self.default)
        try:
            if kind is bool:
                fits = value in (True, False, "true", "false", "True", "False")
                value = value in (True, "true", "True")
            elif kind in (int, float, str):
                given, value = value, kind(value)
                fits = not isinstance(given, bool) and (kind is not int or isinstance(given, str) or given == value)
            else:  # a list of numbers, as "0.1,0.2" on the command line
                value = [float(x) for x in (value.split(",") if isinstance(value, str) else value)]
                fits = bool(value)
        except (TypeError, ValueError, OverflowError):
            fits = False
        values = value if isinstance(value, list) else [value]
        if fits and self.choices:
            fits = all(x in self.choices for x in values)
        elif fits and self.low is not None and self.high is not None:
            fits = all(self.low <= x <= self.high for x in values)
        if not fits:
            raise ArgumentError(f"{owner}: {self.name}={value!r} is not possible.", fix=f"It takes {self}.")
        return value

    def __str__(self) -> str:
        if self.choices:
            return f"{self.name} in {{{', '.join(map(str, self.choices))}}}, default {self.default}"
        if self.low is not None:
            return f"{self.name} from {self.low:g} to {self.high:g}, default {self.default}"
        return f"{self.name}, like its default {self.default!r}"


@dataclass(frozen=True)
class Item:
    """An entry of the catalogue."""

    id: str
    kind: str
    source: str
    title: Text
    statement: Text
    verdict: str
    correction: Text
    parameters: tuple[Parameter, ...]
    chapter: str
    function: Callable[..., None] = field(repr=False)
    source_zh: str = ""  # if `sources` can't find it
    random: bool = False  # does the outcome depend on the seed?
    printed: bool = False  # can the function run the book's formula as it is printed (form="printed")?

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, with the given ones checked. Raises `ArgumentError` for unknown names and bad values."""
        known = {p.name: p for p in self.parameters}
        for name in given:
            if name not in known:
                raise ArgumentError(
                    f"'{self.id}' has no parameter '{name}'.", fix="It has " + (", ".join(known) or "none") + "."
                )
        return {name: p.checked(given[name], self.id) if name in given else p.default for name, p in known.items()}


ITEMS: dict[str, Item] = {}


def item(
    id: str,
    *,
    kind: str,
    source: str | Text,
    title: Text,
    statement: Text,
    verdict: str,
    correction: Text = ("", ""),
    ranges: Mapping[str, Sequence[Any]] | None = None,
    random: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a function `(run, **parameters)` into the catalogue under `id`.

    `source` is in English (`sources` says it in Chinese), or in both languages if its words are unusual. `ranges` has
    (low, high) for numbers, the choices for texts, and for numbers with three choices or more. A parameter
    `form="right"` is not the learner's: with form="printed" the function does what the book prints, and some claim of
    it must fail. Raises `ArgumentError` if the entry contradicts itself.
    """

    def enter(function: Callable[..., None]) -> Callable[..., None]:
        parameters = []
        for p in list(inspect.signature(function).parameters.values())[1:]:
            if p.name == "form":
                continue
            limits = tuple((ranges or {}).get(p.name, ()))
            if len(limits) == 2 and not isinstance(p.default, str):
                parameters.append(Parameter(p.name, p.default, *limits))
            else:
                parameters.append(Parameter(p.name, p.default, choices=limits))
        english, own = (source, "") if isinstance(source, str) else source
        entry = Item(
            id, kind, english, title, statement, verdict, correction, tuple(parameters),
            (".." + function.__module__).split(".")[-2],  # the folder
            function, own, random, "form" in inspect.signature(function).parameters,
        )  # fmt: skip
        _check(entry, ranges or {})
        ITEMS[id] = entry
        return function

    return enter


def _check(entry: Item, ranges: Mapping[str, Any]) -> None:
    wrong = []
    if entry.id in ITEMS and _place(ITEMS[entry.id].function) != _place(entry.function):  # else it is loaded anew
        wrong.append("the id is taken")
    if entry.kind not in KINDS:
        wrong.append(f"kind {entry.kind!r} is none of {', '.join(KINDS)}")
    if entry.verdict not in VERDICTS:
        wrong.append(f"verdict {entry.verdict!r} is none of {', '.join(VERDICTS)}")
    if entry.verdict != "holds" and not all(entry.correction):
        wrong.append("a verdict other than 'holds' needs a correction in both languages")
    if not all((*entry.title, *entry.statement)):
        wrong.append("title and statement need both languages")
    if unknown := set(ranges) - {p.name for p in entry.parameters}:
        wrong.append(f"there are ranges for {', '.join(sorted(unknown))}, which are no parameters")
    for p in entry.parameters:
        try:
            p.checked(p.default, entry.id)
        except (ArgumentError, TypeError):  # the latter for limits that are no numbers
            wrong.append(f"the default does not fit: {p.name}={p.default!r} with {ranges.get(p.name)!r}")
    if entry.verdict == VERDICTS[2] and not entry.printed:
        wrong.append("what does not hold as printed needs a parameter `form`, to run what is printed")
    if wrong:
        raise ArgumentError(f"The item '{entry.id}' can't be entered: {'; '.join(wrong)}.")


def _place(function: Callable[..., None]) -> tuple[str, str]:
    return function.__module__, function.__qualname__
