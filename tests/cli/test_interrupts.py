"""Ctrl-C ends every command with a line, and 130."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from microtrain.cli.app import app

PROGRAM = """
def loss():
    raise KeyboardInterrupt

def run(seed):
    raise KeyboardInterrupt
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("step program.py:loss", "Interrupted.\n"),
        ("graph program.py:loss -o x.svg", "Interrupted.\n"),
        ("sweep program.py:run", "0 of 1 trials are safe in microtrain-sweep. To go on, run the same again."),
    ],
)
def test_learners_functions(program, command, line):
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 130 and line in done.stderr and "Traceback" not in done.stderr


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("place", "command", "line"),
    [
        ("microtrain.cli.demo.train", "demo", "Interrupted.\n"),
        ("microtrain.book.all.outcome", "book run --all", "items are safe in microtrain-book. To go on, run the same"),
        ("microtrain.kernels.warming.warm", "cache warm", "Interrupted.\n"),
        ("microtrain.cli.pictures.pictures", "plot .", "Interrupted.\n"),
        ("microtrain.cli.doctor.examine", "doctor", "Interrupted.\n"),
    ],
)
def test_ours(program, monkeypatch, place, command, line):
    monkeypatch.setattr(place, interrupt)
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 130 and line in done.stderr and "Traceback" not in done.stderr
