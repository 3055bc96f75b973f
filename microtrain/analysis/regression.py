"""Least squares as geometry: the projection onto the columns, and how it splits the sum of squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..kernels.blas import steady
from ..nn.losses.reduction import as_tensor
from .linear_models import design
from .projection import project

Array = np.ndarray[Any, Any]


def hat_matrix(x: Any, *, bias: bool = False) -> Array:
    """P = X (X^T X)^-1 X^T for inputs (N, d), shape (N, N): it projects targets onto the columns (section 4.1.4).

    The columns may depend on each other. `bias` adds a column of 1.
    """
    matrix = design(x, bias)
    return project(np.eye(len(matrix)), matrix)


@dataclass(frozen=True)
class SquaresSplit:
    """Sums of squares around the mean of the targets: `total`, `explained` by the predictions, left in the `residual`.

    For a least-squares fit with an intercept the first is the sum of the others. Elsewhere it is not.
    """

    total: float
    explained: float
    residual: float

    @property
    def r2(self) -> float:
        """R^2 = 1 - residual / total: 1 for a perfect fit, 0 for predicting the mean, negative for worse than that."""
        return 1 - self.residual / self.total if self.total else float("nan")

    @property
    def gap(self) -> float:
        """explained + residual - total: 0 where the decomposition holds."""
        return self.explained + self.residual - self.total

    def __repr__(self) -> str:
        return (
            f"<total {self.total:.6g}, explained {self.explained:.6g}, residual {self.residual:.6g}: "
            f"R^2 = {self.r2:.4g}, gap {self.gap:.3g}>"
        )


@steady
def squares_split(target: Any, prediction: Any) -> SquaresSplit:
    """How the squares of targets (N,) split over predictions and residuals. Raises `ShapeError` for other shapes."""
    y, fit = (np.asarray(as_tensor(a).detach(), float) for a in (target, prediction))
    if y.ndim != 1 or y.shape != fit.shape or not len(y):
        raise ShapeError(f"Targets and predictions are vectors of one length, not {y.shape} and {fit.shape}.")
    total, explained, residual = (float(v @ v) for v in (y - y.mean(), fit - y.mean(), y - fit))
    return SquaresSplit(total, explained, residual)
