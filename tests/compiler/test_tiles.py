"""How large products are cut."""

from __future__ import annotations

import math

import pytest

from microtrain.compiler import tiles


@pytest.mark.parametrize("shape", [(256, 1024), (1024, 784), (64, 256), (256, 10), (10, 5000), (3000, 3000), (1, 4096)])
def test_there_are_enough_tiles_and_none_is_very_small(shape: tuple[int, int]) -> None:
    m, n = shape
    down, across = tiles.tile_of(m, n)
    count = math.ceil(m / down) * math.ceil(n / across)
    assert count >= tiles.ENOUGH or (min(m, down), min(n, across)) <= (tiles.SMALL, tiles.SMALL) or count >= 4
    assert down >= tiles.SMALL and across >= tiles.SMALL
    assert down <= tiles.TILE[0] and across <= tiles.TILE[1]


def test_blas_gets_its_threads_back() -> None:
    get, _ = tiles._threads()
    before = get()
    with tiles.one_thread_each():
        assert get() == 1
    assert get() == before
