"""Kernels need Numba; where it is missing there is nothing to test but that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from microtrain import kernels


@pytest.fixture(autouse=True)
def auto():
    """The default, whatever tier the suite runs with."""
    with kernels.use("auto"):
        yield


@pytest.fixture
def forced():
    """Kernels for everything."""
    with kernels.use("numba"):
        yield


@pytest.fixture
def run(tmp_path):
    """Run a program in a process of its own, with a cache directory of its own: (its output, its messages)."""

    def call(code: str, check: bool = True, **environment: str):
        env = {**os.environ, "MICROTRAIN_CACHE_DIR": str(tmp_path / "cache"), "MICROTRAIN_KERNELS": "auto"}
        env.update(environment)
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    return call
