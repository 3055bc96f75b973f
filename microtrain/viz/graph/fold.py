"""Makes large graphs drawable: repetitions become one box, and what is still too much becomes "n more operations".

Only neighbours in the order of execution are put together. Whatever a folded stretch reads was done before it and
whatever reads it was done after it, so folding never makes a cycle.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

LONGEST = 64  # operations in one repetition
WORTH = 8  # operations to be folded at least
TRIES = 4  # how many lengths of a repetition are tried at each place


def fold(signatures: Sequence[Hashable], leaves: Sequence[Sequence[Hashable]], limit: int) -> list[range]:
    """Cut the operations into stretches: one operation to draw, or several to fold.

    `signatures` are equal where operations repeat each other, `leaves` are the leaf inputs of each operation. There
    will be at most about `limit` boxes, leaves included.
    """
    single = [range(i, i + 1) for i in range(len(signatures))]
    if _boxes(single, leaves) <= limit:
        return single
    folded: list[range] = []
    at = 0
    for start, period, repeats in repetitions(signatures):
        first, last = start + period, start + period * (repeats - 1)
        folded += [*single[at:first], range(first, last)]
        at = last
    folded += single[at:]
    if _boxes(folded, leaves) <= limit:
        return folded
    return _latest(folded, leaves, limit)


def repetitions(signatures: Sequence[Hashable]) -> list[tuple[int, int, int]]:
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
        if length - 2 * period >= max(WORTH, 2 * period):  # the first and the last are drawn
            found.append((at, period, length // period))
            at += length
        else:
            at += 1
    return found


def _boxes(stretches: Sequence[range], leaves: Sequence[Sequence[Hashable]]) -> int:
    shown = {leaf for stretch in stretches if len(stretch) == 1 for leaf in leaves[stretch[0]]}
    return len(stretches) + len(shown)


def _latest(stretches: list[range], leaves: Sequence[Sequence[Hashable]], limit: int) -> list[range]:
    """Keep the latest, at least the very last, and fold all before them."""
    shown: set[Hashable] = set()
    for at in range(len(stretches) - 1, -1, -1):
        if len(stretches[at]) == 1:
            shown.update(leaves[stretches[at][0]])
        if len(stretches) - at + len(shown) >= limit:
            first = min(at + 1, len(stretches) - 1)  # it is too much with this one and the box for the rest
            break
    return [*([range(stretches[first].start)] if first else []), *stretches[first:]]
