"""Compiled steps beside eager ones."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.compiler import Compiled
from microtrain.data import DataLoader
from microtrain.errors import ArgumentError, DtypeError, IndexingError, KernelError
from microtrain.kernels.reductions import row_program
from microtrain.nn import functional as F

from ..wide import mostly_wide
from .twins import apart, closeness, training

RNG = np.random.default_rng(0)
X, Y, LABELS = RNG.normal(size=(12, 4)), RNG.normal(size=(12, 3)), RNG.integers(0, 3, 12)
CLOSE = 1e-12


def mlp() -> Any:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def sgd(params: Any) -> Any:
    return optim.SGD(params, lr=0.05)


def variants(compiled: Compiled) -> list[Any]:
    return [variant for form in compiled._forms.values() for variant, _ in form.variants]


def linear_step(optimizer: Any, model: Any, loss: Any = F.mse_loss) -> Any:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return step


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(lambda p: optim.Adam(p, lr=0.01), id="adam"),
        *(
            pytest.param(make, id=id, marks=pytest.mark.wide)  # test_optimizers.py has them with other models
            for id, make in {
                "sgd": sgd,
                "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
                "langevin": lambda p: optim.LangevinGD(p, lr=0.01, temperature=0.01, generator=mt.Generator(1)),
                "schedule": lambda p: optim.SGD(p, lr=0.05 * optim.schedules.Cosine(100)),
            }.items()
        ),
    ],
)
def test_200_steps(optimizer: Any) -> None:
    assert apart(training(mlp, F.cross_entropy, optimizer, X, LABELS), 200) < CLOSE


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ASGD", "Adadelta", "Adagrad", "AdamW", "Adamax", "Momentum", "NAdam", "NormalizedGD", "RAdam", "RMSprop", "Rprop", "SignGD"]
)  # fmt: skip
def test_200_steps_of_every_optimizer(name: str) -> None:
    assert apart(training(mlp, F.mse_loss, lambda p: getattr(optim, name)(p, lr=0.01), X, Y), 200) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer", "Tanh ReLU Sigmoid GELU SiLU Mish ELU SELU LeakyReLU PReLU Softplus Softsign Hardtanh LogSigmoid".split()
)
def test_activations(layer: str) -> None:
    build = training(
        lambda: nn.Sequential(nn.Linear(4, 5), getattr(nn, layer)(), nn.Linear(5, 3)), F.mse_loss, sgd, X, Y
    )
    assert apart(build, 200) < CLOSE


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss", "mse l1 huber smooth_l1 log_cosh multi_margin focal nll bce soft_margin kl_div".split()
)
def test_losses(loss: str) -> None:
    binary = (RNG.random((12, 3)) < 0.5).astype(float)
    shares = np.abs(Y) / np.abs(Y).sum(1, keepdims=True)
    f, y = {
        "nll": (lambda a, b: F.nll_loss(F.log_softmax(a, -1), b), LABELS),
        "bce": (lambda a, b: F.binary_cross_entropy(F.sigmoid(a), b), binary),
        "soft_margin": (F.soft_margin_loss, 2 * binary - 1),
        "kl_div": (lambda a, b: F.kl_div(F.log_softmax(a, -1), b, reduction="batchmean"), shares),
        "multi_margin": (F.multi_margin_loss, LABELS),
    }.get(loss, (getattr(F, f"{loss}_loss", None), LABELS if loss == "focal" else Y))
    assert apart(training(mlp, f, sgd, X, y), 200) < CLOSE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "x"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 3)), X),
        (lambda: nn.DeepLinear([4, 5, 5, 3]), X),
        (lambda: nn.SelfAttention(4), RNG.normal(size=(2, 3, 4))),
        (lambda: nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 3)), RNG.integers(0, 7, 12)),
        (nn.Gabor, X[:, 0]),
        (lambda: nn.ShallowNetwork(3), X[:, 0]),
    ],
    ids=["layer norm", "deep linear", "attention", "embedding", "gabor", "shallow"],
)
def test_models(model: Any, x: Any) -> None:
    build = training(model, lambda a, b: (a * a).mean() + a.mean(), sgd, x, Y)
    assert apart(build, 200) < 1e-11  # of gradients that have become small: their parts cancel


def test_float32() -> None:
    build = training(lambda: mlp().float(), F.cross_entropy, sgd, X.astype(np.float32), LABELS)
    assert apart(build, 30) < 1e-5


@pytest.mark.wide
def test_large_products_and_updates_are_shared_among_threads() -> None:
    """Too large for one thread: tiles of products, and the optimizer's own kernel."""
    x, y = RNG.normal(size=(130, 300)), RNG.integers(0, 3, 130)
    model = lambda: nn.Sequential(nn.Linear(300, 500), nn.ReLU(), nn.Linear(500, 3))
    assert apart(training(model, F.cross_entropy, lambda p: optim.Adam(p, lr=1e-3), x, y), 10) < 1e-11


