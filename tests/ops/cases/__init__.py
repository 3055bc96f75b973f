"""One entry for each operation, or each way of using one."""

from __future__ import annotations

from ..case import Case
from . import elementwise, indexing, joining, linear_algebra, probability, reductions, shapes

FAMILIES: dict[str, list[Case]] = {
    "elementwise": elementwise.CASES,
    "reductions": reductions.CASES,
    "shapes": shapes.CASES,
    "joining": joining.CASES,
    "indexing": indexing.CASES,
    "linear_algebra": linear_algebra.CASES,
    "probability": probability.CASES,
}
CASES = [case for cases in FAMILIES.values() for case in cases]
