"""The formulas that the stepper shows: made of the table's own rows, never written a second time.

An elementwise derivative is the row's vjp read with symbols and g = 1. Any other vjp is run once more while a listener
writes down which operations it does; that list is the formula: "matmul of the transposed a and g".
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...engine.node import Node
from ...engine.quiet import quiet, restore
from ...engine.recording import MODE, Mode
from ...formula import NUMBERS, Expr, in_order, tidied
from ...formula_mathml import mathml_of_latex, spaced
from ...formula_print import latex, text
from ...ops.plan import parameter_names
from ...ops.primitive import Primitive
from ...tensor import Tensor, wrap

LONGEST = 1000  # characters of LaTeX; what is longer nobody reads


class Looks(NamedTuple):
    """How an operation without a template in the table is printed."""

    name: str
    tex: str
    inputs: tuple[str, ...] = ("x",)


TRANSPOSED = Looks("transpose", "{x}^T")
LOOKS = {
    "broadcast_to": Looks("repeat", r"\operatorname{repeat}({x})"),
    "getitem": Looks("part", r"\operatorname{part}({x})"),
    "add_at": Looks("put", r"\operatorname{put}({x})"),
    "permute": Looks("permute", r"\operatorname{permute}({x})"),
}
COLUMN = Looks("column", r"\operatorname{column}({x})")  # (..., n) becomes (..., n, 1)
ROWS = Looks("rows", r"\operatorname{rows}({x})")  # (..., m, n) becomes one matrix with all the rows
FLAT = Looks("flat", r"\operatorname{flat}({x})")
SEEN_THROUGH = ("reshape", "to", "clone")  # they change how numbers lie in memory, and no number
G = "g"  # the symbol of the upstream gradient
UNKNOWN = "constant"  # an array in the middle of a vjp, which has no name


class Formula(NamedTuple):
    """An expression, and what its symbols stand for: boxes of the graph, or `G`."""

    expression: Any
    symbols: dict[Any, Hashable]  # symbol: box

    def latex(self, names: Callable[[Hashable], str]) -> str:
        """In LaTeX; `names` gives each box its symbol in LaTeX."""
        return latex(self.expression, {symbol: names(box) for symbol, box in self.symbols.items()})

    def text(self, names: Callable[[Hashable], str]) -> str:
        """In one line."""
        return text(self.expression, {symbol: names(box) for symbol, box in self.symbols.items()})


def of_forward(primitive: Primitive, boxes: Sequence[Any], constants: Mapping[int, Any]) -> Formula:
    """What an operation computes from its inputs; `constants` are the inputs that are plain numbers."""
    symbols: dict[Any, Hashable] = {}
    args = [_argument(i, box, constants, symbols) for i, box in enumerate(boxes)]
    return Formula(_shown(primitive, args, {}), symbols)


def _argument(i: int, box: Any, constants: Mapping[int, Any], symbols: dict[Any, Hashable]) -> Any:
    if i in constants:
        return constants[i]
    known = {b: s for s, b in symbols.items()}
    if box in known:  # x * x is x squared
        return known[box]
    symbol = Expr(f"x{i}")
    symbols[symbol] = box
    return symbol


def local_derivative(
    primitive: Primitive, index: int, boxes: Sequence[Any], output: Any, constants: Mapping[int, Any]
) -> Formula | None:
    """The derivative of an elementwise operation in one of its inputs, None if symbols can't read it."""
    try:
        vjp = primitive.vjp_of(index)
        if not primitive.elementwise or vjp is None:
            return None
        symbols: dict[Any, Hashable] = {}
        made = Expr("y")
        inputs = [_argument(i, box, constants, symbols) for i, box in enumerate(boxes)]
        of = {"y": made, **dict(zip(primitive.inputs, inputs, strict=True))}
        names = parameter_names(vjp)
        (expression,) = tidied([vjp(1, *[of[name] for name in names])])
        symbols[made] = output
        return Formula(expression, symbols)
    except Exception:  # a row that uses more than the formula language: the numbers are shown without a formula
        return None