def test_many_forms() -> None:
    compiled = mt.compile(lambda x: x.sum())
    with pytest.warns(UserWarning, match="more than 16 forms"):
        for n in range(20):
            assert compiled(mt.ones(n)).item() == n
    assert len(compiled._forms) <= 16


def test_dropout_draws_as_eagerly() -> None:
    def model() -> Any:
        return nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Linear(5, 3))

    assert apart(training(model, F.mse_loss, sgd, X, Y)) < CLOSE


@pytest.mark.parametrize("clip", mostly_wide(["norm", "value"], but={"norm"}))
def test_clipping(clip: str) -> None:
    def after(m: Any, o: Any) -> None:
        if clip == "norm":
            nn.utils.clip_grad_norm_(m.parameters(), 0.1)
        else:
            nn.utils.clip_grad_value_(m.parameters(), 0.01)

    assert apart(training(mlp, F.mse_loss, sgd, X, Y, after)) < CLOSE


@pytest.mark.wide  # test_optimizers.py has all schedulers
def test_scheduler_inside() -> None:
    def build() -> Any:
        m = mlp()
        o = optim.SGD(m.parameters(), lr=0.1)
        s = optim.lr_scheduler.ExponentialLR(o, 0.9)
        x, y = mt.tensor(X), mt.tensor(Y)

        def step() -> Any:
            o.zero_grad()
            loss = F.mse_loss(m(x), y)
            loss.backward()
            o.step()
            s.step()
            return loss

        return step, list(m.parameters()), lambda k: ()

    assert apart(build) < CLOSE


def test_update_by_hand() -> None:
    def build() -> Any:
        w = mt.tensor(RNG.normal(size=4) * 0 + 1.0, requires_grad=True)
        x, y = mt.tensor(X), mt.tensor(Y[:, 0])

        def step() -> Any:
            loss = ((x @ w - y) ** 2).mean()
            loss.backward()
            with mt.no_grad():
                w.sub_(0.1 * w.grad)
                w.grad.zero_()
            return loss

        return step, [w], lambda k: ()

    assert apart(build) < CLOSE


def test_accumulating_gradients() -> None:
    def build() -> Any:
        w = mt.tensor(np.ones(4), requires_grad=True)
        x = mt.tensor(X)

        def step() -> Any:
            loss = ((x @ w) ** 2).mean()
            loss.backward()
            return loss

        return step, [w], lambda k: ()

    assert apart(build) < CLOSE


@pytest.mark.wide
def test_gradients_accumulate_until_the_last_of_several_batches() -> None:
    def build() -> Any:
        w, x = mt.tensor(np.ones(4), requires_grad=True), mt.tensor(X)
        o = optim.Adam([w], lr=0.01)

        def step(x: Any, last: bool) -> Any:
            loss = ((x @ w) ** 2).mean()
            loss.backward()
            if last:
                o.step()
                o.zero_grad()
            return loss

        return step, [w], lambda k: (x, k % 4 == 3)

    assert apart(build, 30, native=False) < CLOSE


