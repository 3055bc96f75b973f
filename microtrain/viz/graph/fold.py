"""Makes large graphs drawable: modules and repetitions become one box, and what is still too much "n more operations".

Only neighbours in the order of execution are put together. Whatever a folded stretch reads was done before it and
whatever reads it was done after it, so folding never makes a cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

from .modules import Call

LONGEST = 64  # operations in one repetition
WORTH = 8  # operations to be folded at least
WORTH_MODULES = 2  # and modules
TRIES = 4  # how many lengths of a repetition are tried at each place


class Stretch(NamedTuple):
    """Neighbouring operations that become one box; one operation alone is drawn as itself."""

    start: int
    stop: int
    group: Call  # the innermost call whose frame it stands in
    units: tuple[int | Call, ...] = ()  # one repetition of what was folded: operations and calls
    repeats: int = 1
    rest: bool = False  # are others of the same kind drawn beside it?

    @property
    def alone(self) -> bool:
        """Is this one operation to be drawn as itself?"""
        return self.stop - self.start == 1 and not self.units


Leaves = Callable[[int], Sequence[Hashable]]  # the leaf inputs of an operation


def fold(
    root: Call, signatures: Sequence[Hashable], leaves: Leaves, limit: int, depth: int | None, repeats: bool | None
) -> list[Stretch]:
    """Cut the operations into stretches to draw: about `limit` boxes at most, leaves included.

    `signatures` are equal where operations repeat each other. `depth` says how far modules in modules are opened (None:
    all), `repeats` whether repetitions are folded (None: of modules only). If that is too much to draw, repetitions
    are folded, then modules from the inside, then the operations furthest from the end.
    """
    count = len(signatures)
    deepest = _deepest(root)
    first = deepest if depth is None else max(0, min(depth, deepest))
    everything = deepest == 0 and repeats is None and count > limit  # nothing can be gained by looking at all
    if not everything:
        cut = list(_cut(root, signatures, first, repeats is not False, bool(repeats)))
        if _fits(cut, leaves, limit):
            return cut
    opened = first
    while True:
        cut = list(_cut(root, signatures, opened, True, True))
        if _fits(cut, leaves, limit):
            return cut
        if opened == 0:
            return _latest(root, cut, leaves, limit)
        opened = opened - 1 if opened <= 8 else opened * 3 // 4  # hundreds of levels are not tried one by one


def _deepest(root: Call) -> int:
    """How many levels of modules there are."""
    deepest = 0
    todo = [root]
    while todo:
        for unit in todo.pop().inside:
            if isinstance(unit, Call):
                deepest = max(deepest, unit.depth)
                todo.append(unit)
    return deepest


def _cut(call: Call, signatures: Sequence[Hashable], depth: int, modules: bool, loops: bool) -> Iterator[Stretch]:
    """The stretches of a call. Modules nest no deeper than Python's own calls, so recursion is safe here."""
    units = call.inside
    at = 0
    if modules or loops:
        marks = [signatures[unit] if isinstance(unit, int) else unit.signature for unit in units]
        has_calls = any(isinstance(unit, Call) for unit in units)
        worth = WORTH_MODULES if has_calls and modules else WORTH
        for start, period, repeats in repetitions(marks, worth) if loops or has_calls else ():
            unit = units[start : start + period]
            calls = [u for u in unit if isinstance(u, Call)]
            whole = bool(calls) and all(u.depth > depth for u in calls)
            if not whole and all(u.single for u in calls) and (not loops or period * (repeats - 2) < WORTH):
                continue
            first, last = (
                (start, start + period * repeats) if whole else (start + period, start + period * (repeats - 1))
            )
            for unit_before in units[at:first]:
                yield from _one(unit_before, call, signatures, depth, modules, loops)
            inner = units[first:last]
            yield Stretch(_start(inner[0]), _stop(inner[-1]), call, tuple(unit), len(inner) // period, not whole)
            at = last
    for unit_left in units[at:]:
        yield from _one(unit_left, call, signatures, depth, modules, loops)


def _one(
    unit: int | Call, call: Call, signatures: Sequence[Hashable], depth: int, modules: bool, loops: bool
) -> Iterator[Stretch]:
    if isinstance(unit, int):
        yield Stretch(unit, unit + 1, call)
    elif unit.depth <= depth:
        yield from _cut(unit, signatures, depth, modules, loops)
    else:
        yield Stretch(unit.start, unit.stop, call, (unit,))


def _start(unit: int | Call) -> int:
    return unit if isinstance(unit, int) else unit.start


def _stop(unit: int | Call) -> int:
    return unit + 1 if isinstance(unit, int) else unit.stop


def repetitions(signatures: Sequence[Hashable], worth: int = WORTH) -> list[tuple[int, int, int]]:
    """(start, operations in one repetition, number of repetitions), in order, where folding is worth it."""
    count = len(signatures)
    following: list[int] = [count] * count  # where the same signature comes next
    seen: dict[Hashable, int] = {}
    for i in range(count - 1, -1, -1):
        following[i] = seen.get(signatures[i], count)
        seen[signatures[i]] = i
    found = []
    at = 0
    while at < count:
        best = (0, 1)
        candidate = at
        for _ in range(TRIES):
            candidate = following[candidate]
            period = candidate - at
            if candidate >= count or period > LONGEST:
                break
            end = candidate
            while end < count and signatures[end] == signatures[end - period]:
                end += 1
            best = max(best, ((end - at) // period * period, period), key=lambda b: b[0])
        length, period = best
        if length - 2 * period >= max(worth, 2 * period):  # the first and the last are drawn
            found.append((at, period, length // period))
            at += length
        else:
            at += 1
    return found


def _fits(stretches: Sequence[Stretch], leaves: Leaves, limit: int) -> bool:
    if len(stretches) > limit:
        return False
    shown = {leaf for s in stretches if s.alone for leaf in leaves(s.start)}
    return len(stretches) + len(shown) <= limit


def _latest(root: Call, stretches: list[Stretch], leaves: Leaves, limit: int) -> list[Stretch]:
    """Keep the latest, at least the very last, and fold all before them."""
    shown: set[Hashable] = set()
    first = 0
    for at in range(len(stretches) - 1, -1, -1):
        if stretches[at].alone:
            shown.update(leaves(stretches[at].start))
        if len(stretches) - at + len(shown) >= limit:
            first = min(at + 1, len(stretches) - 1)  # it is too much with this one and the box for the rest
            break
    rest = [Stretch(0, stretches[first].start, root, (), 1)] if first else []
    return [*rest, *stretches[first:]]
