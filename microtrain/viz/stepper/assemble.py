"""Makes the trace, plain data ready for JSON (see schema.py), of what a recorder noted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from typing import Any

from ...engine.sites import site_of
from ...formula_print import symbol_latex
from ..graph.text import clean
from .boxes import Box, Step
from .formulas import Formula, in_brackets, mathml
from .recorder import Recorder
from .schema import FORMAT, PLACES, VERSION
from .updates import Update
from .values import number

SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,11}")  # names that can stand in a formula as they are
ATOM = r"\w+(?:\(\w+\))?(?:\.mT)?"  # what needs no brackets in a product: a name, or rows(name)
LONGEST = 60  # characters of a name
MANY = 1000  # tensors of one name


class Strings:
    """Texts that occur again and again, kept once; a step has their places."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, text: str) -> int | None:
        if not text:
            return None
        if text not in self._places:
            self._places[text] = len(self.rows)
            self.rows.append(text)
        return self._places[text]


class Assembly:
    """One recorder's trace in the making."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.strings = Strings()
        self.numbers: dict[int, str] = {}  # single numbers of the table, as LaTeX

    def trace(self, title: str, notes: list[dict[str, Any]]) -> dict[str, Any]:
        """The whole."""
        recorder = self.recorder
        self._name(recorder.boxes)
        for i, box in enumerate(recorder.boxes):
            box.key = f"n{i}"
        for i, line in enumerate(recorder.lines.values()):
            line.key = f"e{i}"
        self.arrivals = Counter((step.walk, step.box) for step in recorder.steps if step.line is not None)
        steps = [self._step(step) for step in recorder.steps]
        data = {
            "format": FORMAT,
            "version": VERSION,
            "title": clean(title, 120),
            "notes": notes,
            "nodes": [self._node(box) for box in recorder.boxes],
            "edges": [
                {"id": line.key, "from": line.source.key, "to": line.target.key, "index": line.index}
                for line in recorder.lines.values()
            ],
            "steps": steps,
            "values": recorder.table.rows,
            "math": self.strings.rows,
        }
        return _pruned(data)

    # ---- nodes -------------------------------------------------------------------------------------------------------

    def _name(self, boxes: list[Box]) -> None:
        """Give every box a symbol for formulas: its name where that is short, else v1, v2 ... (c1 ... for leaves)."""
        taken: set[str] = {"g"}
        roots = [step.box for step in self.recorder.steps if step.phase == "seed"]
        for box in boxes:
            if not box.name and box.tensor is not None:
                box.name = getattr(box.tensor, "_name", "") or self.recorder.names.get(id(box.tensor), "")
            box.name = clean(box.name, LONGEST)
            wished = box.name if SYMBOL.fullmatch(box.name) else _of_layer(box.name)
            if not box.name and box in roots:
                wished = "L"
            for again in range(2, MANY):  # a tensor that was overwritten, or another of the same name
                if not wished or wished not in taken:
                    break
                wished = f"{wished.rpartition('_')[0] if again > 2 else wished}_{again}"
            box.symbol = wished
            taken.add(wished)
        counts = dict.fromkeys("vcp", 0)
        for box in boxes:
            if box.symbol or (box.number is not None and not box.name):
                continue
            letter = {"operation": "v", "folded": "v", "parameter": "p"}.get(box.kind, "c")
            while not box.symbol or box.symbol in taken:
                counts[letter] += 1
                box.symbol = f"{letter}{counts[letter]}"
            taken.add(box.symbol)

    def _node(self, box: Box) -> dict[str, Any]:
        node: dict[str, Any] = {
            "id": box.key, "kind": box.kind, "name": box.name, "symbol": box.symbol,
            "shape": None if box.shape is None else list(box.shape), "dtype": box.dtype,
        }  # fmt: skip
        if box.number is not None and not box.name:
            node["number"] = True
        if box.kind != "input" or box.value is not None:
            node["value"] = box.value
        if box.operation:
            node |= {"operation": box.operation, "detail": box.detail, "inputs": [b.key for b in box.inputs]}
        if box.during:
            node["during"] = box.during
        if box.count:
            node["count"] = box.count
        if box.where is not None:
            site = site_of(box.where)
            file = site.filename.replace("\\", "/").rpartition("/")[2]
            line = str(site).partition(f":{site.lineno}: ")[2]
            node |= {"site": clean(f"{file}:{site.lineno}", 80), "line": clean(line, 160)}
        return node

    def _symbol(self, box: Hashable) -> str:
        """In LaTeX; a number stands for itself."""
        if box == "g":
            return "g"
        assert isinstance(box, Box)
        box = self.recorder.folded.get(box, box)
        if not box.symbol and box.number is not None:
            return in_brackets(tex_number(box.number))
        return symbol_latex(box.symbol)

    # ---- steps -------------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> dict[str, Any]:
        data: dict[str, Any] = {"phase": step.phase, "node": step.box.key}
        if step.line is not None:
            data |= {"edge": step.line.key, "of": step.line.target.key}
        data |= {name: place for name, place in step.numbers.items() if place is not None}
        if step.walk:
            data["walk"] = step.walk
        if step.axes:
            data["axes"] = list(step.axes)
        if step.note:
            data["note"] = step.note
        if step.count:
            data |= {"count": step.count, "way": step.way}
        data |= self._math(step)
        if step.jacobian is not None:
            data["jacobian"] = [
                [j, [[i, number(d), number(g)] for i, d, g in terms], *([left_out, number(rest)] if left_out else [])]
                for j, (terms, left_out, rest) in step.jacobian.items()
            ]
        if step.update is not None:
            data["update"] = self._update(step.update)
        return data

    def _math(self, step: Step) -> dict[str, Any]:
        """The formulas of a step: places in the list of texts."""
        data: dict[str, Any] = {}
        if "value" in step.formulas:
            self._equation(data, "value", rf"{self._symbol(step.box)} = ", step.formulas["value"], step.box.value)
        if step.line is None:
            return data
        y, x = self._symbol(step.line.target), self._symbol(step.box)
        sign = "+=" if self.arrivals[step.walk, step.box] > 1 else "="  # several edges contribute
        if "local" in step.formulas:
            d_y, d_x = rf"\frac{{\partial L}}{{\partial {y}}}", rf"\frac{{\partial L}}{{\partial {x}}}"
            d = rf"\frac{{\partial {y}}}{{\partial {x}}}"
            data["chain"] = self.strings.add(mathml(rf"{d_x} {sign} {d_y} \cdot {d}"))
            self._equation(data, "derivative", rf"{d} = ", step.formulas["local"], step.numbers.get("local"))
        elif "gradient" in step.formulas:
            formula = step.formulas["gradient"]
            left = rf"\frac{{\partial L}}{{\partial {x}}} {sign} "
            data["chain"] = self.strings.add(mathml(left + formula.latex(self._symbol)))
            data["code"] = self._code(step, formula)
        if "local" in step.formulas:
            data["code"] = self._code(step, step.formulas["local"])
        return data

    def _equation(self, data: dict[str, Any], name: str, left: str, formula: Formula, value: int | None) -> None:
        """A formula with symbols and, if all of it are single numbers, with numbers."""
        tex = formula.latex(self._symbol)
        data[f"{name}_text"] = clean(as_python(formula.text(self._plain)), 160)
        data[f"{name}_math"] = self.strings.add(mathml(left + tex))
        boxes = list(formula.symbols.values())
        if value is None or self._single(value) is None:
            return
        numbers = [self._single(box.value) if isinstance(box, Box) and box.value is not None else None for box in boxes]
        if all(n is not None for n in numbers) and boxes:
            known = dict(zip(boxes, numbers, strict=True))
            filled = formula.latex(lambda box: in_brackets(str(known[box])))
            if filled != self._single(value):
                data[f"{name}_numbers"] = self.strings.add(mathml(rf"{filled} = {self._single(value)}"))

    def _single(self, place: int) -> str | None:
        """A value of the table in LaTeX, if it is one number without axes."""
        if place not in self.numbers:
            row = self.recorder.table.rows[place]
            if row["shape"]:
                return None
            (x,) = row["data"]
            self.numbers[place] = tex_number(x)
        return self.numbers[place]

    def _code(self, step: Step, formula: Formula) -> str:
        """What the engine does, as a line of Python."""
        names = {box: self._plain(box) for box in formula.symbols.values()}
        factor = as_python(formula.text(lambda box: names[box]))
        product = factor if "gradient" in step.formulas else _times("g", factor)
        return clean(f"{self._plain(step.box)}.grad += {product}", 160)

    def _plain(self, box: Hashable) -> str:
        if not isinstance(box, Box):
            return str(box)
        box = self.recorder.folded.get(box, box)
        return box.symbol or f"{box.number:.4g}"

    def _update(self, update: Update) -> dict[str, Any]:
        return {
            "optimizer": update.optimizer,
            "settings": update.settings,
            "gradient": update.gradient,
            "negated": update.negated,
            "state": update.state,
            "lines": [
                {
                    "name": line.name,
                    "math": self.strings.add(line.mathml),
                    "text": line.text,
                    "terms": [[self.strings.add(term.mathml), term.value, term.text] for term in line.terms],
                    "value": line.value,
                }
                for line in update.lines
            ],
        }


def _of_layer(name: str) -> str:
    """ "W2" for "layers.2.weight", "b2" for its bias."""
    found = re.fullmatch(r"(?:.*\.)?(\d+)\.(weight|bias)", name)
    return ("W" if found[2] == "weight" else "b") + found[1] if found else ""


def as_python(text: str) -> str:
    """Matrix products as Python writes them."""
    text = re.sub(rf"transpose\(({ATOM})\)", r"\1.mT", text)
    return re.sub(rf"matmul\(({ATOM}), ({ATOM})\)", r"\1 @ \2", text)


def _times(a: str, b: str) -> str:
    if b == "1":
        return a
    return f"{a} * {b}" if re.fullmatch(r"[\w.]+|\d[\w.+-]*|\w+\([^()]*\)", b) else f"{a} * ({b})"


def tex_number(x: Any) -> str:
    """Six digits, in LaTeX."""
    if isinstance(x, str):
        return {"NaN": r"\mathrm{NaN}", "Infinity": r"\infty", "-Infinity": r"-\infty"}.get(x, x)
    if isinstance(x, bool):
        return str(int(x))
    short = f"{x:.6g}"
    if short in ("nan", "inf", "-inf"):
        return {"nan": r"\mathrm{NaN}", "inf": r"\infty", "-inf": r"-\infty"}[short]
    if "e" in short:
        digits, _, exponent = short.partition("e")
        return rf"{digits} \cdot 10^{{{int(exponent)}}}"
    return "0" if short == "-0" else short


def _pruned(data: dict[str, Any]) -> dict[str, Any]:
    """Without the values that folding has left unused."""
    places: dict[int, int] = {}

    def moved(place: Any) -> Any:
        return place if place is None else places.setdefault(place, len(places))

    for thing in (*data["nodes"], *data["steps"]):
        for name in PLACES:
            if name in thing:
                thing[name] = moved(thing[name])
        update = thing.get("update")
        if update:
            update["gradient"] = moved(update["gradient"])
            update["state"] = {name: moved(place) for name, place in update["state"].items()}
            for line in update["lines"]:
                line["value"] = moved(line["value"])
                line["terms"] = [[mathml, moved(place), text] for mathml, place, text in line["terms"]]
    data["values"] = [data["values"][place] for place in places]
    return data
