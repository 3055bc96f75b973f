"""Machine code from the disk cache, in a process without Numba: what it calls has to be found without Numba's help."""

from __future__ import annotations

import ctypes
import json

import pytest

from microtrain.errors import KernelError
from microtrain.kernels import compiling, loading

# Rows whose kernels call the C library: sin, cos and tan for arguments that the fast reduction can't do.
PROGRAM = """
import sys, numpy as np, microtrain as mt
for dtype in (np.float32, np.float64):
    data = np.linspace(-1e20, 1e20, 20_001).astype(dtype)
    x = mt.tensor(data, requires_grad=True)
    y = mt.sin(x) + mt.tan(x) * mt.sqrt(mt.abs(x)) * 0
    y.sum().backward()
    assert np.allclose(mt.sin(x).detach().numpy(), np.sin(data), rtol=1e-6, atol=1e-6)
print("numba" in sys.modules)
"""


@pytest.mark.wide
def test_functions_of_the_c_library_are_found_without_numba(run, tmp_path):
    assert run(PROGRAM)[0] == "True"
    called = set()
    for path in (tmp_path / "cache").rglob("kernel.json"):
        called |= set(json.loads(path.read_text())["externals"])
    assert {"sin", "cos", "tan"} <= called  # else this would test nothing
    out, messages = run(PROGRAM)
    assert (out, messages) == ("False", "")


def test_every_external_of_every_usual_kernel_is_there(run):
    """In a process that never imports Numba; LLVM ends a process that lacks one."""
    out, _ = run(
        "import llvmlite.binding as llvm\n"
        "from microtrain.kernels import loading\n"
        "loading._target_machine()\n"
        "names = [f + s for f in 'sin cos tan exp log pow fma sqrt fmod atan2 ldexp'.split() for s in ('', 'f')]\n"
        "print([n for n in names if llvm.address_of_symbol(n) is None and not loading._of_libm(n)])"
    )
    assert out == "[]"


@pytest.mark.parametrize("name", ["sqrtf", "sinf", "fma"])
def test_an_address_is_that_of_the_function(name):
    llvm = pytest.importorskip("llvmlite.binding")
    assert loading._of_libm(name)
    function = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(llvm.address_of_symbol(name))
    if name == "sqrtf":
        assert function(9.0) == 3.0


def test_a_function_that_nobody_has():
    pytest.importorskip("llvmlite")
    assert not loading._of_libm("no_such_function_anywhere")
    code = compiling.Code(b"never looked at", "kernel", ("no_such_function_anywhere",), 0.1)
    with pytest.raises(KernelError, match="no_such_function_anywhere"):
        loading.load(code)


@pytest.mark.parametrize("where", ["ctypes.util.find_library", "ctypes.CDLL"])
def test_no_library_of_mathematics(monkeypatch, where):
    pytest.importorskip("llvmlite")

    def nothing(*_):
        if where.endswith("CDLL"):
            raise OSError("no such file")

    monkeypatch.setattr(where, nothing)
    assert loading._of_libm("sqrtf") == where.endswith("find_library")  # on POSIX the process itself has it


LATE = """
import os, numpy as np, microtrain as mt

class Last:
    def __del__(self, write=os.write):
        write(1, b"called")
        if self.function(self.x).tobytes() == self.expected:
            write(1, b" and right")

last = np.last = Last()  # NumPy's module outlives ours
last.x = np.linspace(-3, 3, 9000)
mt.gelu(mt.tensor(last.x))
(kernel,) = mt.ops.primitive.TABLE["gelu"].kernel.kernels.values()
last.function, last.microtrain = kernel._ufunc, mt
last.expected = last.function(last.x).tobytes()
del last, kernel
"""


def test_a_kernel_can_be_called_until_the_very_end(run):
    """What its machine code and NumPy have addresses of is not freed with the modules (what is, is overwritten here)."""
    assert run(LATE, PYTHONMALLOC="debug")[0] == "called and right"
