"""`microtrain plot`: the pictures of saved runs and sweeps."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import microtrain as mt
from microtrain import nn, optim
from microtrain.cli.app import app
from microtrain.data import DataLoader
from microtrain.optim.line_search import golden_section
from microtrain.sweeps import sweep
from microtrain.train import accuracy, fit, keep

RUNNER = CliRunner()


def plot(*arguments):
    done = RUNNER.invoke(app, ["plot", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "run"
    g = mt.Generator(0)
    x, y = mt.randn(40, 2, generator=g), mt.randint(2, (40,), generator=g)
    model = nn.MLP([2, 4, 2], generator=g)
    loader = DataLoader((x, y), 10, generator=g)
    fit(
        model, loader, optim.Adam(model.parameters()), 3, test_batches=loader, metrics={"accuracy": accuracy}, out=place,
        statistics=2, show=False,
    )  # fmt: skip
    keep(place, "search", golden_section(lambda s: (s - 0.3) ** 2, high=1.0))
    return place


def test_everything_that_a_run_has(folder, tmp_path):
    paths = plot(folder, "-o", tmp_path)
    kinds = {"curves-loss", "curves-accuracy", "gradient-norms", "update-ratios", "weight-norms", "schedule", "search"}
    assert {path.name for path in tmp_path.iterdir()} == {f"{kind}.png" for kind in kinds} and len(paths) == len(kinds)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_results_that_are_numbers_alone_are_left_out(folder, tmp_path, monkeypatch):
    from microtrain.cli import pictures

    monkeypatch.setattr(pictures, "kept", lambda folder: {"number": 3.0, "names": ["a"]})
    assert "schedule" in pictures.pictures(folder) and "number" not in pictures.pictures(folder)


def test_one_kind_in_another_format(folder, tmp_path):
    plot(folder, "--kind", "schedule", "-o", tmp_path, "--format", "svg")
    assert [path.name for path in tmp_path.iterdir()] == ["schedule.svg"]
    plot(folder, "--kind", "curves-loss", "--format", "pdf")
    assert (folder / "curves-loss.pdf").read_bytes().startswith(b"%PDF")


def test_sweeps(tmp_path):
    def f(lr, width, name="a", seed=0):
        return {"loss": lr / width + 0.01 * seed, "curve": [lr * (seed + 1), lr, lr]}

    sweep(f, {"lr": [1e-3, 1e-2, 0.1], "width": [1, 2]}, seeds=3, out=tmp_path, show=False)
    plot(tmp_path)
    names = {path.name for path in tmp_path.glob("*.png")}
    assert {"curves-curve.png", "loss-against-lr.png", "loss-against-width.png"} <= names
    result = sweep(f, {"lr": [1e-3, 1e-2], "width": [1]}, seeds=1, show=False)
    ax = result.plot("curve")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["lr=0.001, width=1", "lr=0.01, width=1"]


def test_strange_sweeps(tmp_path):
    def f(a, seed=0):
        return {"loss": float("nan") if seed else a, "curve": [float("inf")] * seed, "empty": []}

    sweep(f, {"a": [1, "x", None, [2]]}, seeds=2, out=tmp_path, show=False)
    plot(tmp_path)

    def alone():
        return [3.0]

    sweep(alone, out=tmp_path / "alone", show=False)
    assert len(plot(tmp_path / "alone")) == 1

    def always(lr):
        raise ValueError

    sweep(always, {"lr": [1, 2]}, out=tmp_path / "failed", show=False)
    assert plot(tmp_path / "failed") == []


def test_mistakes(folder, tmp_path):
    for arguments, message in {
        (folder, "--kind", "nonsense"): r"nothing to draw as 'nonsense'.*\n.*curves-loss",
        (tmp_path,): "neither the history of a run nor the results of a sweep",
        (tmp_path / "nowhere",): "neither",
        (folder, "--format", "jpg"): "png, svg or pdf",
    }.items():
        with pytest.raises(mt.MicrotrainError, match=message):
            plot(*arguments)
