"""What can be added to the loop, and what the loop does with schedulers and optimizers of all kinds."""

from __future__ import annotations

import math

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.data import DataLoader
from microtrain.nn.functional import cross_entropy, mse_loss
from microtrain.nn.utils import clip_grad_norm_
from microtrain.train import Callback, ClipGradNorm, EarlyStopping, History, LayerStatistics, Trajectory, evaluate, fit

from . import runs


def line():
    """(model, batches) of a line through 12 points."""
    x = mt.linspace(0, 1, 12).reshape(12, 1)
    return nn.Linear(1, 1, generator=mt.Generator(0)), [(x[k : k + 4], 2 * x[k : k + 4] + 1) for k in (0, 4, 8)]


def train(epochs=2, optimizer=optim.SGD, lr=0.1, **options):
    model, batches = line()
    options.setdefault("loss", mse_loss)
    o = optimizer(model.parameters(), lr=lr)
    return model, fit(model, batches, o, epochs, show=False, **options)


def test_the_order_of_events():
    class Log(Callback):
        def __init__(self):
            self.events = []

        def on_start(self, run):
            self.events.append(("start", run.step))

        def before_step(self, run):
            assert run.model.weight.grad is not None
            self.events.append(("before", run.step))

        def after_step(self, run):
            self.events.append(("after", run.epoch, run.batch, run.step))

        def on_epoch(self, run):
            self.events.append(("epoch", run.epoch, len(run.history)))

        def on_end(self, run):
            self.events.append(("end", run.step))

    log = Log()
    train(callbacks=[log])
    assert log.events == [
        ("start", 0), ("before", 0), ("after", 1, 1, 1), ("before", 1), ("after", 1, 2, 2), ("before", 2), ("after", 1, 3, 3),
        ("epoch", 1, 1), ("before", 3), ("after", 2, 1, 4), ("before", 4), ("after", 2, 2, 5), ("before", 5),
        ("after", 2, 3, 6), ("epoch", 2, 2), ("end", 6),
    ]  # fmt: skip


def test_a_callback_can_stop_at_once():
    class Enough(Callback):
        def after_step(self, run):
            if run.step == 4:
                run.stop = "enough"

    _, history = train(5, callbacks=[Enough()])
    assert history["epoch"] == [1, 2]


def test_early_stopping_waits_and_takes_the_best_back():
    losses = iter([5.0, 4.0, 4.5, 3.0, 3.5, 3.2, 3.1, 1.0])
    seen = []

    class Fake(Callback):
        def on_epoch(self, run):
            run.history.rows[-1]["measured"] = next(losses)
            seen.append(run.model.weight.item())

    stopping = EarlyStopping("measured", patience=3)
    model, history = train(20, callbacks=[Fake(), stopping])
    assert history["measured"] == [5.0, 4.0, 4.5, 3.0, 3.5, 3.2, 3.1]
    assert (stopping.best, stopping.best_epoch) == (3.0, 4) and model.weight.item() == seen[3] != seen[-1]


def test_early_stopping_upwards_and_with_a_margin():
    def run(values, **options):
        values = iter(values)

        class Fake(Callback):
            def on_epoch(self, run):
                run.history.rows[-1]["x"] = next(values)

        return len(train(20, callbacks=[Fake(), EarlyStopping("x", **options)])[1])

    assert run([1, 2, 3, 3, 3], mode="max", patience=2) == 5
    assert run([1.0, 1.05, 1.09, 9], mode="max", patience=2, min_delta=0.1) == 3
    assert run([math.nan, 1, 2, 3], patience=2) == 4, "what is not a number is never the best"
    for wrong in ({"mode": "up"}, {"patience": 0}, {"min_delta": -1}, {"min_delta": math.nan}):
        with pytest.raises(mt.MicrotrainError, match="EarlyStopping"):
            EarlyStopping(**wrong)
    with pytest.raises(mt.MicrotrainError, match=r"'test_loss', but an epoch has epoch, train_loss"):
        train(callbacks=[EarlyStopping()])


