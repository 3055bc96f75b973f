"""`microtrain graph FILE.py:name -o picture.svg`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import microtrain as mt
from microtrain.cli.graph import called

ROOT = Path(__file__).parents[2]
PROGRAM = """
import microtrain as mt
from math import sqrt
import helper

weight = mt.tensor([1.0, 2.0], requires_grad=True)
model = mt.nn.Linear(2, 1)

def loss():
    data = mt.tensor([3.0, helper.FOUR])
    total = (weight * data).sum()
    total.backward()
    return total

def needs(a, b=2):
    return a

class Things:
    loss = staticmethod(loss)

def pair():
    return model, mt.ones(1, 2)

def breaks():
    raise ValueError("broken inside")

if __name__ == "__main__":
    raise SystemExit("this must not run")
"""


@pytest.fixture
def program(tmp_path) -> Path:
    (tmp_path / "helper.py").write_text("FOUR = 4.0")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def microtrain(*arguments, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "microtrain", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )


def test_text_and_files(program, tmp_path):
    shown = microtrain("graph", "program.py:loss", cwd=tmp_path)
    assert shown.stderr == ""
    assert "total = sum" in shown.stdout
    assert "weight  parameter" in shown.stdout
    assert "data  input" in shown.stdout  # a variable of the function that has returned
    assert "grad [3, 4]" in shown.stdout
    done = microtrain("graph", f"{program}:loss", "-o", "out/x.json",
                      "--passes", "both", "--depth", 1, "--limit", 50, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0
    data = json.loads((tmp_path / "out" / "x.json").read_text(encoding="utf-8"))
    assert {"gradient", "operation"} <= {node["kind"] for node in data["nodes"]}


def test_pictures(program, tmp_path):
    pytest.importorskip("pygraphviz")
    done = microtrain("graph", "program.py:pair", "-o", "x.svg", "--style", "dark", "--color", "bytes", "--show", "all",
                      "--direction", "TB", cwd=tmp_path)  # fmt: skip
    assert done.stdout.strip() == "x.svg"
    assert "<svg" in (tmp_path / "x.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothere.py:x"], "nothere.py can't be read"),
        (["nothere.py"], "nothere.py can't be read"),
        (["program.py"], "Which function of program.py?"),
        (["program.py:lost"], "has no function 'lost'"),
        (["program.py:weight"], "has no function 'weight'"),
        (["program.py:needs"], "without arguments: it needs a"),
        (["program.py:loss", "-o", "x.gif"], "does not name a format"),
        (["program.py:loss", "--color", "smell"], "color is 'smell'"),
        (["program.py:loss", "--show", "soul"], "show has 'soul'"),
    ],
)
def test_mistakes_are_told_in_a_line_or_two(program, monkeypatch, inside, arguments, message):
    monkeypatch.chdir(program.parent)
    done = inside("graph", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_variables_of_a_function_that_has_returned():
    def total():
        data = 3
        return data + 1

    result, names = called(total)
    assert result == 4
    assert names["data"] == 3
    assert names["pytest"] is pytest  # of its file
    assert next(iter(names)) == "data"  # its own come first


def test_what_is_no_function_is_given_back():
    thing = object()
    assert called(thing) == (thing, {})


def test_errors_of_the_program_are_told_with_its_line():
    with pytest.raises(
        mt.MicrotrainError, match=r"test_graph_command.py, line \d+: ZeroDivisionError: division by zero"
    ):
        called(lambda: 1 / 0)
