"""Which tier computes: by size alone, as the user says, and NumPy where Numba does not work."""

from __future__ import annotations

import io
import itertools
import os
import sys

import numpy as np
import pytest

import microtrain as mt
from microtrain import F, kernels
from microtrain.errors import ArgumentError
from microtrain.kernels import compiling, fused, tier
from microtrain.ops.primitive import TABLE
from tests.wide import mostly_wide

LARGE = "x = mt.tensor(np.linspace(-3, 3, 50_000), requires_grad=True); mt.tanh(x).sum().backward()\n"
SMALL = "x = mt.tensor(np.linspace(-3, 3, 1000), requires_grad=True); mt.tanh(x).sum().backward()\n"
START = "import sys, numpy as np, microtrain as mt\n"
LOADED = "print([name for name in ('numba', 'llvmlite') if name in sys.modules])"


def test_small_arrays_load_nothing(run):
    assert run(START + SMALL * 20 + LOADED) == ("[]", "")


def test_numpy_loads_nothing(run):
    assert run(START + LARGE + LOADED, MICROTRAIN_KERNELS="numpy") == ("[]", "")
    assert run(START + "with mt.kernels.use('numpy'):\n    " + LARGE + LOADED) == ("[]", "")


def test_large_arrays_and_force_load_numba(run):
    assert "numba" in run(START + "mt.tanh(mt.ones(20_000))\n" + LOADED)[0]
    assert "llvmlite" in run(START + "mt.tanh(mt.ones(1000))\n" + LOADED, MICROTRAIN_KERNELS="numba")[0]


def test_wrong_environment(run):
    _, messages = run(START, check=False, MICROTRAIN_KERNELS="cuda")
    assert "MICROTRAIN_KERNELS" in messages and "numpy" in messages


def test_use():
    before = tier.name
    with kernels.use("numpy"):
        assert tier.large == sys.maxsize
        with kernels.use("numba"):
            assert tier.large == 1
        assert tier.name == "numpy"
    assert tier.name == before
    with pytest.raises(ArgumentError, match="auto, numpy, numba"), kernels.use("fast"):
        pass
    with pytest.raises(ZeroDivisionError), kernels.use("numpy"):
        1 / 0
    assert tier.name == before


def test_the_size_decides_and_nothing_else():
    """What was compiled before makes no difference to small arrays: resuming a run must not change its bits."""
    runs = []
    original = fused.Fused._run

    def counted(self, operands, run):
        value = original(self, operands, run)
        if value is not None:
            runs.append(operands[0].size)
        return value

    x = mt.tensor(np.linspace(-1, 1, tier.LARGE))
    with pytest.MonkeyPatch.context() as patch, kernels.use("auto"):
        patch.setattr(fused.Fused, "_run", counted)
        mt.tanh(x)
        mt.tanh(x[1:])
        mt.tanh(x)
        _ = x * x  # arithmetic only, a single operation
        largest = mt.tensor(np.linspace(-1, 1, tier.LARGE_SINGLE))
        _ = largest * largest
    assert runs == [tier.LARGE, tier.LARGE, tier.LARGE_SINGLE]


BROKEN = {
    "missing": "raise ImportError('No module named numba')",
    "broken": "raise OSError('libLLVM.so: undefined symbol: _ZN4llvm')",
    "absurd": "raise SystemError('Numba needs NumPy 1.22 or less')",
}


@pytest.mark.parametrize(
    ("package", "how"),
    mostly_wide(itertools.product(["numba", "llvmlite"], BROKEN), but=[("numba", "missing"), ("llvmlite", "broken")]),
)
def test_without_numba(run, tmp_path, package, how):
    (tmp_path / "fake" / package).mkdir(parents=True)
    (tmp_path / "fake" / package / "__init__.py").write_text(BROKEN[how])
    out, messages = run(
        START + LARGE * 3 + "print(mt.softmax(x, 0).sum().item(), np.abs(x.grad.numpy()).max())\n"
        "p = mt.tensor(np.ones(50_000), requires_grad=True); p.grad = mt.ones(50_000)\n"
        "mt.optim.Adam([p]).step(); print(p[0].item() < 1)",
        PYTHONPATH=str(tmp_path / "fake"),
    )
    assert out.startswith("1.") or out.startswith("0.99999")
    assert out.endswith("True")
    assert messages.count("microtrain:") == 1 and len(messages.splitlines()) == 1
    assert "NumPy computes everything" in messages and "Traceback" not in messages


