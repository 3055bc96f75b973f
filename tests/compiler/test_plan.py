"""Which steps share a loop, and where arrays lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim
from microtrain.compiler.arrays import Group, InPython, Product, Storage
from microtrain.compiler.loop import merged
from microtrain.compiler.plan import Plan, _rounded, _share
from microtrain.nn import functional as F


def plan_of(step: Any, *args: Any) -> Plan:
    compiled = mt.compile(step)
    for _ in range(3):
        compiled(*args)
    ((variant, _),) = next(iter(compiled._forms.values())).variants
    return variant.plan


def kinds(plan: Plan) -> list[str]:
    return [type(step).__name__ for step in plan.steps]


def test_a_chain_and_its_sum_are_one_loop() -> None:
    plan = plan_of(lambda x: ((x * 2 + 1).tanh() ** 2).sum(), mt.ones(5, 7))
    assert kinds(plan) == ["Group"]
    assert plan.arena == 0  # nothing on the way needs memory


def test_the_derivative_is_computed_where_it_is_used() -> None:
    """tanh' = 1 - y^2 belongs to the loop of the backward pass, and the bias's gradient is summed there."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    plan = plan_of(step, mt.randn(6, 3), mt.randn(6, 2))
    loops = [[s.row.name if hasattr(s, "row") else s.how for s in g.steps] for g in plan.steps if isinstance(g, Group)]
    assert ["add", "tanh"] in loops
    assert any(loop[-1] == "sum" and "mul" in loop and "tanh" not in loop for loop in loops)
    assert sum(isinstance(s, Product) for s in plan.steps) == 5


def test_a_value_and_its_transpose() -> None:
    """What is read transposed has to be in memory first, also where it is read straight as well."""

    def step(x: Any) -> Any:
        y = x.exp()
        z = y * 2
        return (z + y.T) * (z - z.T)

    x = mt.randn(4, 4)
    compiled = mt.compile(step)
    for _ in range(3):
        np.testing.assert_allclose(compiled(x).numpy(), step(x).numpy(), rtol=1e-13, atol=1e-13)


def test_what_nobody_needs_is_left_out() -> None:
    plan = plan_of(lambda x: (x.exp(), (x * 3).cumsum(0), x.sum())[2], mt.ones(4))
    assert kinds(plan) == ["Group"]


def test_equal_parts_are_computed_once() -> None:
    plan = plan_of(lambda x: (x.exp() + x.exp()).sum(), mt.ones(4))
    (group,) = plan.steps
    assert [s.row.name for s in group.steps if hasattr(s, "row")] == ["exp", "add"]


def test_numpy_does_the_rest() -> None:
    plan = plan_of(lambda x: x.cumsum(0).exp(), mt.ones(4))
    assert [s.row.name for s in plan.steps if isinstance(s, InPython)] == ["cumsum"]


@pytest.mark.parametrize("seed", range(20))
def test_arrays_that_live_together_do_not_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    memories = []
    for _ in range(30):
        memory = Storage(int(rng.integers(1, 500)), np.dtype(rng.choice(["f4", "f8"])))
        memory.first = int(rng.integers(0, 20))
        memory.last = memory.first + int(rng.integers(0, 6))
        memories.append(memory)
    size = _share(memories)
    for k, a in enumerate(memories):
        start = a.offset * a.dtype.itemsize
        assert start % 64 == 0 and start + a.nbytes <= size
        for b in memories[:k]:
            if a.first <= b.last and b.first <= a.last:
                other = b.offset * b.dtype.itemsize
                assert start + _rounded(a) <= other or other + _rounded(b) <= start
    assert size < sum(map(_rounded, memories))


def test_merged_axes() -> None:
    assert merged((2, 3, 4), [(12, 4, 1), (12, 4, 1)]) == ((24,), [(1,), (1,)])
    assert merged((2, 3, 4), [(12, 4, 1), (0, 4, 1)]) == ((2, 12), [(12, 1), (0, 1)])
    assert merged((1, 3), [(9, 1)]) == ((3,), [(1,)])
    assert merged((), [()]) == ((), [()])
