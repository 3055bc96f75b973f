"""What a graph can be drawn of, besides tensors: modules and functions with inputs, recordings, formulas, and any
object that says so itself.

An object takes part by a method `__graph__(self)`. It returns what is drawn in its stead: a `Graph`, a tensor, a list
of tensors, or a `Recording`. (With inputs a callable object is run instead, like any function: a compiled step.)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ArgumentError, DtypeError
from ...formula import NUMBERS, Expr, in_order, trace
from ...ops.primitive import FUNCTIONS, METHODS, TABLE, Primitive
from ...tensor import Tensor
from .data import Graph
from .maths import called, formula_of
from .nodes import Edge, GraphNode
from .record import Recording, record
from .values import Values, number

Drawable = Graph | Recording | list[Tensor]
DEEPEST = 8  # objects that refer to others by __graph__


def resolve(sources: tuple[Any, ...]) -> Drawable:
    """What is to be drawn: a finished graph, a recording, or tensors.

    Raises `DtypeError` for what has no graph, `ArgumentError` if a function or module lacks its inputs.
    """
    if not sources:
        raise ArgumentError("graph() was called without a tensor.", fix="Give it a result: microtrain.graph(loss).")
    first, *inputs = sources
    for _ in range(DEEPEST):
        method = getattr(type(first), "__graph__", None)
        if method is None or (inputs and callable(first)):  # with inputs it is run, like any function
            break
        if inputs:
            raise ArgumentError(f"graph() of a {type(first).__name__} takes nothing besides it.")
        first = method(first)
    if isinstance(first, (Graph, Recording)):
        if inputs:
            raise ArgumentError("graph() takes one recording, and nothing besides it.")
        return first
    if isinstance(first, (list, tuple)) and not inputs and first:
        return [_tensor(x) for x in first]
    formula = _formula(first, inputs)
    if formula is not None:
        return formula
    if callable(first) and not isinstance(first, (Tensor, type)):
        return _recorded(first, inputs)
    return [_tensor(source) for source in (first, *inputs)]


def _tensor(source: Any) -> Tensor:
    if isinstance(source, Tensor):
        source.grad_fn  # noqa: B018 (a view whose memory was written takes its new history here)
        return source
    raise DtypeError(
        f"graph() draws how a tensor was computed, and {type(source).__name__} is not a tensor.",
        "Operations leave their traces in the tensors they make.",
        "Call it with a result: microtrain.graph(loss). For a module or a function, with its inputs: "
        "microtrain.graph(model, x).",
    )


def _recorded(function: Callable[..., Any], inputs: list[Any]) -> Recording:
    """Everything that a module or function does with these inputs."""
    name = getattr(function, "__name__", type(function).__name__)
    if not inputs and _needs_inputs(function):
        raise ArgumentError(
            f"graph() needs an input to run {name} with.", fix="Give it one: microtrain.graph(model, x)."
        )
    if not inspect.isroutine(function) and not hasattr(function, "forward"):
        function = getattr(function, "__wrapped__", function)  # of a compiled step, which shows nothing of itself
    with record() as recording:
        output = function(*inputs)
    if not recording.operations:
        raise DtypeError(
            f"{name} did no operation on tensors; it returned {type(output).__name__}.",
            fix="Call it with tensors: microtrain.graph(f, mt.tensor([1.0, 2.0])).",
        )
    for place, x in enumerate(inputs):
        if isinstance(x, Tensor):
            recording.argument_names[id(x)] = _argument(function, place)
    return recording


def _needs_inputs(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(getattr(function, "forward", function)).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _argument(function: Callable[..., Any], place: int) -> str:
    try:
        names = [*inspect.signature(getattr(function, "forward", function)).parameters]
    except (TypeError, ValueError):
        return ""
    return names[place] if place < len(names) else ""


# ---- formulas --------------------------------------------------------------------------------------------------------


def _formula(thing: Any, inputs: list[Any]) -> Graph | None:
    """The graph of a formula: an expression, a row of the table, an optimizer's rule, or a lambda of symbols."""
    if inputs:
        return None
    if isinstance(thing, Expr):
        return expression_graph({"": thing})
    row = _row(thing)
    if row is not None:
        return _row_graph(row)
    groups = getattr(thing, "param_groups", None)
    rule = thing.rule_for(groups[0]) if groups and hasattr(thing, "rule_for") else getattr(thing, "rule", thing)
    formula = getattr(rule, "formula", None)
    if callable(formula) and not isinstance(thing, Tensor):  # an optimizer, or its rule
        symbols, outputs = trace(formula)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        names = [symbols[0].name, *(s.name for s in symbols[2:])]
        return expression_graph({f"new {name}": e for name, e in zip(names, outputs, strict=False)})
    if inspect.isfunction(thing) and inspect.signature(thing).parameters:
        try:
            symbols, output = trace(thing)
        except Exception as error:
            raise ArgumentError(
                f"graph() can't read {thing.__name__} as a formula.",
                f"With symbols for its inputs it says: {(str(error) or type(error).__name__).splitlines()[0]}",
                "Give it inputs to run it with: microtrain.graph(f, x).",
            ) from None
        outputs = output if isinstance(output, tuple) else (output,)
        return expression_graph({"" if len(outputs) == 1 else f"[{i}]": e for i, e in enumerate(outputs)})
    return None


