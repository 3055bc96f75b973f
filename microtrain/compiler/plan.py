"""Plan: which steps share a loop, and where every array is in memory.

1. What nobody needs is left out.
2. Steps share loops (fusion.py).
3. Memory. Every array is alive from the step that writes it to the last one that reads it; arrays that are never alive
   together share memory. All of it is one piece, the arena, as large as the step needs and no larger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..formula import Expr, in_order
from ..kernels.writer import LIMITED, expanded
from .arrays import Apply, Array, Assemble, Const, Group, Map, Step, Storage, Surprise
from .fusion import Fusion, soon
from .lower import Lowering
from .program import Program, Value

ALIGNED = 64  # bytes: a cache line


@dataclass
class Plan:
    """What is to be emitted."""

    steps: list[Step] = field(default_factory=list)  # groups and single steps, in order
    sources: list[tuple[Any, Storage]] = field(default_factory=list)  # (value or ("p", update) ..., memory), by slot
    outputs: list[Any] = field(default_factory=list)  # arrays, constants
    gradients: list[tuple[Any, Array | None]] = field(default_factory=list)
    stores: list[tuple[Value, Any]] = field(default_factory=list)
    checks: list[tuple[Array, int]] = field(default_factory=list)
    slots: int = 0
    arena: int = 0  # bytes
    saved: int = 0  # bytes that sharing saves
    fused: int = 0  # steps that found room in another's loop


ARENA = 0  # the operand where the arena is
STATUS = 1  # and the one whose first integer says how the call ended
FIRST = 2  # the first of the others


def make_plan(program: Program) -> Plan:
    """The plan of a captured step."""
    low = Lowering(program)
    plan = Plan(checks=list(low.checks))

    # What the step leaves behind: results, gradients, writes to memory outside.
    taken: set[int] = set()
    results = [_own(low, low.get(value), value, taken) for value in program.outputs]
    gradients: list[tuple[Any, Array | None]] = []
    settled = {id(g) for _, _, _, g, _ in low.updates} | {id(m) for v, m in low.outside if v.kind == "grad"}
    for leaf, value, _ in program.gradients:
        if value is None:
            gradients.append((leaf, None))
            continue
        x = low.get(value)
        if isinstance(x, Array) and id(x.memory) in settled:
            gradients.append((leaf, x))
        else:
            gradients.append((leaf, _own(low, x, value, taken)))
    stores = [(low.get(home), low.get(value)) for home, value in program.stores]
    steps = [*low.steps, *_stored(low.steps, stores)]

    needed = {id(x.memory) for x in results} | {id(g.memory) for _, g in gradients if g is not None}
    needed |= {id(home.memory) for home, _ in stores}
    steps = _scaled(_alive(steps, needed))
    fusion = Fusion()
    plan.steps = soon(fusion.take(steps))
    plan.fused = fusion.fused
    plan.outputs, plan.gradients = results, gradients
    _place(plan, low, results, gradients)
    return plan


def _own(low: Lowering, x: Any, value: Value, taken: set[int]) -> Array:
    """The array in memory of its own, which outlives the step."""
    if isinstance(x, Array) and x.whole and not x.memory.outside and id(x.memory) not in taken:
        taken.add(id(x.memory))
        x.memory.outside = True
        return x
    low.op = low.program.ops[-1] if low.program.ops else _Nowhere
    if isinstance(x, Const):
        out = low.new(value.shape, value.dtype)
        low.add(Assemble(low.site, "step", out, x.value, []))
    else:
        out = low.new(x.shape, x.dtype)
        low.add(Assemble(low.site, "step", out, None, [(x, out)]))
    taken.add(id(out.memory))
    out.memory.outside = True
    return out


class _Nowhere:
    site = None
    phase = "step"


def _stored(steps: list[Step], stores: list[tuple[Array, Any]]) -> list[Step]:
    """Writes to memory outside: computed there at once if nobody reads the old values later, else copied at the end."""
    copies: list[Step] = []
    for home, x in stores:
        maker = [k for k, s in enumerate(steps) for w in s.writes() if isinstance(x, Array) and w.memory is x.memory]
        readers = [k for k, s in enumerate(steps) if any(r.memory is home.memory for r in s.reads())]
        direct = (
            isinstance(x, Array) and x.whole and home.whole and not x.memory.outside and len(maker) == 1
            and isinstance(steps[maker[0]], Map) and x.dtype == home.dtype
            and all(k < maker[0] or all(r.strides == x.strides for r in steps[k].reads()) for k in readers)
            and all(k <= maker[0] for k in readers)
        )  # fmt: skip
        if direct:
            old = x.memory
            for s in steps:
                for a in (*s.reads(), *s.writes()):
                    if a.memory is old:
                        a.memory = home.memory
            x.memory = home.memory
        else:
            copies.append(Assemble(None, "step", home, None, [(x, home)]))
    return copies


def _alive(steps: list[Step], needed: set[int]) -> list[Step]:
    """Without the steps whose results nobody needs."""
    kept = []
    for step in reversed(steps):
        writes = step.writes()
        if isinstance(step, Apply) or any(id(a.memory) in needed or a.memory.outside for a in writes):
            kept.append(step)
            needed.update(id(a.memory) for a in step.reads())
    return kept[::-1]


def _scaled(steps: list[Step]) -> list[Step]:
    """Let the cross-entropy's derivative be multiplied by its factor 1/N where it is made."""
    for step in [s for s in steps if isinstance(s, Surprise)]:
        slope = step.slope
        if slope is None:
            continue
        readers = [s for s in steps if any(r.memory is slope.memory for r in s.reads())]
        product = readers[0] if len(readers) == 1 else None
        if not isinstance(product, Map) or product.row is None or product.row.name != "mul":
            continue
        (factor,) = [a for a in product.args if not (isinstance(a, Array) and a.memory is slope.memory)] or [None]
        if isinstance(factor, Const) and product.out.shape == slope.shape and product.out.whole:
            step.scale, step.slope = float(factor.value), product.out
            steps = [s for s in steps if s is not product]
    return steps