@pytest.mark.wide
def test_second_order() -> None:
    def build() -> Any:
        m = mlp()
        o = sgd(m.parameters())
        x = mt.tensor(X, requires_grad=True)

        def step() -> Any:
            o.zero_grad()
            y = m(x).sum()
            (g,) = mt.grad(y, x, create_graph=True)
            loss = ((g * g).sum(1) - 1).square().mean() + 0.1 * y
            loss.backward(inputs=list(m.parameters()))
            o.step()
            return loss

        return step, list(m.parameters()), lambda k: ()

    assert apart(build) < CLOSE


def test_partly_by_numpy() -> None:
    def build() -> Any:
        m = mlp()
        o = sgd(m.parameters())
        x = mt.tensor(X)

        def step() -> Any:
            o.zero_grad()
            h = m(x).cumsum(0).sin()
            loss = (h * h).mean()
            loss.backward()
            o.step()
            return loss

        return step, list(m.parameters()), lambda k: ()

    assert apart(build) < CLOSE


def test_shapes_and_eager_steps_mixed() -> None:
    """Other shapes make another native function; in between the step runs eagerly, on the same state."""

    def build() -> Any:
        m = mlp()
        o = optim.Adam(m.parameters(), lr=0.01)
        x, y = mt.tensor(X), mt.tensor(LABELS)
        return linear_step(o, m, F.cross_entropy), list(m.parameters()), lambda k: (x[: 12 - k % 2], y[: 12 - k % 2])

    assert apart(build, 30, native=False) < CLOSE
    mt.manual_seed(0)
    m, twin = mlp(), mlp()
    twin.load_state_dict(m.state_dict())
    o, other = optim.Adam(m.parameters()), optim.Adam(twin.parameters())
    step, eager = linear_step(o, m), linear_step(other, twin)
    compiled = mt.compile(step)
    x, y = mt.tensor(X), mt.tensor(Y)
    for k in range(20):
        (step if k % 3 == 2 else compiled)(x, y)
        eager(x, y)
    assert sum(v.calls for v in variants(compiled)) > 5
    for a, b in zip(m.parameters(), twin.parameters(), strict=True):
        assert closeness(a.detach().numpy(), b.detach().numpy()) < CLOSE
    assert o.state_dict()["state"][0]["step"] == 20


