"""Machine code by name: found in the disk cache, or compiled and put there, when it is first needed."""

from __future__ import annotations

import threading
import time
from functools import cache as once
from typing import Any, NamedTuple

from . import cache, compiling, loading


class MachineCode:
    """The machine code of a module's function `kernel(n, operands)`."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text
        self.key = ""  # in the cache
        self.seconds = 0.0  # what compiling took, now or when it was put into the cache
        self.kept = False  # was it compiled here and put there?
        self.found_in = 0.0  # what finding it in the cache took
        self._address = 0
        self._lock = threading.Lock()

    @property
    def address(self) -> int:
        """Where the code is. Raises `KernelError` if it can't be compiled or loaded."""
        if not self._address:
            with self._lock:
                if not self._address:
                    self._address = self._find()
        return self._address

    def _find(self) -> int:
        start = time.perf_counter()
        self.key = self._key()
        code = cache.get(self.key)
        if code is None:
            code = self._compiled(self.key)
            address = loading.load(code)
        else:
            address = loading.load(code)
            self.found_in = time.perf_counter() - start
        self.seconds = code.seconds
        return address

    def prepare(self) -> bool:
        """See to it that the machine code is in the cache; was it missing?

        Raises `KernelError` if it can't be compiled, `UnwritableError` if it can't be kept.
        """
        key = self._key()
        if cache.get(key) is not None:
            return False
        self._compiled(key)
        if not self.kept:
            raise cache.UnwritableError(
                f"Kernels can't be kept in {cache.directory()}.",
                "The folder can't be written, or the disk is full.",
                "Set MICROTRAIN_CACHE_DIR to another folder.",
            )
        return True

    def _compiled(self, key: str) -> compiling.Code:
        """The code, compiled here and now, and put into the cache if that is possible."""

        def keep(code: compiling.Code) -> bool:
            self.kept = cache.put(key, self.name, self.text, code)
            return self.kept

        return compiling.compile_kernel(self.name, self.text, keep)

    def _key(self) -> str:
        try:
            import llvmlite.binding  # noqa: F401
        except Exception as error:
            raise compiling.NoNumbaError(f"Numba can't be used ({compiling.in_short(error)}).") from error
        return cache.key_of(self.text)

    @property
    def is_loaded(self) -> bool:
        """Has it been needed yet?"""
        return self._address != 0


class Function(NamedTuple):
    """Machine code that several kernels share."""

    call: Any  # as ctypes calls it; the GIL is released meanwhile
    address: int


def loop_program() -> MachineCode:
    """`native.work`, the loop around kernels."""
    return MachineCode("the loop around kernels", "from microtrain.kernels.native import work as kernel\n")


def folding_program(how: str, dtype: str) -> MachineCode:
    """The loop that folds rows of results into one number each."""
    text = f'from microtrain.kernels.folding import folding\n\nkernel = folding("{how}", "{dtype}")\n'
    return MachineCode(f"the fused {how} ({dtype})", text)


def lead_program() -> MachineCode:
    """`sharing.lead`, for the thread that has a job."""
    return MachineCode("the sharing of work", "from microtrain.kernels.sharing import lead as kernel\n")


def serve_program() -> MachineCode:
    """`sharing.serve`, for the threads that help."""
    return MachineCode("the helping threads", "from microtrain.kernels.sharing import serve as kernel\n")


# The same, loaded. They raise `KernelError` if they can't be compiled.


@once
def loop() -> Function:
    return _loaded(loop_program())


@once
def folding(how: str, dtype: str) -> Function:
    return _loaded(folding_program(how, dtype))


@once
def lead() -> Function:
    return _loaded(lead_program())


@once
def serve() -> Function:
    return _loaded(serve_program())


def _loaded(program: MachineCode) -> Function:
    return Function(loading.SIGNATURE(program.address), program.address)
