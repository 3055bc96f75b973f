"""Interrupted and resumed: the same bits as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.data import DataLoader
from microtrain.train import (
    Callback,
    Checkpoint,
    ClipGradNorm,
    EarlyStopping,
    Interrupted,
    Trajectory,
    fingerprint,
    fit,
)

from . import runs
from .runs import outcome, train


class Break(Callback):
    """Breaks off after a step."""

    def __init__(self, step):
        self.step = step

    def after_step(self, run):
        if run.step == self.step:
            raise ZeroDivisionError


def broken_off(folder, at, **options):
    """A run that breaks off after step `at`, resumed."""
    with pytest.raises(ZeroDivisionError):
        train(folder, save_steps=1, callbacks=lambda path: [path, Break(at)], **options)
    return train(folder, resume=True, callbacks=lambda path: [path, Break(-1)], **options)


def whole(**options):
    return train(callbacks=lambda path: [path, Break(-1)], **options)


@pytest.mark.parametrize("at", [1, 2, 10, 11, 12, 37])
def test_any_step(tmp_path, at):
    assert fingerprint(outcome(broken_off(tmp_path / "run", at))) == fingerprint(outcome(whole()))


class Noise(Callback):
    """Draws from the global generators of Python and NumPy, and from one of its own."""

    def __init__(self):
        self.generator = np.random.default_rng(3)
        self.drawn = []

    def after_step(self, run):
        import random

        self.drawn.append(random.random() + np.random.random() + self.generator.random() + mt.rand(1).item())

    def state_dict(self):
        return {"drawn": self.drawn}

    def load_state_dict(self, state):
        self.drawn = list(state["drawn"])


def test_all_random_streams(tmp_path):
    import random

    def go(at=-1, **options):
        random.seed(1)
        np.random.seed(2)
        noise = Noise()
        train(callbacks=lambda path: [noise, Break(at)], **options)
        return noise.drawn

    undisturbed = go()
    with pytest.raises(ZeroDivisionError):
        go(out=tmp_path / "run", save_steps=1, at=17)
    assert go(out=tmp_path / "run", resume=True) == undisturbed


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "callable rate": lambda p: optim.SGD(p, lr=0.1 * optim.schedules.Cosine(60)),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, amsgrad=True),
    "ASGD": lambda p: optim.ASGD(p, lr=0.05),
    "RAdam": lambda p: optim.RAdam(p, lr=0.01),
    "Nesterov": lambda p: optim.Nesterov(p, lr=0.05),
    "Langevin": lambda p: optim.Langevin(p, lr=1e-3, generator=mt.Generator(4)),
    "SWATS": lambda p: optim.SWATS(p, lr=0.01),
    "LBFGS": lambda p: optim.LBFGS(p, lr=0.3, max_iter=2),
    "LineSearchGD": lambda p: optim.LineSearchGD(p),
    "ConjugateGradient": lambda p: optim.ConjugateGradient(p, "wolfe"),
}


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name == "callable rate" or hasattr(optim, name)])
def test_every_kind_of_optimizer(tmp_path, name):
    make = OPTIMIZERS[name]

    def callbacks(at):  # gradients of some of these can't be clipped
        return lambda path: [path, Break(at)]

    options = {"optimizer": make, "epochs": 3}
    undisturbed = outcome(train(callbacks=callbacks(-1), **options))
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "run", save_steps=1, callbacks=callbacks(13), **options)
    resumed = outcome(train(tmp_path / "run", resume=True, callbacks=callbacks(-1), **options))
    assert fingerprint(resumed) == fingerprint(undisturbed)


def test_batches_of_other_kinds(tmp_path):
    x, y = runs.data()

    class Shuffled:
        """Batches in an order of its own, drawn lazily."""

        def __init__(self):
            self.generator = np.random.default_rng(9)

        def __iter__(self):
            for _ in range(9):
                k = self.generator.integers(0, 80, 8)
                yield x[k], y[k]

    for make in (lambda: [(x[k : k + 20], y[k : k + 20]) for k in range(0, 80, 20)], Shuffled):
        folder = tmp_path / make.__name__
        undisturbed = fingerprint(outcome(whole(batches=make())))
        with pytest.raises(ZeroDivisionError):
            train(folder, save_steps=1, batches=make(), callbacks=lambda path: [path, Break(7)])
        resumed = train(folder, resume=True, batches=make(), callbacks=lambda path: [path, Break(-1)])
        assert fingerprint(outcome(resumed)) == undisturbed


def test_random_evaluation_and_losses(tmp_path):
    """Generators in the loss, in a metric and in the order of the test data."""
    x, y = runs.data()

    class Noisy:
        def __init__(self, seed):
            self.generator = mt.Generator(seed)

        def __call__(self, outputs, targets):
            noise = mt.rand(1, generator=self.generator).item()
            return nn.functional.cross_entropy(outputs, targets) * (1 + noise) if self.loss else noise

        loss = True

    class Metric(Noisy):
        loss = False

    def run(at=-1, **options):
        mt.manual_seed(0)
        model, optimizer, loader, _ = runs.parts()
        test = DataLoader((x, y), 7, shuffle=True, generator=mt.Generator(8))
        history = fit(
            model, loader, optimizer, 4, loss=Noisy(1), metrics={"noise": Metric(2)}, test_batches=test,
            callbacks=[Break(at)], show=False, **options,
        )  # fmt: skip
        return fingerprint([history.state_dict(), model.state_dict()])

    with pytest.raises(ZeroDivisionError):
        run(27, out=tmp_path, save_steps=1)
    assert run(out=tmp_path, resume=True) == run()


def test_the_end_and_more_epochs(tmp_path):
    first = outcome(train(tmp_path / "run", 4))
    again = outcome(train(tmp_path / "run", 4, resume=True))
    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(outcome(train(tmp_path / "run", 6, resume=True))) == fingerprint(outcome(train(epochs=6)))
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"history.json", "config.json", "weights.safetensors", "checkpoint.json"} <= names
    assert sum(name.startswith("checkpoint-") for name in names) == 2


def test_early_stopping_stays_stopped(tmp_path):
    def run(**options):
        return train(epochs=40, callbacks=lambda path: [path, EarlyStopping("test_loss", patience=2)], **options)

    first = outcome(run(out=tmp_path / "run"))
    assert len(first["history"]["rows"]) < 40
    again = outcome(run(out=tmp_path / "run", resume=True))
    assert fingerprint(first) == fingerprint(again) == fingerprint(outcome(run()))
    losses = [row["test_loss"] for row in first["history"]["rows"]]
    model = runs.parts()[0]
    model.load_state_dict(first["model"])
    x, y = runs.data()
    assert nn.functional.cross_entropy(model.eval()(x), y).item() == min(losses)


def test_a_rate_set_by_hand(tmp_path):
    def run(at=-1, **options):
        mt.manual_seed(0)
        model, optimizer, loader, _ = runs.parts()
        optimizer = optim.Adam(model.parameters(), lr=0.05)

        def cool(history):
            optimizer.param_groups[0]["lr"] = 0.05 * 0.5 * (1 + np.cos(len(history)))  # NumPy's number

        history = fit(model, loader, optimizer, 4, on_epoch=cool, callbacks=[Break(at)], show=False, **options)
        return fingerprint([history.state_dict(), model.state_dict()])

    with pytest.raises(ZeroDivisionError):
        run(27, out=tmp_path, save_steps=1)
    assert run(out=tmp_path, resume=True) == run()


# ---- killed ----------------------------------------------------------------------------------------------------------


def kill(folder, kills, seed):
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(mt.__file__).parents[1]), str(here)])}
    done = subprocess.run(
        [sys.executable, str(here / "kill.py"), str(folder), str(kills), str(seed)],
        capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    assert done.returncode == 0 and f"{kills} kills" in done.stdout and "left over: []" in done.stdout, (
        done.stdout + done.stderr
    )


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


@needs_fork
@pytest.mark.wide
def test_killed_at_a_dozen_moments(tmp_path):
    kill(tmp_path, 12, 1)


@needs_fork
@pytest.mark.slow
def test_killed_at_fifty_moments(tmp_path):
    kill(tmp_path, 50, 2)


class PressCtrlC(Callback):
    def __init__(self, step):
        self.step = step

    def before_step(self, run):
        if run.step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_between_two_steps(tmp_path):
    def run(at, **options):
        return train(callbacks=lambda path: [path, PressCtrlC(at)], **options)

    with pytest.raises(Interrupted, match=r"epoch 2 after batch 4 \(step 14\).*resume=True"):
        run(14, out=tmp_path / "run")
    assert Checkpoint.load(tmp_path / "run").step == 14
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert fingerprint(outcome(run(-1, out=tmp_path / "run", resume=True))) == fingerprint(outcome(run(-1)))
    with pytest.raises(KeyboardInterrupt, match="Nothing was saved"):
        run(3)


def test_a_hand_written_loop(tmp_path):
    def loop(model, optimizer, loader, scheduler, step, losses, until):
        while step < until:
            for inputs, targets in loader:
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(inputs), targets)
                loss.backward()
                optimizer.step()
                scheduler.step()
                step += 1
                losses.append(loss.item())
                if step == until:
                    break
        return step, losses

    mt.manual_seed(0)
    whole_run = runs.parts(3)
    _, undisturbed = loop(*whole_run, 0, [], 47)
    mt.manual_seed(0)
    parts = runs.parts(3)
    step, losses = loop(*parts, 0, [], 26)
    model, optimizer, loader, _ = parts
    Checkpoint.take(model, optimizer, loader, step=step, more={"losses": losses}).save(tmp_path)
    model, optimizer, loader, scheduler = runs.parts(99)
    checkpoint = Checkpoint.load(tmp_path)
    assert "step 26" in repr(checkpoint) and "Adam" in repr(checkpoint)
    checkpoint.put_back(model, optimizer, loader)
    _, resumed = loop(model, optimizer, loader, scheduler, checkpoint.step, checkpoint.more["losses"], 47)
    assert resumed == undisturbed
    assert fingerprint(model.state_dict()) == fingerprint(whole_run[0].state_dict())


# ---- what can't be meant ---------------------------------------------------------------------------------------------


def test_mistakes(tmp_path):
    x, y = runs.data()
    model, optimizer, loader, _ = runs.parts()
    folder = tmp_path / "run"
    fit(model, loader, optimizer, 1, out=folder, show=False)
    with pytest.raises(mt.MicrotrainError, match="There is a run in"):
        fit(model, loader, optimizer, 1, out=folder, show=False)
    with pytest.raises(mt.MicrotrainError, match="where the run is"):
        fit(model, loader, optimizer, 1, resume=True, show=False)

    def resume(model=model, optimizer=optimizer, loader=loader, **options):
        fit(model, loader, optimizer, 3, out=folder, resume=True, show=False, **options)

    with pytest.raises(mt.MicrotrainError, match="callbacks"):
        resume(callbacks=[Trajectory()])
    with pytest.raises(mt.MicrotrainError, match="trained with Adam, and here is SGD"):
        resume(optimizer=optim.SGD(model.parameters(), lr=0.1))
    other = nn.MLP([2, 3, 2])
    with pytest.raises(mt.MicrotrainError, match="does not fit"):
        resume(other, optim.Adam(other.parameters()))
    single = runs.parts(dtype=mt.float32)
    with pytest.raises(mt.MicrotrainError, match="float32 here"):
        resume(*single[:3])
    with pytest.raises(mt.MicrotrainError, match="schedulers"):
        resume(optimizer=optim.Adam(model.parameters()))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(mt.MicrotrainError, match="is a file, not a folder"):
        fit(model, loader, optimizer, 1, out=tmp_path / "file", show=False)
    with pytest.raises(mt.MicrotrainError, match="no batches"):
        fit(model, iter([]), optimizer, 1, show=False)
    with pytest.raises(mt.MicrotrainError, match="no batches in epoch 2"):
        fit(model, iter([(x, y)]), optimizer, 2, show=False)
    with pytest.raises(mt.MicrotrainError, match="tuple"):
        fit(model, [x], optimizer, 1, show=False)
    for wrong in ({"epochs": -1}, {"epochs": 1.5}, {"statistics": -1}, {"save_steps": 0}, {"scheduler_per": "year"}):
        with pytest.raises(mt.MicrotrainError, match=next(iter(wrong))):
            fit(
                **{"model": model, "train_batches": loader, "optimizer": optimizer, "epochs": 1, "show": False, **wrong}
            )


def test_a_changed_loader_is_noticed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "run", save_steps=1, callbacks=lambda path: [path, Break(13)])
    x, y = runs.data()
    loader = DataLoader((x, y), 16, shuffle=True, generator=mt.Generator(0))
    with pytest.raises(mt.MicrotrainError, match="batches of 16"):
        train(tmp_path / "run", resume=True, batches=loader, callbacks=lambda path: [path, Break(-1)])


def test_two_processes_do_not_share_a_folder(tmp_path):
    class Nested(Callback):
        def after_step(self, run):
            train(tmp_path / "run", 1, resume=True)

    with pytest.raises(mt.MicrotrainError, match="Another process"):
        train(tmp_path / "run", 1, callbacks=lambda path: [Nested()])


def test_clipping_needs_gradients_before_the_step():
    with pytest.raises(mt.MicrotrainError, match="ClipGradNorm"):
        train(optimizer=lambda p: optim.LBFGS(p), callbacks=lambda path: [ClipGradNorm(1.0)])