class TestWhatChangesBetweenCalls:
    def setup_method(self) -> None:
        mt.manual_seed(0)
        self.model, self.twin = mlp(), mlp()
        self.twin.load_state_dict(self.model.state_dict())
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.other = optim.SGD(self.twin.parameters(), lr=0.1, momentum=0.9)
        self.compiled = mt.compile(linear_step(self.optimizer, self.model))
        self.eager = linear_step(self.other, self.twin)
        self.x, self.y = mt.tensor(X), mt.tensor(Y)

    def run(self, n: int = 4) -> None:
        for _ in range(n):
            a, b = self.compiled(self.x, self.y), self.eager(self.x, self.y)
            assert closeness(a.numpy(), b.detach().numpy()) < CLOSE
        for a, b in zip(self.model.parameters(), self.twin.parameters(), strict=True):
            assert closeness(a.detach().numpy(), b.detach().numpy()) < CLOSE

    def test_learning_rate_needs_nothing_new(self) -> None:
        self.run()
        for optimizer in (self.optimizer, self.other):
            optimizer.param_groups[0]["lr"] = 0.01
        self.run()
        assert len(variants(self.compiled)) == 1

    def test_a_frozen_layer(self) -> None:
        self.run()
        for model in (self.model, self.twin):
            model[0].requires_grad_(False)
            model.zero_grad()
        self.run()

    @pytest.mark.wide
    def test_another_rule(self) -> None:
        self.run()
        for optimizer in (self.optimizer, self.other):
            optimizer.param_groups[0]["weight_decay"] = 0.1
        self.run()

    def test_state_that_was_loaded(self) -> None:
        self.run()
        self.optimizer.load_state_dict(self.other.state_dict())
        self.run()

    def test_parameters_written_by_others(self) -> None:
        self.run()
        for model in (self.model, self.twin):
            with mt.no_grad():
                model[0].weight.mul_(0.5)
        self.run()

    @pytest.mark.wide
    def test_evaluation(self) -> None:
        for model in (self.model, self.twin):
            model[1] = nn.Dropout(0.0)
        self.run()
        for model in (self.model, self.twin):
            model.eval()
        self.run()

    def test_gradients_that_somebody_holds(self) -> None:
        self.run()
        held = self.model[0].weight.grad
        values = held.numpy().copy()
        self.run()
        np.testing.assert_array_equal(held.numpy(), values)

    @pytest.mark.wide
    @pytest.mark.parametrize("column", [lambda y: y[:, 1], lambda y: y.T[1]])
    def test_labels_that_are_wrong_in_a_column(self, column: Any) -> None:
        def step(x: Any, table: Any) -> Any:
            return F.cross_entropy(self.model(x).detach(), column(table))

        compiled = mt.compile(step)
        table = np.stack([LABELS + 5, LABELS, LABELS], 1)  # what stands beside them does not matter
        for _ in range(4):
            compiled(self.x, mt.tensor(table))
        assert sum(v.calls for form in compiled._forms.values() for v, _ in form.variants) == 2
        table[5, 1] = 7
        with pytest.raises(IndexingError, match="label 7 with 3 classes"):
            compiled(self.x, mt.tensor(table))

    def test_labels_that_are_wrong(self) -> None:
        compiled = mt.compile(linear_step(self.optimizer, self.model, F.cross_entropy))
        good = mt.tensor(LABELS)
        for _ in range(4):
            compiled(self.x, good)
        before = self.model[0].weight.detach().clone()
        with pytest.raises(IndexingError, match="label 7 with 3 classes"):
            compiled(self.x, mt.tensor(np.where(np.arange(12) == 5, 7, LABELS)))
        assert (self.model[0].weight == before).all()
        ignored = mt.tensor(np.where(np.arange(12) == 5, -100, LABELS))  # may be ignored: the eager step knows how
        compiled(self.x, ignored)


@pytest.mark.wide
@pytest.mark.parametrize("label", [-1, 3])
def test_labels_that_are_wrong_where_another_one_is_ignored(label: int) -> None:
    """The loss is left to NumPy then, which would count a label below zero from the end."""
    model = mlp()
    optimizer = optim.Adam(model.parameters())

    @mt.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, ignore_index=0)
        loss.backward()
        optimizer.step()
        return loss

    x, good = mt.tensor(X), mt.tensor(LABELS)
    for _ in range(4):
        step(x, good)
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(IndexingError, match=f"label {label} with 3 classes"):
        step(x, mt.tensor(np.where(np.arange(12) == 5, label, LABELS)))
    assert all((p == q).all() for p, q in zip(model.parameters(), before, strict=True))
    step(x, good)
    assert optimizer.steps == 5 and "1 native" in repr(step)


RATE = 0.5


def test_a_global_that_changes() -> None:
    global RATE
    RATE = 0.5
    w = mt.tensor([1.0, 2.0])

    def step() -> Any:
        return (w * RATE).sum()

    compiled = mt.compile(step)
    assert [compiled().item() for _ in range(4)] == [1.5] * 4
    assert variants(compiled)[0].calls == 2
    RATE = 2.0
    assert [compiled().item() for _ in range(4)] == [6.0] * 4