def gradient_formula(node: Node, slot: int, upstream: Any, boxes: Sequence[Any], output: Any) -> Formula | None:
    """The gradient that any vjp computes, as an expression in g and what was kept; None if it can't be written so."""
    before, token = MODE.get(), quiet()
    listener = _Writer()
    MODE.set(Mode(False, (listener,)))
    try:
        g = wrap(np.asarray(upstream)[()])
        listener.know(g, G)
        kept: list[Any] = list(node.checked_kept())
        for at, (kind, index, _) in enumerate(node.plan.keep):
            if kind != "shape" and isinstance(kept[at], (np.ndarray, np.generic)):
                kept[at] = wrap(kept[at])
                listener.know(kept[at], output if kind == "output" else boxes[index])
        gradient = node.plan.vjps[slot](g, kept, node.params)
        expression = listener.expression(gradient)
        if any(e.name == UNKNOWN for e in in_order([expression])):
            return None
        if getattr(expression, "row", None) in (COLUMN, ROWS, FLAT):  # only the shape is another
            (expression,) = expression.args
        return Formula(expression, listener.symbols)
    except Exception:
        return None
    finally:
        MODE.set(before)
        restore(token)


class _Writer:
    """A listener that writes operations on tensors down as an expression."""

    def __init__(self) -> None:
        self.of: dict[int, Any] = {}
        self.symbols: dict[Any, Hashable] = {}
        self._alive: list[Any] = []  # so that their ids stay theirs

    def know(self, tensor: Tensor, box: Hashable) -> None:
        symbol = Expr(G)
        self.of[id(tensor)], self.symbols[symbol] = symbol, box
        self._alive.append(tensor)

    def forward(self, primitive: Primitive, inputs: Any, params: Any, output: Tensor, node: Any) -> None:
        args = [self.expression(x) for x in inputs]
        if primitive.name == "reshape":
            shown = _reshaped(args[0], np.shape(getattr(inputs[0], "_data", inputs[0])), output.shape)
        else:
            shown = _shown(primitive, args, params)
        self.of[id(output)] = shown
        self._alive.append(output)

    def backward(self, *_: Any) -> None:
        """Nothing is differentiated here."""

    def expression(self, x: Any) -> Any:
        if id(x) in self.of:
            return self.of[id(x)]
        if isinstance(x, NUMBERS):
            return x
        data = x._data if isinstance(x, Tensor) else x
        return data.item() if np.ndim(data) == 0 and np.asarray(data).dtype.kind in "biuf" else Expr(UNKNOWN)


def _reshaped(x: Any, before: tuple[int, ...], after: tuple[int, ...]) -> Any:
    """New axes are told where products depend on them: g * b is not column(g) * b."""
    row: Looks | None = None
    if before and after == (*before, 1):
        row = COLUMN
    elif len(before) > len(after) == 2 and before[-1] == after[-1]:
        row = ROWS
    elif len(before) > len(after) == 1:
        row = FLAT
    return x if row is None else Expr(row.name, row, (x,))


def _shown(primitive: Primitive, args: list[Any], params: Mapping[str, Any]) -> Any:
    if primitive.name in SEEN_THROUGH and args:
        return args[0]
    row: Any = primitive
    if primitive.name == "broadcast_to" and getattr(args[0], "row", None) is COLUMN:
        args = list(args[0].args)
    if primitive.name == "permute" and args:
        dims = params.get("dims", ())
        swapped = (*range(len(dims) - 2), len(dims) - 1, len(dims) - 2)
        row = TRANSPOSED if len(dims) > 1 and tuple(dims) == swapped else LOOKS["permute"]
    elif not primitive.tex:
        row = LOOKS.get(primitive.name, primitive)
    if row.tex and len(args) < len(row.inputs):  # inputs that nobody knows
        row = Looks(primitive.name, "")
    return Expr(row.name, row, tuple(args))


# ---- as MathML ---------------------------------------------------------------------------------------------------


def mathml(tex: str) -> str:
    """A `<math>` element, or nothing for what is too long to be read."""
    if not tex or len(tex) > LONGEST:
        return ""
    return spaced(mathml_of_latex(tex).replace("<mo>+</mo><mo>=</mo>", "<mo>+=</mo>"))  # one sign


def in_brackets(number: str) -> str:
    """A number as it stands inside of a formula."""
    return f"({number})" if number.startswith("-") or "cdot" in number else number
