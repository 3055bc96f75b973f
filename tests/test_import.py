"""`import microtrain` is quick: NumPy and the standard library only."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

import microtrain as mt

HEAVY = ("numba", "llvmlite", "scipy", "matplotlib", "graphviz", "pygraphviz", "rich", "typer", "safetensors", "torch")
LIMIT = 0.060  # seconds


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MICROTRAIN_KERNELS": "auto", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_nothing_heavy_is_loaded():
    code = f"import sys, microtrain as mt; print([m for m in sys.modules if m.partition('.')[0] in {HEAVY}])"
    assert run(code).strip() == "[]"
    use = "x = mt.ones(3, requires_grad=True); (x * x).sum().backward(); "
    assert run(code.replace("print", use + "print")).strip() == "[]"


def test_it_is_quick(tmp_path):
    environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    code = "import numpy, time; start = time.perf_counter(); import microtrain; print(time.perf_counter() - start)"
    run(code, **environment)  # writes the byte code
    times = []
    for _ in range(15):  # the best of some, because the machine does other things too
        times.append(float(run(code, **environment)))
        if times[-1] < LIMIT:
            return
    pytest.fail(f"import microtrain takes {1000 * min(times):.0f} ms")


def test_the_upper_floors_load_when_they_are_used():
    for name in ("nn", "optim", "autograd"):
        assert importlib.import_module(f"microtrain.{name}") is getattr(mt, name)
    with pytest.raises(AttributeError, match="nothing"):
        mt.nothing
