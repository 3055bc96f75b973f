"""What a run's surroundings look like, measured at its end and kept for pictures."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.nn.functional import mse_loss
from microtrain.train import Survey, Trajectory, fit, kept
from microtrain.train.watching import path_of


def line(folder=None, optimizer=optim.SGD, callback=None, steps=40):
    x = mt.linspace(0, 1, 12).reshape(12, 1)
    y = 2 * x + 1
    model = nn.Linear(1, 1, generator=mt.Generator(0))
    survey = (callback or (lambda x, y: Survey(x, y, mse_loss, resolution=20)))(x, y)
    fit(
        model,
        [(x, y)],
        optimizer(model.parameters(), lr=0.3),
        steps,
        loss=mse_loss,
        callbacks=[survey],
        out=folder,
        show=False,
    )
    return model, survey


def test_two_parameters(tmp_path):
    model, survey = line(tmp_path / "run")
    assert set(survey.results) == {"spectrum", "landscape", "bifurcation", "phase-portrait"} and survey.problems == {}
    x = np.linspace(0, 1, 12)
    hessian = 2 * np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]])
    np.testing.assert_allclose(survey.results["spectrum"].values, np.linalg.eigvalsh(hessian), rtol=1e-9)
    bifurcation = survey.results["bifurcation"]
    stable = 2 / np.linalg.eigvalsh(hessian)[-1]
    assert (
        bifurcation.rates[0] == pytest.approx(stable / 2)
        and (bifurcation.periods[bifurcation.rates < 0.98 * stable] == 1).all()
    )
    flow = survey.results["phase-portrait"].lines[0]
    assert flow[0].tolist() == survey.points[0].tolist() and flow[-1] == pytest.approx([2, 1], abs=1e-2)
    surface = survey.results["landscape"]
    assert surface.paths["SGD"].shape == (41, 2) and surface.paths["SGD"][-1].tolist() == [
        model.weight.item(),
        model.bias.item(),
    ]
    again = kept(tmp_path / "run")
    assert set(again) == set(survey.results)
    for name, result in again.items():
        assert repr(result) == repr(survey.results[name])
        result.plot()
    np.testing.assert_array_equal(path_of(tmp_path / "run"), survey.points)


def test_paths_of_other_runs(tmp_path):
    line(tmp_path / "adam", optim.Adam, lambda x, y: Trajectory(), 30)
    _, survey = line(callback=lambda x, y: Survey(x, y, mse_loss, beside={"Adam": tmp_path / "adam"}, resolution=10))
    assert {name: len(path) for name, path in survey.results["landscape"].paths.items()} == {"SGD": 41, "Adam": 31}
    _, survey = line(callback=lambda x, y: Survey(x, y, mse_loss, beside={"Adam": tmp_path / "nowhere"}))
    assert "no file" in survey.problems["landscape"] and "spectrum" in survey.results
    mt.save({"points": mt.ones(2)}, tmp_path / "trajectory.safetensors")
    with pytest.raises(mt.MicrotrainError, match="no path"):
        path_of(tmp_path)


def test_many_parameters_and_modes():
    x, y = mt.randn(30, 3, generator=mt.Generator(1)), mt.randint(2, (30,), generator=mt.Generator(2))
    model = nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5), nn.Linear(5, 2))
    survey = Survey(x, y, resolution=8)
    fit(model, [(x, y)], optim.Adam(model.parameters()), 5, callbacks=[survey], show=False)
    assert set(survey.results) == {"spectrum", "landscape"} and survey.results["spectrum"].parameters == 32
    assert sum(survey.results["landscape"].plane.captured) <= 1 + 1e-12
    assert all(module.training for module in model.modules())


def test_a_run_that_did_not_move():
    x, y = mt.ones(4, 3), mt.zeros(4, dtype=mt.int64)
    model = nn.Linear(3, 2)
    survey = Survey(x, y)
    fit(model, [(x, y)], optim.SGD(model.parameters(), lr=0.0), 2, callbacks=[survey], show=False)
    assert "plane" in survey.problems["landscape"] and "spectrum" in survey.results
