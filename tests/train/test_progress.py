"""The progress bar: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

CODE = """
import microtrain as mt
from microtrain import nn, optim
from microtrain.train import fit
model = nn.Linear(2, 2)
batches = [(mt.ones(4, 2), mt.tensor([0, 1, 0, 1]))] * 5
fit(model, batches, optim.SGD(model.parameters(), lr=0.1), 40, show=SHOW)
"""


def run(show, stderr):
    return subprocess.run(
        [sys.executable, "-c", CODE.replace("SHOW", str(show))], stdout=subprocess.PIPE, stderr=stderr, timeout=60,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip


def test_nothing_goes_into_files():
    done = run(True, subprocess.PIPE)
    assert done.returncode == 0 and done.stdout == done.stderr == b""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_bar_on_a_terminal():
    import pty

    texts = {}
    for show in (True, False):
        ours, theirs = pty.openpty()
        done = run(show, theirs)
        os.close(theirs)
        chunks = []
        try:
            while chunk := os.read(ours, 65536):
                chunks.append(chunk)
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert done.returncode == 0 and done.stdout == b""
        texts[show] = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", b"".join(chunks)).decode()
    assert texts[False] == ""
    assert "epoch 40/40" in texts[True] and "train_loss 0.693" in texts[True]
