"""Fused kernels: formulas compiled by Numba for large arrays.

How F.sin(z) * F.exp(-z * z / 32) of a million numbers is computed:

    tier.py        is the array large enough? The size decides alone, never what happens to be compiled already
    fused.py       the formula's kernel for operands of these kinds (float64 array, number ...), or None: NumPy does it
    source.py      the formula, read with symbols, printed as one Numba loop without an array in between ...
    writer.py      ... whose statements come from here
    vecmath*.py    exp, sin, tanh ... as plain arithmetic, so that LLVM vectorises the loop; elementary.py: min, sign ...
    program.py     its machine code: from the disk (cache.py, loading.py, without Numba), else compiled (compiling.py)
    kernel.py      the call: layout.py says how the arrays lie, memory.py has room for the result, job.py is the order
    native.py      the loop in machine code that takes chunks of the order and feeds them to the kernel
    ufunc.py       the call for small arrays of one shape: without an order, as a function of NumPy's
    pool.py        the threads that take chunks; sharing.py: how they share in machine code, cores.py: on different cores
    gemm.py        matrix products, for the compiler of whole steps
    reductions.py  sums, extremes, softmax, cross-entropy: folding.py and rows.py have their machine code

`explain` (report.py) shows all this for a tensor or an operation, `warm` (warming.py) compiles beforehand. Nothing is
compiled, and Numba is not imported, before a large array comes. The tier is chosen by `use(...)` or `MICROTRAIN_KERNELS`.
"""

from __future__ import annotations

from typing import Any

from .tier import use as use

_LAZY = {
    "explain": "report",
    "get_num_threads": "pool",
    "release_memory": "memory",
    "set_num_threads": "pool",
    "warm": "warming",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module 'microtrain.kernels' has no attribute '{name}'")
