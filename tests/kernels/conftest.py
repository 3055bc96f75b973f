"""Kernels need Numba; where it is missing there is nothing to test but that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from microtrain import kernels


@pytest.fixture
def forced():
    """Kernels for everything."""
    with kernels.use("numba"):
        yield


@pytest.fixture
def run(tmp_path):
    """Run a program in a process of its own, with a cache directory of its own: (its output, its messages)."""

    def call(code: str, check: bool = True, **environment: str):
        env = {**os.environ, "MICROTRAIN_CACHE_DIR": str(tmp_path / "cache"), **environment}
        env = {key: value for key, value in env.items() if value is not None}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    return call
