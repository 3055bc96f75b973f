"""Machine code made callable, by LLVM's linker alone: no Numba is needed, and it takes a few milliseconds."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from ..errors import KernelError
from .compiling import Code


def immortal(thing: Any) -> Any:
    """Never free this, not even when Python ends: machine code has its address."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing


# What Numba makes of a function without a result: status = f(result, exception, n, operands). The two first stay empty.
SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_nothing = immortal(ctypes.create_string_buffer(16))  # where they would be
NOTHING = ctypes.c_void_p(ctypes.addressof(_nothing))  # ctypes takes its own objects faster than numbers
NOWHERE = f"i8* inttoptr (i64 {ctypes.addressof(_nothing)} to i8*)"  # the same for LLVM
_engines: list[Any] = immortal([])  # the code lives as long as the engine that loaded it: for ever


def load(code: Code) -> int:
    """The address of the function. Raises `KernelError` if the code can't be loaded here."""
    import llvmlite.binding as llvm

    try:
        target = _target_machine()
        for name in code.externals:
            if llvm.address_of_symbol(name) is None and not _of_libm(name):  # LLVM would end the process
                raise KernelError(f"A kernel calls '{name}', which this process does not have.")
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code.data))
        engine.finalize_object()
        address = engine.get_function_address(code.symbol)
    except KernelError:
        raise
    except Exception as error:
        raise KernelError(f"A kernel can't be loaded: {error}") from error
    if not address:
        raise KernelError(f"A kernel's code has no '{code.symbol}'.")
    _engines.append(engine)
    return int(address)


def bound(address: int, n: int, operands: int) -> Callable[[], None]:
    """The function at this address as one without arguments: ctypes calls it in 0.08 us, and in 0.39 with all four."""
    return ctypes.CFUNCTYPE(None)(
        assemble(
            "bound",
            f"""
        define void @bound() {{
            call i32 inttoptr (i64 {address} to i32 (i8*, i8*, i64, i8*)*)(
                {NOWHERE}, {NOWHERE}, i64 {n}, i8* inttoptr (i64 {operands} to i8*))
            ret void
        }}""",
        )
    )


def assemble(name: str, text: str) -> int:
    """The address of a function in LLVM's language."""
    import llvmlite.binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), _target_machine()())
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(name))


def _of_libm(name: str) -> bool:
    """Make a function of the C library's mathematics known to LLVM; Numba does so when it compiles."""
    import llvmlite.binding as llvm

    for library in _libraries():
        function = getattr(library, name, None)
        if function is not None:
            llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
            return True
    return False


def _libraries() -> Iterator[ctypes.CDLL]:
    """Where such functions may be. What the process has loaded comes first: looking for a file takes a tenth of a second."""
    places: list[Callable[[], str | None]] = [lambda: None, lambda: ctypes.util.find_library("m"), lambda: "ucrtbase"]
    for place in places:
        try:
            yield ctypes.CDLL(place())
        except (OSError, TypeError):  # no such library; None is for POSIX only
            continue


@cache
def _target_machine() -> Any:
    """A function that makes target machines (each engine owns its own), for this very CPU."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    cpu, features = cpu_of_this_machine()
    static = target.name.startswith("x86")  # as Numba compiles it
    return lambda: target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="static" if static else "default", codemodel="jitdefault", jit=True
    )


@cache
def cpu_of_this_machine() -> tuple[str, str]:
    """(name, features) as LLVM knows them."""
    import llvmlite.binding as llvm

    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM does not know this CPU
        features = ""
    return llvm.get_host_cpu_name(), features