def test_numba_switched_off(run):
    out, messages = run(START + LARGE + "print(x.grad.sum().item() > 0)", NUMBA_DISABLE_JIT="1")
    *waited, reason = messages.splitlines()  # a slow import of Numba is announced, too
    assert out == "True" and "NUMBA_DISABLE_JIT" in reason and len(waited) <= 1


def test_a_kernel_that_does_not_compile(monkeypatch, capsys, forced):
    """One line, and NumPy computes; the next operation is not affected."""

    def fail(*_):
        raise RuntimeError("LLVM ran out of registers\nTraceback ...")

    monkeypatch.setattr("microtrain.kernels.compiling._compile", fail)
    monkeypatch.setattr("microtrain.kernels.cache.get", lambda key: None)
    odd = mt.elementwise("odd", lambda x: F.exp(x) * 0.7654321)
    x = np.linspace(0, 1, 100)
    for _ in range(3):
        np.testing.assert_array_equal(odd(mt.tensor(x)).numpy(), np.exp(x) * 0.7654321)
    messages = capsys.readouterr().err
    assert messages.count("can't compile odd (float64)") == 1 and "out of registers" in messages
    assert "Traceback" not in messages and not tier.disabled
    monkeypatch.undo()
    assert TABLE["exp"].kernel([x]) is not None


def test_no_one_waits_without_a_word(run):
    """Every pause over a tenth of a second is announced, where there is no terminal by a single line."""
    code = START + (
        "import time\n"
        "x = mt.tensor(np.linspace(-3, 3, 50_000), requires_grad=True)\n"
        "def timed(f):\n"
        "    start = time.perf_counter(); y = f(); return time.perf_counter() - start, y\n"
        "print(timed(lambda: mt.gelu(x))[0] > 0.1)\n"
        "print(timed(lambda: mt.gelu(x))[0] > 0.1)\n"
    )
    out, messages = run(code)
    assert out.split() == ["True", "False"]
    lines = messages.splitlines()
    assert lines.count("microtrain: compiling gelu (float64), once ...") == 1 and len(lines) == len(set(lines))
    out, messages = run(code)  # from the cache: nothing to announce
    assert messages == ""


def test_what_a_formula_refers_to_is_read_once():
    factor = 2.0
    scaled = mt.elementwise("scaled", lambda x: F.exp(x) * factor)
    x = mt.tensor(np.linspace(0, 1, 40_000), requires_grad=True)
    y = scaled(x)
    factor = 3.0
    for size in (40_000, 10):
        again = scaled(x[:size])
        np.testing.assert_allclose(again.detach().numpy(), y.detach().numpy()[:size], rtol=1e-15)


def test_blocks_of_several_threads_need_not_end_in_order():
    before = tier.name
    first, second = kernels.use("numpy"), kernels.use("numba")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert tier.name == "numba"
    second.__exit__(None, None, None)
    assert tier.name == before


@pytest.mark.wide  # test_cache.py has such places, too
def test_what_can_not_be_kept_is_not_said_to_be(run):
    code = START + "mt.tanh(mt.ones(20_000))\nprint(mt.explain(mt.tanh))"
    out, messages = run(code, MICROTRAIN_CACHE_DIR="/dev/null/cache")
    assert "could not keep it" in out and "kept in the cache" not in out
    assert "it can't be kept" in messages and "kept for next time" not in messages


@pytest.mark.parametrize("terminal", [True, False])
def test_announcements_are_whole_lines(terminal, monkeypatch):
    """Two programs on one terminal write in between each other."""
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", screen)
    one, two = compiling._Patience("one"), compiling._Patience("two")
    one.kept = two.kept = True
    with one:
        one._tell()
        with two:
            two._tell()
    lines = [line.rpartition(compiling.CLEARED)[2].split() for line in screen.getvalue().split("\n")]
    said = [" ".join(line) for line in lines if line]
    if terminal and os.name == "posix":
        assert [line.split(" ... ")[0] for line in said] == [f"microtrain: compiling {n}" for n in ("two", "one")]
    else:
        assert said == [f"microtrain: compiling {n}, once ..." for n in ("one", "two")]


def test_of_what_is_compiled_together_there_is_one_line(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with compiling.together("the kernels of the training"):
        for name in ("one", "two"):
            with compiling._Patience(name) as wait:
                wait._tell()
                wait.kept = True
    with compiling._Patience("three") as wait:
        wait._tell()
        wait.kept = True
    assert screen.getvalue().splitlines() == [
        "microtrain: compiling the kernels of the training, once ...", "microtrain: compiling three, once ...",
    ]  # fmt: skip
