"""Sequences of different lengths as one batch, under the names of `torch.nn.utils.rnn`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...engine.values import looked_at
from ...errors import ArgumentError, ShapeError
from ...ops.joining import pad, stack
from ...pytorch.missing import refuse
from ...tensor import Tensor


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (L_i, *) as one tensor (L, N, *), L the longest; with `batch_first` (N, L, *).

    The shorter ones are filled up with `padding_value`, after their end or, with `padding_side` "left", before their
    beginning. Raises `ShapeError` if they differ in more than their lengths, `ArgumentError` if there are none.
    """
    each = list(sequences)
    if not each:
        raise ArgumentError("pad_sequence() of no sequences.")
    if padding_side not in ("right", "left"):
        raise ArgumentError(f"pad_sequence(): padding_side is {padding_side!r}.", fix='Use "right" or "left".')
    if each[0].ndim == 0 or len({x.shape[1:] for x in each}) > 1 or len({x.ndim for x in each}) > 1:
        raise ShapeError(
            f"pad_sequence() of shapes {', '.join(str(x.shape) for x in each)}.",
            "Sequences may differ along their first axis only.",
        )
    longest = max(x.shape[0] for x in each)
    widths = [longest - x.shape[0] for x in each]
    others = (0, 0) * (each[0].ndim - 1)
    right = padding_side == "right"
    padded = [
        pad(x, (*others, *((0, n) if right else (n, 0))), value=padding_value) if n else x
        for x, n in zip(each, widths, strict=True)
    ]
    batch: Tensor = stack(padded, 0 if batch_first else 1)
    return batch


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences that `pad_sequence` made one tensor of (with padding after their ends), as views.

    Raises `ArgumentError` if the lengths do not fit.
    """
    each = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    wanted = [int(n) for n in (looked_at(lengths) if isinstance(lengths, Tensor) else lengths)]
    if len(wanted) != each.shape[0] or not all(0 <= n <= each.shape[1] for n in wanted):
        raise ArgumentError(
            f"unpad_sequence(): lengths {wanted} for {each.shape[0]} sequences, padded to {each.shape[1]}."
        )
    return [each[i, :n] for i, n in enumerate(wanted)]


def __getattr__(name: str) -> Any:
    return refuse(__name__, name, globals())
