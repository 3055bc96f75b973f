"""A kernel as a function of NumPy's (a ufunc): for small arrays its call is the quickest.

A ufunc is called, and has memory for its result, in 0.3 microseconds; the order for `native.work`, which threads can share,
takes 5. It is made by NumPy's C interface, which wants `loop(addresses, lengths, strides, data)`. That is almost a kernel.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from .loading import NOWHERE, assemble, immortal
from .source import Operand

FROM_LOOPS = 1  # the place of PyUFunc_FromFuncAndData in the interface, which never changes
NO_IDENTITY = -1
NAME = immortal(b"kernel")


@cache
def _make() -> Any:
    """PyUFunc_FromFuncAndData(loops, data, types, ntypes, nin, nout, identity, name, doc, unused), if NumPy shows it."""
    try:
        from numpy._core.umath import _UFUNC_API
    except ImportError:
        return None
    open_capsule = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    interface = ctypes.cast(open_capsule(_UFUNC_API, None), ctypes.POINTER(ctypes.c_void_p))
    pointers, numbers, texts = [ctypes.c_void_p] * 3, [ctypes.c_int] * 4, [ctypes.c_char_p] * 2
    kind = ctypes.PYFUNCTYPE(ctypes.py_object, *pointers, *numbers, *texts, ctypes.c_int)
    return kind(interface[FROM_LOOPS])


@cache
def _loop() -> int:
    """NumPy's loop: calls the kernel, whose address is `data`. Good for arrays whose elements lie side by side."""
    return assemble(
        "loop",
        f"""
        define void @loop(i8* %addresses, i64* %lengths, i64* %strides, i8* %data) {{
            %n = load i64, i64* %lengths
            %kernel = bitcast i8* %data to i32 (i8*, i8*, i64, i8*)*
            call i32 %kernel({NOWHERE}, {NOWHERE}, i64 %n, i8* %addresses)
            ret void
        }}""",
    )


def as_ufunc(address: int, operands: Sequence[Operand], dtype: str) -> Any:
    """The kernel at this address as a ufunc; None where NumPy does not show its C interface.

    Not for a kernel that works in place. It wants arrays of one shape that lie side by side, and numbers, all of the
    dtypes that the kernel reads.
    """
    make = _make()
    if make is None:
        return None
    kinds = {"array": dtype, "scalar": dtype, "out": dtype, "number": "float64"}
    types = bytes(np.dtype(kinds.get(o.kind, "bool")).num for o in operands)
    outputs = sum(o.is_output for o in operands)
    parts = (ctypes.c_void_p * 1)(_loop()), (ctypes.c_void_p * 1)(address), ctypes.create_string_buffer(types)
    loops, data, codes = (ctypes.addressof(part) for part in immortal(parts))  # as the machine code is
    return make(loops, data, codes, 1, len(operands) - outputs, outputs, NO_IDENTITY, NAME, b"", 0)
