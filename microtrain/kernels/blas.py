"""NumPy's BLAS: where it is, as addresses that machine code can call, and how many threads it uses."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

BLAS_ALONE = 1 << 18  # multiplications up to which OpenBLAS leaves a product to the thread that asks for it ...
DOT_ALONE = 1 << 13  # ... and those of two vectors (measured: from 10,000 on)

# With registers of 512 bits OpenBLAS has kernels for one thread for products of up to so many multiplications, but none
# for A B^T (measured with 0.3.29 to 0.3.34).
SMALL_KERNELS = 0
try:
    from numpy._core._multiarray_umath import __cpu_features__  # type: ignore[import-not-found]

    if __cpu_features__["AVX512_SKX"] and "OPENBLAS_CORETYPE" not in os.environ:  # which names the kernels to be used
        SMALL_KERNELS = 10**6
except (ImportError, KeyError):  # pragma: no cover (another NumPy, or another kind of CPU)
    pass


Function = TypeVar("Function", bound=Callable[..., Any])


class Blas(NamedTuple):
    """The addresses of Fortran's dgemm and sgemm, and the bits of its integers."""

    dgemm: int
    sgemm: int
    width: int
    name: str
    file: str = ""


@cache
def find() -> Blas:
    """NumPy's own BLAS if it comes with NumPy, else the one that SciPy offers to Numba."""
    folder = Path(np.__file__).parent
    for place in (folder.parent / "numpy.libs", folder / ".dylibs"):
        for file in sorted(place.glob("*openblas*")) if place.is_dir() else []:
            try:
                library = ctypes.CDLL(str(file))
            except OSError:
                continue
            for pattern, width in (("scipy_{}_64_", 64), ("{}_64_", 64), ("scipy_{}_", 32), ("{}_", 32)):
                try:
                    found = [_address(getattr(library, pattern.format(name))) for name in ("dgemm", "sgemm")]
                except AttributeError:
                    continue
                return Blas(found[0], found[1], width, file.name, str(file))
    from scipy.linalg import cython_blas

    return Blas(_of_capsule(cython_blas, "dgemm"), _of_capsule(cython_blas, "sgemm"), 32, "scipy.linalg.cython_blas")


def library() -> ctypes.CDLL:
    """The library itself, for what else it can do."""
    return ctypes.CDLL(find().file or None)


def scipys_library() -> ctypes.CDLL:
    """SciPy's: another one, where both come with a BLAS of their own."""
    import scipy

    folder = Path(scipy.__file__).parent
    for place in (folder.parent / "scipy.libs", folder / ".dylibs"):
        for file in sorted(place.glob("*openblas*")) if place.is_dir() else []:
            return ctypes.CDLL(str(file))
    return library()


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def _of_capsule(module: object, name: str) -> int:
    """The address in a capsule of Cython's."""
    capsule = module.__pyx_capi__[name]  # type: ignore[attr-defined]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    assert sys.implementation.name == "cpython"
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


class _OneThreadEach:
    __slots__ = ("before", "get", "inside", "library", "lock", "put")

    def __init__(self, library: Callable[[], ctypes.CDLL]) -> None:
        self.library = library
        self.lock = threading.Lock()
        self.inside = self.before = 0
        self.get: Any = None  # how many threads BLAS uses; found when first needed
        self.put: Any = None

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                if self.get is None:
                    self.get, self.put = threads(self.library())
                self.before = self.get()
                try:
                    self.put(1)
                except BaseException:  # Ctrl-C: `__exit__` won't be called
                    self.put(self.before)
                    raise
            self.inside += 1

    def __exit__(self, *exception: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.put(self.before)


# `with one_thread_each:` whatever BLAS does is done by the thread that asks for it, so that the bits are always the same.
# The setting is the whole process's: the first of several threads that are inside makes it, the last takes it back.
one_thread_each = _OneThreadEach(library)
scipys_one_thread_each = _OneThreadEach(scipys_library)  # inside SciPy's functions that use its `linalg`
if hasattr(os, "register_at_fork"):  # a child has one thread, which must not wait for what another one held
    for lock in (one_thread_each.lock, scipys_one_thread_each.lock):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def steady(function: Function) -> Function:
    """The function, with `one_thread_each` around every call."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with one_thread_each:
            return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def threads(found: ctypes.CDLL | None = None) -> Any:
    """(how many threads BLAS uses, set that)."""
    found = found or library()
    for pattern in ("scipy_openblas_{}64_", "openblas_{}64_", "scipy_openblas_{}", "openblas_{}"):
        try:
            get, put = (getattr(found, pattern.format(f"{verb}_num_threads")) for verb in ("get", "set"))
        except AttributeError:
            continue
        get.restype, put.argtypes, put.restype = ctypes.c_int, [ctypes.c_int], None
        return get, put
    return (lambda: 1), (lambda n: None)
