"""The forms that write in place: the same values and gradients as the forms that make a new tensor."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain.ops.primitive import INPLACE, METHODS, Primitive

from .helpers import check_derivatives

EXTRA: dict[str, tuple[Any, ...]] = {  # what comes after the tensor; 0.7 otherwise, for each further input
    "masked_fill": (mt.tensor([True, False, True]), 0.5),
    "scatter": (0, mt.tensor([2, 0]), 0.5),
    "scatter_add": (0, mt.tensor([2, 2]), mt.tensor([1.0, 2.0])),
    "lerp": (2.0, 0.25),
    "addcmul": (mt.tensor([1.0, 2.0, 3.0]), 0.5),
    "addcdiv": (mt.tensor([1.0, 2.0, 3.0]), 0.5),
    "clamp": (0.4, 0.6),
    "clip": (0.4, 0.6),
    "cumsum": (0,),
    "cumprod": (0,),
    **dict.fromkeys(["add", "sub", "subtract", "div", "divide", "true_divide"], (0.7,)),
}
OURS = {  # rows, and what ops publishes; those for matrices have a test of their own
    name for name in INPLACE if METHODS[name].__module__.startswith("microtrain.ops") and name not in ("tril", "triu")
}
BOOLEAN = {name for name in OURS if name.startswith("bitwise")}


def arguments(name: str) -> tuple[Any, ...]:
    function = METHODS[name]
    inputs = len(function.inputs) - 1 if isinstance(function, Primitive) else 0
    return EXTRA.get(name, (0.7,) * inputs)


def start(name: str) -> Any:
    return np.array([1.2, 1.5, 1.7]) if name in ("acosh", "arccosh") else np.array([0.2, 0.5, 0.7])


@pytest.mark.parametrize("name", sorted(OURS - BOOLEAN))
def test_same_as_a_new_tensor(name: str) -> None:
    """Value, and gradient of a result that is overwritten and of the tensor it was made from."""
    function, extra = METHODS[name], arguments(name)
    x = mt.tensor(start(name), requires_grad=True)
    y = x * 1
    memory = y._array()
    after = getattr(y, f"{name}_")(*extra)
    x2 = mt.tensor(start(name), requires_grad=True)
    expected = function(x2 * 1, *extra)
    assert after is y
    assert y._array() is memory
    np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy().astype(float))
    if expected.requires_grad:
        weights = mt.tensor([1.0, -2.0, 3.0])
        (y * weights).sum().backward()
        (expected * weights).sum().backward()
        assert x.grad is not None and x2.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), x2.grad.numpy())


@pytest.mark.parametrize("name", sorted(OURS - BOOLEAN))
def test_under_no_grad_a_leaf_changes(name: str) -> None:
    x = mt.tensor(start(name), requires_grad=True)
    with mt.no_grad():
        expected = METHODS[name](x, *arguments(name))
        getattr(x, f"{name}_")(*arguments(name))
    assert x.is_leaf and x.requires_grad
    np.testing.assert_array_equal(x.detach().numpy(), expected.numpy().astype(float))


@pytest.mark.parametrize("name", sorted(BOOLEAN))
def test_booleans(name: str) -> None:
    x, y = mt.tensor([True, False, True]), mt.tensor([True, True, False])
    if "shift" in name:
        x, y = x.long(), y.long()
    extra = () if name == "bitwise_not" else (y,)
    expected = METHODS[name](x, *extra)
    assert getattr(x, f"{name}_")(*extra) is x
    assert x.tolist() == expected.tolist()


OPERATORS: list[tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], Any]] = [
    (operator.iadd, operator.add, 2.0),
    (operator.isub, operator.sub, 2.0),
    (operator.imul, operator.mul, mt.tensor([1.0, 2.0, 3.0])),
    (operator.itruediv, operator.truediv, 2),
    (operator.ifloordiv, operator.floordiv, 0.3),
    (operator.imod, operator.mod, 0.3),
    (operator.ipow, operator.pow, 3),
    (operator.iadd, operator.add, np.array([1.0, 2.0, 3.0])),
]


@pytest.mark.parametrize(("inplace", "plain", "other"), OPERATORS, ids=[o[0].__name__ for o in OPERATORS])
def test_operators(inplace: Any, plain: Any, other: Any) -> None:
    def changed(x: mt.Tensor) -> mt.Tensor:
        y = x * 1
        z = inplace(y, other)
        assert z is y
        return z

    data = np.array([0.25, 0.55, 0.7])
    np.testing.assert_array_equal(changed(mt.tensor(data)).numpy(), plain(mt.tensor(data), other).numpy())
    check_derivatives(changed, [data])


def test_matmul_in_place() -> None:
    a, b = np.arange(4.0).reshape(2, 2), np.array([[1.0, 2], [3, 4]])
    x = mt.tensor(a)
    x @= mt.tensor(b)
    np.testing.assert_array_equal(x.numpy(), a @ b)
    check_derivatives(lambda x, y: (x * 1).__imatmul__(y), [a, b])


def test_dropout_in_place() -> None:
    x = mt.ones(100)
    y = mt.dropout(x, 0.5, inplace=True, generator=mt.Generator(0))
    assert y is x
    assert set(x.tolist()) == {0.0, 2.0}
