"""Emit: the source of the one function that does the step.

Each group of the plan becomes a function with a loop in it, and the function `kernel` calls them in order, with BLAS
for the matrix products in between:

    def kernel(n, operands):        # n steps; operands: the addresses of everything that lies outside
        for _ in range(n):
            product_1(...)
            loop_2(...)

It is ordinary Numba source that a person can read; comments name the lines of the learner's program. Formulas are
printed by the same code that prints the kernels of single operations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels.fused import settled
from . import shared, tiles
from .arrays import Apply, Array, Assemble, Group, InPython, Map, Product, Step, Storage, Surprise
from .loop import POINTER, Loop
from .plan import Plan
from .products import emit_product, index_of

SHARED = 1 << 17  # elements from which an update is shared among threads


class Emitter:
    """Writes the module of a plan."""

    def __init__(self, plan: Plan, width: int) -> None:
        self.plan, self.width = plan, width
        self.functions: list[str] = []
        self.named: dict[str, str] = {}  # source: name
        self.called: set[str] = set()
        self.constants: list[tuple[Any, str]] = []  # (value, dtype): in memory, for hand-written kernels ...
        self.settings: list[tuple[int, list[tuple[Any, str]]]] = []  # ... from which slot on, and which
        self.segments: list[list[str]] = [[]]
        self.python: list[InPython | Assemble | Apply | Product | shared.Shared] = []  # between the segments
        self.extra = plan.slots  # operands after those of the plan
        self.blas: dict[str, int] = {}
        self.rows: dict[tuple[str, str], int] = {}  # kernels of kernels/rows.py: the slots of their addresses
        self.alone = False  # are there products for which BLAS would wake its threads? It must not
        self.flops = self.bytes = 0

    # ---- places ------------------------------------------------------------------------------------------------------

    def pointer(self, memory: Storage, offset: int = 0) -> str:
        kind = POINTER[np.dtype(memory.dtype).name]
        self.called.add(f"{kind}_at")
        base = f"{kind}_at(operands, {memory.slot})"
        if memory.offset + offset:
            self.called.add("ahead")
            return f"ahead({base}, {memory.offset + offset})"
        return base

    def new_slot(self) -> int:
        self.extra += 1
        return self.extra - 1

    def line(self, text: str) -> None:
        self.segments[-1].append(text)

    # ---- steps -------------------------------------------------------------------------------------------------------

    def emit(self) -> str:
        """The text of the module."""
        for number, step in enumerate(self.plan.steps, 1):
            self.count(step)
            piece = self._done_from_python(step)
            if isinstance(piece, shared.Shared) and piece.product is not None:
                self.python[-1] = piece  # which does the product too
                continue
            if piece is not None:
                self.python.append(piece)
                self.segments.append([])
                continue
            if step.site is not None:
                self.line(f"# {_where(step)}")
            getattr(self, f"_{type(step).__name__.lower()}")(number, step)
        return self._module()

    def _done_from_python(self, step: Step) -> InPython | Assemble | Apply | Product | shared.Shared | None:
        """What stands for a step that is no part of the native function; None if it is."""
        if isinstance(step, Group) and shared.wanted(step):
            before = self.python[-1] if self.python and is_empty(self.segments[-1]) else None
            return shared.Shared(self, step, _where(step), shared.followed(step, before))
        if isinstance(step, InPython) or (isinstance(step, Apply) and step.p.size >= SHARED):
            return step
        if isinstance(step, Assemble) and np.dtype(step.out.dtype).name not in POINTER:  # int32, float16 ...
            return step
        return step if isinstance(step, Product) and tiles.wanted(step) else None

    def count(self, step: Step) -> None:
        """Arithmetic and traffic, for `explain`."""
        arrays = {id(a): a for a in (*step.reads(), *step.writes())}
        self.bytes += sum(a.size * np.dtype(a.dtype).itemsize for a in arrays.values())
        if isinstance(step, Product):
            self.flops += 2 * step.out.size * step.a.shape[-1]
        elif isinstance(step, Group):
            self.flops += math.prod(step.shape) * len(step.steps)
        elif isinstance(step, Apply):
            self.flops += step.p.size * 10
        elif isinstance(step, Surprise):
            self.flops += step.x.size * 5

    def _group(self, number: int, group: Group) -> None:
        self._loop(f"loop_{number}", self.group_loop(group))

    def group_loop(self, group: Group, cut: int | None = None) -> Loop:
        """The loop nest of a group, or of a part of it, along the axis `cut`."""
        loop = Loop(self, group.shape, np.dtype(group.compute).name, cut)
        for step in group.steps:
            if isinstance(step, Map):
                args = [loop.read(a) if isinstance(a, Array) else a.value for a in step.args]
                e = args[0] if step.row is None else step.row(*args)
                loop.values[id(step.out)] = e
                if step.stored:
                    loop.store(step.out, e)
            else:
                loop.fold(step.how, step.spread(), loop.read(step.x))
        return loop

    def _apply(self, number: int, step: Apply) -> None:
        loop = Loop(self, step.p.shape, np.dtype(step.p.dtype).name)
        p, g, *state = [loop.read(a) for a in (step.p, step.g, *step.state)]
        rule = step.update.bucket.rule
        hyper = [loop.number(step.numbers.memory, k) for k in range(len(rule.hyper))]
        if step.update.negate:
            g = -g
        new, *others = rule.formula(p, g, *state, *hyper)
        for array, e in zip((step.p, *step.state), [new, *settled(new, others, state, step.p.dtype)], strict=False):
            loop.store(array, e)
        self._loop(f"update_{number}", loop)

    def _loop(self, name: str, loop: Loop) -> None:
        name = self.function(name, loop.source("NAME"))
        self.line(f"{name}({', '.join(self.pointer(m, offset) for m, offset in loop.places)})")

    def function(self, name: str, text: str) -> str:
        """Add a function, unless there is the same already: layers of one size share theirs. Its name."""
        if text not in self.named:
            self.named[text] = name
            self.functions.append(text.replace("NAME", name))
        return self.named[text]

    def _assemble(self, number: int, step: Assemble) -> None:
        if step.fill is not None:
            loop = Loop(self, (step.out.size,), np.dtype(step.out.dtype).name)
            loop.plain.append(
                (
                    Array(step.out.memory, (step.out.size,), (1,), step.out.offset),
                    self.literal(step.fill, step.out.dtype),
                )
            )
            self._loop(f"fill_{number}", loop)
        for k, (x, place) in enumerate(step.pieces):
            if not place.size:
                continue
            loop = Loop(self, place.shape, np.dtype(place.dtype).name)
            if isinstance(x, Array):
                loop.moved.append((place, x))
            else:
                loop.plain.append((place, self.literal(x.value, place.dtype)))
            self._loop(f"copy_{number}_{k}", loop)

    def literal(self, value: Any, dtype: Any) -> str:
        """A number in the source."""
        name = np.dtype(dtype).name
        if name in ("bool", "uint8", "int64"):
            return str(int(value))
        if not math.isfinite(value):
            self.called |= {"inf", "nan"}
            shown = "nan" if value != value else "inf" if value > 0 else "-inf"
        else:
            shown = repr(float(value))
        self.called.add(POINTER[name])
        return f"{POINTER[name]}({shown})"

    def _product(self, number: int, step: Product) -> None:
        emit_product(self, number, step)

    def head(self, name: str, arguments: list[str], wide: bool = True) -> list[str]:
        """The first lines of a function with a loop. `wide`: with the largest registers; takes longer to compile."""
        self.called |= {"helper", "separately", "no_overlap"} | ({"wide_vectors"} if wide else set())
        lines = ["@helper", f"def {name}({', '.join(arguments)}):", "    separately()"]
        return [*lines, *(["    wide_vectors()"] if wide else []), "    no_overlap()"]

    def _surprise(self, number: int, step: Surprise) -> None:
        """Cross-entropy, -ln softmax(x)[label], and its derivative if wanted, by a kernel of kernels/rows.py.

        It is called by its address: it is the same for all steps and for ordinary tensors, and most often in the cache.
        It gets a list of addresses, which is put together at the end of the operands.
        """
        kind = np.dtype(step.x.dtype).name
        width, count = step.x.shape[-1], step.out.size
        name = "surprise" if step.slope is None else "cross_entropy"
        arrays = [step.x, step.labels, step.out] + ([] if step.slope is None else [step.slope])
        first = self.extra
        for a in arrays:
            slot, size = self.new_slot(), np.dtype(a.dtype).itemsize
            offset = size * (a.memory.offset + a.offset)
            self.line(f"operands[{slot}] = operands[{a.memory.slot}]" + (f" + {offset}" if offset else ""))
        self.constants.append((width, "int64"))
        self.new_slot()
        if step.slope is not None:
            self.constants.append((step.scale, kind))
            self.new_slot()
        self.settings.append((first + len(arrays), self.constants[-(1 if step.slope is None else 2) :]))
        if (name, kind) not in self.rows:
            self.rows[name, kind] = self.new_slot()
        self.called |= {"ahead", "call"}
        self.line(f"call(operands[{self.rows[name, kind]}], {count}, ahead(operands, {first}))  # {name}")

    # ---- the module --------------------------------------------------------------------------------------------------

    def _module(self) -> str:
        body = []
        for labels, classes in self.plan.checks:
            self.called.add("int64_at")
            pointer = f"int64_at(operands, {labels.memory.slot})"
            names = [f"i{axis}" for axis in range(len(labels.shape))]
            indent = ""
            for i, length in zip(names, labels.shape, strict=True):
                body.append(f"{indent}for {i} in range({length}):  # is every label one of the {classes} classes?")
                indent += "    "
            body += [
                f"{indent}if not 0 <= {pointer}[{index_of(labels, names) or '0'}] < {classes}:",
                f"{indent}    operands[1] = 1",
                f"{indent}    return",
            ]
        if len(self.segments) == 1:
            body += self.segments[0]
            body.append(f"for k in range({self.extra}):  # the next step's numbers, records and data")
            body.append(f"    operands[k] += operands[{self.extra} + k]")
            lines = ["for step in range(n):", *(f"    {line}" for line in body or ["pass"])]
        else:  # n tells which piece is wanted: Python's own steps come in between
            lines = []
            self.segments[0] = body + self.segments[0]
            for k, segment in enumerate(self.segments):
                if not is_empty(segment):
                    lines += [f"if n == {-1 - k}:", *(f"    {line}" for line in segment)]
        return "\n".join(
            [
                '"""A step, compiled."""', "",
                *self.imports(), "",
                *(f"\n{f}\n" for f in self.functions), "",
                "def kernel(n, operands):",
                "    wide_vectors()",
                *(f"    {line}" for line in lines), "",
            ]
        )  # fmt: skip

    def imports(self) -> list[str]:
        """The lines that import what is called."""
        self.called |= {"wide_vectors"}
        homes = {
            "math": {"sqrt", "inf", "nan"},
            "microtrain.kernels.blas_native": {c for c in self.called if c.startswith("gemm_")},
            "microtrain.kernels.folding": {"any_order"},
            "microtrain.kernels.native": {"call", "helper", "separately"},
            "microtrain.kernels.elementary": {
                "ahead", "bool_at", "ceil", "f32", "f32_at", "f64", "f64_at", "floor", "int64_at", "logaddexp_f32",
                "logaddexp_f64", "maximum", "minimum", "no_overlap", "rint", "select", "sign", "trunc",
            },
        }  # fmt: skip
        lines, left = [], set(self.called)
        for module, names in homes.items():
            used = sorted(left & names)
            left -= names
            if used:
                lines.append(f"from {module} import {', '.join(used)}")
        lines.append(f"from microtrain.kernels.vecmath import {', '.join(sorted(left))}")
        return lines


def is_empty(segment: list[str]) -> bool:
    """Is there nothing to do but what Python does afterwards?"""
    return all(line.startswith("# ") for line in segment)


def _where(step: Step) -> str:
    """The line of the learner's program."""
    site = step.site
    if site is None:
        return step.phase
    text = (
        str(site)
        if not hasattr(site, "filename")
        else f"{site.filename.rpartition('/')[2]}:{str(site).rpartition(site.filename)[2].lstrip(':')}"
    )
    return f"{step.phase}: {text}".replace("\n", " ")