def test_repeat_and_record() -> None:
    def fresh() -> Any:
        mt.manual_seed(0)
        m = mlp()
        return m, linear_step(optim.Adam(m.parameters(), lr=0.01), m)

    x, y = mt.tensor(X), mt.tensor(Y)
    m, step = fresh()
    losses, weights = [], []
    for _ in range(2000):
        losses.append(step(x, y).item())
        weights.append(m[0].weight.detach().numpy().copy())
    twin, step = fresh()
    history, (path,) = mt.compile(step).repeat(2000, x, y, record=[twin[0].weight])
    assert history.shape == (2000,)
    assert closeness(losses[:300], history.numpy()[:300]) < 1e-10
    assert closeness(np.array(weights)[:300], path.numpy()[:300]) < 1e-10
    compiled = mt.compile(step)
    assert compiled.repeat(0, x, y) is None
    assert compiled.repeat(1, x, y).shape == (1,)
    with pytest.raises(ArgumentError, match="whole number"):
        compiled.repeat(-1, x, y)


def test_repeat_returns_what_was_there_after_each_step() -> None:
    w = mt.zeros(1, requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)

    def step() -> Any:
        (w * -1.0).sum().backward()
        optimizer.step()
        return w.detach(), w.grad

    path, gradients = mt.compile(step).repeat(5)  # eager at first: each step writes to what the last returned
    assert gradients.numpy()[:, 0].tolist() == [-1.0, -2.0, -3.0, -4.0, -5.0]
    assert path.numpy()[:, 0].tolist() == [1.0, 3.0, 6.0, 10.0, 15.0]


@pytest.mark.parametrize("last", ["loss", "loss, w.grad", "b.grad"])
def test_gradients_that_the_step_sets_itself(last: str) -> None:
    found = []
    for make in (lambda step: step, mt.compile):
        w, b, c = (mt.tensor(v, requires_grad=True) for v in ([1.0, 2.0], 0.5, 3.0))
        optimizer, x, y = optim.SGD([w, b], lr=0.01), mt.tensor([[1.0, 2.0], [3.0, 1.0]]), mt.tensor([1.0, 0.0])

        def step(x: Any, y: Any, w: Any = w, b: Any = b, c: Any = c, optimizer: Any = optimizer) -> Any:
            with mt.no_grad():
                error = x @ w + b - y
                w.grad, b.grad, c.grad = x.T @ error, error.sum(), None
                optimizer.step()
                loss = (error * error).sum()
            return {"loss": loss, "loss, w.grad": (loss, w.grad), "b.grad": b.grad}[last]

        run, seen = make(step), []
        for _ in range(5):
            c.grad = mt.tensor(1.0)
            run(x, y)
            assert c.grad is None
            seen.append([*w.tolist(), b.item(), *w.grad.tolist(), b.grad.item()])
        found.append(seen)
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_a_parameter_that_only_the_optimizer_reads() -> None:
    """Its gradient was there before the step, and goes away later."""
    found = []
    for make in (lambda step: step, mt.compile):
        w, other = mt.tensor([1.0, 2.0], requires_grad=True), mt.tensor([3.0], requires_grad=True)
        optimizer = optim.SGD([w, other], lr=0.25)

        def step(x: Any, w: Any = w, optimizer: Any = optimizer) -> None:
            w.grad = None
            (w * x).sum().backward()
            optimizer.step()

        run, seen = make(step), []
        for gradient in [1.0] * 4 + [None] * 4 + [2.0] * 4:
            other.grad = None if gradient is None else mt.tensor([gradient])
            run(mt.ones(2))
            seen.append([*w.tolist(), other.item()])
        found.append(seen)
    assert found[0] == found[1]


