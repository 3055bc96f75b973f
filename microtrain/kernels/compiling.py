"""From the source of a kernel to machine code, by Numba.

Only this file, `vecmath*.py`, `elementary.py` and the hand-written kernels import Numba, and only when something has to
be compiled: machine code from the disk cache runs without it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..errors import KernelError


class Code(NamedTuple):
    """Machine code, and how to call it."""

    data: bytes  # an object file
    symbol: str  # the function's name in it
    externals: tuple[str, ...]  # functions it calls in the process (of the C library)
    seconds: float  # what compiling took


class NoNumbaError(KernelError):
    """Numba can't be imported, or is switched off."""


# Instructions of LLVM for which it may call the C library.
BY_LIBRARY = frozenset("sin cos tan exp exp2 log log2 log10 pow fma".split())
PATIENCE = 0.1  # seconds after which a learner is told what he is waiting for
_lock = threading.RLock()  # one compilation at a time: Numba's own lock would do it, but the messages would mix


def compile_kernel(what: str, text: str, keep: Callable[[Code], bool]) -> Code:
    """Compile `kernel(n, operands)` of a module's text, and hand it to `keep`, which says whether it could keep it.

    `what` names it in messages.

    Raises `KernelError`, with the reason in one line, if Numba can't be imported or can't compile it.
    """
    with _lock, _Patience(what) as wait:
        start = time.perf_counter()
        try:
            _check_numba()
            data, symbol, externals = _compile(text, f"<microtrain: {what}>")
        except KernelError:
            wait.failed = True
            raise
        except Exception as error:
            wait.failed = True
            raise KernelError(f"Numba can't compile {what} ({in_short(error)}).") from error
        code = Code(data, symbol, externals, time.perf_counter() - start)
        wait.kept = keep(code)
        return code


def in_short(error: BaseException) -> str:
    """The type and the first line of an error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _check_numba() -> None:
    """Raise `NoNumbaError` unless Numba is there and compiles."""
    try:
        import numba
        from numba.core import config
    except Exception as error:  # an ImportError, or whatever a broken installation raises
        raise NoNumbaError(f"Numba can't be imported ({in_short(error)}).") from error
    if config.DISABLE_JIT:
        raise NoNumbaError(f"Numba {numba.__version__} is switched off (NUMBA_DISABLE_JIT).")


def _compile(text: str, path: str) -> tuple[bytes, str, tuple[str, ...]]:
    import llvmlite.binding as llvm
    from numba import njit, types

    namespace: dict[str, Any] = {"__name__": "microtrain_kernel", "__file__": path}
    exec(compile(text, path, "exec"), namespace)
    signature = types.void(types.int64, types.CPointer(types.int64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = njit(signature, error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(
            namespace["kernel"]
        )
    (result,) = compiled.overloads.values()
    library = result.library
    data = bytes(library.serialize_using_object_code()[2][0])
    module = llvm.parse_assembly(library.get_llvm_str())
    declared = [f.name for f in module.functions if f.is_declaration]
    externals = {name for name in declared if not name.startswith("llvm.")}
    for _, instruction, kind in (name.split(".", 2) for name in declared if name.count(".") >= 2):
        if instruction in BY_LIBRARY:
            externals.add(instruction + ("f" if kind.endswith("f32") else ""))
    return data, result.fndesc.llvm_func_name, tuple(sorted(externals))


class _Patience:
    """Tells the user on stderr, after `PATIENCE` seconds, what is being compiled.

    On a terminal that line is replaced at the end by one that says how long it took. Elsewhere (a file, a notebook, a
    pipe that several processes write to) it stays, and is the only one, unless the machine code could not be kept; of
    several that belong `together` there is one line.
    """

    def __init__(self, what: str) -> None:
        self.what, self.failed, self.kept, self.told = what, False, False, False

    def __enter__(self) -> _Patience:
        self.start = time.perf_counter()
        self.timer = threading.Timer(PATIENCE, self._tell)
        self.timer.daemon = True
        self.timer.start()
        return self

    def _tell(self) -> None:
        self.told = True
        if _redrawn():
            _say(f"microtrain: compiling {self.what} ...", "")
        elif _untold is None:
            _say(f"microtrain: compiling {self.what}, once ...")
        elif _untold:
            _say(f"microtrain: compiling {_untold.pop()}, once ...")

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        self.timer.join()
        if not self.told:
            return
        redrawn = _redrawn()
        if redrawn:
            _say(CLEARED, "")
        if self.failed:
            return  # whoever asked says why
        seconds = time.perf_counter() - self.start
        # Always the whole line: other processes may have written to the terminal meanwhile.
        if redrawn and self.kept:
            _say(f"microtrain: compiling {self.what} ... {seconds:.1f} s, once; it is kept for next time")
        elif not self.kept:
            _say(f"microtrain: compiling {self.what} took {seconds:.1f} s; it can't be kept: `microtrain cache info`")


CLEARED = "\r\x1b[K"  # go to the beginning of the line, and empty it


_untold: list[str] | None = None  # inside `together`: what is to be told; empty afterwards


@contextmanager
def together(what: str) -> Iterator[None]:
    """Inside, the first wait where there is no terminal tells that `what` is compiled, and the others say nothing."""
    global _untold
    before, _untold = _untold, [what] if _untold is None else _untold  # an outer block speaks for the inner ones
    try:
        yield
    finally:
        _untold = before


def _redrawn() -> bool:
    """Is it a terminal on which a line can be written again?"""
    return os.name == "posix" and sys.stderr is not None and sys.stderr.isatty()


def _say(text: str, end: str = "\n") -> None:
    if sys.stderr is not None:  # there is none in a program without a console
        sys.stderr.write(text + end)
        sys.stderr.flush()
