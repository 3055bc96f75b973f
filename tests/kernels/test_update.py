"""Optimizers' rules as kernels: every rule, in place, to the same values as NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from microtrain import kernels, optim
from microtrain.kernels import tier
from tests.wide import mostly_wide

RULES = {
    name: getattr(optim, name).rule
    for name in dir(optim)
    if isinstance(getattr(getattr(optim, name), "rule", None), optim.Rule)
}


QUICK = [("SGD", np.float64), ("SGD", np.float32), ("Adam", np.float32)]
QUICK += [(name, np.float64) for name in ("AdamW", "ASGD", "LangevinGD", "NAdam", "Rprop", "RMSprop")]


@pytest.mark.parametrize(("name", "dtype"), mostly_wide(itertools.product(RULES, [np.float64, np.float32]), but=QUICK))
def test_rules(name, dtype):
    rule = RULES[name]
    rng = np.random.default_rng(0)
    size = tier.LARGE + 77
    p, g = (rng.standard_normal(size).astype(dtype) for _ in range(2))
    state = [np.abs(rng.standard_normal(size)).astype(dtype) for _ in rule.state]
    hyper = [float(x) for x in rng.uniform(0.1, 0.9, len(rule.hyper))]
    found = []
    for which in ("auto", "numpy"):
        arrays = [x.copy() for x in (p, *state)]
        with kernels.use(which):
            if which == "auto":
                assert rule.kernel(arrays[0].copy(), g, [x.copy() for x in arrays[1:]], hyper), (
                    "no kernel for this rule"
                )
            for _ in range(3):
                rule.update(arrays[0], g, arrays[1:], hyper, {})
        found.append(arrays)
    for ours, numpys in zip(*found, strict=True):
        np.testing.assert_allclose(ours, numpys, rtol=1e-13 if dtype == np.float64 else 1e-5, atol=np.finfo(dtype).eps)
        assert ours.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_state_that_dwindles_becomes_zero(dtype, forced):
    least = np.finfo(dtype).tiny
    p, g, v = np.ones(100, dtype), np.zeros(100, dtype), np.ones(100, dtype)
    m = np.linspace(-2, 2, 100).astype(dtype) * least
    hyper = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0, "c1": 1.0, "c2": 1.0}
    expected = np.where(abs(dtype(0.9) * m) < least, 0, dtype(0.9) * m)
    assert optim.Adam.rule.kernel(p, g, [m, v], [hyper[name] for name in optim.Adam.rule.hyper])
    np.testing.assert_array_equal(m, expected)
    assert (m == 0).any() and (m != 0).any() and (v != 0).all()


def test_state_under_a_root_stays_as_small_as_it_is(forced):
    """With an eps that is smaller still, 0 would be another step: m / eps."""
    p, g, m, v = np.ones(100), np.full(100, 1e-160), np.zeros(100), np.zeros(100)
    hyper = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-200, "weight_decay": 0.0, "c1": 0.1, "c2": 0.01}
    assert optim.Adam.rule.kernel(p, g, [m, v], [hyper[name] for name in optim.Adam.rule.hyper])
    np.testing.assert_allclose(p, 0.9, rtol=1e-2)
    np.testing.assert_allclose(m, 1e-161, rtol=1e-12)


def test_what_is_left_to_numpy(forced):
    rule = optim.Adam.rule
    p, g, m, v = np.ones((4, 100))
    hyper = [0.1] * len(rule.hyper)
    assert rule.kernel(p, g, [m, v], hyper)
    assert not rule.kernel(p, p, [m, v], hyper)  # the gradient would be overwritten
    assert not rule.kernel(p, g.astype(np.float32), [m, v], hyper)
    assert not rule.kernel(p[::2], g[::2], [m[::2], v[::2]], hyper)
    assert not rule.kernel(p, g, [m, v], [np.array([0.1])] * len(hyper))
    with kernels.use("auto"):
        assert not rule.kernel(p, g, [m, v], hyper)