# ---------------------------------------------------------------------------------------------------------------------
# Memory


def _place(plan: Plan, low: Lowering, results: list[Array], gradients: list[Any]) -> None:
    """Give all memory its place: an operand of its own to what lies outside, a part of the arena to the rest."""
    _drop_unread(plan)
    _number_operands(plan, low, results, gradients)
    plan.checks = [(labels, classes) for labels, classes in plan.checks if labels.memory.slot >= 0]  # not made here
    inside = _lifetimes(plan)
    _write_over(plan, inside)
    plan.arena = _share(list(inside.values()))
    plan.saved = sum(_rounded(m) for m in inside.values()) - plan.arena


def _number_operands(plan: Plan, low: Lowering, results: list[Array], gradients: list[Any]) -> None:
    """Give what lies outside the numbers of its operands, and note what each of them is."""
    used = {id(a.memory) for s in plan.steps for a in (*s.reads(), *s.writes())}
    used |= {id(a.memory) for a in results} | {id(g.memory) for _, g in gradients if g is not None}
    sources: list[tuple[Any, Storage]] = []
    for update, p, state, g, numbers in low.updates:
        sources += [(("p", update), p), (("g", update), g), (("numbers", update), numbers)]
        sources += [((k, update), memory) for k, memory in enumerate(state)]
    sources += [(value, memory) for value, memory in low.outside if id(memory) in used]
    sources += [(("output", k), array.memory) for k, array in enumerate(results)]
    sources += [(("gradient", k), array.memory) for k, (_, array) in enumerate(gradients) if array is not None]
    plan.slots = FIRST
    for source, memory in sources:
        if memory.slot < 0:  # else it has one already: a gradient that an update reads, say
            memory.slot, memory.offset = plan.slots, 0
            plan.sources.append((source, memory))
            plan.slots += 1


def _lifetimes(plan: Plan) -> dict[int, Storage]:
    """What lies in the arena, by its id; it is noted there which steps need it first and last."""
    inside: dict[int, Storage] = {}
    for at, step in enumerate(plan.steps):
        for a in (*step.reads(), *step.writes()):
            if a.memory.slot < 0:
                inside[id(a.memory)] = a.memory
                if a.memory.first < 0:
                    a.memory.first = at
                a.memory.last = at
    return inside


def _drop_unread(plan: Plan) -> None:
    """Mark the results of groups that stay in registers: nobody outside the group reads them."""
    for at, group in enumerate(plan.steps):
        if isinstance(group, Group):
            later = {id(a.memory) for k, s in enumerate(plan.steps) if k != at for a in s.reads()}
            values = {id(s.out) for s in group.steps if isinstance(s, Map)}
            later |= {id(a.memory) for s in group.steps for a in s.reads() if id(a) not in values}
            for s in group.steps:
                if isinstance(s, Map):
                    s.stored = s.out.memory.outside or id(s.out.memory) in later


def _write_over(plan: Plan, inside: dict[int, Storage]) -> None:
    """Let a loop write over an array that it reads at the same places and nobody reads later: that is in the cache."""
    for at, group in enumerate(plan.steps):
        if not isinstance(group, Group) or _has_sines(group):
            continue
        for step in group.steps:
            if not isinstance(step, Map) or not step.stored or id(step.out.memory) not in inside:
                continue
            out, new, reads = step.out, step.out.memory, group.reads()
            for old in [r.memory for r in reads]:
                same = all(
                    r.whole and out.whole and r.shape == out.shape == group.shape for r in reads if r.memory is old
                )
                if id(old) in inside and old.first < at == old.last == new.first and old.dtype == new.dtype and same:
                    _replace(plan, new, old)
                    old.last = new.last
                    del inside[id(new)]
                    break


def _has_sines(group: Group) -> bool:
    """Does it compute sines? Those of very large numbers are done again, more slowly: that needs what was read."""
    rows = [
        Expr(s.row.name, s.row, tuple(map(Expr, s.row.inputs))) for s in group.steps if isinstance(s, Map) and s.row
    ]
    return any(e.name in LIMITED for e in in_order(expanded(rows)))


def _replace(plan: Plan, old: Storage, new: Storage) -> None:
    inner = [s for group in plan.steps if isinstance(group, Group) for s in group.steps]
    arrays = [a for s in (*plan.steps, *inner) for a in (*s.reads(), *s.writes())]
    for a in (*arrays, *(labels for labels, _ in plan.checks)):
        if a.memory is old:
            a.memory = new


def _share(memories: list[Storage]) -> int:
    """Give each its place in the arena; the size of that. Large ones first, each as far to the front as it fits."""
    placed: list[tuple[int, int, Storage]] = []
    memories = [m for m in memories if m.last >= 0]
    for memory in sorted(memories, key=lambda m: (-m.nbytes, m.first)):
        at = 0
        for start, end, other in sorted(placed, key=lambda entry: entry[0]):
            together = other.first <= memory.last and memory.first <= other.last
            if together and at + _rounded(memory) > start and at < end:
                at = end
        placed.append((at, at + _rounded(memory), memory))
        memory.slot, memory.offset = ARENA, at // np.dtype(memory.dtype).itemsize
    return max((end for _, end, _ in placed), default=0)


def _rounded(memory: Storage) -> int:
    return -(-max(memory.nbytes, 1) // ALIGNED) * ALIGNED
