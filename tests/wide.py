"""Families of alike tests: the default suite runs a telling sample of each, the wider suite all of them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest


def mostly_wide(cases: Iterable[Any], *, but: Container[Any]) -> list[Any]:
    """The cases for `parametrize`, marked as wide, but for these. A case for several arguments is a tuple."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=() if case in but else pytest.mark.wide)
        for case in cases
    ]
