"""Pictures of what training left behind: what is drawn is what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from microtrain.errors import ArgumentError
from microtrain.train import History
from microtrain.viz.plots import against_setting, curves_with_spread, layer_curves, learning_curves, schedule
from microtrain.viz.plots.axes import new_axes


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_mean_and_the_band_of_one_deviation():
    values = np.array([[4.0, 2.0, 1.0], [6.0, 4.0, np.nan]])
    ax = curves_with_spread({"lr=1": values}, "accuracy")
    line, band = ax.lines[0], ax.collections[0]
    np.testing.assert_allclose(line.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(line.get_ydata(), [5, 3, 1])
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(3 - 2**0.5) and corners[:, 1].max() == pytest.approx(5 + 2**0.5)
    assert texts(ax) == ["lr=1 (2 seeds)"] and ax.get_yscale() == "linear"
    assert ax.get_xlabel() == "epoch" and ax.get_ylabel() == "accuracy, mean ± standard deviation"


def test_losses_are_logarithmic_if_they_can_be():
    assert curves_with_spread({"a": [[1.0, 0.1]]}, "test_loss").get_yscale() == "log"
    assert curves_with_spread({"a": [[1.0, 0.0]]}, "test_loss").get_yscale() == "linear"
    assert curves_with_spread({"a": [[1.0, -1.0]]}, "loss").get_ylabel() == "loss"


def test_learning_curves_are_logarithmic_where_that_helps():
    cases = {(1.0, 0.9): "linear", (1.0, 0.1): "log", (1.0, -1.0): "linear", (1.0, np.nan): "linear"}
    for losses, scale in cases.items():
        history = History([{"epoch": k, "train_loss": loss} for k, loss in enumerate(losses, 1)])
        ax = learning_curves(history)
        assert ax.get_yscale() == scale
        ax.figure.canvas.draw()
        assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_of_many_some_are_drawn():
    ax = curves_with_spread({f"s{k}": [[1.0, float(k)]] for k in range(40)}, "x")
    assert len(ax.lines) == 8 and texts(ax)[0] == "s0" and texts(ax)[-1] == "s39"
    assert ax.get_legend().get_title().get_text() == "32 more are not drawn"


def test_strange_curves():
    for curves in ({}, {"a": []}, {"a": [[np.nan, np.inf]]}, {"a": [[1.0]], "b": [[np.nan]]}, {"a": np.zeros((2, 0))}):
        curves_with_spread(curves, "loss").figure.canvas.draw()


def test_layers():
    history = History(steps={
        "step": [1, 2], "gradient_norm/0.weight": [1.0, 0.5], "gradient_norm/0.bias": [0.0, 0.1],
        "update_ratio/0.weight": [1e-3, 2e-3],
    })  # fmt: skip
    mine = new_axes()
    ax = layer_curves(history, ax=mine)
    assert ax is mine and texts(ax) == ["0.weight", "0.bias"] and ax.get_yscale() == "log"
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [np.nan, 0.1])
    assert layer_curves(history, "update_ratio").get_ylabel().startswith("norm of the update")


def test_curves_that_were_not_measured():
    history = History([{"epoch": 1, "train_loss": 0.5}])
    for empty in (history, History()):
        with pytest.raises(ArgumentError, match=r"no training or test curve of 'accuracy'(.|\n)*The history is"):
            learning_curves(empty, "accuracy")
        with pytest.raises(ArgumentError, match=r"no 'update_ratio' of the layers(.|\n)*statistics=1"):
            layer_curves(empty, "update_ratio")


def test_schedule_and_settings():
    ax = schedule([1, 2, 3], [0.1, 0.2, 0.1])
    assert ax.get_ylim()[0] == 0 and ax.lines[0].get_ydata().tolist() == [0.1, 0.2, 0.1]
    nan = float("nan")
    ax = against_setting("lr", {"width=8": [(0.1, 3.0, nan), (1e-3, 1.0, nan)], "width=9": [(0.1, 2.0, nan)]}, "loss")
    assert ax.get_xscale() == "log" and ax.lines[0].get_xdata().tolist() == [1e-3, 0.1] and ax.get_ylabel() == "loss"
    ax = against_setting("width", {"": [(1.0, 3.0, 0.1), (2.0, 1.0, 0.2)]}, "loss")
    assert ax.get_xscale() == "linear" and ax.get_legend() is None and "±" in ax.get_ylabel()
    ax = against_setting("lr", {"a": [(0.01, 1, 0), (0.001, 2, 0)]}, "loss")
    assert ax.get_xscale() == "log"  # from one power of ten to the next
    against_setting("width", {}, "loss").figure.canvas.draw()
