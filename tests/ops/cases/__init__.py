"""One entry for each operation, or each way of using one."""

from __future__ import annotations

from ..case import Case
from . import (
    activations,
    arithmetic,
    comparison,
    exponential,
    indexing,
    joining,
    linear_algebra,
    probability,
    reductions,
    shapes,
    special,
)

CASES: list[Case] = [
    *arithmetic.CASES,
    *exponential.CASES,
    *special.CASES,
    *activations.CASES,
    *comparison.CASES,
    *reductions.CASES,
    *shapes.CASES,
    *joining.CASES,
    *indexing.CASES,
    *linear_algebra.CASES,
    *probability.CASES,
]
