"""The format of a trace: what `Trace.data` and the JSON in every page hold.

format    "microtrain-trace"
version   1; a reader refuses another. Fields may be added without a new version.
title     one line
notes     what was left out: [{"kind": "folded", "steps": before, "operations": n}, ...]
nodes     the graph's nodes, inputs before what is made of them
    id          "n0", "n1" ...: stable, in the order of execution
    kind        "parameter" (a leaf that requires grad), "input" (data, constants), "operation", "folded"
    name        what the program calls the tensor, or ""
    symbol      what formulas call it; "" for a number that stands for itself
    shape, dtype, value (a place in `values`; missing or null if nobody kept it)
    operation, detail, inputs (ids, in order), site ("file.py:12"), line (its text): of operations
    during      the number of the backward pass that made it, if one did
    count       how many operations a folded node stands for
edges     {"id": "e0", "from": node, "to": node, "index": which input}
steps     in the order in which they happened; each has a `phase` and a `node`
    forward     `value`; formulas: `value_math` (symbols), `value_numbers` (numbers), `value_text` (a line)
    seed        the gradient of the output the backward pass begins at: `new` (and `old`, `add` if there was one)
    backward    one edge. `edge`, `node` (the input, whose gradient grows), `of` (the operation).
                `upstream` gradient, `local` derivative (elementwise operations, in the output's shape), `product`,
                `old` and `new` gradient: new = old + product. `raw` is the product before the sum over broadcast
                `axes`. `jacobian`: [[input entry, [[output entry, derivative, upstream gradient], ...], left out,
                their sum], ...], entries counted in row-major order; terms that are 0 are not listed.
                Formulas: `chain` (the gradient), `derivative_math`, `derivative_numbers`, `derivative_text`,
                `code` (a line of Python).
                `note` "hook": something changed the gradient on its way.
    accumulate  the gradient of this backward pass is added to what `.grad` held: `old`, `add`, `new`
    update      a parameter is written: `old`, `new`. `update` has the optimizer's name, its `settings`, the
                `gradient` (its `negated` value, if the optimizer maximises), the `state` before, and `lines`:
                {name, math, text, value, terms: [[math, value, text], ...]}
    folded      `count` operations in one step. `way` "forward": they compute `value`, if it is known; "backward":
                what leaves them for `node`, together: its `new` (and `old`) gradient, `of` and `edge` as above
  `walk` numbers the backward passes, from 1; operations with it were recorded while that pass ran.
values    arrays, each once: {"shape", "dtype", "data": numbers in row-major order}. More than 256 entries are not
          stored whole: `window` says how many entries of each axis, from the first on, `data` holds, and `mean`,
          `min`, `max`, `norm` are of all entries. Numbers have all their digits; NaN, the infinities and integers
          beyond 2**53 are texts.
math      formulas as MathML; steps have places in this list
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ...errors import DataFileError

FORMAT = "microtrain-trace"
VERSION = 1
KINDS = ("parameter", "input", "operation", "folded")
PHASES = ("forward", "seed", "backward", "accumulate", "update", "folded")
NEEDED = {
    "forward": (), "seed": ("new",), "backward": ("edge", "of", "upstream", "product", "new"),
    "accumulate": ("old", "add", "new"), "update": ("old", "new", "update"), "folded": ("count", "way"),
}  # fmt: skip
PLACES = ("value", "upstream", "local", "raw", "product", "old", "new", "add")
TEXTS = ("value_math", "value_numbers", "chain", "derivative_math", "derivative_numbers")
OTHERS = {"walk": int, "count": int, "way": str, "note": str, "code": str, "axes": list, "jacobian": list}


def check(data: Any) -> None:
    """Raise `DataFileError`, which says where, unless this is a trace of this version."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise DataFileError("This is not a trace.", f'A trace says "format": "{FORMAT}".')
    if data.get("version") != VERSION:
        raise DataFileError(
            f"This trace has version {data.get('version')!r}.", f"This microtrain reads version {VERSION}."
        )
    _need(data, "the trace", title=str, notes=list, nodes=list, edges=list, steps=list, values=list, math=list)
    if not all(isinstance(text, str) for text in data["math"]):
        raise _fault("math has entries that are no texts")
    for i, row in enumerate(data["values"]):
        _check_values(row, f"values[{i}]")
    nodes: set[str] = set()
    for i, node in enumerate(data["nodes"]):
        _check_node(node, f"nodes[{i}]", data, nodes)
        nodes.add(node["id"])
    edges: set[str] = set()
    for i, edge in enumerate(data["edges"]):
        _need(edge, f"edges[{i}]", id=str, index=int, to=str, **{"from": str})
        if not re.fullmatch(r"e\d+", edge["id"]):
            raise _fault(f"edges[{i}] has the id {edge['id']!r}")
        if edge["from"] not in nodes or edge["to"] not in nodes:
            raise _fault(f"edges[{i}] leads from or to no node")
        edges.add(edge["id"])
    for i, step in enumerate(data["steps"]):
        _check_step(step, f"steps[{i}]", data, nodes, edges)


