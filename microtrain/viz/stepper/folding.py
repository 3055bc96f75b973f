"""Long traces: repetitions become one box and one step, and what is still too much is folded from the beginning.

Only neighbours in the order of execution are put together, so whatever a folded stretch reads was done before it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from ..graph.fold import repetitions
from .boxes import Box, Line, Places, Step
from .recorder import Recorder

LIMIT = 2000  # steps of a trace that nobody folds
KEPT = (400, 200, 100, 50, 20, 8)  # operations and folded boxes to keep, tried in turn


def fold(recorder: Recorder) -> list[dict[str, Any]]:
    """Fold the recorder's boxes and steps, if they are too many; returns the notes that say so."""
    before, early = len(recorder.steps), recorder.early.count if recorder.early is not None else 0
    if before > LIMIT:
        operations = [box for box in recorder.boxes if box.kind == "operation"]
        stretches = _repeated([_signature(box) for box in operations])
        for kept in KEPT:
            if len(stretches) > kept:
                first = len(stretches) - kept + 1
                stretches = [range(stretches[first].start), *stretches[first:]]
            boxes, lines, steps, into = _folded(recorder, [[operations[i] for i in s] for s in stretches if len(s) > 1])
            if len(steps) <= LIMIT:
                break
        recorder.boxes, recorder.lines, recorder.steps, recorder.folded = boxes, lines, steps, into
    folded = sum(box.count for box in recorder.boxes if box.kind == "folded")
    if not folded:
        return []
    return [{"kind": "folded", "steps": before + 2 * early, "operations": folded}]


def _signature(box: Box) -> Hashable:
    return box.operation, box.where, box.shape, bool(box.during)


def _repeated(signatures: Sequence[Hashable]) -> list[range]:
    """The operations, with those between the first and the last repetition in one stretch."""
    cut: list[range] = []
    at = 0
    for start, period, repeats in repetitions(signatures):
        first, last = start + period, start + period * (repeats - 1)
        cut += [range(i, i + 1) for i in range(at, first)]
        cut.append(range(first, last))
        at = last
    return [*cut, *(range(i, i + 1) for i in range(at, len(signatures)))]


def _folded(
    recorder: Recorder, stretches: list[list[Box]]
) -> tuple[list[Box], dict[tuple[Box, Box, int], Line], list[Step], dict[Box, Box]]:
    into: dict[Box, Box] = {}
    last: dict[Box, Box] = {}  # the operation in whose place the folded box stands: all that it reads comes before
    for stretch in stretches:
        box = Box("folded", operation=_pattern([b.operation for b in stretch]), count=len(stretch))
        box.shape, box.dtype, box.value = stretch[-1].shape, stretch[-1].dtype, stretch[-1].value
        into.update(dict.fromkeys(stretch, box))
        last[stretch[-1]] = box
    lines: dict[tuple[Box, Box, int], Line] = {}
    for line in recorder.lines.values():
        source, target = into.get(line.source, line.source), into.get(line.target, line.target)
        if source is target:
            continue
        index = 0 if target.kind == "folded" else line.index
        lines.setdefault((source, target, index), Line(source, target, index))
    steps = _steps(recorder.steps, into, lines)
    needed = {step.box for step in steps}  # leaves that only folded operations read are folded with them
    needed |= {line.source for line in lines.values() if line.target.kind != "folded"}
    boxes = []
    for box in recorder.boxes:
        if box in last:
            boxes.append(last[box])
        elif box in needed and box not in into:
            boxes.append(box)
    for box in boxes:
        if box.kind == "folded":
            sources = [line.source for line in lines.values() if line.target is box]
            box.inputs = [b for b in dict.fromkeys(sources) if b in needed or b.kind == "folded"]
        else:
            box.inputs = [into.get(b, b) for b in box.inputs]
    present = set(boxes)
    lines = {key: line for key, line in lines.items() if line.source in present and line.target in present}
    return boxes, lines, steps, into


def _steps(steps: list[Step], into: dict[Box, Box], lines: dict[tuple[Box, Box, int], Line]) -> list[Step]:
    """One step for each stretch and direction; what happened between the operations of a stretch goes with them."""
    ends: dict[Box, int] = {}
    for i, step in enumerate(steps):
        if step.phase == "forward" and step.box in into:
            ends[into[step.box]] = i
    new: list[Step] = []
    inside = -1  # steps up to this one belong to a stretch that is going forward
    for i, step in enumerate(steps):
        if i <= inside:
            continue
        box = into.get(step.box, step.box)
        if step.phase == "forward" and box.kind == "folded" and box in ends:
            inside = ends.pop(box)
            numbers: Places = {"value": box.value} if box.value is not None else {}
            new.append(Step("folded", box, None, numbers, count=box.count, way="forward", walk=step.walk))
        elif step.line is not None and into.get(step.line.target, step.line.target).kind == "folded":
            target = into.get(step.line.target, step.line.target)
            if box is not target:
                _add_up(new, step, box, target, lines)
        else:
            step.box = box
            if step.line is not None:
                source, target = box, into.get(step.line.target, step.line.target)
                step.line = lines[source, target, 0 if target.kind == "folded" else step.line.index]
            new.append(step)
    return new


def _add_up(new: list[Step], step: Step, box: Box, target: Box, lines: dict[tuple[Box, Box, int], Line]) -> None:
    """Several gradients that leave one folded box for the same box, as one step."""
    for other in reversed(new):
        if other.phase != "folded" or other.way != "backward" or other.line is None or other.line.target is not target:
            break
        if other.box is box and other.walk == step.walk:
            other.numbers["new"] = step.numbers.get("new")
            return
    numbers: Places = {name: step.numbers[name] for name in ("old", "new") if step.numbers.get(name) is not None}
    line = lines[box, target, 0]
    new.append(Step("folded", box, line, numbers, count=target.count, way="backward", walk=step.walk))


def _pattern(names: list[str]) -> str:
    """ "mul, add" if the names are repetitions of that, else nothing."""
    for period in range(1, 5):
        if len(names) >= 2 * period and all(names[i] == names[i % period] for i in range(len(names))):
            return ", ".join(names[:period])
    return ""
