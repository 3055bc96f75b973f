"""Rules as NumPy calls that write in place: the bits of the formula read with arrays, for every rule and variant."""

import itertools

import numpy as np
import pytest

import microtrain as mt
from microtrain import kernels, optim
from microtrain.engine.quiet import quiet, restore
from microtrain.formula import F
from microtrain.optim import rule as rules
from microtrain.optim.adagrad import adagrad_rule
from microtrain.optim.adam import adam_rule
from microtrain.optim.in_place import InPlace
from microtrain.optim.rule import Rule
from microtrain.optim.sgd import sgd_rule

BOTH = (False, True)
RULES = {
    **{name: getattr(getattr(optim, name), "rule", None) for name in dir(optim)},
    **{f"sgd{options}": sgd_rule(*options) for options in itertools.product(BOTH, repeat=4)},
    **{
        f"adam{options}": adam_rule(*options)
        for options in itertools.product(BOTH, ["", "l2", "decoupled"], BOTH, BOTH)
    },
    **{f"adagrad{decay}": adagrad_rule(lr_decay=decay) for decay in BOTH},
}
RULES = {name: rule for name, rule in RULES.items() if isinstance(rule, Rule)}


def arrays_for(rule, shape, dtype):
    rng = np.random.default_rng(0)
    p, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    return p, g, [np.abs(rng.standard_normal(shape)).astype(dtype) for _ in rule.state]


def by_formula(rule, p, g, state, hyper):
    token = quiet()
    try:
        new = rule.formula(p, g, *state, *hyper)
    finally:
        restore(token)
    return [np.asarray(x).astype(p.dtype) for x in (*new, *state[len(new) - 1 :])]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", RULES)
def test_the_bits_of_the_formula(name, dtype):
    rule = RULES[name]
    assert isinstance(rule.in_place, InPlace)
    p, g, state = arrays_for(rule, (7, 3), dtype)
    hyper, memo = [float(x) for x in np.random.default_rng(1).uniform(0.1, 0.9, len(rule.hyper))], {}
    before = g.copy()
    for _ in range(3):
        expected = by_formula(rule, p, g, state, hyper)
        with kernels.use("numpy"):
            rule.update(p, g, state, hyper, memo)
        for found, wanted in zip((p, *state), expected, strict=True):
            if name == "Rprop" and dtype is np.float32:  # `where` of two numbers is float64, read with arrays
                np.testing.assert_allclose(found, wanted, rtol=1e-6)
            else:
                np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(g, before)


