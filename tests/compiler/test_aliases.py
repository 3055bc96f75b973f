"""Arguments that share memory with each other, or with what the step uses besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim
from microtrain.errors import CompileError

pytestmark = pytest.mark.wide  # each compiles a step

STEPS: dict[str, Callable[..., Any]] = {}


def step(f: Callable[..., Any]) -> Callable[..., Any]:
    STEPS[f.__name__] = f
    return f


@step
def read(a: Any, b: Any, w: Any, o: Any, buffer: Any) -> Any:
    return (((a - b) * w).square().sum() + (a * b * buffer).sum()).detach()


@step
def train(a: Any, b: Any, w: Any, o: Any, buffer: Any) -> Any:
    o.zero_grad()
    loss = ((a - b) * w).square().sum() + (a * b * w * buffer).sum()
    loss.backward()
    o.step()
    return loss.detach() + (b * 2).sum()  # which may be the new w


@step
def write_outside(a: Any, b: Any, w: Any, o: Any, buffer: Any) -> Any:
    buffer.add_(a)
    return (b * 2 + buffer).sum()


@step
def write_an_argument(a: Any, b: Any, w: Any, o: Any, buffer: Any) -> Any:
    a.add_(1.0)
    return (b * 2 + buffer).sum() + w.detach().sum()


@pytest.mark.parametrize("kind", ["xx", "xw", "wx", "x buffer", "buffer x", "x view", "x grad"])
@pytest.mark.parametrize("body", STEPS)
def test_calls_with_and_without(body: str, kind: str) -> None:
    found = []
    for compiled in (False, True):
        w, x, buffer = mt.tensor([1.0, 2.0, 3.0], requires_grad=True), mt.tensor([0.5, 1.0, 2.0]), mt.ones(3)
        o = optim.SGD([w], lr=0.01)

        def one(a: Any, b: Any, w: Any = w, o: Any = o, buffer: Any = buffer) -> Any:
            return STEPS[body](a, b, w, o, buffer)

        run, values = mt.compile(one) if compiled else one, []
        for k, aliased in enumerate([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1]):
            arguments = {
                "xx": (x, x), "xw": (x, w.detach()), "wx": (w.detach(), x), "x buffer": (x, buffer),
                "buffer x": (buffer, x), "x view": (x, buffer[:]), "x grad": (x, mt.ones(3) if w.grad is None else w.grad),
            }[kind]  # fmt: skip
            values.append(run(*(arguments if aliased else (mt.tensor([2.0, 1.0, k]), mt.tensor([1.0, k, 0.0])))).item())
        found.append([*values, *w.tolist(), *buffer.tolist(), *x.tolist()])
    assert found[1] == pytest.approx(found[0], rel=1e-13)


def test_a_parameter_may_be_an_argument() -> None:
    w = mt.ones(3, requires_grad=True)
    o = optim.SGD([w], lr=0.1)

    @mt.compile
    def step(w: Any) -> Any:
        o.zero_grad()
        loss = w.square().sum()
        loss.backward()
        o.step()
        return loss

    for k in range(20):
        assert np.isclose(step(w).item(), 3 * 0.8 ** (2 * k), rtol=1e-12)
    assert "1 native" in repr(step)


def test_rows_of_what_is_written() -> None:
    found = []
    for compiled in (False, True):
        w = mt.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
        o = optim.SGD([w], lr=0.01)

        def one(row: Any, w: Any = w, o: Any = o) -> Any:
            o.zero_grad()
            late = (row * 2).exp()  # what it was before the update
            loss = (w * row).square().sum()
            loss.backward()
            o.step()
            return loss, (late * w.detach()).sum(1)

        run, values = mt.compile(one) if compiled else one, []
        for k in range(12):
            loss, late = run(w.detach()[k % 4] if k > 4 else mt.ones(3))
            values += [loss.item(), *late.tolist()]
        found.append([*values, *w.flatten().tolist()])
    assert "2 native functions" in repr(run)
    assert found[1] == pytest.approx(found[0], rel=1e-12)


def test_an_argument_that_is_written_and_overlaps_another_is_refused() -> None:
    whole = mt.ones(4)

    @mt.compile
    def step(a: Any, b: Any) -> Any:
        a.add_(1.0)
        return (a * b).sum()

    for _ in range(4):
        step(mt.ones(3), mt.ones(3))
    with pytest.raises(CompileError, match="shares memory with another tensor, and the step writes to it"):
        step(whole[:3], whole[1:])
