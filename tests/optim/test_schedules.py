"""Schedules as functions, what their docstrings promise, and what schedulers say when misused."""

import inspect
import math
import re

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim
from microtrain.optim import lr_scheduler, schedules
from microtrain.optim.schedules import Constant, Cosine, Exponential, ExponentialTo, InverseTime, Linear, Step, Warmup

NUMBERS = r"((?:[-\d.e]+, ){9}[-\d.e]+)"
PROMISES = [
    (kind.__name__, *found)
    for module in (schedules, lr_scheduler)
    for kind in vars(module).values()
    if inspect.isclass(kind)
    for found in re.findall(rf"^ *(\S.*?):\s+{NUMBERS}$", kind.__doc__ or "", re.M)
]


def an_optimizer(lr=1.0):
    w = mt.tensor([1.0], requires_grad=True)
    w.grad = mt.tensor([0.0])
    return optim.SGD([w], lr=lr, momentum=0.9)


def rates(optimizer, scheduler, count):
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def shown(values):
    return ", ".join(f"{v:.6g}" for v in values)


@pytest.mark.parametrize(("kind", "call", "numbers"), PROMISES)
def test_the_first_ten_values_are_those_in_the_docs(kind, call, numbers):
    if kind == "ReduceLROnPlateau":
        optimizer = an_optimizer()
        scheduler, found = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1), []
        for loss in (5, 4, 4, 4, 4, 4, 4, 4, 4, 4):
            optimizer.step()
            scheduler.step(loss)
            found.append(optimizer.param_groups[0]["lr"])
    elif hasattr(schedules, kind):
        found = eval(call, vars(schedules).copy()).values(10)
    else:
        if call.startswith("lr_lambda"):
            call = f"{kind}(optimizer, {call.partition(' = ')[2]})"
        call = call.partition(": ")[2] or call if "joined" in call else call
        optimizer = an_optimizer()
        found = rates(optimizer, eval(call, {**vars(lr_scheduler), "optimizer": optimizer}), 10)
    assert shown(found) == numbers


def test_all_schedules_promise_their_values_and_print_their_rule():
    promised = {kind for kind, *_ in PROMISES}
    for module in (schedules, lr_scheduler):
        for name in module.__all__:
            if name not in ("Schedule", "Chain", "Succession", "LRScheduler"):
                assert name in promised, name
                rule = getattr(module, name).rule
                assert "lr <- " in str(rule) and r"\eta &\leftarrow" in rule.latex() and "<math" in rule.mathml()


def test_the_books_values():
    np.testing.assert_allclose((0.2 * Warmup(10)).values(12), [0.02 * min(k, 10) for k in range(1, 13)])
    assert (0.2 * Warmup(0)).values(3) == [0.2] * 3
    decay = ExponentialTo(0.01, 100)
    np.testing.assert_allclose([decay(0), decay(50), decay(100), decay(150)], [1, 0.1, 0.01, 0.01], rtol=1e-14)
    np.testing.assert_allclose(np.mean([decay(t + 0.5) for t in range(100)]), 0.21498, atol=3e-5)
    cosine = 0.1 * Cosine(100, 0.001)
    np.testing.assert_allclose(
        [cosine(t) for t in (0, 25, 50, 75, 100)], [0.1, 0.085502, 0.0505, 0.015498, 0.001], atol=6e-7
    )
    np.testing.assert_allclose([cosine(150), cosine(200)], [0.0505, 0.1])  # it climbs back ...
    held = 0.1 * Cosine(100, 0.001, hold=True)
    np.testing.assert_allclose([held(100), held(150), held(200)], 0.001)  # ... unless held
    step = 0.1 * Step(10, 0.5)
    np.testing.assert_allclose([step(t) for t in (0, 9, 10, 19, 20, 35)], [0.1, 0.1, 0.05, 0.05, 0.025, 0.0125])
    np.testing.assert_allclose((3 * InverseTime(4.0))(12), 0.75)


