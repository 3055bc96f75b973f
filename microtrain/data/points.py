"""The data points that the pictures of the book's chapter 6 are made of.

They are from the notebooks 6_2_Gradient_Descent and 6_3_Stochastic_Gradient_Descent that accompany S. Prince,
Understanding Deep Learning (github.com/udlbook/udlbook).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..tensor import Tensor


class Samples(NamedTuple):
    """Inputs (N,) or (N, d), and their targets (N,): numbers, or integer classes."""

    inputs: Tensor
    targets: Tensor

    def __repr__(self) -> str:
        kind = "classes" if self.targets.dtype.kind == "i" else "targets"
        return f"<Samples: {len(self.inputs)} inputs {list(self.inputs.shape[1:])} with {kind} in {self._range()}>"

    def _range(self) -> str:
        y = np.asarray(self.targets)
        return f"{y.min():.4g} ... {y.max():.4g}" if y.size else "nothing"


_LINE_X = [0.03, 0.19, 0.34, 0.46, 0.78, 0.81, 1.08, 1.18, 1.39, 1.60, 1.65, 1.90]
_LINE_Y = [0.67, 0.85, 1.05, 1.0, 1.40, 1.5, 1.3, 1.54, 1.55, 1.68, 1.73, 1.6]
_GABOR_X = [
    -1.92, -14.22, 1.49, -1.94, -2.389, -5.09, -8.861, 3.578, -6.01, -6.995, 3.634, 0.8743, -10.96, 0.4073, -9.467,
    8.56, 10.62, -0.1729, 10.4, -12.61, 0.1574, -13.04, -2.156, -12.1, -11.19, 2.902, -8.22, -11.79, -8.391, -4.505,
]  # fmt: skip
_GABOR_Y = [
    -1.051, -0.02482, 0.8896, -0.4943, -0.9371, 0.4306, 0.009577, -0.07944, 0.1624, -0.2682, -0.3129, 0.8303, -0.02365,
    0.5098, -0.2777, 0.3367, 0.1927, -0.2222, 0.06352, 0.006888, 0.03224, 0.01091, -0.5706, -0.05258, -0.03666, 0.1709,
    -0.04805, 0.2008, -0.1904, 0.5952,
]  # fmt: skip


def line_points() -> Samples:
    """The 12 points of the line fit (Figure 6.1): inputs and targets (12,). Start there: (1.6, -0.5)."""
    return Samples(Tensor(np.array(_LINE_X)), Tensor(np.array(_LINE_Y)))


def gabor_points() -> Samples:
    """The 30 points of the Gabor fit (Figure 6.3, whose caption says 28): inputs and targets (30,)."""
    return Samples(Tensor(np.array(_GABOR_X)), Tensor(np.array(_GABOR_Y)))