def test_minibatches() -> None:
    def fresh() -> Any:
        mt.manual_seed(0)
        m = mlp()
        loader = DataLoader((mt.tensor(X), mt.tensor(Y)), batch_size=5, shuffle=True, generator=mt.Generator(3))
        return m, loader, linear_step(optim.Adam(m.parameters(), lr=0.01), m)

    m, loader, step = fresh()
    losses = [step(*batch).item() for _ in range(5) for batch in loader]
    twin, loader, step = fresh()
    found = mt.compile(step).minibatches(loader, 5)
    assert closeness(losses, found.numpy()) < CLOSE
    assert closeness(m[0].weight.detach().numpy(), twin[0].weight.detach().numpy()) < CLOSE


def test_what_a_step_may_return() -> None:
    w = mt.tensor([1.0, 2.0], requires_grad=True)

    def step(x: Any) -> Any:
        loss = (x * w).sum()
        loss.backward()
        w.grad = None
        return {"loss": loss, "both": (x, loss * 2), "w": w, "name": "n"}

    compiled = mt.compile(step)
    x = mt.tensor([3.0, 4.0])
    for _ in range(4):
        found = compiled(x)
        assert found["loss"].item() == 11 and found["both"][1].item() == 22
        assert found["both"][0] is x and found["w"] is w and found["name"] == "n"
        assert w.grad is None


def test_numbers_as_arguments() -> None:
    compiled = mt.compile(lambda x, k: (x * k).sum())
    x = mt.tensor([1.0, 2.0])
    for k in (2, 3, 2.0, 2, 2):
        assert compiled(x, k).item() == 3 * k


def test_refuses_what_is_no_function() -> None:
    with pytest.raises(DtypeError, match="takes a function"):
        mt.compile(3)
    assert "0 native functions" in repr(mt.compile(lambda: None))


def test_listeners_hear_the_eager_step() -> None:
    heard = []

    class Listener:
        def forward(self, primitive: Any, *rest: Any) -> None:
            heard.append(primitive.name)

        def backward(self, *rest: Any) -> None: ...

    compiled = mt.compile(lambda x: (x * 2).sum())
    for _ in range(3):
        compiled(mt.ones(3))
    with mt.listen(Listener()):
        compiled(mt.ones(3))
    assert heard == ["mul", "sum"]


def test_explain() -> None:
    compiled = mt.compile(lambda x: (x * 2 + 1).tanh().sum())
    assert "not compiled yet" in str(compiled.explain())
    for _ in range(3):
        compiled(mt.ones(3, 4))
    text = str(compiled.explain())
    for part in (
        "Captured: 4 operations",
        "mul, add, tanh, sum",
        "def kernel(n, operands)",
        "Memory:",
        "floating-point",
    ):
        assert part in text
    drawn = mt.graph(compiled)
    assert any("loop" in node.operation for node in drawn.nodes)


def test_models_as_arguments_and_methods() -> None:
    class Trainer:
        def __init__(self) -> None:
            mt.manual_seed(0)
            self.model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
            self.scale = 2.0

        @mt.compile
        def predict(self, x: Any) -> Any:
            with mt.no_grad():
                return self.model(x) * self.scale

    trainer = Trainer()
    x = mt.tensor(X)
    trainer.model.eval()
    for _ in range(4):
        expected = trainer.predict(x).numpy()
    trainer.scale = 3.0
    assert closeness(expected * 1.5, trainer.predict(x).numpy()) < CLOSE
    predict = mt.compile(mt.no_grad()(lambda model, x: model(x)))
    for _ in range(4):
        quiet = predict(trainer.model, x).numpy()
    trainer.model.train()
    assert (predict(trainer.model, x).numpy() == 0).any()
    assert not (quiet == 0).any()


