"""`microtrain sweep`, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import microtrain as mt
from microtrain.cli.app import app
from tests.wide import mostly_wide

FILE = Path(__file__).parents[1] / "sweeps" / "functions.py"
RUNNER = CliRunner()


def call(*arguments, code=0):
    done = RUNNER.invoke(app, ["sweep", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output if code else done.stdout  # what kernels say while they are compiled goes to stderr


def test_the_whole_command(tmp_path):
    out = tmp_path / "s"
    text = call(f"{FILE}:line", "--grid", "lr=0.1,0.01", "--grid", "width=8", "--seeds", 2, "-o", out)
    assert "2 settings, 2 seeds, 4 trials" in text and "best" in text and "±" in text
    names = {path.name for path in out.iterdir()}
    assert {"results.json", "results.csv", "trials"} <= names and any(name.endswith(".png") for name in names)
    assert len(json.loads((out / "results.json").read_text())["trials"]) == 4
    again = call(f"{FILE}:line", "--grid", "lr=0.1,0.01", "--grid", "width=8", "--seeds", 2, "-o", out, "--no-plot")
    assert again.splitlines()[:4] == text.splitlines()[:4]


def test_one_trial(tmp_path):
    text = call(f"{FILE}:line", "lr=0.1", "-o", tmp_path / "s", "--no-plot")
    assert text.startswith("functions.py:line: 1 setting, 1 seed, 1 trial\n") and "every trial (1)" in text


def test_random_draws_and_fixed_settings(tmp_path):
    out = tmp_path / "s"
    call(f"{FILE}:line", "--random", 3, "lr=log:1e-3:1e-1", "width=int:2:5", "optimizer=Adam", "-o", out, "--no-plot")
    trials = json.loads((out / "results.json").read_text())["trials"]
    assert len(trials) == 3 and {t["parameters"]["optimizer"] for t in trials} == {"Adam"}
    assert all(1e-3 <= t["parameters"]["lr"] <= 1e-1 and 2 <= t["parameters"]["width"] <= 5 for t in trials)


def test_failures_and_seeds_that_do_nothing(tmp_path):
    text = call(f"{FILE}:moody", "--grid", "lr=0.1,0.9", "--seeds", 2, "-o", tmp_path / "a")
    assert "2 of 2 failed" in text and "too much" in text
    call(f"{FILE}:moody", "--grid", "lr=0.9", "-o", tmp_path / "b", code=1)
    assert "All seeds gave the same" in call(f"{FILE}:nothing", "--grid", "lr=1", "--seeds", 2, "-o", tmp_path / "c")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--grid", "lr"], "not NAME=VALUE"),
        (["--grid", "=1"], "not NAME=VALUE"),
        (["--grid", "lr="], "not NAME=VALUE"),
        (["--grid", "l r=1"], "not NAME=VALUE"),
        (["--grid", "lr=1,,2"], "empty value"),
        (["--grid", "lr=1", "--grid", "lr=2"], "given twice"),
        (["--random", "3"], "draws of nothing"),
        (["lr=log:1:2"], "0 random draws of lr"),
        (["--random", "3", "lr=log:2:1"], "no distribution"),
        (["--grid", "lr=1", "--metric", "colour"], "no 'colour'"),
        pytest.param(["--grid", "lr=1", "--dask", "tcp://127.0.0.1:9"], "No Dask scheduler", marks=pytest.mark.wide),
    ],
)
def test_mistakes(tmp_path, arguments, message):
    with pytest.raises(mt.MicrotrainError, match=message):
        call(f"{FILE}:nothing", *arguments, "-o", tmp_path / "s")


def test_a_mistake_is_one_message_not_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "microtrain", "sweep", f"{FILE}:lime", "--grid", "lr=1", "-o", str(tmp_path / "s")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and "has no function 'lime'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("jobs", mostly_wide(["1", "2"], but={"2"}))
def test_ctrl_c_says_how_to_go_on(tmp_path, jobs):
    command = [
        sys.executable, "-m", "microtrain", "sweep", f"{FILE}:slow", "seconds=0.2", "--grid", "lr=1,2,3,4,5", "--seeds", "9",
        "--jobs", jobs, "-o", str(tmp_path / "s"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((tmp_path / "s" / "trials").glob("[0-9a-f]*.json")):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "of 45 trials are safe" in said and "run the same again" in said, said
    assert "Traceback" not in said
