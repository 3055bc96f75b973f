"""The demo, as a user runs it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import microtrain as mt
from microtrain.cli.demo import run_demo, train
from microtrain.data import load_digits
from tests.wide import mostly_wide


def run(*args, cwd):
    return subprocess.run(
        [sys.executable, "-m", "microtrain", *args], cwd=cwd, capture_output=True, text=True, timeout=120
    )


@pytest.mark.wide
def test_five_seeds_reach_96_percent():
    digits = load_digits(mt.float32)
    for seed in range(5):
        trained = train(digits, seed, epochs=30, hidden=[128, 64], lr=1e-3, show=False)
        assert trained.history["test_accuracy"][-1] >= 0.96, seed


def test_demo_writes_everything(tmp_path):
    done = run("demo", "--epochs", "3", "--seed", "4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "microtrain-demo"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "compute_graph.png", "compute_graph.svg", "confusion_matrix.png", "history.json", "learning_curves.png",
        "report.html", "settings.json", "weights.safetensors", "wrong_digits.png",
    }  # fmt: skip
    for name in names:
        if name.endswith(".png"):
            assert (folder / name).read_bytes().startswith(b"\x89PNG")

    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 4
    assert not re.search(r"""(src|href)=['"](?!data:)""", page), "the report needs something from outside"

    settings = json.loads((folder / "settings.json").read_text())
    model = mt.nn.MLP([64, *settings["hidden"], 10], dtype=mt.float32)
    model.load_state_dict(mt.load(folder / "weights.safetensors"))
    digits = load_digits(mt.float32)
    with mt.no_grad():
        predicted = model(digits.test_images).argmax(1).numpy()
    assert np.mean(predicted == digits.test_labels.numpy()) == settings["test_accuracy"]


@pytest.mark.wide
def test_with_an_empty_cache_there_is_one_line_about_kernels(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROTRAIN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MICROTRAIN_KERNELS", "auto")
    said = run("demo", "--epochs", "1", cwd=tmp_path).stderr.splitlines()
    told = [line for line in said if "compiling" in line]
    assert told == ["microtrain: compiling the kernels of the training, once ..."]


def test_without_matplotlib_the_rest_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "microtrain.viz.plots.shown", raising=False)
    run_demo(tmp_path, seed=0, epochs=1, hidden=[8], lr=1e-3)
    assert {"report.html", "weights.safetensors", "compute_graph.svg"} <= {path.name for path in tmp_path.iterdir()}
    assert 'pip install "microtrain[plot]"' in capsys.readouterr().err
    assert "matplotlib" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_mistakes_end_with_one_clear_line(tmp_path):
    (tmp_path / "taken").write_text("mine")
    done = run("demo", "--out", "taken", cwd=tmp_path)
    assert done.returncode == 1 and "is a file, not a folder" in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "taken").read_text() == "mine"
    done = run("demo", "--out", "/proc/none" if Path("/proc").is_dir() else "NUL/none", cwd=tmp_path)
    assert done.returncode == 1 and "Nothing can be written to" in done.stderr and "Training" not in done.stderr
    done = run("dmeo", cwd=tmp_path)
    assert done.returncode == 2 and "demo" in done.stderr


@pytest.mark.parametrize(
    "args",
    mostly_wide([["--help"], ["version"], ["--version"], ["demo", "--help"]], but=[["version"], ["demo", "--help"]]),
)
def test_help_is_quick_to_load(args, tmp_path):
    code = (
        f"import sys; sys.argv = ['microtrain', *{args!r}]\n"
        "from microtrain.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({'numba', 'matplotlib', 'scipy', 'graphviz'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.rstrip().endswith("set()"), done.stdout + done.stderr
