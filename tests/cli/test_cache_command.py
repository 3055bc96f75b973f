"""`microtrain cache info|clear|warm`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from microtrain.cli.app import app
from microtrain.kernels import warming

RUNNER = CliRunner()
KERNELS = ("tanh (float64)", "tanh, derivative in x (float64)", "SGD (float64)")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROTRAIN_CACHE_DIR", str(tmp_path))
    return tmp_path


def call(*arguments):
    done = RUNNER.invoke(app, ["cache", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_info_warm_clear(place, monkeypatch):
    assert "0 kernels, 0.0 MB" in call("info")
    monkeypatch.setattr(warming, "USUAL", ["tanh"])
    monkeypatch.setattr(warming, "RULES", ["SGD"])
    warmed = [p for p in warming.programs(dtypes=("float64",)) if p.name in KERNELS]
    monkeypatch.setattr(warming, "programs", lambda *_: iter(warmed))
    assert "3 kernels compiled, 0 were there already" in call("warm", "--dtype", "float64")
    assert "0 kernels compiled, 3 were there already" in call("warm", "--dtype", "float64")
    listed = call("info", "--names")
    assert str(place) in listed and "3 kernels" in listed and "tanh (float64)" in listed and "SGD" in listed
    next(place.rglob("kernel.o")).write_bytes(b"garbage")
    assert "1 damaged or old" in call("info")
    assert "3 kernels removed" in call("clear")
    assert "0 kernels" in call("info")


def test_wrong_dtype():
    with pytest.raises(Exception, match="float16"):
        call("warm", "--dtype", "float16")


def test_the_usual_kernels_can_be_made():
    names = {program.name for program in warming.programs()}
    for expected in ("tanh (float32)", "Adam (float64)", "softmax (float64)", "gelu, derivative in x (float32)"):
        assert expected in names
