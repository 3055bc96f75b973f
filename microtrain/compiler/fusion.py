"""Fusion: which steps share a loop.

A chain x -> x + b -> tanh becomes one loop, which reads x once and writes the result once; a sum over the values of
that loop joins too. What a later loop needs is written to memory, everything else stays in a register.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Group, Map, Product, Reduce, Step


class Fusion:
    """Puts steps into loops.

    An elementwise step waits until something needs its result. Then it goes, with all that waits before it, where the
    last of its inputs is there: so the backward pass computes tanh' = 1 - y^2 in the loop that uses it, and not in the
    loop of the forward pass, which would have to write it to memory.
    """

    def __init__(self) -> None:
        self.order: list[Step] = []
        self.waiting: dict[int, Map] = {}  # by the memory of the result
        self.made: dict[int, list[tuple[int, int, int]]] = {}  # memory: (from, to, place in `order`), written
        self.read: dict[int, list[tuple[int, int, int]]] = {}
        self.number: dict[Map, int] = {}  # the order in which they came
        self.fused = 0

    def take(self, steps: list[Step]) -> list[Step]:
        """All steps, in loops."""
        for step in steps:
            for a in step.writes():
                if a.memory.outside:  # who still has to read there must do so first
                    for other in [w for w in self.waiting.values() if any(r.memory is a.memory for r in w.reads())]:
                        if id(other.out.memory) in self.waiting:
                            self.release(other)
            if isinstance(step, Map):
                self.waiting[id(step.out.memory)] = step
                self.number[step] = len(self.number)
                if step.out.memory.outside:
                    self.release(step)
                continue
            if isinstance(step, Reduce) and self._fits(step.x, step.x.shape, step.x.dtype):
                chain = self.chain(self.waiting[id(step.x.memory)])
                self.place([*chain, step], step.x.shape, step.x.dtype)
                continue
            for a in step.reads():
                if id(a.memory) in self.waiting:
                    self.release(self.waiting[id(a.memory)])
            if isinstance(step, Reduce):
                self.place([step], step.x.shape, step.x.dtype)
            else:
                self.order.append(step)
                self._note(step, len(self.order) - 1)
        while self.waiting:
            self.release(next(iter(self.waiting.values())))
        return self.order

    def _fits(self, x: Array, shape: Any, compute: Any) -> bool:
        """Is this, just as it is, what a waiting step of such a loop makes?"""
        step = self.waiting.get(id(x.memory))
        return step is not None and step.out is x and step.out.shape == shape and step.compute == compute

    def chain(self, step: Map) -> list[Any]:
        """A waiting step with all that waits before it and goes over the same elements, in order; they wait no more.

        What is read in another way (transposed, or as a part) has to be in memory before: it goes first, on its own.
        """
        while True:
            members: dict[int, Map] = {}
            stack, misfit = [step], None
            while stack and misfit is None:
                s = stack.pop()
                members[id(s.out.memory)] = s
                for a in s.reads():
                    other = self.waiting.get(id(a.memory))
                    if other is None or (other is step and step.out.memory.outside):  # the old values there
                        continue
                    if s.row is None or other.row is None or not self._fits(a, step.out.shape, step.compute):
                        misfit = other
                        break
                    stack.append(other)
            if misfit is None:
                break
            self.release(misfit)
        for memory in members:
            del self.waiting[memory]
        return sorted(members.values(), key=lambda s: self.number[s])

    def release(self, step: Map) -> None:
        """Put a waiting step somewhere."""
        self.place(self.chain(step), step.out.shape, step.compute)

    def place(self, chain: list[Any], shape: Any, compute: Any) -> None:
        """Into the first loop that comes after everything they read, or a new one."""
        inside = {id(s.out.memory) for s in chain}
        earliest = -1
        for s in chain:
            for a in s.reads():
                if id(a.memory) not in inside:
                    earliest = max(earliest, _latest(self.made, a))
            for a in s.writes():  # not before others have read or written there
                earliest = max(earliest, _latest(self.made, a), _latest(self.read, a))
        for k in range(max(earliest, 0), len(self.order)):
            group = self.order[k]
            if isinstance(group, Group) and group.shape == shape and group.compute == compute and (
                k > earliest or all(_can_join(s, group, chain) for s in chain)
            ):  # fmt: skip
                break
        else:
            k = len(self.order)
            group = Group(chain[0].site, chain[-1].phase, shape, compute)
            self.order.append(group)
            self.fused -= 1
        self.fused += len(chain)
        group.steps += chain
        for s in chain:
            self._note(s, k)

    def _note(self, step: Step, place: int) -> None:
        for table, arrays in ((self.made, step.writes()), (self.read, step.reads())):
            for a in arrays:
                table.setdefault(id(a.memory), []).append((*extent(a), place))


def soon(steps: list[Step]) -> list[Step]:
    """The same steps; loops go before the products that they do not need: what they read is still in the cache then.

    (Of the gradients of a layer's input and of its weight, a loop reads the first, and the second is made in between.)
    """
    ordered: list[Step] = []
    for step in steps:
        place = len(ordered)
        while isinstance(step, Group) and place and isinstance(ordered[place - 1], Product):
            if _depends(step, ordered[place - 1]):
                break
            place -= 1
        ordered.insert(place, step)
    return ordered


def _depends(step: Step, before: Step) -> bool:
    """Must the one come after the other?"""
    touched = [(a, b) for a in (*step.reads(), *step.writes()) for b in before.writes()]
    touched += [(a, b) for a in step.writes() for b in before.reads()]
    return any(a.memory is b.memory and _meet(extent(a), extent(b)) for a, b in touched)


def _meet(a: Sequence[int], b: Sequence[int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def extent(a: Array) -> tuple[int, int]:
    """The elements of its memory that an array has, from and to."""
    steps = [(n - 1) * s for n, s in zip(a.shape, a.strides, strict=True)]  # a flipped array begins at its end
    return a.offset + sum(s for s in steps if s < 0), a.offset + 1 + sum(s for s in steps if s > 0)


def _latest(table: dict[int, list[tuple[int, int, int]]], a: Array) -> int:
    """The last place where something of this array was touched."""
    return max((k for *place, k in table.get(id(a.memory), ()) if _meet(place, extent(a))), default=-1)


def _can_join(step: Map | Reduce, group: Group, chain: list[Any]) -> bool:
    """Does the step read what the group makes only element by element, as values that are in registers?"""
    values = {id(s.out) for s in [*group.steps, *chain] if isinstance(s, Map) and s.row is not None}
    made = {id(a.memory) for s in group.steps for a in s.writes()}
    read = {id(a.memory) for s in group.steps for a in s.reads()}
    if isinstance(step, Map) and step.row is None and any(id(a.memory) in made for a in step.reads()):
        return False  # a conversion starts from memory
    written = {id(a.memory) for a in step.writes()}
    if written & made:
        return False
    if written & read:  # over what the loop reads: only element by element
        for s in group.steps:
            for a in s.reads():
                if id(a.memory) in written and (a.strides, a.offset) != (step.out.strides, step.out.offset):
                    return False
    return all(id(a) in values for a in step.reads() if id(a.memory) in made)