@pytest.mark.wide  # test_optimizers.py has some of them
@pytest.mark.parametrize("name", ["LBFGS", "Nesterov", "LineSearchGD"])
def test_a_compiled_closure(name: str) -> None:
    """Optimizers that evaluate the loss as often as they like take a compiled closure."""

    def run(wrap: Any) -> Any:
        mt.manual_seed(0)
        m = mlp()
        o = getattr(optim, name)(m.parameters())
        x, y = mt.tensor(X), mt.tensor(Y)

        def closure() -> Any:
            o.zero_grad()
            loss = F.mse_loss(m(x), y)
            loss.backward()
            return loss

        closure = wrap(closure)
        # Each step of L-BFGS, some twenty evaluations, makes a difference in the last bits a hundred times as large.
        for _ in range(3 if name == "LBFGS" else 5):
            o.step(closure)
        return closure, [p.detach().numpy() for p in m.parameters()]

    _, expected = run(lambda f: f)
    closure, found = run(mt.compile)
    assert sum(v.calls for v in variants(closure)) > 2
    for a, b in zip(expected, found, strict=True):
        assert closeness(a, b) < 1e-9


def test_without_numba(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from microtrain.kernels import fused, program

    def broken(*_: Any) -> Any:
        raise KernelError("Numba can't be imported (a test).")

    monkeypatch.setattr(program.MachineCode, "_find", broken)
    monkeypatch.setattr(fused, "_said", set())
    compiled = mt.compile(lambda x: (x * 2).sum())
    assert [compiled(mt.ones(3)).item() for _ in range(5)] == [6.0] * 5
    assert capsys.readouterr().err.count("slower") == 1
    assert compiled.repeat(3, mt.ones(3)).tolist() == [6.0] * 3


@pytest.mark.wide
def test_the_gradient_of_a_part_goes_to_where_it_belongs():
    """`a[:, None]` has its gradient written into a part of the parameter's, which lies elsewhere than was planned."""

    def ends(compiled):
        a, b = (mt.ones(*shape, requires_grad=True) for shape in ((10, 3), (10, 1, 3)))
        x = mt.linspace(0, 2, 20)
        optimizer = mt.optim.SGD([a, b], lr=0.001)

        def step():
            optimizer.zero_grad()
            loss = ((b * x.unsqueeze(-1)) * a[:, None]).sum()
            loss.backward()
            optimizer.step()

        run = mt.compile(step) if compiled else step
        for _ in range(5):
            run()
        return a.detach().numpy(), b.detach().numpy()

    for ours, eager in zip(ends(True), ends(False), strict=True):
        np.testing.assert_allclose(ours, eager, rtol=1e-13)


@pytest.mark.wide
@pytest.mark.parametrize(
    "clip",
    [
        lambda p: nn.utils.clip_grad_norm_(p, 0.3),
        lambda p: nn.utils.clip_grad_norm_(p, 0.3, float("inf")),
        lambda p: nn.utils.clip_grad_value_(p, 0.05),
        lambda p: nn.utils.clip_grad_norm_each_(p, 0.1),
        lambda p: nn.utils.clip_grad_adaptive_(p, 0.05),
        lambda p: nn.utils.vector_to_parameters(0.99 * nn.utils.parameters_to_vector(p).detach(), p),
    ],
    ids=["norm", "largest", "value", "each", "adaptive", "vector"],
)
def test_every_way_to_clip(clip: Any) -> None:
    build = training(mlp, F.mse_loss, sgd, X, Y, after=lambda m, o: clip(list(m.parameters())))
    assert apart(build, 30) < CLOSE


@pytest.mark.parametrize("scale", mostly_wide([1.0, 1e12], but={1e12}))
def test_sines_of_very_large_numbers(scale: float) -> None:
    """The fast sine is good up to a limit; beyond, the loop is done once more with the slow one."""
    x = mt.tensor(RNG.normal(size=37))

    @mt.compile
    def step(a: float) -> Any:
        return (x * a).sin().sum() + (x * a).cos().square().sum()

    for a in (1.0, scale, 1.0, scale):
        assert step(a).item() == pytest.approx(step.step(a).item(), rel=1e-13)
    assert step(scale).item() == pytest.approx(step.step(scale).item(), rel=1e-13)


@pytest.mark.wide
@pytest.mark.parametrize(
    "settings", [{"ignore_index": 2}, {"weight": mt.tensor([1.0, 2.0, 3.0])}, {"label_smoothing": 0.1}]
)
def test_cross_entropy_with_labels_that_vary(settings: Any) -> None:
    def build() -> Any:
        m, x = mlp(), mt.tensor(X)
        o = sgd(m.parameters())

        def step(labels: Any) -> Any:
            o.zero_grad()
            loss = F.cross_entropy(m(x), labels, **settings)
            loss.backward()
            o.step()
            return loss

        return step, list(m.parameters()), lambda k: (mt.tensor((LABELS + k) % 3),)

    assert apart(build, 12) < CLOSE


def test_cross_entropy_is_done_by_the_machine_code_of_ordinary_tensors() -> None:
    """It takes longer to compile than the rest of a small step, and would be compiled for every size of batch."""
    w = mt.tensor(X[:, :3], requires_grad=True)

    @mt.compile
    def step(y: Any) -> Any:
        loss = F.cross_entropy(w[: len(y)], y)
        loss.backward()
        return loss

    for count in (7, 8):
        for _ in range(3):
            step(mt.tensor(LABELS[:count]))
    address = row_program("cross_entropy", "float64").address
    assert [address in variant.addresses for variant in variants(step)] == [True, True]


def test_pytorchs_options_change_nothing():
    @mt.compile(fullgraph=True, mode="reduce-overhead")
    def step(x):
        return x * 2

    assert [step(mt.tensor([k])).tolist() for k in (1.0, 2.0, 3.0)] == [[2], [4], [6]]
    assert isinstance(mt.compile(step.step, dynamic=False), type(step))
    with pytest.raises(mt.errors.ArgumentError, match="no option 'ful'"):
        mt.compile(ful=True)


class Doubling:
    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.run = mt.compile(self.step)

    def step(self, x: Any) -> Any:
        return x * self.factor


def test_copies_compile_their_own_step() -> None:
    one = Doubling(2.0)
    for _ in range(4):
        one.run(mt.ones(1))
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        other.factor = 3.0
        for _ in range(4):
            assert (one.run(mt.ones(1)).item(), other.run(mt.ones(1)).item()) == (2.0, 3.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_while_another_thread_is_in_a_step() -> None:
    program = """
import os, signal, threading
import microtrain as mt
step = mt.compile(lambda x: x * 2.0)
for _ in range(3):
    step(mt.ones(1))
inside = threading.Event()
def stay():
    with step._lock:
        inside.set()
        threading.Event().wait()
threading.Thread(target=stay, daemon=True).start()
inside.wait()
child = os.fork()
if not child:
    signal.alarm(20)  # ends a child that waits
    os._exit(step(mt.ones(1)).item() != 2.0)
os._exit(os.waitpid(child, 0)[1] != 0)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("forgotten", [True, False])
def test_gradients_that_are_kept_are_not_written(set_to_none: bool, forgotten: bool) -> None:
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    @mt.compile
    def step(x: Any) -> None:
        optimizer.zero_grad(set_to_none=set_to_none)
        (w * x).sum().backward()
        optimizer.step()

    for k in range(12):
        step(mt.tensor([1.0, k]))
        if k % 5 == 4:
            kept = w.grad if forgotten else w.grad.clone()
            if forgotten:
                w.grad = None  # only `kept` refers to it now
        if k > 4:
            assert kept.tolist() == [1.0, k - (k + 1) % 5]


def test_how_many_steps_were_done_is_shown() -> None:
    step = mt.compile(lambda x: x * 2.0)
    step.repeat(10, mt.ones(1))
    step(mt.ones(1))
    assert "run 9 times" in step.explain()


@pytest.mark.parametrize("n", [-1, 2.5, "3"])
def test_repeat_takes_whole_numbers(n: Any) -> None:
    with pytest.raises(ArgumentError, match="whole number"):
        mt.compile(lambda x: x).repeat(n, mt.ones(1))
