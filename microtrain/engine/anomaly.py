"""Finds the operation that made the first NaN or infinity."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ..errors import AnomalyError
from ..ops.primitive import Primitive
from ..show import short
from .node import Node
from .recording import MODE, Mode, listen
from .sites import call_site, site_of
from .values import Values


class _Watch:
    """A listener that raises at the first value that is not finite although everything before it was."""

    def forward(self, primitive: Primitive, inputs: Any, params: Any, output: Any, node: Node | None) -> None:
        y = _raw(output)
        kind = _kind(y)
        if not kind:
            return
        arrays = [_raw(x) for x in inputs]
        before = [_kind(x) for x in arrays]
        place = site_of(node.where if node else call_site())
        if "NaN" in before:  # no operation made it, or it would have been found when it was made
            which = before.index("NaN")
            raise AnomalyError(
                f"'{primitive.name}' got a NaN in its input {_name(primitive, which)}{_where(arrays[which])}.\n"
                f"  at {place}",
                "No operation inside detect_anomaly() made it: it was in the data, or was made before.",
                "Check the data with isnan().any(), or begin detect_anomaly() earlier.",
            )
        if kind == "infinity" and "infinity" in before:
            return  # infinities may be there on purpose (masks); what they turn into is watched
        arguments = ", ".join(_summary(x) for x in arrays)
        raise AnomalyError(
            f"'{primitive.name}' made the first {kind}{_where(y)}: {primitive.name}({arguments})\n  at {place}",
            *_forward_hint(primitive, arrays),
        )

    def backward(self, node: Node, slot: int, upstream: Any, gradient: Any) -> None:
        upstream, gradient = _raw(upstream), _raw(gradient)
        kind = _kind(gradient)
        if not kind:
            return
        name = node.primitive.name
        if _kind(upstream):
            raise AnomalyError(
                f"The gradient that arrived at '{name}' has the first {_kind(upstream)}{_where(upstream)}.\n"
                f"  forward at {node.site}",
                "No derivative made it: it came from the gradient given to backward(), from a hook, or from adding up "
                "gradients that are too large.",
            )
        raise AnomalyError(
            f"The derivative of '{name}' made the first {kind}{_where(gradient)}, in the gradient of its input "
            f"{_name(node.primitive, node.plan.wanted[slot])} (upstream gradient: {_summary(upstream)}).\n"
            f"  forward at {node.site}",
            *_backward_hint(node, gradient),
        )


def detect_anomaly(check_nan: bool = True) -> AbstractContextManager[Any]:
    """`with detect_anomaly():` raises `AnomalyError` at the first NaN or infinity, forward or backward.

    The message names the operation, its inputs and the line that called it. Every operation is checked, so it is slow.
    """
    return listen(_Watch()) if check_nan else nullcontext()


class set_detect_anomaly:  # noqa: N801 (PyTorch's name)
    """Switches `detect_anomaly` on or off from here on, or only for a `with` block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = MODE.get()
        others = tuple(each for each in self._before.listeners if not isinstance(each, _Watch))
        MODE.set(Mode(self._before.grad, (*others, _Watch()) if mode and check_nan else others))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        MODE.set(Mode(MODE.get().grad, self._before.listeners))


def is_anomaly_enabled() -> bool:
    """Is every operation being checked?"""
    return any(isinstance(each, _Watch) for each in MODE.get().listeners)


def _raw(x: Any) -> np.ndarray[Any, Any]:
    return np.asarray(x._data if isinstance(x, Values) else x)


def _kind(x: np.ndarray[Any, Any]) -> str:
    """ "NaN", "infinity", or nothing."""
    if x.dtype.kind != "f" or np.isfinite(x).all():
        return ""
    return "NaN" if np.isnan(x).any() else "infinity"


def _name(primitive: Primitive, which: int) -> str:
    names = primitive.inputs
    return f"'{names[min(which, len(names) - 1)]}'"


def _where(x: np.ndarray[Any, Any]) -> str:
    """Where the first bad element stands: " at index (2, 0)"."""
    if x.ndim == 0:
        return ""
    bad = np.argwhere(np.isnan(x)) if np.isnan(x).any() else np.argwhere(np.isinf(x))
    place = tuple(bad[0].tolist())
    return f" at index {place if len(place) > 1 else place[0]}" + (f" and {len(bad) - 1} more" if len(bad) > 1 else "")


def _summary(x: np.ndarray[Any, Any]) -> str:
    if x.size <= 1 or x.dtype.kind != "f":
        return short(x[()])
    return f"{short(x)} between {np.nanmin(x):.6g} and {np.nanmax(x):.6g}"


_LARGEST_EXPONENT = {"float64": "709", "float32": "88", "float16": "11"}


def _forward_hint(primitive: Primitive, arrays: list[Any]) -> tuple[str, str]:
    name, x = primitive.name, arrays[0]
    if name in ("log", "log2", "log10", "sqrt", "rsqrt") and (x < 0).any():
        return f"{name} of a negative number has no real value.", "Clamp the input, or look where the sign comes from."
    if name in ("log", "log2", "log10"):
        return f"{name}(0) is -infinity.", "Losses of probabilities are better computed from logits (cross_entropy)."
    if name in ("exp", "exp2", "expm1", "sinh", "cosh"):
        most = _LARGEST_EXPONENT.get(str(x.dtype), "709")
        why = f"exp of more than {most} overflows {x.dtype}."
        return why, "Subtract the largest first, as softmax and logsumexp do."
    if name in ("div", "reciprocal", "rsqrt") and (arrays[-1] == 0).any():
        zero_by_zero = name == "div" and bool(np.any((arrays[0] == 0) & (arrays[1] == 0)))
        return ("0 / 0 is NaN." if zero_by_zero else "Division by exactly 0."), "Add a small constant below the line."
    return "The result is beyond the largest number of its dtype, or undefined.", ""


def _backward_hint(node: Node, gradient: np.ndarray[Any, Any]) -> tuple[str, str]:
    name = node.primitive.name
    fix = "Keep away from the point (add a small constant), or use a fused form such as cross_entropy or norm."
    values = [np.asarray(_raw(x)) for x in node.kept or () if not isinstance(x, tuple)]
    for value in values:
        if value.shape == gradient.shape and value.dtype.kind == "f" and np.any(value[~np.isfinite(gradient)] == 0):
            return f"{name} at exactly 0: its value is finite there, but its slope is not.", fix
    return "The forward value is finite, but its slope there is not.", fix
