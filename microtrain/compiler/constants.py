"""Arrays that NumPy made inside a step: a constant, or something that depends on data?

`mt.tensor(np.eye(3)[labels])` would be frozen. What is made of shapes alone can be told by its pattern.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .program import Op, Value


def check(recorder: Any) -> None:
    """Raise for integers or truth values that NumPy made in the step, perhaps of data."""
    for op in [op for op in recorder.program.ops if isinstance(op, Op)]:
        for v in op.args:
            if isinstance(v, Value) and v.kind == "made" and v.dtype.kind in "iub" and not is_pattern(v.source):
                recorder.site = op.site
                raise recorder.refusal(
                    f"'{op.row.name}' uses an array of shape {v.shape} that was made in the step, by NumPy.",
                    "If it depends on the arguments, the compiled step would go on with the present one.",
                    "Compute it with microtrain's operations, or before the step, and pass it as an argument.",
                )


def is_pattern(x: Any) -> bool:
    """Is this made of the shape alone: one value everywhere, 0 1 2 ..., all but an end, the identity or a triangle?

    Windows, as `unfold` makes them, are evenly spaced along each axis: [[0, 1, 2], [1, 2, 3]].
    """
    if x.size <= 1 or not any(x.strides):
        return True
    if x.dtype.kind in "iu":
        return is_evenly_spaced(x)
    if x.ndim < 2 or x.shape[-1] < 2:
        flat = x.reshape(-1)
        return bool((flat[1:] == flat[1]).all() or (flat[:-1] == flat[0]).all())
    ones = np.ones(x.shape[-2:], bool)
    return any(
        np.array_equal(x, np.broadcast_to(p, x.shape)) for p in (np.tril(ones), np.triu(ones), np.eye(*ones.shape) > 0)
    )


def is_evenly_spaced(x: Any) -> bool:
    """Integers as np.arange makes them, or sums of such along several axes: places, not a choice made by values."""
    steps = (np.diff(x, axis=axis) for axis in range(x.ndim))
    return all(bool((step == step.flat[0]).all()) for step in steps if step.size)
