"""How large products are cut."""

from __future__ import annotations

import itertools
from types import MethodType
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain.kernels import tiles

from ..wide import mostly_wide
from .twins import closeness


@pytest.mark.parametrize(
    ("dtype", "ours"),
    mostly_wide(itertools.product(["float32", "float64"], [True, False]), but=[("float32", True), ("float64", False)]),
)
def test_products_of_either_kind(dtype: str, ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "has_512_bits", lambda: ours)
    x, w = (mt.randn(*shape, generator=mt.Generator(0)).to(getattr(mt, dtype)) for shape in ((150, 300), (130, 300)))

    def step(x: Any, w: Any) -> Any:
        h = x @ w.T
        return h, (h @ w).sum(), h.T @ x

    run = mt.compile(step)
    for _ in range(2):
        run(x, w)
    (variant,) = (v for form in run._forms.values() for v, _ in form.variants)
    for found, wanted in zip(run(x, w), step(x, w), strict=True):
        assert closeness(found.numpy(), wanted.numpy()) < 100 * np.finfo(dtype).eps
    pieces = variant.pieces.in_order
    products = [piece.func.__self__ for piece in pieces if isinstance(getattr(piece, "func", None), MethodType)]
    kernels = [product.kernel.text for product in products]
    assert len(kernels) == 3 and all(("multiply = gemm" in text) is ours for text in kernels)


@pytest.mark.parametrize("ours", [True, False])
def test_the_bits_do_not_depend_on_the_threads(ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "has_512_bits", lambda: ours)
    x, w = (mt.randn(*shape, generator=mt.Generator(0)).float() for shape in ((300, 500), (333, 500)))
    run = mt.compile(lambda x, w: x @ w.T)
    for _ in range(2):
        run(x, w)
    found, before = set(), mt.kernels.get_num_threads()
    try:
        for threads in (1, 2, 5):
            mt.kernels.set_num_threads(threads)
            found.add(run(x, w).numpy().tobytes())
    finally:
        mt.kernels.set_num_threads(before)
    assert len(found) == 1
