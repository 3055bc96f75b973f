"""Turns NumPy's complaints about an operation into messages that teach."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, IndexingError, MicrotrainError, ShapeError
from ..ops.primitive import Primitive
from ..show import short


def explain_failure(row: Primitive, arrays: list[Any], params: dict[str, Any], error: Exception) -> MicrotrainError:
    """The error to raise when `row.forward(*arrays, **params)` raised `error`."""
    if isinstance(error, MicrotrainError):
        return error
    settings = "".join(f", {k}={v!r}" for k, v in params.items() if v is not None and len(repr(v)) < 60)
    call = f"{row.name}({', '.join(short(a) for a in arrays)}{settings})"
    shapes = [np.shape(a) for a in arrays]
    if row.elementwise and not _broadcastable(shapes):
        return ShapeError(
            f"{call}: the shapes {' and '.join(map(str, shapes))} do not go together.",
            _why_not_broadcast(shapes),
            "Transpose, reshape or unsqueeze one of them.",
        )
    if row.name == "linear":
        length = shapes[1][-1] if shapes[1] else "?"
        return ShapeError(
            f"linear(): an input of shape {shapes[0]} does not fit a weight {shapes[1]} and a bias {shapes[2]}.",
            f"A weight (m, n) maps vectors of length n to vectors of length m; this one takes length {length}.",
            "The last axis of the input must be that long: reshape the input, or make the layer fit.",
        )
    if row.name == "matmul" and () in shapes:
        return ShapeError(
            f"matmul(): shapes {shapes[0]} and {shapes[1]}; a tensor without axes is not a vector.",
            fix="Multiply with *.",
        )
    if row.name == "matmul":
        inner = shapes[0][-1], shapes[1][-2 if len(shapes[1]) > 1 else -1]
        if inner[0] != inner[1]:
            return ShapeError(
                f"{call}: a matrix of shape {shapes[0]} can't be multiplied by one of shape {shapes[1]}.",
                f"The last axis of the first has length {inner[0]}, the one of the second that it meets {inner[1]}.",
                _made_to_fit(*shapes),
            )
        if not _broadcastable([s[:-2] for s in shapes]):
            return ShapeError(
                f"matmul(): the batches of the shapes {shapes[0]} and {shapes[1]} do not go together.",
                "Matrices are the last two axes; the axes before them must broadcast.",
            )
    if row.name.startswith("bitwise_") and isinstance(error, TypeError):
        return DtypeError(
            f"{call}: only booleans and integers have bits to combine.",
            fix="Compare first: ~(x > 0), (a > 0) & (b > 0). For floats there are logical_not() and 1 - x.",
        )
    if row.name in ("cross_entropy", "surprise", "log_softmax") and arrays[0].dtype.kind != "f":
        return DtypeError(
            f"{call}: the logits have dtype {arrays[0].dtype}.",
            "Logits are real numbers, and the derivative is taken in them; integers are labels.",
            "The logits come first, then the labels. If these are the logits, convert them: logits.double().",
        )
    message = str(error).rstrip(".")
    if isinstance(error, IndexError):  # NumPy's AxisError too
        kind: type[MicrotrainError] = IndexingError
    elif isinstance(error, TypeError):
        kind = DtypeError
    elif any(word in message for word in ("shape", "dimension", "broadcast", "size")):
        kind = ShapeError
    else:
        kind = ArgumentError
    return kind(f"{call} is not possible: {message}.")


def _made_to_fit(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    """What to do about two matrices (or vectors) that can't be multiplied."""
    first, second = a[-1], b[-2 if len(b) > 1 else -1]
    ways = []
    if len(a) > 1 and a[-2] == second:
        ways.append("transpose the first (a.mT @ b)")
    if len(b) > 1 and b[-1] == first:
        ways.append("transpose the second (a @ b.mT)")
    if b[-1] == a[-2 if len(a) > 1 else -1]:
        ways.append("swap them (b @ a)")
    if not ways:
        return "No transpose makes them fit: look where the shapes come from."
    return f"Which product is meant? You could {' or '.join(ways)}."


def _broadcastable(shapes: list[tuple[int, ...]]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def _why_not_broadcast(shapes: list[tuple[int, ...]]) -> str:
    rank = max(map(len, shapes))
    for axis in range(-1, -rank - 1, -1):
        lengths = {s[axis] for s in shapes if len(s) >= -axis} - {1}
        if len(lengths) > 1:
            return f"Compared from the last axis on, lengths must be equal or 1; axis {axis} has " + " and ".join(
                map(str, sorted(lengths))
            )
    return "they have different numbers of axes"