def _check_values(row: Any, where: str) -> None:
    _need(row, where, shape=list, dtype=str, data=list)
    shape, sizes = row["shape"], row.get("window", row["shape"])
    whole = all(type(n) is int and n >= 0 for n in (*shape, *sizes)) and len(shape) == len(sizes)
    if not whole or any(n > of for n, of in zip(sizes, shape, strict=True)):
        raise _fault(f"{where} has the shape {shape!r}")
    if math.prod(sizes) != len(row["data"]):
        raise _fault(f"{where} has {len(row['data'])} numbers for {math.prod(sizes)} entries")
    if not all(_is_number(x) for x in (*row["data"], *(row.get(name, 0) for name in ("mean", "min", "max", "norm")))):
        raise _fault(f"{where} has entries that are no numbers")


def _check_node(node: Any, where: str, data: Mapping[str, Any], nodes: set[str]) -> None:
    _need(node, where, id=str, kind=str, name=str, symbol=str)
    if not re.fullmatch(r"n\d+", node["id"]) or node["kind"] not in KINDS:
        raise _fault(f"{where} has the id {node['id']!r} and the kind {node['kind']!r}")
    if node["id"] in nodes:
        raise _fault(f"two nodes are called {node['id']}")
    if node.get("shape", 0) is not None:
        _need(node, where, shape=list)
    if node["kind"] == "operation":
        _need(node, where, operation=str, detail=str, inputs=list)
    if "site" in node or "line" in node:
        _need(node, where, site=str, line=str)
    if not all(isinstance(key, str) and key in nodes for key in node.get("inputs", ())):
        raise _fault(f"{where} is made of nodes that do not come before it")
    _check_place(node.get("value"), f"{where}.value", data, "values")
    if node.get("number") and node.get("value") is None:
        raise _fault(f"{where} is a number without a value")


def _check_step(step: Any, where: str, data: Mapping[str, Any], nodes: set[str], edges: set[str]) -> None:
    _need(step, where, phase=str, node=str)
    if step["phase"] not in PHASES:
        raise _fault(f"{where} has the phase {step['phase']!r}")
    missing = [name for name in NEEDED[step["phase"]] if step.get(name) is None]
    if missing:
        raise _fault(f"{where} lacks {', '.join(missing)}")
    if not {step["node"], str(step.get("of", step["node"]))} <= nodes:
        raise _fault(f"{where} is about a node that does not exist")
    if "edge" in step and step["edge"] not in edges:
        raise _fault(f"{where} is about an edge that does not exist")
    _need(step, where, **{name: kind for name, kind in OTHERS.items() if name in step})
    for names, table in ((PLACES, "values"), (TEXTS, "math")):
        for name in names:
            _check_place(step.get(name), f"{where}.{name}", data, table)
    if "update" in step:
        _check_update(step["update"], f"{where}.update", data)


def _check_update(update: Any, where: str, data: Mapping[str, Any]) -> None:
    _need(update, where, optimizer=str, settings=dict, state=dict, lines=list)
    if "gradient" not in update or not all("value" in line for line in update["lines"] if isinstance(line, dict)):
        raise _fault(f"{where} lacks a value")
    _check_place(update.get("gradient"), f"{where}.gradient", data, "values")
    for name, place in update["state"].items():
        _check_place(place, f"{where}.state.{name}", data, "values")
    if not all(_is_number(x) for x in update["settings"].values()):
        raise _fault(f"{where}.settings has entries that are no numbers")
    for i, line in enumerate(update["lines"]):
        _need(line, f"{where}.lines[{i}]", name=str, text=str, terms=list)
        for term in [[line.get("math"), line.get("value"), line["text"]], *line["terms"]]:
            if not isinstance(term, list) or len(term) != 3 or not isinstance(term[2], str):
                raise _fault(f"{where}.lines[{i}] has a damaged term")
            _check_place(term[0], f"{where}.lines[{i}]", data, "math")
            _check_place(term[1], f"{where}.lines[{i}]", data, "values")


def _check_place(place: Any, where: str, data: Mapping[str, Any], table: str) -> None:
    if place is not None and not (type(place) is int and 0 <= place < len(data[table])):
        raise _fault(f"{where} is not a place in {table}")


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) or (isinstance(x, str) and bool(re.fullmatch(r"NaN|-?Infinity|-?\d+", x)))


def _need(thing: Any, where: str, **fields: type) -> None:
    if not isinstance(thing, Mapping):
        raise _fault(f"{where} is no object")
    for name, kind in fields.items():
        if not isinstance(thing.get(name), kind):
            raise _fault(f"{where}.{name} should be of type {kind.__name__}")


def _fault(what: str) -> DataFileError:
    return DataFileError(f"The trace is damaged: {what}.", fix="Make it again with microtrain.trace().")
