"""backward(), hooks, retain_grad, and the arguments that decide what is walked and kept."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, DtypeError, GraphError, InplaceError, ShapeError


def leaf(*values):
    return mt.tensor(values, requires_grad=True)


# ---- gradient=, retain_graph=, create_graph=, inputs= ---------------------------------------------------------------


def test_gradient_weighs_the_outputs():
    x = leaf(1.0, 2.0)
    (x * x).backward(mt.tensor([10.0, 1.0]))
    assert x.grad.tolist() == [20, 4]
    x.grad = None
    (x * x).backward([1, 2])  # integers and lists too
    assert x.grad.tolist() == [2, 8]
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        (x * x).backward(mt.ones(3))
    with pytest.raises(DtypeError):
        (x * x).backward(np.array([1j, 2]))


def test_a_leaf_may_be_its_own_root():
    x = leaf(1.0, 2.0)
    seed = mt.ones(2)
    x.backward(seed)
    x.backward(seed)
    x.grad.add_(1)
    assert x.grad.tolist() == [3, 3] and seed.tolist() == [1, 1]


def test_retain_graph():
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]
    with pytest.raises(GraphError, match="second time"):
        y.backward()
    assert x.grad.tolist() == [12]


def test_a_graph_that_kept_nothing_can_be_walked_again():
    x = leaf(3.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2]
    h = x + 1  # shared by two losses, as in PyTorch
    (h * 2).sum().backward()
    (h * h).sum().backward()
    assert x.grad.tolist() == [2 + 2 + 8]


def test_create_graph_keeps_the_graph_and_records_the_gradient():
    x = leaf(2.0)
    y = (x**3).sum()
    y.backward(create_graph=True)
    g = x.grad
    assert g.requires_grad
    x.grad = None
    g.sum().backward()
    assert x.grad.tolist() == [12]
    y.backward()
    assert x.grad.tolist() == [24]
    x.grad = None


def test_create_graph_accumulates_out_of_place():
    x = leaf(2.0)
    (x**2).sum().backward(create_graph=True)
    first = x.grad
    (x**3).sum().backward(create_graph=True)
    assert first.tolist() == [4] and x.grad.tolist() == [16]
    (second,) = mt.grad(x.grad.sum(), x)
    assert second.tolist() == [2 + 12]
    x.grad = None


def test_create_graph_then_a_plain_backward_on_top():
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    (x * 5).sum().backward()
    assert x.grad.tolist() == [17]
    (second,) = mt.grad(x.grad.sum(), x)
    assert second.tolist() == [12]
    x.grad = None


def test_inputs_limits_what_gets_a_gradient():
    a, b = leaf(1.0), leaf(2.0)
    h = a * b
    y = (h * h).sum()
    y.backward(inputs=[a], retain_graph=True)
    assert a.grad.tolist() == [8] and b.grad is None
    y.backward(inputs=h, retain_graph=True)
    assert h.grad.tolist() == [4] and b.grad is None
    y.backward(inputs=(b, h))
    assert b.grad.tolist() == [4] and h.grad.tolist() == [8] and a.grad.tolist() == [8]
    other = leaf(1.0)
    (a * 2).sum().backward(inputs=[other])
    assert other.grad is None and a.grad.tolist() == [8]
    with pytest.raises(ArgumentError, match="nothing to do"):
        a.sum().backward(inputs=[])
    with pytest.raises(GraphError, match="does not require grad"):
        a.sum().backward(inputs=[mt.ones(1)])
    with pytest.raises(DtypeError):
        a.sum().backward(inputs=[1.0])


def test_inputs_do_not_free_what_was_not_walked():
    x = leaf(3.0)
    h = x * x
    (g,) = mt.grad((h * h).sum(), h)
    h.backward(g)  # the part below h is still there
    assert x.grad.tolist() == [4 * 27]


def test_a_root_that_is_not_among_the_inputs_gets_nothing():
    x, y = leaf(1.0), leaf(1.0)
    mt.autograd.backward([x, (y * 2).sum()], [mt.ones(1), None], inputs=[y])
    assert x.grad is None and y.grad.tolist() == [2]


def test_several_roots():
    x = leaf(1.0, 2.0)
    h = x * x
    mt.autograd.backward([h.sum(), h, h.sum()], [None, mt.tensor([1.0, 0.0]), None])
    assert x.grad.tolist() == [6, 8]
    with pytest.raises(ArgumentError, match="2 tensors, but 1"):
        mt.autograd.backward([h, h], [mt.ones(2)])
    with pytest.raises(DtypeError):
        mt.autograd.backward([1.0])


def test_a_tensor_used_many_times():
    x = leaf(2.0)
    y = x * x + x * x * x
    z = y * y + x
    z.sum().backward()
    assert x.grad.tolist() == [2 * 12 * (4 + 12) + 1]


def test_broadcasting_is_undone():
    a, b = mt.ones(3, 1, requires_grad=True), mt.ones(1, 4, requires_grad=True)
    c, d = mt.tensor(2.0, requires_grad=True), mt.ones(2, 1, 1, requires_grad=True)
    (a * b * c * d).sum().backward()
    assert a.grad.shape == (3, 1) and a.grad.tolist() == [[16.0]] * 3
    assert b.grad.tolist() == [[12.0] * 4] and c.grad.item() == 24 and d.grad.tolist() == [[[24.0]]] * 2


def test_mixed_dtypes():
    a = mt.tensor([1.0, 2.0], dtype=mt.float32, requires_grad=True)
    b = mt.tensor([1.0, 2.0], requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype == mt.float32 and b.grad.dtype == mt.float64
    (a.double() * 2).sum().backward()
    assert a.grad.dtype == mt.float32 and a.grad.tolist() == [3, 4]


# ---- .grad ----------------------------------------------------------------------------------------------------------


def test_grad_must_fit():
    x = leaf(1.0, 2.0)
    with pytest.raises(ShapeError):
        x.grad = mt.ones(3)
    with pytest.raises(DtypeError):
        x.grad = np.ones(2)
    with pytest.raises(DtypeError):
        x.grad = mt.ones(2, dtype=mt.float32)
    x.grad = mt.ones(2)
    x.grad *= 3
    assert x.grad.tolist() == [3, 3]
    x.grad = None
    assert x.grad is None


def test_accumulating_into_a_used_gradient_is_noticed():
    x = leaf(2.0)
    (x * x).sum().backward()
    y = (x.grad * x).sum()  # keeps x.grad
    (x * 3).sum().backward()
    with pytest.raises(InplaceError, match="'backward' overwrote it"):
        y.backward()


# ---- hooks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_leaf", [True, False])
def test_hooks_see_and_replace(of_leaf):
    x = leaf(1.0, 2.0)
    t = x if of_leaf else x + 0
    seen = []
    first = t.register_hook(lambda g: seen.append(g.tolist()))
    second = t.register_hook(lambda g: g * 10)
    third = t.register_hook(lambda g: seen.append(g.tolist()))
    (t * 3).sum().backward()
    assert seen == [[3, 3], [30, 30]] and x.grad.tolist() == [30, 30]
    second.remove()
    second.remove()
    x.grad = None
    t2 = x if of_leaf else t
    (t2 * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]
    first.remove()
    third.remove()
    with t.register_hook(lambda g: g * 0):
        x.grad = None
        (t * 3).sum().backward()
        assert x.grad.tolist() == [0, 0]
    (t * 3).sum().backward()
    assert x.grad.tolist() == [3, 3] and len(seen) == 4


def test_hooks_may_remove_themselves():
    x = leaf(1.0)
    calls = []

    def once(g):
        calls.append("once")
        handle.remove()

    handle = x.register_hook(once)
    x.register_hook(lambda g: calls.append("always"))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert calls == ["once", "always", "always"]


def test_hooks_get_the_whole_gradient_once():
    x = leaf(1.0)
    h = x * 1
    calls = []
    h.register_hook(lambda g: calls.append(g.item()))
    x.register_hook(lambda g: calls.append(g.item()))
    (h * 2 + h * 3 + x).sum().backward()
    assert calls == [5, 6]


def test_hooks_can_not_write_to_the_gradient():
    x = leaf(1.0)
    x.register_hook(lambda g: g.mul_(2))
    with pytest.raises(InplaceError, match="read-only"):
        (x * x).sum().backward()
    assert x.grad is None


def test_hooks_must_keep_the_shape():
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(ShapeError, match="hook"):
        (x * x).sum().backward()
    with pytest.raises(GraphError, match="never be called"):
        mt.ones(1).register_hook(print)


def test_hooks_in_grad_and_second_derivatives():
    x = leaf(3.0)
    h = x * x
    h.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: g * x)
    (g,) = mt.grad((h * 1).sum(), x, create_graph=True)
    assert g.tolist() == [2 * 2 * 3 * 3]  # 2 * 2x * x
    (second,) = mt.grad(g.sum(), x)  # 8x, and the hook multiplies by x
    assert second.tolist() == [8 * 3 * 3]


def test_a_hook_that_gives_an_array_or_a_shared_tensor():
    x = leaf(1.0, 2.0)
    shared = mt.tensor([5.0, 6.0])
    x.register_hook(lambda g: shared)
    (x * x).sum().backward()
    x.grad.add_(1)
    assert shared.tolist() == [5, 6]


# ---- retain_grad ----------------------------------------------------------------------------------------------------


def test_retain_grad():
    x = leaf(2.0)
    h = x * x
    h.retain_grad()
    h.retain_grad()
    assert h.retains_grad and not x.retains_grad
    y = h * h
    y.sum().backward(retain_graph=True)
    assert h.grad.tolist() == [8]
    y.sum().backward()
    assert h.grad.tolist() == [16] and x.grad.tolist() == [64]
    x.retain_grad()  # nothing to do on a leaf
    with pytest.raises(GraphError):
        mt.ones(1).retain_grad()


def test_retain_grad_comes_after_hooks_and_is_owned():
    x, k = leaf(2.0), leaf(1.0)
    h = x * 1
    h.retain_grad()
    h.register_hook(lambda g: g * 7)
    s = h + k
    s.retain_grad()
    s.sum().backward()
    assert (h.grad.tolist(), x.grad.tolist(), s.grad.tolist()) == ([7], [7], [1])
    h.grad.zero_()
    s.grad.zero_()
    assert x.grad.tolist() == [7] and k.grad.tolist() == [1]


def test_retain_grad_follows_a_write():
    x = leaf(2.0)
    h = x * 1
    h.retain_grad()
    h *= 3
    (h * 5).sum().backward()
    assert h.grad.tolist() == [5] and x.grad.tolist() == [15]


def test_retain_grad_with_create_graph():
    x = leaf(2.0)
    h = x * x
    h.retain_grad()
    (h * h).sum().backward(create_graph=True)
    assert h.grad.requires_grad
    (g,) = mt.grad(h.grad.sum(), x)
    assert g.tolist() == [8]
    x.grad = h.grad = None


def test_grad_leaves_dot_grad_alone():
    x = leaf(2.0)
    h = x * x
    h.retain_grad()
    mt.grad((h * h).sum(), [x, h])
    assert x.grad is None and h.grad is None


# ---- second derivatives and writes ----------------------------------------------------------------------------------


def test_constants_overwritten_between_the_two_passes_are_noticed():
    x, c = leaf(2.0), mt.tensor([3.0])
    (g,) = mt.grad(((x * c) ** 2).sum(), x, create_graph=True)
    c += 1
    with pytest.raises(InplaceError):
        g.sum().backward()


def test_zero_dimensional_leaves_may_become_arrays_in_between():
    x = mt.tensor(3.0, requires_grad=True)
    y = x * x * x
    x.detach()  # makes the number an array
    (g,) = mt.grad(y, x, create_graph=True)
    (h,) = mt.grad(g, x)
    assert (g.item(), h.item()) == (27, 18)


def test_a_backward_after_one_that_failed_says_so():
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    h = w * 2
    y = (h.exp() * h.sin()).sum()
    h.add_(1)
    with pytest.raises(InplaceError):
        y.backward()
    with pytest.raises(GraphError, match=r"second time.*\n.*\n.*also one that fails on its way") as caught:
        y.backward()
    assert "run the forward pass again" in caught.value.fix and w.grad is None


def test_a_gradient_is_deleted_and_writes_are_counted():
    x = mt.tensor([1.0], requires_grad=True)
    (x * 2).sum().backward()
    del x.grad
    assert x.grad is None
    before = x._version
    with mt.no_grad():
        x += 1
    assert x._version == before + 1


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("data", [[4.0], [4.0, 5.0]])
def test_gradients_of_different_shapes_are_not_added(data: list[float], create_graph: bool) -> None:
    x = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * x).sum().backward()
    x.data = mt.tensor(data)
    with pytest.raises(ShapeError, match="other data"):
        (x * x).sum().backward(create_graph=create_graph)
    assert x.grad.tolist() == [2.0, 4.0, 6.0]
