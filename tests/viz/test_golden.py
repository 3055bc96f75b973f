"""The DOT and the tree of small programs, byte for byte.

After a wanted change write the files anew, and look at the difference:
    MICROTRAIN_GOLDEN=write pytest tests/viz/test_golden.py
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .programs import PROGRAMS

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("kind", ["dot", "txt"])
def test_as_before(name, kind):
    graph = PROGRAMS[name]()
    text = graph.dot if kind == "dot" else f"{graph}\n"
    file = GOLDEN / f"{name}.{kind}"
    if os.environ.get("MICROTRAIN_GOLDEN") == "write":
        file.write_bytes(text.encode("utf-8"))
    assert text == file.read_bytes().decode("utf-8")


def test_same_bytes_in_every_process():
    program = "from tests.viz.programs import PROGRAMS\nfor p in PROGRAMS.values(): print(p().dot, p())"
    root = Path(__file__).parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1
    assert b"digraph" in outputs.pop()
