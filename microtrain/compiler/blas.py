"""Where NumPy's BLAS is, as addresses that machine code can call."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np


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