@pytest.mark.parametrize("size", [rules.BLOCK - 1, rules.BLOCK, rules.BLOCK + 1, 3 * rules.BLOCK + 5])
def test_in_blocks(size):
    rule = optim.Adam.rule
    p, g, state = arrays_for(rule, size, np.float32)
    hyper, memo = [0.1] * len(rule.hyper), {}
    for _ in range(2):
        expected = by_formula(rule, p, g, state, hyper)
        with kernels.use("numpy"):
            rule.update(p, g, state, hyper, memo)
        for found, wanted in zip((p, *state), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_how_it_looks():
    assert optim.GradientDescent.rule.in_place.source.split("\n") == [
        "def update(p, g, state, hyper, work):",
        "    lr, = hyper",
        "    n1, t1, = work",
        "    n1[()] = +lr",
        "    multiply(n1, g, out=t1)",
        "    subtract(p, t1, out=p)",
        "",
    ]


def updated(formula, state, hyper=(0.5,)):
    """What a rule with this formula makes of p = 1, 2, g = 3, 4 and a state of 10, 20 and so on."""
    rule = Rule("mine", [f"s{k}" for k in range(state)], formula)
    arrays = [np.array([1.0, 2.0]), *(np.array([10.0, 20.0]) * 10**k for k in range(state))]
    rule.update(arrays[0], np.array([3.0, 4.0]), arrays[1:], hyper, {})
    return [x.tolist() for x in arrays]


def test_an_old_value_is_there_for_as_long_as_it_is_needed():
    assert updated(lambda p, g, s, lr: (p + g, s + p), 1) == [[4.0, 6.0], [11.0, 22.0]]
    assert updated(lambda p, g, s, lr: (p + s, s + p), 1) == [[11.0, 22.0], [11.0, 22.0]]
    assert updated(lambda p, g, s, lr: (p * s - s, g), 1) == [[0.0, 20.0], [3.0, 4.0]]
    assert updated(lambda p, g, s, lr: (s, p), 1) == [[10.0, 20.0], [1.0, 2.0]]  # they change places
    assert updated(lambda p, g, s, q, lr: (p - s, s * q, q), 2) == [[-9.0, -18.0], [1000.0, 4000.0], [100.0, 200.0]]
    assert updated(lambda p, g, s, lr: (p, lr), 1) == [[1.0, 2.0], [0.5, 0.5]]
    assert updated(lambda p, g, s, lr: (p, lr * lr), 1) == [[1.0, 2.0], [0.25, 0.25]]
    assert updated(lambda p, g, s, lr: (p + g, p + g), 1) == [[4.0, 6.0], [4.0, 6.0]]


def test_what_numpy_can_only_make_anew():
    assert updated(lambda p, g, lr: (F.where(g > 3, p**2, -p) * 1.0,), 0) == [[-1.0, 4.0]]
    assert updated(lambda p, g, lr: (F.where(g > 3, p, 0.0),), 0) == [[0.0, 2.0]]
    twice = mt.elementwise("twice", lambda x: x + x)
    assert updated(lambda p, g, lr: (p - lr * twice(g),), 0) == [[-2.0, -2.0]]


def test_names_that_the_source_uses_itself():
    assert updated(lambda state, work, n1, t1: (state - t1 * work - n1 * 0,), 1) == [[-0.5, 0.0], [10.0, 20.0]]
    assert updated(lambda multiply, F, np: (multiply * np - F,), 0) == [[-2.5, -3.0]]


def test_formulas_that_symbols_cannot_read():
    def formula(p, g, lr):
        return (p - lr * g if p[0] > 0 else p,)

    assert updated(formula, 0) == [[-0.5, 0.0]]


@pytest.mark.parametrize("name", ["momentum", "lr"])
def test_a_wrong_number_leaves_everything_as_it_was(name):
    rule = sgd_rule(momentum=True)
    p, g, (u,) = arrays_for(rule, 3, np.float64)
    before = p.copy(), u.copy()
    hyper = [None if name == known else 0.1 for known in rule.hyper]
    with pytest.raises(mt.errors.ArgumentError, match=f"{name} is None; it has to be a number"):
        rule.update(p, g, [u], hyper, {})
    np.testing.assert_array_equal((p, u), before)


def test_true_and_false_and_whole_numbers_keep_their_dtype():
    assert updated(lambda p, g, lr: (F.where(~((g > 3) & (p > 1)), p, -p),), 0) == [[1.0, -2.0]]
    assert updated(lambda p, g, lr: (F.where(((g > 3) & (p > 1)) | (p < 0), p, -p),), 0) == [[-1.0, 2.0]]
    assert updated(lambda p, g, lr: (p - lr * ((g > 0) + (p > 0) + (p > 1)),), 0) == [[0.5, 1.5]]  # true + true is true
    assert updated(lambda p, g, lr: (p - (F.where(g > 3, 1, 2) & 1) * lr,), 0) == [[1.0, 1.5]]
    positive = mt.elementwise("positive_part", lambda x: x > 0, [None])
    assert updated(lambda p, g, lr: (F.where(~(positive(g) & (p > 1)), p, -p),), 0) == [[1.0, -2.0]]


def test_a_rule_with_a_row_of_its_own_is_written_in_place_too():
    twice = mt.elementwise("twice", lambda x: x + x)
    assert isinstance(Rule("mine", [], lambda p, g, lr: (p - lr * twice(g),)).in_place, InPlace)


@pytest.mark.parametrize(
    ("formula", "what"),
    [
        (lambda p, g, s, lr: p - lr * g, "one ndarray"),
        (lambda p, g, s, lr: (p, s, g), "3 values"),
        (lambda p, g, s, lr: (), "0 values"),
    ],
)
def test_what_is_no_update(formula, what):
    with pytest.raises(mt.errors.ArgumentError, match=what):
        updated(formula, 1)
