"""What a sweep goes through: grids, random draws and seeds, and how they are written on the command line."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError
from ..random import Generator

WORDS = {"true": True, "True": True, "false": False, "False": False, "none": None, "None": None, "null": None}
KINDS = {
    "log": "log:LOW:HIGH, evenly spread on a logarithmic scale",
    "uniform": "uniform:LOW:HIGH",
    "int": "int:LOW:HIGH, whole numbers with both ends",
    "choice": "choice:A,B,C",
}
LARGEST = 1_000_000  # trials


@dataclass(frozen=True)
class Trial:
    """One call of the function: its settings and its seed."""

    parameters: Mapping[str, Any]
    seed: int

    def key(self, identity: str) -> str:
        """The name of its file: the same for the same settings, seed and function."""
        text = json.dumps([identity, sorted(self.parameters.items()), self.seed], allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Distribution:
    """What a setting is drawn from."""

    kind: str
    low: float = 0.0
    high: float = 1.0
    values: tuple[Any, ...] = ()

    def draw(self, generator: Generator) -> Any:
        """One value."""
        u = float(generator.numpy.random())
        if self.kind == "choice":
            return self.values[int(u * len(self.values))]
        if self.kind == "int":
            return int(self.low) + int(u * (int(self.high) - int(self.low) + 1))
        if self.kind == "log":
            return math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        return self.low + u * (self.high - self.low)


def parse_value(text: str) -> Any:
    """A number, true, false, none, a list in brackets, or else the text itself."""
    if text in WORDS:
        return WORDS[text]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def parse_values(text: str) -> list[Any]:
    """The values between commas; those within brackets belong to a list."""
    parts, depth, start = [], 0, 0
    for k, letter in enumerate(text + ","):
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth <= 0:
            parts.append(text[start:k].strip())
            start = k + 1
    if start <= len(text) or "" in parts:
        raise ArgumentError(f"There is an empty value in '{text}'.", fix="Write values with commas between: 0.1,0.01")
    return [parse_value(part) for part in parts]


def parse_setting(text: str, what: str) -> tuple[str, str]:
    """(name, value) of `name=value`. Raises `ArgumentError` for anything else."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier() or not value.strip():
        raise ArgumentError(f"{what} '{text}' is not NAME=VALUE.", fix="For example: lr=0.1,0.01")
    return name.strip(), value.strip()


def is_distribution(value: Any) -> bool:
    """Does it look like `log:1e-4:1e-1`?"""
    return isinstance(value, Distribution) or (isinstance(value, str) and value.partition(":")[0] in KINDS)


def parse_distribution(text: Any) -> Distribution:
    """The distribution that a text such as "log:1e-4:1e-1" means. Raises `ArgumentError` for anything else."""
    if isinstance(text, Distribution):
        return text
    kind, _, rest = str(text).partition(":")
    if kind == "choice" and rest:
        return Distribution(kind, values=tuple(parse_values(rest)))
    ends = [parse_value(end) for end in rest.split(":")]
    if kind in KINDS and len(ends) == 2 and all(type(end) in (int, float) for end in ends):
        low, high = ends
        if low < high and (kind != "log" or low > 0) and (kind != "int" or type(low) is type(high) is int):
            return Distribution(kind, low, high)
    raise ArgumentError(f"'{text}' is no distribution.", fix=f"There are {'; '.join(KINDS.values())}.")


def trials(
    grids: Mapping[str, Iterable[Any]], random: Mapping[str, Any], draws: int, seeds: Sequence[int], seed: int,
    fixed: Mapping[str, Any],
) -> list[Trial]:  # fmt: skip
    """All combinations, each once: for each draw all of the grid, for each of these all seeds.

    Raises `ArgumentError` for settings that can't be meant.
    """
    names = [*fixed, *random, *grids]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"{', '.join(twice)} is given twice.")
    if "seed" in names:
        raise ArgumentError("The seed is not a setting.", fix="Use seeds= (--seeds 5).")
    grid: dict[str, list[Any]] = {
        name: [] if isinstance(values, str) else _listed(values) for name, values in grids.items()
    }
    empty = [name for name, values in grid.items() if not values]
    if empty:
        raise ArgumentError(f"The grid has no values for {', '.join(empty)}.", fix="Give a list: grid={'lr': [0.1, 1]}")
    if not seeds or any(type(s) is not int or s < 0 for s in seeds):
        raise ArgumentError(f"Seeds are non-negative integers, at least one, not {list(seeds)}.")
    if (draws > 0) != bool(random) or draws < 0:
        raise ArgumentError(
            f"{draws} random draws of {', '.join(random) or 'nothing'}.",
            fix='Say how many and what: random={"lr": "log:1e-4:1e-1"}, draws=20; --random 20 lr=log:1e-4:1e-1.',
        )
    lists = list(grid.values())
    count = max(draws, 1) * math.prod(map(len, lists)) * len(seeds)
    if count > LARGEST:
        raise ArgumentError(f"That would be {count:,} trials.", fix="Draw at random instead.")
    distributions = {name: parse_distribution(value) for name, value in random.items()}
    generator = Generator(seed)
    drawn = [{name: d.draw(generator) for name, d in distributions.items()} for _ in range(max(draws, 1))]
    found: dict[str, Trial] = {}
    for draw, values, s in itertools.product(drawn, itertools.product(*lists), seeds):
        parameters = {**fixed, **draw, **dict(zip(grid, values, strict=True))}
        trial = Trial({name: plain(name, value) for name, value in parameters.items()}, s)
        found.setdefault(trial.key(""), trial)
    return list(found.values())


def _listed(values: Any) -> list[Any]:
    try:
        return list(values)
    except TypeError:  # a single number, or a tensor without axes
        return []


def plain(name: str, value: Any) -> Any:
    """A setting as JSON has it. Raises `ArgumentError` for what can't be written down."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()  # NumPy's numbers
    if isinstance(value, (list, tuple)):
        return [plain(name, item) for item in value]
    if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
        return value
    raise ArgumentError(
        f"The setting {name} has the value {value!r}.",
        "Settings are written into files, so that a sweep can go on later, and sent to other computers.",
        "Use numbers, texts, booleans, None and lists of them; give things by name (optimizer='Adam').",
    )
