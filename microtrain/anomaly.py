"""Finds the operation that made the first NaN or infinity."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import AnomalyError
from .recording import Node, call_site, listen, site_of
from .ops.primitive import Primitive
from .show import short


class _Watch:
    """A listener that raises at the first value that is not finite although everything before it was."""

    def forward(self, primitive: Primitive, inputs: Any, params: Any, output: Any, node: Node | None) -> None:
        if _finite(output._data) or not all(_finite(getattr(x, "_data", x)) for x in inputs):
            return
        arguments = ", ".join(_summary(getattr(x, "_data", x)) for x in inputs)
        raise AnomalyError(
            f"'{primitive.name}' made the first {_what(output._data)}: {primitive.name}({arguments})\n"
            f"  at {site_of(node.where if node else call_site())}",
            _hint(primitive, inputs),
        )

    def backward(self, node: Node, slot: int, upstream: Any, gradient: Any) -> None:
        g, up = getattr(gradient, "_data", gradient), getattr(upstream, "_data", upstream)
        if _finite(g) or not _finite(up):
            return
        which = node.plan.wanted[slot]
        name = node.primitive.inputs[min(which, len(node.primitive.inputs) - 1)]
        raise AnomalyError(
            f"The derivative of '{node.primitive.name}' made the first {_what(g)}, in the gradient of its input '{name}' "
            f"(upstream gradient: {_summary(up)}).\n"
            f"  forward at {node.site}",
            "The forward value is finite, but its slope there is not: sqrt and norm at 0, log near 0, division by 0.",
            "Keep away from the point (add a small constant), or use a fused form such as cross_entropy.",
        )


def detect_anomaly() -> Any:
    """`with detect_anomaly():` raises `AnomalyError` at the first NaN or infinity, forward or backward.

    The message names the operation, its inputs and the line that called it. Every operation is checked, so it is slow.
    """
    return listen(_Watch())


def _finite(x: Any) -> bool:
    x = np.asarray(x)
    return x.dtype.kind != "f" or bool(np.isfinite(x).all())


def _what(x: Any) -> str:
    return "NaN" if np.isnan(x).any() else "infinity"


def _summary(x: Any) -> str:
    x = np.asarray(x)
    if x.size <= 1 or x.dtype.kind != "f":
        return short(x)
    return f"{short(x)} between {np.nanmin(x):.6g} and {np.nanmax(x):.6g}"


def _hint(primitive: Primitive, inputs: Any) -> str:
    values = [np.asarray(getattr(x, "_data", x)) for x in inputs]
    if primitive.name in ("log", "log2", "log10", "sqrt") and (values[0] < 0).any():
        return f"{primitive.name} of a negative number has no real value."
    if primitive.name in ("log", "log2", "log10"):
        return f"{primitive.name}(0) is -infinity; losses of probabilities are better computed from logits."
    if primitive.name in ("exp", "exp2", "expm1", "sinh", "cosh"):
        return "exp of more than 709 (88 in float32) overflows."
    if primitive.name == "div" and (values[1] == 0).any():
        return "Division by zero."
    return "The result is beyond the largest number of its dtype, or undefined."
