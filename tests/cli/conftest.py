"""The command line without a process of its own."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from microtrain.cli import main


class Done(NamedTuple):
    """What a command has left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def inside(capsys, monkeypatch):
    """Run `microtrain` in this process: where only messages matter, that takes a hundredth of the time."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["microtrain", *map(str, arguments)])
        monkeypatch.setattr(sys, "path", [*sys.path])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return Done(code, *capsys.readouterr())

    return run
