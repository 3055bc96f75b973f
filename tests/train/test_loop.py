"""The loop and what it measures."""

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.data import DataLoader
from microtrain.train import History, accuracy, evaluate, fit


def spread_out():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-1, 0.3, (40, 2)), rng.normal(1, 0.3, (40, 2))])
    return mt.tensor(x), mt.tensor(np.repeat([0, 1], 40))


def run(**options):
    x, y = spread_out()
    g = mt.Generator(1)
    model = nn.MLP([2, 8, 2], generator=g)
    batches = DataLoader((x, y), 16, shuffle=True, generator=g)
    history = fit(
        model, batches, optim.Adam(model.parameters(), lr=0.02), 5, test_batches=DataLoader((x, y), 80),
        metrics={"accuracy": accuracy}, show=False, **options,
    )  # fmt: skip
    return model, history


def test_fit_learns_and_records():
    model, history = run()
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert history["test_accuracy"][-1] == 1.0
    assert history["train_loss"][0] > history["train_loss"][-1] > 0
    x, y = spread_out()
    measured = evaluate(model, DataLoader((x, y), 7), metrics={"accuracy": accuracy})
    assert measured["loss"] == pytest.approx(history["test_loss"][-1], rel=1e-12)
    assert all(p.grad is not None for p in model.parameters()) and model.training


def test_the_same_seed_gives_the_same_bits():
    assert run()[1].rows == run()[1].rows


def test_on_epoch_can_end_the_training():
    assert len(run(on_epoch=lambda history: len(history) == 2)[1]) == 2


def test_a_loss_that_blows_up_is_explained():
    w = mt.tensor([1.0], requires_grad=True)

    class Cubic(nn.Module):
        def forward(self, x):
            return (w * x) ** 3

    with pytest.raises(mt.MicrotrainError, match="smaller learning rate"):
        fit(
            Cubic(), [(mt.ones(2), mt.zeros(2))], optim.SGD([w], lr=10.0), 20,
            loss=lambda y, t: (y - t).square().mean(), show=False,
        )  # fmt: skip


def test_history_round_trip(tmp_path):
    history = run()[1]
    history.save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json").rows == history.rows
    assert "5 epochs" in repr(history) and "test_loss" in history and "colour" not in history


def test_history_says_what_it_has():
    history = History([{"epoch": 1, "train_loss": 0.5}])
    with pytest.raises(mt.errors.ArgumentError, match=r"no 'loss'(.|\n)*epoch, train_loss"):
        history["loss"]
    assert History()["loss"] == []
