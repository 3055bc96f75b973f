"""`microtrain step FILE.py:function`."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

PROGRAM = """
import sys
import microtrain as mt

def loss():
    w = mt.tensor(3.0, requires_grad=True)
    return w * w

def ready():
    w = mt.tensor(3.0, requires_grad=True)
    return mt.trace(w * w * w, title="made by hand")

def needs(x):
    return x

def fails():
    raise ValueError("the learner's own")

def misfits():
    return mt.ones(2, 3) @ mt.ones(2, 3)

def long():
    w = mt.tensor(1.0, requires_grad=True)
    for _ in range(1500):
        w = w * 1.001
    return w

print("run", file=sys.stderr)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def step(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "microtrain", "step", *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL, cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "200"},
    )  # fmt: skip


def test_files(file, tmp_path):
    run = step(f"{file}:loss", "-o", tmp_path / "out.html", "-l", "zh")
    assert run.returncode == 0 and "4 steps written to" in run.stdout
    assert run.stderr.count("run\n") == 1  # the file is not run twice
    assert '<html lang="zh-Hans">' in (tmp_path / "out.html").read_text(encoding="utf-8")
    step(f"{file}:loss", "-o", tmp_path / "out.json")
    data = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert data["title"] == "loss" and data["nodes"][0]["name"] == "w"
    folded = step(f"{file}:long", "-o", tmp_path / "out.html")
    assert "This trace had 3001 steps" in folded.stdout, folded


def test_a_file_that_cannot_be_written(file, tmp_path):
    folder = tmp_path / "out.html"
    folder.mkdir()
    run = step(f"{file}:loss", "-o", folder)
    assert run.returncode == 1 and run.stderr.startswith(f"run\n{folder}: ") and run.stderr.count("\n") == 2
    assert not list(tmp_path.glob(".*"))


def test_printed_without_a_terminal(file):
    run = step(f"{file}:loss")
    assert run.returncode == 0 and "Step 4 of 4" in run.stdout and "3 + 3 = 6" in run.stdout


def test_a_function_that_makes_the_trace_itself(file, inside):
    assert inside("step", f"{file}:ready").stdout.startswith("made by hand")


def test_serving(file):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "microtrain", "step", f"{file}:loss", "--serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        url = line.rpartition(" ")[2].strip()
        assert url.startswith("http://127.0.0.1:")
        for _ in range(50):
            try:
                page = urllib.request.urlopen(url, timeout=5).read().decode()
                break
            except OSError:
                time.sleep(0.1)
        assert "microtrain-trace" in page
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
        assert "Stopped" in process.stdout.read()
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def test_a_mistake_ends_the_process_with_a_line(file):
    run = step(f"{file}:fails")
    assert run.returncode == 1 and run.stderr.startswith("run\n") and "Traceback" not in run.stderr
    assert "program.py, line 17: ValueError: the learner's own" in run.stderr


def test_mistakes(file, tmp_path, inside):
    for arguments, message in {
        (f"{file}:nothing",): "has no function 'nothing'",
        (f"{tmp_path}/missing.py:loss",): "can't be read",
        (f"{file}:needs",): "without arguments",
        (f"{file}:loss", "-o", f"{tmp_path}/x.png"): "ending does not name a format",
        (f"{file}:loss", "-l", "fr"): "There is no language 'fr'",
        (f"{file}:misfits",): "program.py, line 20: matmul(f64[2, 3], f64[2, 3])",
        (f"{file}",): "Which function of",
    }.items():
        run = inside("step", *arguments)
        assert run.returncode == 1 and message in run.stderr and "Traceback" not in run.stderr, run.stderr
