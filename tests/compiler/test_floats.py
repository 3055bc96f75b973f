"""Floats among the arguments are numbers of the run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim
from microtrain.compiler import Compiled
from microtrain.errors import CompileError
from microtrain.nn import functional as F

from ..wide import mostly_wide

X = np.random.default_rng(0).normal(size=(6, 3))


def rates(k: int) -> tuple[float, ...]:
    return (0.1 / (1 + k),)


def by_hand(f: Callable[[Any], Any]) -> Any:
    w, x = mt.ones(3, requires_grad=True), mt.tensor(X)

    def step(lr: float) -> Any:
        loss = (x @ w).tanh().square().mean()
        loss.backward()
        with mt.no_grad():
            w.sub_(f(lr) * w.grad)
            w.grad = None
        return loss

    return step, w


def in_the_optimizer(f: Callable[[Any], Any], key: str = "lr", kind: Any = optim.Adam) -> Any:
    w, x = mt.ones(3, requires_grad=True), mt.tensor(X)
    o = kind([w], lr=0.1)

    def step(lr: float) -> Any:
        o.zero_grad()
        loss = (x @ w).tanh().square().mean()
        loss.backward()
        o.param_groups[0][key] = f(lr)
        o.step()
        o.param_groups[0]["lr"] = 0.7
        return loss

    return step, w


def as_a_penalty(f: Callable[[Any], Any]) -> Any:
    w, x = mt.ones(3, requires_grad=True), mt.tensor(X)
    o = optim.SGD([w], lr=0.1)

    def step(a: float) -> Any:
        o.zero_grad()
        loss = (x @ w).tanh().square().mean() + a * (w.abs() ** (1 + a)).sum() + mt.where(w > a, w, a).sum()
        (loss + F.leaky_relu(w - 1, f(a)).sum()).backward()
        o.step()
        return loss * a, [a, 2 * a]

    return step, w


def compared(build: Any, steps: int = 12, arguments: Any = rates) -> Compiled:
    (eager, w), (step, ours) = build(), build()
    compiled = mt.compile(step)
    for k in range(steps):
        expected, found = eager(*arguments(k)), compiled(*arguments(k))
        if isinstance(expected, tuple):
            assert expected[1] == found[1]
            assert all(type(x) is float for x in found[1])
            expected, found = expected[0], found[0]
        assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    assert np.allclose(w.detach(), ours.detach(), rtol=1e-12, atol=0)
    return compiled


def forms(compiled: Compiled) -> list[Any]:
    return [variant for form in compiled._forms.values() for variant, _ in form.variants]


NUMBERS: dict[str, Any] = {
    "by hand": lambda: by_hand(lambda lr: lr),
    "arithmetic": lambda: by_hand(lambda lr: (1 - lr) * lr / 2 + abs(-lr) ** 2 * 2**lr),
    "Adam": lambda: in_the_optimizer(lambda lr: lr),
    "half of it": lambda: in_the_optimizer(lambda lr: 0.5 * lr),
    "SGD": lambda: in_the_optimizer(lambda lr: lr, kind=optim.SGD),
    "penalty": lambda: as_a_penalty(lambda a: a),
}


@pytest.mark.parametrize("build", mostly_wide(NUMBERS, but={"arithmetic", "half of it", "penalty"}))
def test_one_form_for_all_values(build: str) -> None:
    compiled = compared(NUMBERS[build])
    assert len(forms(compiled)) == 1 and forms(compiled)[0].calls >= 8


CONSTANTS: dict[str, Any] = {
    "sqrt": lambda: by_hand(math.sqrt),
    "branch": lambda: by_hand(lambda lr: lr if lr > 0.05 else 2 * lr),
    "sqrt in Adam": lambda: in_the_optimizer(math.sqrt),
    "betas": lambda: in_the_optimizer(lambda lr: (lr, 0.99), "betas"),
}


@pytest.mark.parametrize("build", mostly_wide(CONSTANTS, but={"branch", "sqrt in Adam"}))
def test_a_form_for_each_value(build: str) -> None:
    """Where Python looks at the number, or computes with it past us, it is a constant; never the wrong one."""
    compiled = compared(CONSTANTS[build], 15, lambda k: (0.1 / (1 + k % 3),))
    assert compiled._constant == {0} and len(forms(compiled)) == 3


@pytest.mark.parametrize(
    "far",
    [
        lambda a: float(a) > 0.5, lambda a: np.float64(0.5) < a, lambda a: np.sign(a - 0.5) > 0,
        lambda a: str(a) > "0.5", lambda a: f"{a:.1f}" > "0.5", lambda a: math.sqrt(a) > 0.7,
        lambda a: math.copysign(1.0, a - 0.5) > 0,
    ],
    ids="float NumPy sign str format sqrt copysign".split(),
)  # fmt: skip
def test_branches_by_what_nobody_hears(far: Any) -> None:
    """The first two values take the same branch; the third is far from them."""
    compiled = mt.compile(lambda x, a: x * (1.0 if far(a) else 2.0))
    for a in [1.0] * 4 + [0.9, 0.95] + [0.1] * 4 + [1.0, 0.2]:
        assert compiled(mt.ones(2), a).tolist() == [1.0 if a > 0.5 else 2.0] * 2


def test_a_number_that_grows_is_looked_at_less_and_less() -> None:
    eager_runs = iter(range(12))

    def step(x: Any, t: float) -> Any:
        next(eager_runs)
        return x * t

    compiled = mt.compile(step)
    for k in range(200):
        assert compiled(mt.ones(1), float(k)).item() == k


def test_whole_numbers_have_forms_of_their_own() -> None:
    compiled = compared(lambda: in_the_optimizer(lambda t: 0.1 / t), 15, lambda k: (1 + k % 3,))
    assert len(forms(compiled)) == 3


def test_repeat() -> None:
    (eager, w), (step, ours) = in_the_optimizer(lambda lr: lr), in_the_optimizer(lambda lr: lr)
    expected = [eager(lr).item() for lr in [0.1] * 20 + [0.05] * 20]
    compiled = mt.compile(step)
    found = [*compiled.repeat(20, 0.1).tolist(), *compiled.repeat(20, 0.05).tolist()]
    assert np.allclose(expected, found, rtol=1e-12, atol=0) and len(forms(compiled)) == 1
    assert np.allclose(w.detach(), ours.detach(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("how", ["number", "setting", "constant"])
def test_counters_inside_are_found(how: str) -> None:
    w, counts = mt.ones(3, requires_grad=True), iter(range(1, 100))
    o = optim.SGD([w], lr=0.1)

    def step(lr: float) -> Any:
        o.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        n = next(counts)
        if how != "number":
            o.param_groups[0]["lr"] = lr / n if how == "setting" else 1 / n
        o.step()
        return loss * (lr * n) if how == "number" else loss

    compiled = mt.compile(step)
    with pytest.raises(CompileError, match="two runs of the step were not the same"):
        for _ in range(6):
            compiled(0.1)


def test_a_schedule_stays_a_schedule() -> None:
    def build() -> Any:
        w = mt.ones(3, requires_grad=True)
        o = optim.SGD([w], lr=0.1)
        scheduler = optim.lr_scheduler.ExponentialLR(o, 0.9)

        def step(unused: float) -> Any:
            o.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            o.step()
            scheduler.step()
            return loss

        return step, w

    assert len(forms(compared(build))) == 1


@pytest.mark.parametrize(
    "body",
    [
        lambda x, k: x[:k] * 1, lambda x, k: x[k.reshape(1)] * 1, lambda x, k: x[[k, 0]] * 1, lambda x, k: x * float(k),
        lambda x, k: mt.one_hot(k, 2) + x,
    ],
    ids="slice index list number one_hot".split(),
)  # fmt: skip
def test_numpy_computes_with_an_argument(body: Any) -> None:
    x, compiled = mt.randn(2, 2), mt.compile(body)
    for k in (0, 0, 0, 0):
        np.testing.assert_array_equal(compiled(x, np.array(k)).numpy(), body(x, np.array(k)).numpy())
    with pytest.raises(mt.errors.CompileError, match="NumPy array among the arguments"):
        compiled(x, np.array(1))


def test_an_array_that_does_not_matter_may_change() -> None:
    x, compiled = mt.randn(2, 2), mt.compile(lambda x, k: x * 2)
    for k in range(8):
        assert compiled(x, np.array(k)).tolist() == (x * 2).tolist()
    assert "1 native" in repr(compiled)


def test_batches_of_numpys_are_not_compared() -> None:
    w = mt.ones(3)
    compiled = mt.compile(lambda x, y: (w * x - y).sum())
    for k in range(6):
        assert compiled(np.full(3, float(k)), np.ones(3)).item() == 3 * k - 3
    (variant,) = (v for form in compiled._forms.values() for v, _ in form.variants)
    assert variant.calls == 4 and not variant.tried.any
