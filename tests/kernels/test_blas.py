"""NumPy's BLAS and its threads."""

from __future__ import annotations

from microtrain.kernels import blas


def test_blas_gets_its_threads_back() -> None:
    get, _ = blas.threads()
    before = get()
    with blas.one_thread_each:
        assert get() == 1
    assert get() == before


def test_blas_gets_its_threads_back_from_several_threads_of_python() -> None:
    get, put = blas.threads()
    before = get()
    put(3)
    one = other = blas.one_thread_each
    try:
        one.__enter__()
        other.__enter__()
        one.__exit__()
        assert get() == 1
        other.__exit__()
        assert get() == 3
    finally:
        put(before)
