"""Generators: explicit state, restored exactly."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError


def test_the_same_bits_on_every_machine():
    assert mt.randn(2, generator=mt.Generator(0)).tolist() == [0.12573022, -0.13210486] or [
        round(v, 8) for v in mt.randn(2, generator=mt.Generator(0)).tolist()
    ] == [0.12573022, -0.13210486]


def test_state_can_be_saved_as_json():
    g = mt.Generator(5)
    mt.rand(3, generator=g)
    state = json.loads(json.dumps(g.get_state()))
    expected = mt.rand(4, generator=g).tolist()
    other = mt.Generator().set_state(state)
    assert mt.rand(4, generator=other).tolist() == expected and other.initial_seed() == 5
    twin = copy.deepcopy(other)
    third = other.clone_state()
    numbers = [mt.rand(2, generator=g).tolist() for g in (twin, other, third)]
    assert numbers[0] == numbers[1] == numbers[2]


def test_seeding():
    assert mt.manual_seed(3) is mt.default_generator
    a = mt.rand(2).tolist()
    mt.manual_seed(3)
    assert mt.rand(2).tolist() == a and repr(mt.Generator(4)) == "Generator(seed=4)"
    for seed in (-1, 0.5, "a", None):
        with pytest.raises(ArgumentError, match="non-negative integer"):
            mt.manual_seed(seed)
    for state in ({}, {"seed": 1}, {"seed": "a"}, None):
        with pytest.raises(ArgumentError, match="get_state"):
            mt.Generator().set_state(state)


def test_dropout_uses_the_generator():
    x = mt.ones(1000, requires_grad=True)
    a = mt.dropout(x, 0.3, generator=mt.Generator(1))
    b = mt.dropout(x, 0.3, generator=mt.Generator(1))
    assert a.tolist() == b.tolist() and set(a.tolist()) == {0.0, 1 / 0.7}
    a.sum().backward()
    assert x.grad.tolist() == a.tolist()


def test_a_generator_may_be_told_its_device():
    for generator in (mt.Generator(device="cpu"), mt.Generator("cpu"), mt.Generator(mt.device("cpu"))):
        assert mt.rand(2, generator=generator).tolist() == mt.rand(2, generator=mt.Generator(0)).tolist()
    with pytest.raises(NotImplementedError, match="cuda"):
        mt.Generator(device="cuda")


def test_another_librarys_generator_is_named():
    with pytest.raises(mt.errors.DtypeError, match=r"not numpy\.random\._generator\.Generator"):
        mt.rand(2, generator=np.random.default_rng(0))