def test_statistics_are_the_norms():
    model, batches = line()
    twin, _ = line()
    twin.load_state_dict({name: t.clone() for name, t in model.state_dict().items()})
    history = fit(model, batches, optim.SGD(model.parameters(), lr=0.1), 2, loss=mse_loss, statistics=1, show=False)
    assert history.steps["step"] == [1, 2, 3, 4, 5, 6] and history.steps["lr"] == [0.1] * 6
    x, y = batches[0]
    loss = mse_loss(twin(x), y)
    loss.backward()
    assert history.steps["loss"][0] == loss.item()
    g, w = float(twin.weight.grad.numpy().item()), float(twin.weight.item())
    assert history.steps["gradient_norm/weight"][0] == pytest.approx(abs(g), rel=1e-15)
    assert history.steps["weight_norm/weight"][0] == pytest.approx(abs(w), rel=1e-15)
    assert history.steps["update_ratio/weight"][0] == pytest.approx(abs(0.1 * g / w), rel=1e-12)
    assert list(history.layers("update_ratio")) == ["weight", "bias"] and history.layers("colour") == {}
    every_third = train(statistics=3)[1].steps["step"]
    assert every_third == [3, 6]
    with pytest.raises(mt.MicrotrainError, match="at least 1"):
        LayerStatistics(0)


def test_statistics_change_nothing_and_see_gradients_before_clipping():
    plain, _ = train(3, callbacks=[ClipGradNorm(0.1)])
    watched, history = train(3, callbacks=[ClipGradNorm(0.1), Trajectory()], statistics=1)
    assert plain.weight.item() == watched.weight.item()
    assert max(history.layers("gradient_norm")["weight"]) > 0.1


def test_clipping_is_that_of_the_library():
    clipped, _ = train(3, callbacks=[ClipGradNorm(0.05)])
    model, batches = line()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        for x, y in batches:
            optimizer.zero_grad()
            mse_loss(model(x), y).backward()
            clip_grad_norm_(model.parameters(), 0.05)
            optimizer.step()
    assert model.weight.item() == clipped.weight.item() and model.bias.item() == clipped.bias.item()
    with pytest.raises(mt.MicrotrainError, match="positive"):
        ClipGradNorm(0)


def test_the_path_of_the_parameters():
    path = Trajectory(every=2)
    model, _ = train(2, callbacks=[path])
    assert path.steps == [0, 2, 4, 6] and path.points.shape == (4, 2) and path.points.dtype == np.float64
    assert path.points[-1].tolist() == [model.weight.item(), model.bias.item()]
    assert path.points[0].tolist() == [line()[0].weight.item(), line()[0].bias.item()]
    with pytest.raises(mt.MicrotrainError, match="at least 1"):
        Trajectory(0)


@pytest.mark.parametrize(
    "per, expected", [("epoch", [0.1] * 3 + [0.05] * 3), ("batch", [0.1 * 0.5**k for k in range(6)])]
)
def test_schedulers(per, expected):
    model, batches = line()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    history = fit(
        model, batches, optimizer, 2, loss=mse_loss, scheduler=scheduler, scheduler_per=per, statistics=1, show=False
    )
    assert history.steps["lr"] == pytest.approx(expected)


def test_a_plateau_watches_the_loss():
    model, batches = line()
    optimizer = optim.SGD(model.parameters(), lr=1e-9)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5, eps=0)
    fit(model, batches, optimizer, 3, loss=mse_loss, scheduler=scheduler, show=False)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-11)
    with pytest.raises(mt.MicrotrainError, match="watches epochs"):
        fit(model, batches, optimizer, 1, loss=mse_loss, scheduler=scheduler, scheduler_per="batch", show=False)
    other = optim.lr_scheduler.ExponentialLR(optim.SGD(model.parameters(), lr=1.0), 0.5)
    with pytest.raises(mt.MicrotrainError, match="not one of this optimizer"):
        fit(model, batches, optimizer, 1, loss=mse_loss, scheduler=other, show=False)


