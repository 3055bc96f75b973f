"""Nodes: what they keep, what they watch, what they show."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.engine.node import SMALL, memory_of
from microtrain.errors import GraphError, InplaceError

w = mt.tensor([1.0, 2.0], requires_grad=True)


def test_only_what_a_derivative_needs_is_kept():
    x = mt.ones(2, requires_grad=True)
    assert (x + 1).grad_fn.kept == () and (x * 2).grad_fn.kept == (2,)
    assert x.sum().grad_fn.kept == ((2,),)
    y = x.exp()
    assert y.grad_fn.kept[0] is y._data
    constant = mt.ones(2)
    product = (x * constant).grad_fn
    assert len(product.kept) == 1 and product.kept[0] is constant._data


def test_views_share_one_memory():
    x = mt.ones(2, 2)
    views = [x[0], x.T, x.reshape(4), x[0][1:], x.detach(), x.data]
    assert {memory_of(v) for v in views} == {memory_of(x)}
    views[0].add_(1)
    assert memory_of(x).version == 1 and memory_of(x.clone()) is not memory_of(x)


def test_what_is_written_in_place_is_complete_and_what_was_there_overwritten():
    y = w * 2
    before = y.grad_fn
    y *= 3
    assert before.overwritten and not y.grad_fn.overwritten
    y += 1
    assert not y.grad_fn.overwritten and not (w * 2).grad_fn.overwritten


def test_a_write_before_an_operation_is_no_harm():
    h = w * 2
    h += 1
    y = h * h
    y.sum().backward(inputs=[h])
    assert h.grad.tolist() == [6, 10]


def test_a_write_after_backward_is_no_harm():
    x = mt.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with mt.no_grad():
        x += 1
    assert x.grad.tolist() == [2, 2]


def test_messages_name_the_input():
    a, b = mt.ones(2, requires_grad=True), mt.ones(2, requires_grad=True)
    for operation, change, what in (
        (lambda p, q: p * q, 1, "its input 'b'"),
        (lambda p, q: p @ q, 0, "its input 'a'"),
        (lambda p, q: (p + q).exp(), None, "its output"),
        (lambda p, q: p.sin() + q, 0, "its input for"),
    ):
        operands = [a * 1, b * 1]
        y = operation(*operands)
        target = y if change is None else operands[change]
        with mt.no_grad():
            target.add_(1)
        with pytest.raises(InplaceError, match=f"kept {what}"):
            y.sum().backward()


def test_small_values_and_gradients_are_remembered():
    y = (w * 3).sum()
    y.backward(inputs=[w])
    assert y.grad_fn.value == 9 and y.grad_fn.grad == 1
    large = mt.ones(SMALL + 1, requires_grad=True) * 2
    large.sum().backward()
    assert large.grad_fn.value is None and large.grad_fn.grad is None
    w.grad = None


def test_freed_nodes_say_where_they_were_made():
    x = mt.ones(2, requires_grad=True)
    h = x * x
    h.sum().backward()
    with pytest.raises(GraphError, match=r"'mul'.*\n  made at: .*test_node\.py:\d+: h = x \* x"):
        (h * 2).sum().backward()


def test_serial_numbers_rise():
    nodes = [(w * k).grad_fn for k in range(3)]
    assert nodes[0].serial < nodes[1].serial < nodes[2].serial
    assert np.shape(nodes[0].value) == nodes[0].shape == (2,) and nodes[0].dtype == np.float64