def test_combinations_are_functions_too():
    joined = 0.1 * Warmup(10).then(Cosine(90), at=10)
    values = joined.values(100)
    np.testing.assert_allclose(values[:10], 0.1 * np.arange(1, 11) / 10)
    np.testing.assert_allclose(values[10:], [0.05 * (1 + math.cos(math.pi * t / 90)) for t in range(90)])
    assert np.abs(np.diff(values)).max() < 0.1 / 10 + 1e-12  # no jump where they meet
    np.testing.assert_allclose((Exponential(0.9) * Constant(0.5, 3)).values(5), [0.5, 0.45, 0.405, 0.729, 0.6561])
    three = Warmup(2).then(Constant(), 2).then(Linear(1.0, 0.0, 4), 5)
    np.testing.assert_allclose(three.values(10), [0.5, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose((2 * (Exponential(0.5) * Exponential(0.5)))(3), 2 / 64)
    assert repr(0.5 * Step(3)) == "0.5 * Step(every=3, gamma=0.1)"


def test_any_schedule_can_drive_a_scheduler():
    optimizer = an_optimizer(0.1)
    schedule = Warmup(3).then(Exponential(0.5), at=3)
    assert rates(optimizer, lr_scheduler.LRScheduler(optimizer, schedule=schedule), 6) == (0.1 * schedule).values(6)


def test_the_scheduler_before_the_optimizer_is_warned_of_once():
    optimizer = an_optimizer()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    with pytest.warns(UserWarning, match="first rate is never used"):
        scheduler.step()
    scheduler.step()


def test_a_group_added_later_joins_in():
    optimizer = an_optimizer(0.1)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.add_param_group({"params": [mt.ones(1, requires_grad=True)], "lr": 0.8})
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.05, 0.4]


def test_changing_what_the_rate_starts_from():
    optimizer = an_optimizer(0.1)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    optimizer.param_groups[0]["initial_lr"] = 0.8
    scheduler.step()
    assert scheduler.get_last_lr() == [0.2] and scheduler.base_lrs == [0.8]


def test_repr_and_rates_of_one_scheduler():
    optimizer = an_optimizer(0.1)
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    assert repr(scheduler) == "StepLR(step 0, Step(every=3, gamma=0.1))"
    assert scheduler.get_lr() == [0.1] and scheduler.last_epoch == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: lr_scheduler.StepLR([1], 3), "takes an optimizer, not list"),
        (lambda o: lr_scheduler.StepLR(o, 0), "at least 1"),
        (lambda o: lr_scheduler.StepLR(o, 3, last_epoch=4), "no 'initial_lr'"),
        (lambda o: lr_scheduler.LambdaLR(o, [abs, abs]), "2 values, but the optimizer has 1"),
        (lambda o: lr_scheduler.ConstantLR(o, 1.5), "factor is 1.5"),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), "start_factor 0.0"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), "needs total_steps"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 10, anneal_strategy="cubic"), "'cos' or 'linear'"),
        (lambda o: lr_scheduler.OneCycleLR(optim.Adagrad([mt.ones(1)]), 0.1, 10), "Adagrad has none"),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 10).step(11), "10 steps"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="square"), "triangular"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), "less than 1"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="least"), "'min' or 'max'"),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 3)], [1]), "0 milestones"),
        (lambda o: lr_scheduler.ChainedScheduler([]), "no schedulers"),
        (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]), "ReduceLROnPlateau"),
        (
            lambda o: lr_scheduler.ChainedScheduler(
                [lr_scheduler.StepLR(o, 3), lr_scheduler.StepLR(an_optimizer(), 3)]
            ),
            "same optimizer",
        ),
        (lambda o: lr_scheduler.StepLR(optim.SGD([mt.ones(1)], lr=Step(3)), 3), "schedule already"),
        (
            lambda o: schedules.Warmup(3).then(Step(3), 5).then(Step(2), 1).__class__([Step(3), Step(3)], [3, 1]),
            "1 rising",
        ),
        (lambda o: schedules.Chain([]), "no schedules"),
        (lambda o: schedules.ExponentialTo(0.0, 5), "positive"),
        (lambda o: schedules.OneCycle(1.0, 10)(11), "step 11"),
    ],
)
@pytest.mark.filterwarnings("ignore:The scheduler was called before")
def test_mistakes_are_explained(make, message):
    with pytest.raises(mt.MicrotrainError, match=message):
        make(an_optimizer())


def test_a_scheduler_that_could_not_be_made_rules_nothing():
    optimizer = an_optimizer()
    with pytest.raises(ZeroDivisionError):
        lr_scheduler.LambdaLR(optimizer, lambda step: 1 / step)
    assert not optimizer.schedulers
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    assert rates(optimizer, scheduler, 3) == pytest.approx([1, 1 / 2, 1 / 3])


def test_rates_of_their_own_are_not_overlooked():
    assert (0.1 * Warmup(2).then(Cosine(4), at=2)).values(4) == pytest.approx([0.05, 0.1, 0.1, 0.0853553391])
    for combine in (
        lambda: (0.1 * Warmup(2)).then(0.01 * Cosine(4), at=2),
        lambda: Warmup(2) * (0.5 * Cosine(4)),
        lambda: Warmup(2).then((0.5 * Step(3)).then(Cosine(4), at=9), at=2),
    ):
        with pytest.raises(mt.MicrotrainError, match="rate of its own"):
            combine()


def test_groups_added_where_the_scheduler_has_a_value_for_each():
    optimizer = an_optimizer()
    lr_scheduler.LambdaLR(optimizer, [lambda t: 0.9**t])
    with pytest.raises(mt.MicrotrainError, match="Add the groups before"):
        optimizer.add_param_group({"params": [mt.ones(1, requires_grad=True)]})
    optimizer = an_optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 3)
    with pytest.raises(mt.MicrotrainError, match="is a schedule already"):
        optimizer.add_param_group({"params": [mt.ones(1, requires_grad=True)], "lr": 0.1 * Cosine(9)})
    assert scheduler.get_last_lr() == [1.0]


def test_schedules_of_nothing_are_refused():
    optimizer = optim.SGD([mt.ones(1)], lr=0.1)
    with pytest.raises(mt.MicrotrainError, match="positive number of steps, not 0"):
        optim.lr_scheduler.CosineAnnealingLR(optimizer, 0)
    with pytest.raises(mt.MicrotrainError, match=r"0\.5, not a function"):
        optim.lr_scheduler.LambdaLR(optimizer, 0.5)


def test_plateau_asks_for_its_measurement():
    scheduler = lr_scheduler.ReduceLROnPlateau(optim.SGD([mt.zeros(1, requires_grad=True)], lr=0.1))
    with pytest.raises(TypeError, match=r"needs a number(.|\n)*fix: scheduler.step\(loss\)"):
        scheduler.step()


def test_a_succession_of_nothing():
    optimizer = optim.SGD([mt.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(mt.MicrotrainError, match="of no schedulers"):
        lr_scheduler.SequentialLR(optimizer, [], [])
