"""The matrix products that a compiled step calls."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain.kernels.products import WORTH_SHARING


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="other processors keep subnormals")
@pytest.mark.parametrize("size", [40, 300])  # by BLAS, and in tiles that threads share
def test_products_take_subnormals_for_zero_and_nothing_else_does(size: int) -> None:
    small, tiny = np.full((size, size), 1e-20, np.float32), np.full((size, size), 2e-39, np.float32)

    def step(small: Any, tiny: Any) -> Any:
        return small @ small, tiny @ mt.ones_like(tiny), small @ mt.ones_like(small), small * small, tiny * 0.5

    compiled = mt.compile(step)
    for _ in range(3):
        found = compiled(mt.tensor(small), mt.tensor(tiny))
    assert (size**3 > WORTH_SHARING) == (size == 300)
    expected = [np.zeros_like(small), np.zeros_like(small), small * size, small * small, tiny / 2]
    for ours, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-5, atol=0)
    assert np.float32(1e-20) * np.float32(1e-20) > 0
    large = mt.full((1 << 20,), 1e-20, dtype=mt.float32)  # in all threads
    assert (large * large).numpy().all()
