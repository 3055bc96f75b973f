"""Fused kernels: formulas compiled by Numba for large arrays.

`use(tier)` and the environment variable `MICROTRAIN_KERNELS` choose between kernels and NumPy; `explain` shows what became
of a formula. Nothing is compiled, and Numba is not imported, before a large array comes along.

    tier.py                        which tier computes what, and why the choice never depends on time
    fused.py  kernel.py            from a formula and arrays to a kernel, and its call
    source.py                      the kernel's source
    compiling.py  cache.py  loading.py  program.py     machine code: made, kept on disk, loaded
    native.py  folding.py  rows.py  sharing.py         hand-written machine code: loops, reductions, softmax, threads
    vecmath*.py  elementary.py     the functions that kernels call
    report.py  warming.py          for people: what a kernel is, and compiling beforehand
"""

from __future__ import annotations

from typing import Any

from .tier import use as use

_LAZY = {"explain": "report", "get_num_threads": "pool", "set_num_threads": "pool", "warm": "warming"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module 'microtrain.kernels' has no attribute '{name}'")
