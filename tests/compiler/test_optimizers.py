"""Every optimizer of the library with small models: compiled step by step, repeated, and on the batches of a loader.

200 steps agree with eager ones to 1e-12 in losses, parameters and the optimizer's state, relative to the largest value
that each had on the way (a momentum that has come to nearly 0 is nothing but rounding).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.data import DataLoader, TensorDataset
from microtrain.errors import CompileError
from microtrain.nn import functional as F
from microtrain.optim import lr_scheduler, schedules

from ..wide import mostly_wide
from .twins import closeness

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 4)), RNG.normal(size=(12, 3))


def named(name: str, **settings: Any) -> Any:
    return lambda params: getattr(optim, name)(params, **{"lr": 0.01, **settings})


OPTIMIZERS: dict[str, Any] = {
    **{
        name: named(name)
        for name in "ASGD Adadelta Adagrad Adam AdamW Adamax GradientDescent Momentum NAdam NormalizedGD RAdam RMSprop "
        "Rprop SGD SignGD".split()
    },
    "AMSGrad": named("Adam", amsgrad=True, weight_decay=0.01),
    "RMSprop, centered": named("RMSprop", centered=True, momentum=0.9),
    "Nesterov's SGD": named("SGD", momentum=0.9, nesterov=True, weight_decay=0.01),
    "Momentum as a sum": named("Momentum", form="sum"),
    "uphill": named("SGD", lr=1e-4, maximize=True),
    "a schedule": lambda params: optim.SGD(params, lr=0.05 * schedules.Cosine(100)),
    "Adam with a schedule": lambda params: optim.Adam(params, lr=0.05 * schedules.Warmup(20)),
    "SGLD": lambda params: optim.LangevinGD(params, lr=0.01, temperature=0.01, generator=mt.Generator(1)),
}

MODELS: dict[str, Any] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), X, Y),
    "gabor": (nn.Gabor, X[:, 0], Y[:, 0]),
    "line": (nn.Line, X[:, 0], Y[:, 0]),
    "shallow": (lambda: nn.ShallowNetwork(3), X[:, 0], Y[:, 0]),
    "deep linear": (lambda: nn.DeepLinear([4, 5, 5, 3]), X, Y),
    "regression": (lambda: nn.LinearRegression(4), X, Y[:, 0]),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)), X, Y),
    "layer norm": (
        lambda: nn.Sequential(nn.Linear(4, 5, bias=False), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 3)),
        X,
        Y,
    ),
}


def twins(model: str, optimizer: str) -> tuple[Any, Any, Any, Any, Any]:
    """(step, inputs, targets, model, optimizer), the same each time."""
    make, x, y = MODELS[model]
    mt.manual_seed(3)
    m = make()
    o = OPTIMIZERS[optimizer](m.parameters())

    def step(x: Any, y: Any) -> Any:
        o.zero_grad()
        loss = F.mse_loss(m(x), y)
        loss.backward()
        o.step()
        return loss

    return step, mt.tensor(x), mt.tensor(y), m, o


def apart(model: str, optimizer: str, steps: int) -> float:
    """How far the three ways to run compiled steps are from eager steps."""
    step, x, y, ours, o = twins(model, optimizer)
    losses, largest = [], {}
    for _ in range(steps):
        losses.append(step(x, y).item())
        for k, p in enumerate(ours.parameters()):
            for name, value in o.state[p].items():
                largest[k, name] = max(largest.get((k, name), 1e-300), float(np.abs(value).max()))
    state = mt.random.default_generator.get_state()
    worst = 0.0
    for how in ("call", "repeat", "minibatches"):
        step, x, y, theirs, other = twins(model, optimizer)
        compiled = mt.compile(step)
        if how == "call":
            found: Any = [compiled(x, y).item() for _ in range(steps)]
        elif how == "repeat":
            found = compiled.repeat(steps, x, y)
        else:
            found = compiled.minibatches(DataLoader(TensorDataset(x, y), batch_size=len(x)), epochs=steps)
        variants = [variant for form in compiled._forms.values() for variant, _ in form.variants]
        assert len(variants) == 1 and variants[0].repeatable, "not in machine code"
        worst = max(worst, closeness(losses, np.asarray(found)))
        assert mt.random.default_generator.get_state() == state, "another stream of random numbers"
        for k, (p, q) in enumerate(zip(ours.parameters(), theirs.parameters(), strict=True)):
            worst = max(worst, closeness(p.detach().numpy(), q.detach().numpy()))
            assert o.state[p].keys() == other.state[q].keys()
            for name, value in o.state[p].items():
                difference = np.abs(np.asarray(value) - np.asarray(other.state[q][name])).max()
                worst = max(worst, difference / largest[k, name])
    return worst


QUICK = {("mlp", "SGLD"): (), ("dropout", "a schedule"): ()}
QUICK |= {("mlp", "Adam"): pytest.mark.wide, ("gabor", "Nesterov's SGD"): pytest.mark.wide}


def carried(model: str, optimizer: str, steps: int) -> float:
    """How far eager steps are from themselves if they begin one bit apart: where rounding grows, none can be closer.

    (Biases before a LayerNorm are not among the models: their gradient is rounding alone, and Adam's rule makes that as
    large as any other.)
    """
    runs = []
    for bit in (0.0, 2.0**-52):
        step, x, y, m, _ = twins(model, optimizer)
        with mt.no_grad():
            for p in m.parameters():
                p.mul_(1 + bit * mt.tensor(np.random.default_rng(5).choice([-1.0, 1.0], p.shape)))
        losses = [step(x, y).item() for _ in range(steps)]
        runs.append([np.array(losses), *(p.detach().numpy().copy() for p in m.parameters())])
    return max(map(closeness, *runs))


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        pytest.param(m, o, marks=QUICK.get((m, o), pytest.mark.slow))
        for m in MODELS for o in OPTIMIZERS
    ],
)  # fmt: skip
def test_200_steps(model: str, optimizer: str) -> None:
    found = apart(model, optimizer, 200)
    assert found < 1e-12 or found < 100 * carried(model, optimizer, 200)


def test_the_list_is_complete() -> None:
    """Those that are missing take a closure, or their steps depend on values: see below."""
    classes = {name for name in optim.__all__ if isinstance(getattr(optim, name), type)}
    classes = {name for name in classes if issubclass(getattr(optim, name), optim.Optimizer)}
    here = {type(make([mt.ones(1, requires_grad=True)])).__name__ for make in OPTIMIZERS.values()}
    assert classes - here == {*CLOSURES, *WHOLE, "SVRG", "ExhaustiveSearch", "LineSearch", "Optimizer"} & classes


# ---- optimizers that call the loss themselves ------------------------------------------------------------------------

CLOSURES: dict[str, Any] = {  # the closure can be compiled
    "LBFGS": lambda p: optim.LBFGS(p, lr=0.1, max_iter=3),
    "LineSearchGD": optim.LineSearchGD,
    "ConjugateGradient": lambda p: optim.ConjugateGradient(p, "armijo"),
    "Nesterov": lambda p: optim.Nesterov(p, lr=0.01),
    "SWATS": lambda p: optim.SWATS(p, switch_step=8),
}
WHOLE: dict[str, Any] = {  # these differentiate the loss themselves, so they need its graph
    "GaussNewton": lambda p: optim.GaussNewton(p, damping=1.0),
    "Newton": lambda p: optim.Newton(p, damping=1.0),
    "Preconditioned": lambda p: optim.Preconditioned(p, lr=0.001),
}


def with_closure(make: Any, backward: bool) -> tuple[Any, Any, Any]:
    mt.manual_seed(0)
    m, x, y = MODELS["mlp"][0](), mt.tensor(X), mt.tensor(Y)
    o = make(m.parameters())

    def closure() -> Any:
        if backward:
            o.zero_grad()
        loss = F.mse_loss(m(x), y)
        if backward:
            loss.backward()
        return loss

    return m, o, closure


@pytest.mark.parametrize("name", mostly_wide(CLOSURES, but={"LBFGS", "SWATS"}))
def test_compiled_closures(name: str) -> None:
    (ours, o, closure), (theirs, other, also) = (with_closure(CLOSURES[name], True) for _ in range(2))
    compiled = mt.compile(also)
    for _ in range(12 if name != "LBFGS" else 4):
        o.step(closure)
        other.step(compiled)
    worst = max(
        closeness(p.detach().numpy(), q.detach().numpy())
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)
    )
    assert worst < 1e-9 and sum(v.calls for f in compiled._forms.values() for v, _ in f.variants) >= 8


@pytest.mark.parametrize("name", mostly_wide([*CLOSURES, *WHOLE], but={"LBFGS", "Newton"}))
def test_their_own_steps_are_refused(name: str) -> None:
    _, o, closure = with_closure({**CLOSURES, **WHOLE}[name], name in CLOSURES)
    with pytest.raises(CompileError, match=r"at: .*test_optimizers\.py") as error:
        for _ in range(4):
            mt.compile(lambda: o.step(closure))()
    assert "closure" in str(error.value)


@pytest.mark.parametrize("name", mostly_wide(WHOLE, but={"GaussNewton"}))
def test_losses_that_are_needed_with_their_graph(name: str) -> None:
    _, o, closure = with_closure(WHOLE[name], False)
    with pytest.raises(CompileError, match=r"(?s)never calls backward.*stay eager"):
        o.step(mt.compile(closure))


# ---- schedulers ------------------------------------------------------------------------------------------------------

SCHEDULERS: dict[str, Any] = {
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, 0.5, 20),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 50),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 20),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 10, cycle_momentum=False),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.99),
    "InverseSqrtLR": lambda o: lr_scheduler.InverseSqrtLR(o),
    "InverseTimeLR": lambda o: lr_scheduler.InverseTimeLR(o, 0.1),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
    "LinearLR": lr_scheduler.LinearLR,
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [10, 30]),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda t: 0.99),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=300),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 100),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 10),
    "WarmupLR": lambda o: lr_scheduler.WarmupLR(o, 20),
}  # fmt: skip


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("name", mostly_wide(SCHEDULERS, but={"CosineAnnealingLR", "CyclicLR", "MultiplicativeLR"}))
def test_schedulers(name: str, inside: bool) -> None:
    """Called in the step or after it."""

    def build() -> Any:
        mt.manual_seed(0)
        m, x, y = MODELS["mlp"][0](), mt.tensor(X), mt.tensor(Y)
        o = optim.SGD(m.parameters(), lr=0.05, momentum=0.9)
        scheduler = SCHEDULERS[name](o)

        def step() -> Any:
            o.zero_grad()
            loss = F.mse_loss(m(x), y)
            loss.backward()
            o.step()
            if inside:
                scheduler.step()
            return loss

        return m, o, step, scheduler

    (ours, o, step, scheduler), (theirs, other, also, follower) = build(), build()
    compiled = mt.compile(also)
    for _ in range(60):
        a, b = step().item(), compiled().item()
        if not inside:
            scheduler.step()
            follower.step()
        assert o.param_groups[0]["lr"] == other.param_groups[0]["lr"]
        assert b == pytest.approx(a, rel=1e-12)
    assert all(
        closeness(p.detach().numpy(), q.detach().numpy()) < 1e-12
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)
    )


def test_sgld_repeats_in_machine_code() -> None:
    """Its noise is drawn beforehand, step by step, from the same stream."""
    step, x, y, *_ = twins("mlp", "SGLD")
    compiled = mt.compile(step)
    compiled.repeat(2500, x, y)  # more than are prepared at a time
    (variant,) = [variant for form in compiled._forms.values() for variant, _ in form.variants]
    assert variant.calls == 2498 and variant.repeatable


@pytest.mark.parametrize("name", mostly_wide(["SGD", "Adam", "NAdam"], but={"NAdam"}))
@pytest.mark.parametrize("repeated", [False, True])
def test_a_step_without_a_rate_does_not_count(name: str, repeated: bool) -> None:
    """The schedule of the second group raises once: nothing is updated, and the next step is the one that failed."""

    def run(compiled: bool, fails: bool) -> Any:
        asked = []

        def rate(t: int) -> float:
            asked.append(t)
            if fails and len(asked) == 4:
                raise RuntimeError("no rate")
            return 0.1 / (t + 1)

        a, b = mt.tensor([1.0, 2.0], requires_grad=True), mt.tensor([1.0], requires_grad=True)
        optimizer = getattr(optim, name)([{"params": [a]}, {"params": [b], "lr": rate}], lr=0.1)

        def step() -> Any:
            optimizer.zero_grad()
            loss = (a * a).sum() + (b * b).sum()
            loss.backward()
            optimizer.step()
            return loss

        step = mt.compile(step) if compiled else step
        done = 0
        while done < 6:
            try:
                if compiled and repeated and done >= 2:
                    done += len(step.repeat(6 - done))
                else:
                    step()
                    done += 1
            except RuntimeError as error:
                assert str(error) == "no rate"
        numbers = [[v for v in optimizer.state[p].values() if not isinstance(v, mt.Tensor)] for p in (a, b)]
        return [*a.tolist(), *b.tolist(), *numbers[0], *numbers[1]]

    assert closeness(run(False, False), run(True, True)) < 1e-14


def test_state_that_dwindles_becomes_zero() -> None:
    """The gradient of a dead unit is 0; without care its average would be a subnormal number for ever."""
    weights = mt.tensor(np.ones(3, np.float32), requires_grad=True)
    optimizer = optim.Adam([weights], lr=0.0)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (weights * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    compiled = mt.compile(step)
    for _ in range(3):
        compiled(mt.tensor(np.ones(3, np.float32)))
    compiled.repeat(1000, mt.tensor(np.array([1, 0, 0], np.float32)))
    np.testing.assert_allclose(optimizer.state[weights]["exp_avg"].numpy(), [1, 0, 0], rtol=1e-6, atol=0)
