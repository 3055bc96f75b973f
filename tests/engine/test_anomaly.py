"""detect_anomaly names the operation, the line and the element that made the first NaN or infinity."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import AnomalyError

x = mt.tensor([0.0, 2.0, 0.0], requires_grad=True)
big = mt.tensor([1.0, 800.0], requires_grad=True)

FORWARD = {
    "log of zero": (lambda: x.log(), "'log' made the first infinity at index 0 and 1 more", r"log\(0\) is -infinity"),
    "log of negative": (lambda: (x - 1).log(), "'log' made the first NaN at index 0", "log of a negative number"),
    "sqrt of negative": (lambda: (-x).sqrt(), "'sqrt' made the first NaN at index 1:", "sqrt of a negative number"),
    "0/0": (lambda: x / x, "'div' made the first NaN at index 0 and 1 more", r"0 / 0 is NaN"),
    "1/0": (lambda: 1 / x, "'div' made the first infinity at index 0", "Division by exactly 0"),
    "overflow": (lambda: big.exp(), "'exp' made the first infinity at index 1: exp", "exp of more than 709 overflows"),
    "overflow in float32": (lambda: (big / 8).float().exp(), "'exp' made", "exp of more than 88 overflows float32"),
    "power": (lambda: big**200, "'pow' made the first infinity", "beyond the largest number"),
    "softmax of nothing": (lambda: (x - np.inf).softmax(0), "'softmax' made the first NaN", "undefined"),
    "one number": (lambda: x[0].log(), "'log' made the first infinity: log", "-infinity"),
    "NaN in the data": (lambda: mt.tensor([1.0, np.nan]) * x[1], "'mul' got a NaN in its input 'a' at index 1", "data"),
}
BACKWARD = {
    "sqrt": (lambda: x.sqrt().sum(), "derivative of 'sqrt' made the first infinity at index 0", "sqrt at exactly 0"),
    "norm by hand": (lambda: (x[:1] * x[:1]).sum().sqrt(), "derivative of 'sqrt' made", "sqrt at exactly 0"),
    "power": (lambda: (x**0.5).sum(), "derivative of 'pow' made the first infinity .* input 'a'", "pow at exactly 0"),
    "overflow": (
        lambda: (big * 1e300).sum() * 1e300,
        "derivative of 'mul' made the first infinity",
        "slope there is not",
    ),
}


@pytest.mark.parametrize("name", FORWARD)
def test_forward(name):
    function, what, why = FORWARD[name]
    with mt.detect_anomaly(), pytest.raises(AnomalyError, match=what) as caught:
        function()
    assert "test_anomaly.py" in caught.value.what and "lambda" in caught.value.what
    with pytest.raises(AnomalyError, match=why):
        raise caught.value


@pytest.mark.parametrize("name", BACKWARD)
def test_backward(name):
    function, what, why = BACKWARD[name]
    if name == "overflow":
        with pytest.raises(AnomalyError, match="'mul' made the first infinity"), mt.detect_anomaly():
            function()
        return
    with mt.detect_anomaly():
        y = function()
        with pytest.raises(AnomalyError, match=what) as caught:
            y.backward()
    assert "forward at" in str(caught.value) and "test_anomaly.py" in str(caught.value)
    with pytest.raises(AnomalyError, match=why):
        raise caught.value
    assert x.grad is None


def test_what_comes_from_outside():
    with mt.detect_anomaly(), pytest.raises(AnomalyError, match=r"arrived at 'mul' has the first NaN at index 1"):
        (x * 2).backward([1.0, np.nan, 1.0])
    h = x * 2
    h.register_hook(lambda g: g * np.inf)
    with mt.detect_anomaly(), pytest.raises(AnomalyError, match="from a hook"):
        (h * 3).sum().backward()


def test_infinities_on_purpose_are_let_through():
    with mt.detect_anomaly():
        scores = mt.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        masked = scores.masked_fill(mt.tensor([[False, True], [False, False]]), -np.inf)
        masked.softmax(1).sum().backward()
        assert (mt.tensor([np.inf, 1.0]) > 0).all()
        mt.where(mt.isnan(mt.tensor([np.nan, 1.0])), 0.0, mt.ones(2)).sum()
        assert mt.tensor([1, 2]).sum().item() == 3


def test_the_norm_at_zero_is_fine():
    z = mt.zeros(3, requires_grad=True)
    with mt.detect_anomaly():
        z.norm().backward()
    assert z.grad.tolist() == [0, 0, 0]


def test_second_derivatives_are_watched():
    z = mt.tensor([0.0], requires_grad=True)
    with mt.detect_anomaly():
        (g,) = mt.grad((z**1.5).sum(), z, create_graph=True)
        with pytest.raises(AnomalyError, match="'pow'"):
            g.sum().backward()


def test_modules_and_functions_are_watched_too():
    class Bad(mt.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return mt.tensor(np.full(3, np.nan))

    with mt.detect_anomaly(), pytest.raises(AnomalyError, match="derivative of 'Bad' made the first NaN"):
        Bad.apply(x).sum().backward()
    (x.sqrt().sum()).backward()  # outside nobody minds
    x.grad = None