def _row(thing: Any) -> Primitive | None:
    """The row of the table behind mt.tanh and the like."""
    if isinstance(thing, Primitive):
        return thing
    if isinstance(thing, np.ufunc):
        return next((row for row in TABLE.values() if row.forward is thing), None)
    if getattr(thing, "__module__", "") != "microtrain":
        return None
    name = getattr(thing, "__name__", "")
    return next((f for f in (FUNCTIONS.get(name), METHODS.get(name)) if isinstance(f, Primitive)), TABLE.get(name))


def _row_graph(row: Primitive) -> Graph:
    """A row's value, as its formula where symbols can read it."""
    if row.elementwise:
        try:
            _, output = trace(row.forward)
        except Exception:  # a formula that only arrays can read
            output = None
        if isinstance(output, Expr):
            graph = expression_graph({row.name: output})
            graph.caption = f"{row.name}: {formula_of(row)}".strip(": ")
            return graph
    nodes = [GraphNode(f"n{i}", "input", name) for i, name in enumerate(row.inputs)]
    box = GraphNode(f"n{len(nodes)}", "operation", "", row.name, output=True)
    box.formula = [line for line in [formula_of(row)] if line]
    edges = [Edge(node.key, box.key, i, True) for i, node in enumerate(nodes)]
    return Graph([*nodes, box], edges, direction="LR")


def expression_graph(outputs: dict[str, Any]) -> Graph:
    """The graph of expressions: their symbols and numbers, and what is done with them; equal parts once."""
    graph = Graph([], [], direction="LR")
    keys: dict[Any, str] = {}
    everything = in_order(outputs.values())
    taken = {e.name for e in everything if e.row is None}

    def add(box: GraphNode) -> str:
        box.key = f"n{len(graph.nodes)}"
        graph.nodes.append(box)
        return box.key

    for e in everything:
        if e.row is None:
            keys[e] = add(GraphNode("", "input", e.name, needs_grad=False))
            continue
        read, names = [], []
        for argument in e.args:
            if isinstance(argument, Expr):
                read.append(keys[argument])
                names.append(argument.name if argument.row is None else "")
            else:
                constant = argument.item() if isinstance(argument, np.generic) else argument
                value = Values.of(constant)
                read.append(
                    add(GraphNode("", "input", shape=(), dtype=f"Python {type(constant).__name__}", value=value))
                )
                names.append(number(constant))
        formula = formula_of(e.row, called(e.row, names, taken))
        keys[e] = add(GraphNode("", "operation", "", e.name, formula=[formula] if formula else []))
        graph.edges += [Edge(key, keys[e], index, True) for index, key in enumerate(read)]
    for name, e in outputs.items():
        if isinstance(e, NUMBERS):
            value = Values.of(e)
            add(GraphNode("", "input", name, shape=(), dtype=f"Python {type(e).__name__}", value=value, output=True))
            continue
        node = graph.nodes[int(keys[e][1:])]
        node.output = True
        if node.kind == "operation":
            node.name = f"{node.name}, {name}" if node.name else name
    if len(graph.nodes) > 12:
        graph.direction = "TB"
    return graph
