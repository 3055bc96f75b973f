"""What became of a step, for people: as text, and as a graph with one box for each piece of machine code."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError
from .arrays import Apply, Array, Assemble, Group, InPython, Map, Product, Reduce, Step, Surprise
from .fusion import extent
from .program import Op, Update, Value
from .shared import Shared
from .variant import Variant


class Report(str):
    """A text that shows itself as it is."""

    def __repr__(self) -> str:
        return str(self)


def explain(compiled: Any) -> Report:
    """The captured operations, the fused loops, the memory, the times and the source of every native function."""
    variants = [variant for form in compiled._forms.values() for variant, _ in form.variants]
    name = getattr(compiled.step, "__name__", "step")
    if not variants:
        return Report(f"'{name}' is not compiled yet: call it two times, then it is.")
    return Report("\n\n".join(_one(variant, name) for variant in variants))


def _one(variant: Variant, name: str) -> str:
    program, plan, emitter = variant.program, variant.plan, variant.emitter
    shapes = ", ".join(f"{v.dtype}{list(v.shape)}" for v in program.arguments) or "no arguments"
    lines = [f"{name} for {shapes}", "=" * 72, "", f"Captured: {len(program.ops)} operations"]
    names: dict[Value, str] = {}
    for op in program.ops:
        lines.append("    " + _said(op, names))
    groups = sum(isinstance(s, Group) for s in plan.steps)
    products = sum(isinstance(s, Product) for s in plan.steps)
    outside = sum(isinstance(s, InPython) for s in plan.steps)
    lines += ["", f"Planned: {groups} loops, {products} matrix products, {len(plan.steps) - groups - products} others"]
    for number, step in enumerate(plan.steps, 1):
        lines.append(f"    {number:3}. {_kind(step):9} {_contents(step)}")
    if outside:
        lines.append(f"    {outside} of these are done by NumPy, between the pieces of machine code.")
    total = plan.arena + plan.saved
    lines += [
        "",
        f"Memory: {_bytes(plan.arena)} for what is computed on the way; {_bytes(total)} without sharing, so "
        f"{_bytes(plan.saved)} are saved.",
        f"A step: {_count(emitter.flops)} floating-point operations, {_bytes(emitter.bytes)} read and written.",
        f"Captured in {1e3 * program.seconds:.1f} ms, planned in {1e3 * variant.planned_in:.1f} ms, "
        + (
            f"machine code found in the cache in {1e3 * variant.machine.found_in:.0f} ms"
            if variant.machine.found_in
            else f"compiled in {variant.machine.seconds:.2f} s"
        )
        + f"; run {variant.calls} times.",
        "",
        "Source:",
        "",
        *(f"    {line}".rstrip() for line in variant.source.splitlines()),
    ]
    for piece in dict.fromkeys(p.source for p in emitter.python if isinstance(p, Shared)):
        lines += ["", *(f"    {line}".rstrip() for line in piece.splitlines())]
    return "\n".join(lines)


def _said(op: Op | Update, names: dict[Value, str]) -> str:
    def name(x: Any) -> str:
        if not isinstance(x, Value):
            return f"{x:g}" if isinstance(x, float) else repr(x)
        if x not in names:
            names[x] = x.name if x.name and x.kind != "result" else f"%{x.number}"
        return names[x]

    if isinstance(op, Update):
        return f"{type(op.optimizer).__name__} on {len(op.params)} parameters, {sum(p.size for p in op.params)} numbers"
    what = f"{name(op.out)} = {op.row.name}({', '.join(map(name, op.args))})"
    return f"{what:48} {op.phase:9}{list(op.out.shape)!s:14} {_line(op.site)}"


def _line(site: Any) -> str:
    """The line of the learner's program, in short."""
    return f"{site.filename.rpartition('/')[2]}:{site.lineno}" if hasattr(site, "lineno") else ""


def _kind(step: Step) -> str:
    return {
        Group: "loop", Product: "product", Apply: "update", Surprise: "rows", Assemble: "copy", InPython: "NumPy",
    }[type(step)]  # fmt: skip


def _contents(step: Step) -> str:
    if isinstance(step, Group):
        parts = [
            (s.row.name if s.row is not None else "convert") if isinstance(s, Map) else f"{s.how} over {s.dims}"
            for s in step.steps
            if isinstance(s, (Map, Reduce))
        ]
        return f"{list(step.shape)}: {', '.join(parts)}"
    if isinstance(step, Product):
        return f"{list(step.a.shape)} times {list(step.b.shape)}"
    if isinstance(step, Apply):
        return f"{step.update.bucket.rule.name} on {step.p.size} numbers"
    if isinstance(step, Surprise):
        return f"{list(step.x.shape)}: cross-entropy" + ("" if step.slope is None else " and its derivative")
    if isinstance(step, InPython):
        return f"{step.row.name}, {list(step.out.shape)}"
    return ", ".join(str(list(a.shape)) for a in step.writes())


def _bytes(n: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if n < 1024 or unit == "MB":
            return f"{n:.0f} {unit}" if unit == "bytes" else f"{n:.1f} {unit}"
        n /= 1024
    raise AssertionError


def _count(n: float) -> str:
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if n >= size:
            return f"{n / size:.1f} {word}"
    return str(int(n))


def graph(compiled: Any) -> Any:
    """One box for each piece of machine code of the newest native function, and the data between them."""
    from ..viz.graph.data import Graph
    from ..viz.graph.nodes import Edge, GraphNode

    variants = [variant for form in compiled._forms.values() for variant, _ in form.variants]
    if not variants:
        raise ArgumentError("The step is not compiled yet.", fix="Call it two times first.")
    variant = variants[0]
    nodes: list[Any] = []
    edges: list[Any] = []
    made: dict[int, list[tuple[int, int, str]]] = {}  # memory: (from, to, the box that wrote there last)

    def box(**what: Any) -> str:
        nodes.append(GraphNode(key=f"n{len(nodes)}", **what))
        return str(nodes[-1].key)

    def sources_of(a: Array) -> list[str]:
        memory, (start, end) = a.memory, extent(a)
        found = [key for low, high, key in made.get(id(memory), ()) if low < end and start < high]
        if not found:
            kind: Any = "parameter" if memory.name == "parameters" else "input"
            found = [box(
                kind=kind, name=memory.name or "data", shape=(memory.size,), dtype=str(np.dtype(memory.dtype)),
                bytes=memory.nbytes,
            )]  # fmt: skip
            made.setdefault(id(memory), []).append((0, memory.size, found[0]))
        return found

    for number, step in enumerate(variant.plan.steps, 1):
        reads = {key: None for a in step.reads() for key in sources_of(a)}
        writes = step.writes()
        key = box(
            kind="operation", operation=f"{_kind(step)} {number}", detail=_contents(step),
            shape=tuple(writes[-1].shape), dtype=str(np.dtype(writes[-1].dtype)), site=_line(step.site),
            bytes=sum(a.memory.nbytes for a in writes),
        )  # fmt: skip
        for index, source in enumerate(reads):
            edges.append(Edge(source=source, target=key, index=index, needs_grad=True))
        for a in writes:
            start, end = extent(a)
            here = [entry for entry in made.get(id(a.memory), ()) if entry[1] <= start or end <= entry[0]]
            made[id(a.memory)] = [*here, (start, end, key)]
    return Graph(nodes, edges, caption=f"{len(variant.plan.steps)} pieces of machine code")
