"""How tensors print."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.show import short

w = mt.tensor([1.0, 2.0], requires_grad=True)
CASES = {
    "tensor([1., 2.])": mt.tensor([1.0, 2.0]),
    "tensor(3.)": mt.tensor(3.0),
    "tensor([1, 2])": mt.tensor([1, 2]),
    "tensor(True)": mt.tensor(True),
    "tensor([1., 2.], requires_grad=True)": w,
    "tensor([2., 4.], grad_fn=<mul>)": w * 2,
    "tensor([1.], dtype=float32)": mt.ones(1, dtype=mt.float32),
    "tensor([], size=(0, 2))": mt.zeros(0, 2),
    "tensor([1.], name='b')": mt.ones(1).named("b"),
    "tensor([[1., 0.],\n        [0., 1.]])": mt.eye(2),
}


@pytest.mark.parametrize("text", CASES)
def test_repr(text):
    assert repr(CASES[text]) == text


def test_large_tensors_are_abbreviated():
    assert "..." in repr(mt.zeros(1000)) and len(repr(mt.zeros(100, 100))) < 1000


def test_short():
    assert short(np.ones((2, 3))) == "f64[2, 3]" and short(np.float32(1.5)) == "f32[] = 1.5"
    assert short(np.array([True])) == "bool[1]" and short(2) == "2" and short(np.int64(3)) == "i64[] = 3"
