"""Which values a node keeps, and under which numbers."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError
from microtrain.ops.plan import Keep, parameter_names
from microtrain.ops.primitive import TABLE, Primitive


def test_the_example_of_the_docstring() -> None:
    both, second = TABLE["mul"].plan(0b11, 2), TABLE["mul"].plan(0b10, 2)
    assert both.wanted == (0, 1) and both.others == () and both.watched == (1, 0) and both.kept_others == ()
    assert both.keep == (Keep("input", 1, 1), Keep("input", 0, 0))
    assert both.pick(["a", "b", "y"]) == ("b", "a")
    assert [vjp(10, (3, 2), {}) for vjp in both.vjps] == [30, 20]
    assert second.wanted == (1,) and second.others == (0,) and second.watched == ()
    assert second.keep == (Keep("input", 0, -1),) and second.kept_others == ((0, 0),)


def test_outputs_shapes_and_nothing() -> None:
    exp = TABLE["exp"].plan(1, 1)
    assert exp.keep == (Keep("output", -1, -1),) and exp.keeps_output and exp.holds_memory
    total = TABLE["sum"].plan(1, 1)
    assert total.keep == (Keep("shape", 0, 0),) and not total.holds_memory
    assert total.pick([np.ones((2, 3)), 6.0]) == ((2, 3),)
    assert TABLE["neg"].plan(1, 1).keep == ()
    condition = TABLE["where"].plan(0b111, 3)
    assert condition.wanted == (1, 2) and condition.others == (0,)  # no gradient in the condition


def test_a_row_of_any_number_of_inputs_has_a_plan_for_each_number() -> None:
    row = TABLE["einsum"]
    two, three = row.plan(0b11, 2), row.plan(0b11, 3)
    assert two.wanted == three.wanted == (0, 1) and len(two.keep) == 2 and len(three.keep) == 3
    assert row.plan(0b11, 2) is two


def test_a_vjp_that_asks_for_what_there_is_not() -> None:
    assert parameter_names(lambda g, y, x: g) == ["y", "x"]
    with pytest.raises(ArgumentError, match="asks for 'z'"):
        Primitive("wrong", lambda x: x, [lambda g, z: g * z])


def test_what_is_kept_is_what_the_plan_says() -> None:
    a, b = mt.tensor([1.0, 2.0], requires_grad=True), mt.tensor([3.0, 4.0])
    node = (a * b).grad_fn
    assert len(node.kept) == 1 and node.kept[0] is b._data