@pytest.mark.parametrize("kind", [optim.LBFGS, optim.LineSearchGD, optim.Nesterov])
def test_optimizers_that_need_a_closure(kind):
    model, batches = line()
    before = evaluate(model, batches, mse_loss)["loss"]
    history = fit(
        model, batches, kind(model.parameters(), lr=0.1), 5, loss=mse_loss, statistics=2, show=False,
        metrics={"error": lambda y, t: float((y - t).abs().mean().item())},
    )  # fmt: skip
    assert evaluate(model, batches, mse_loss)["loss"] < before and "train_error" in history
    assert min(history.layers("update_ratio")["weight"]) > 0 and min(history.layers("gradient_norm")["weight"]) > 0


def test_several_inputs_and_uneven_batches():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(mt.ones(1))

        def forward(self, a, b):
            return self.w * (a + b)

    batches = [(mt.ones(3), mt.ones(3), mt.zeros(3)), (mt.ones(1), mt.zeros(1), mt.zeros(1))]
    model = Sum()
    assert evaluate(model, batches, mse_loss)["loss"] == (3 * 4 + 1) / 4
    history = fit(model, batches, optim.SGD(model.parameters(), lr=0.0), 1, loss=mse_loss, show=False)
    assert history["train_loss"] == [(3 * 4 + 1) / 4]


def test_a_lost_run_says_where():
    with pytest.raises(mt.MicrotrainError, match=r"epoch 1, batch [23].*\n.*\n.*smaller learning rate"):
        train(lr=1e200)


def test_modes_of_frozen_parts_survive_an_evaluation():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2), nn.Dropout(0.5))
    model[0].eval()
    evaluate(model, [(mt.ones(1, 2), mt.tensor([0]))], cross_entropy)
    assert [m.training for m in model] == [False, True, True]
    with pytest.raises(mt.MicrotrainError, match="no batches"):
        evaluate(model, [])


def test_histories_keep_what_json_can_not(tmp_path):
    history = History([{"epoch": 1, "loss": math.inf}, {"epoch": 2, "loss": math.nan}])
    history.add_step(step=1, loss=-math.inf)
    history.add_step(step=2, loss=0.1 + 0.2)
    history.save(tmp_path / "h.json")
    assert "NaN" not in (tmp_path / "h.json").read_text()
    again = History.load(tmp_path / "h.json")
    assert again.steps == history.steps and again["epoch"] == [1, 2]
    assert again["loss"][0] == math.inf and math.isnan(again["loss"][1])
    for text in ("[]", "{", '{"rows": [{"a": "b"}], "steps": {}}', '{"rows": 3, "steps": {}}', "[" * 99_999):
        (tmp_path / "h.json").write_text(text)
        with pytest.raises(mt.MicrotrainError, match="not the history"):
            History.load(tmp_path / "h.json")


def test_zero_epochs():
    assert len(train(0)[1]) == 0


def test_the_loader_gives_what_is_left_of_an_epoch():
    x, y = runs.data(20)
    loader = DataLoader((x, y), 6, shuffle=True, generator=mt.Generator(2))
    batches = []
    for k, (a, _) in enumerate(loader):
        batches.append(a.tolist())
        if k == 1:
            state = loader.state_dict()
            break
    rest = [a.tolist() for a, _ in DataLoader((x, y), 6, shuffle=True, generator=mt.Generator(2))][2:]
    other = DataLoader((x, y), 6, shuffle=True, generator=mt.Generator(9))
    other.load_state_dict(state)
    assert other.state_dict()["batch"] == 2
    assert [a.tolist() for a, _ in other] == rest and other.state_dict() == {}
    assert sorted(len(a) for a, _ in other) == [2, 6, 6, 6], "the next epoch is whole"
    for wrong in ({"order": [0], "batch": 1, "batch_size": 6}, {"order": "x"}, {"a": 1}, {**state, "batch": -1}, {**state, "batch_size": 7}):  # fmt: skip
        with pytest.raises(mt.MicrotrainError, match="not the state of a loader of 20 samples in batches of 6"):
            other.load_state_dict(wrong)
