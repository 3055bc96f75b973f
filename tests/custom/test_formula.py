"""`mt.elementwise`: an operation from one formula."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import scipy.special

import microtrain as mt
from microtrain import F
from microtrain.errors import ArgumentError, InplaceError, MicrotrainError, ShapeError


@pytest.fixture(params=["numpy", "numba"])
def tier_of_kernels(request):
    with mt.kernels.use(request.param):
        yield


def leaf(*values):
    return mt.tensor(values, requires_grad=True)


def test_the_derivative_is_derived_to_any_order():
    bump = mt.elementwise("bump", lambda x, c: F.exp(-x * x) * c + F.where(x > 0, x**3, 0), tex=r"e^{-{x}^2}")
    x, c = leaf(-0.5, 0.3, 1.2), mt.tensor(2.0, requires_grad=True)
    assert mt.gradcheck(bump, (x, c)) and mt.gradgradcheck(bump, (x, c))
    assert bump.__name__ == "bump" and bump.row.inputs == ("x", "c")


def test_the_derivative_may_be_given():
    wave = mt.elementwise("wave", lambda x: F.sin(2 * x), [lambda g, x: g * (2 * F.cos(2 * x))])
    assert mt.gradcheck(wave, leaf(0.1, 2.0)) and mt.gradgradcheck(wave, leaf(0.1, 2.0))
    gate = mt.elementwise("gate", lambda x, k: x * k, [lambda g, k: g * k, None])
    k = leaf(3.0)
    x = leaf(2.0)
    gate(x, k).sum().backward()
    assert x.grad.tolist() == [3] and k.grad is None


def test_conditions_get_no_gradient(tier_of_kernels):
    """As in mt.where(c > 0, a, b): what only decides has no derivative, and the others have theirs."""
    chosen = mt.elementwise("chosen", lambda c, a, keep: F.where(F.logical_and(c > 0, keep), a * a, -a))
    c, a, keep = leaf(1.0, -1.0, 2.0), leaf(3.0, 4.0, 5.0), mt.tensor([True, True, False])
    y = chosen(c, a, keep)
    y.sum().backward()
    assert y.tolist() == [9, -4, -5] and a.grad.tolist() == [6, -1, -1] and c.grad is None


def test_numpy_computes_what_only_arrays_can_read():
    centred = mt.elementwise("centred", lambda x: x - np.mean(x), [lambda g: g])
    assert centred(leaf(1.0, 3.0)).tolist() == [-1, 1]


def test_broadcasting_and_other_inputs():
    scaled = mt.elementwise("scaled", lambda a, b: a * b)
    a = mt.ones(2, 1, requires_grad=True)
    assert scaled(a, np.ones(3)).shape == (2, 3) and scaled(2.0, 3.0).item() == 6
    assert scaled([1.0, 2.0], 2).tolist() == [2, 4]
    scaled(a, np.arange(3.0)).sum().backward()
    assert a.grad.tolist() == [[3], [3]]


def test_one_formula_inside_another():
    square = mt.elementwise("own_square", lambda x: x * x)
    fourth = mt.elementwise("fourth", lambda x: square(square(x)))
    assert mt.gradcheck(fourth, leaf(1.5, -0.5)) and fourth(leaf(2.0)).tolist() == [16]


@pytest.mark.parametrize("tier", ["numpy", "numba"])
def test_an_operation_can_be_sent_to_another_process(tier):
    """As sweeps do; also after kernels computed it."""
    cloudpickle = pytest.importorskip("cloudpickle")
    mixed = mt.elementwise("mixed", lambda a, b: F.exp(a) * F.sigmoid(b))
    x = leaf(0.5, -1.0)

    def value_and_gradient(operation):
        y = operation(x, 2.0)
        return y.tolist(), mt.autograd.grad(y.sum(), [x])[0].tolist()

    with mt.kernels.use(tier):
        expected = value_and_gradient(mixed)
        received = pickle.loads(cloudpickle.dumps(mixed))
        assert received is not mixed
        assert value_and_gradient(received) == expected
    assert pickle.loads(pickle.dumps(F)) is F


def test_results_are_owned():
    same = mt.elementwise("same", lambda x: x)
    x = leaf(1.0, 2.0)
    h = x * 1
    y = same(h)
    h += 5
    assert y.tolist() == [1, 2]
    odd = mt.elementwise("odd", lambda x: x * 1, [lambda g, x: x])  # gives away what it kept
    y = odd(h)
    y.backward(mt.ones(2), retain_graph=True)
    x.grad.zero_()
    y.backward(mt.ones(2))
    assert x.grad.tolist() == [6, 7]


def test_constant_results_have_the_full_shape():
    five = mt.elementwise("five", lambda x: 5.0, [lambda g: 0.0])
    x = leaf(1.0, 2.0)
    y = five(x)
    assert y.tolist() == [5, 5]
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_mistakes_are_explained():
    with pytest.raises(ArgumentError, match=r"F\.exp\(x\) instead of math\.exp"):
        mt.elementwise("bad", lambda x: math.exp(x))
    with pytest.raises(ArgumentError, match="can't contain NumPy's sort"):
        mt.elementwise("bad", lambda x: np.sort(x))
    with pytest.raises(ArgumentError, match="can't be read with symbols"):
        mt.elementwise("bad", lambda x: x.exp())
    with pytest.raises(ArgumentError, match="returns 2 values"):
        mt.elementwise("bad", lambda x: (x, -x))
    with pytest.raises(ArgumentError, match="branches"):
        mt.elementwise("bad", lambda x: x if x > 0 else 0)
    with pytest.raises(ArgumentError, match="does not exist"):
        mt.elementwise("bad", lambda x: F.nothing(x))
    assert not hasattr(F, "nothing")
    with pytest.raises(ArgumentError, match="asks for 'z'"):
        mt.elementwise("bad", lambda x: x, [lambda g, z: g])
    with pytest.raises(MicrotrainError, match="no derivative in k"):
        mt.elementwise("bad", lambda x, k: x)
    for vjps, why in (
        ([lambda g: g] * 2, "2 vjps for 1 input"),
        (lambda g: g, "are a function, not a list"),
        ([3], "3 is no function of the gradient"),
        ([lambda: 1.0], "no function of the gradient"),
    ):
        with pytest.raises(ArgumentError, match=why):
            mt.elementwise("bad", lambda x: x, vjps)
    two = mt.elementwise("two", lambda a, b: a + b)
    with pytest.raises(ArgumentError, match=r"takes 2 inputs \(a, b\), not 1"):
        two(mt.ones(1))
    wrong = mt.elementwise("wrong", lambda x: x * 2, [lambda g: np.ones(7)])
    with pytest.raises(ShapeError, match=r"\(7,\)"):
        wrong(leaf(1.0, 2.0)).sum().backward()


def test_functions_of_numpys_and_scipys_are_formulas():
    turn = mt.elementwise("turn", np.arctan2)
    assert turn.row.inputs == ("a", "b") and mt.gradcheck(turn, (leaf(0.3, -1.0), leaf(0.5, 2.0)))
    x = leaf(2.5)
    log_gamma = mt.elementwise("log_gamma", scipy.special.gammaln, [lambda g, x: g * F.digamma(x)])
    assert log_gamma(x).item() == pytest.approx(math.lgamma(2.5)) and mt.gradcheck(log_gamma, x)


cubed = mt.elementwise("cubed", lambda x: x**3)


def test_an_operation_under_its_own_name_can_be_pickled():
    assert pickle.loads(pickle.dumps(cubed)) is cubed and repr(cubed).startswith("<function cubed at")
    with pytest.raises(pickle.PicklingError, match="other_name"):
        pickle.dumps(mt.elementwise("other_name", lambda x: x**3))


def test_kept_values_are_watched():
    bump = mt.elementwise("bump", lambda x: F.exp(-x * x))
    h = leaf(1.0) * 1
    y = bump(h)
    h += 1
    with pytest.raises(InplaceError, match="'bump' kept its input"):
        y.sum().backward()


def test_integers_of_any_size():
    huge = mt.elementwise("huge", lambda x: x * 10**30)
    x = leaf(1.0, 2.0)
    huge(x).sum().backward()
    assert huge(x).tolist() == [1e30, 2e30] and x.grad.tolist() == [1e30, 1e30]
