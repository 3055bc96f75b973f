"""The backward walk: every node once, when its gradient is complete, and only where it has to go."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.engine.walk import own, walk
from microtrain.errors import InplaceError


class Steps:
    """Which derivatives were computed."""

    def __init__(self):
        self.taken = []

    def forward(self, *_):
        pass

    def backward(self, node, slot, upstream, gradient):
        self.taken.append((node.primitive.name, slot))


def steps_of(call):
    with mt.listen(Steps()) as steps:
        call()
    return steps.taken


def test_each_node_is_visited_once_however_often_it_is_used():
    x = mt.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20):
        y = y + y  # 2 ** 20 paths
    assert len(steps_of(y.backward)) == 40
    assert x.grad.item() == 2**20


def test_later_operations_first():
    x = mt.tensor(2.0, requires_grad=True)
    a = x.exp()
    b = x.sin()
    c = a * b
    assert steps_of((c + a).backward) == [("add", 0), ("add", 1), ("mul", 0), ("mul", 1), ("sin", 0), ("exp", 0)]


def test_only_the_paths_to_the_targets_are_walked():
    x, w = (mt.ones(2, requires_grad=True) for _ in range(2))
    side = (w * 3).exp().sin()
    h = x * 2
    y = (h * side).sum()
    assert steps_of(lambda: mt.grad(y, x, retain_graph=True)) == [("sum", 0), ("mul", 0), ("mul", 0)]
    assert steps_of(lambda: mt.grad(y, h, retain_graph=True)) == [("sum", 0), ("mul", 0)]
    assert steps_of(lambda: mt.grad([y, side], h, [None, mt.ones(2)])) == [("sum", 0), ("mul", 0)]
    assert side.grad_fn.kept is not None  # so the rest of the graph is still there


def test_the_walk_itself():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    h = x * 3
    found = walk([h.grad_fn, x], [np.array([1.0, 10.0]), np.ones(2)])
    assert list(found) == [x] and found[x].tolist() == [4, 31]
    found = walk([(h * 2).grad_fn], [np.ones(2)], targets=[h.grad_fn])
    assert list(found) == [h.grad_fn]


def test_own():
    base = np.ones((2, 3))
    for shared in (base[0], base.T, np.broadcast_to(1.0, (3,))):
        mine = own(shared)
        assert not np.shares_memory(mine, shared) and mine.flags.c_contiguous and mine.flags.writeable
    assert own(base) is base and own(base, base) is not base
    number = np.float64(1)
    assert own(number) is number


def test_hooks_of_one_walk_see_nothing_of_another():
    x = mt.tensor(1.0, requires_grad=True)
    h = x * 2
    inner = []

    def hook(g):
        y = mt.tensor(3.0, requires_grad=True)
        with mt.enable_grad():
            (y * y).backward()  # a walk inside a walk
        inner.append(y.grad.item())

    h.register_hook(hook)
    (h * 5).backward()
    assert inner == [6] and x.grad.item() == 10


@pytest.mark.parametrize("wide", [2, 500])
def test_many_leaves(wide):
    leaves = [mt.tensor(float(k), requires_grad=True) for k in range(wide)]
    total = leaves[0] * 1
    for x in leaves[1:]:
        total = total + x * x
    mt.autograd.backward(total)
    assert [x.grad.item() for x in leaves[1:]] == [2.0 * k for k in range(1, wide)]


@pytest.mark.parametrize("old, new", [((3,), (1,)), ((3,), (2,)), ((1,), (3,)), ((), (1,))])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_leaf_that_got_data_of_another_shape_before_backward(old, new, create_graph):
    w = mt.ones(old, requires_grad=True)
    y = (w + mt.ones(3)).sum()
    w.data = mt.zeros(new)
    with pytest.raises(InplaceError, match=r"'add' used a tensor whose data was replaced.*\n.*used at: .*test_walk"):
        y.backward(create_graph=create_graph)
    w.data = mt.ones(new)  # which does not make it good
    with pytest.raises(InplaceError, match="another shape"):
        mt.grad(y, w)
    assert w.grad is None
    (w * 2).sum().backward()
    assert w.grad.shape == new
    w = mt.ones(3, requires_grad=True)
    y = (w + 1).sum()
    w.data = mt.zeros(3)
    y.backward()
    assert w.grad.tolist() == [1, 1, 1]
