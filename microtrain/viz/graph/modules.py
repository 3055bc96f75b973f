"""The calls of modules that operations belong to, as a tree: what is drawn in one frame, or folded into one box."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Call:
    """One call of a module (or a backward pass that recorded its own graph), and what happened inside."""

    owner: Any  # the module, "backward", or None if the module is gone
    parent: Call | None = None
    inside: list[int | Call] = field(default_factory=list)  # operations by number, and calls
    start: int = 0  # its operations are those from `start` up to `stop`
    stop: int = 0
    signature: Hashable = None
    depth: int = 0

    @property
    def kind(self) -> str:
        """ "Linear"."""
        return (
            self.owner if isinstance(self.owner, str) else "module" if self.owner is None else type(self.owner).__name__
        )

    @property
    def single(self) -> bool:
        """Is there only one operation in it?"""
        return self.stop - self.start == 1


def call_tree(count: int, call_of: Callable[[int], Call | None], signatures: Sequence[Hashable]) -> Call:
    """All operations below a root that is no call itself. `call_of` gives the innermost call of an operation.

    Operations of a call stand next to each other. If others came in between, as from another thread, the call appears
    several times.
    """
    root = Call("")
    path = [root]
    for i in range(count):
        innermost = call_of(i)
        wanted = _path(innermost) if innermost is not None else []
        same = 0
        while same < len(wanted) and same + 1 < len(path) and path[same + 1].owner is wanted[same]:
            same += 1
        _close(path, same + 1, i)
        for call in wanted[same:]:
            opened = Call(call, path[-1], start=i, depth=len(path))
            path[-1].inside.append(opened)
            path.append(opened)
        path[-1].inside.append(i)
    _close(path, 0, count)
    todo = [root]
    order = []
    while todo:
        call = todo.pop()
        order.append(call)
        todo.extend(c for c in call.inside if isinstance(c, Call))
    for call in reversed(order):
        if call is not root:
            call.owner = call.owner.owner  # so far this was the call itself, which tells two calls of a module apart
            inside = tuple(signatures[c] if isinstance(c, int) else c.signature for c in call.inside)
            call.signature = (call.kind, hash(inside), len(inside))
    return root


def _path(call: Call) -> list[Call]:
    path = [call]
    while path[-1].parent is not None:
        path.append(path[-1].parent)
    return path[::-1]


def _close(path: list[Call], keep: int, stop: int) -> None:
    while len(path) > keep:
        path.pop().stop = stop


def by_interval(intervals: Iterable[tuple[int, int, Any]], serials: Sequence[int]) -> list[Call | None]:
    """The innermost call of each operation, from (since, until, owner) of all calls and the operations' numbers.

    Both count the same way, so a call consists of the operations with since < number <= until.
    """
    waiting = sorted(intervals, key=lambda interval: (interval[0], -interval[1]))[::-1]
    open_calls: list[tuple[int, Call]] = []
    found: list[Call | None] = []
    for serial in serials:
        while True:
            while open_calls and open_calls[-1][0] < serial:
                open_calls.pop()
            if not waiting or waiting[-1][0] >= serial:
                break
            _, until, owner = waiting.pop()
            if until >= serial:
                open_calls.append((until, Call(owner, open_calls[-1][1] if open_calls else None)))
        found.append(open_calls[-1][1] if open_calls else None)
    return found
