"""Updates of the same arrays again and again: prepared once, the same bits, and nothing taken for granted."""

from __future__ import annotations

import numpy as np
import pytest

from microtrain import kernels, optim
from microtrain.errors import KernelError
from microtrain.kernels.repeated import Repeated

HYPER = [1e-3, 0.9, 0.999, 1e-8, 0.0, 0.1, 0.001]
rule = optim.Adam.rule


def arrays(dtype=np.float64, size=9000):
    rng = np.random.default_rng(0)
    return [rng.random(size).astype(dtype) for _ in range(3)]


def gradients(dtype=np.float64, size=9000):
    rng = np.random.default_rng(1)
    return [rng.normal(size=size).astype(dtype) for _ in range(4)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 9000, 70_000])
def test_the_same_bits(dtype, size, forced):
    p, m, v = arrays(dtype, size)
    q, n, w = arrays(dtype, size)
    memo = {}
    for step, g in enumerate(gradients(dtype, size)):
        hyper = [*HYPER[:5], 0.1 * (step + 1), 0.001 * (step + 1)]
        assert rule.kernel(p, g, [m, v], hyper, memo) and rule.kernel(q, g, [n, w], hyper)
    assert isinstance(memo["numba"], Repeated)
    for a, b in ((p, q), (m, n), (v, w)):
        np.testing.assert_array_equal(a, b)


def test_other_calls_are_noticed(forced):
    p, m, v = arrays()
    memo = {}
    first, *rest = gradients()
    assert rule.kernel(p, first, [m, v], HYPER, memo)
    prepared = memo["numba"]
    fixed = (p, m, v)
    assert prepared.fits(fixed, rest[0], HYPER)
    assert not prepared.fits((p.copy(), m, v), rest[0], HYPER)
    assert not prepared.fits((p, m), rest[0], HYPER)
    for other in (rest[0].astype(np.float32), rest[0][:-1], np.repeat(rest[0], 2)[::2], rest[0].reshape(90, 100), None):
        assert not prepared.fits(fixed, other, HYPER)
    assert not prepared.fits(fixed, rest[0], [np.array([0.1]), *HYPER[1:]])


def test_a_gradient_in_the_same_memory_is_left_to_numpy(forced):
    p, m, v = arrays()
    memo = {}
    assert rule.kernel(p, gradients()[0], [m, v], HYPER, memo)
    before = p.copy(), m.copy(), v.copy()
    assert not rule.kernel(p, m, [m, v], HYPER, memo)
    for a, b in zip((p, m, v), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_arrays_may_be_freed_and_others_come(forced):
    memo = {}
    for seed in range(3):  # other arrays, perhaps at the same addresses
        p, m, v = (np.random.default_rng(seed).random(9000) for _ in range(3))
        q, n, w = p.copy(), m.copy(), v.copy()
        g = np.random.default_rng(9).random(9000)
        assert rule.kernel(p, g, [m, v], HYPER, memo) and rule.kernel(q, g, [n, w], HYPER)
        np.testing.assert_array_equal(p, q)


def test_another_tier_is_another_matter(monkeypatch):
    p, m, v = arrays(size=20_000)
    memo, (g, *_) = {}, gradients(size=20_000)
    rule.update(p, g, [m, v], HYPER, memo)
    ran = []
    monkeypatch.setattr(Repeated, "__call__", lambda self, *args: ran.append(args) or True)
    with kernels.use("numpy"):
        rule.update(p, g, [m, v], HYPER, memo)
    assert not ran
    rule.update(p, g, [m, v], HYPER, memo)
    assert len(ran) == 1


def test_threads_that_can_not_share(forced, monkeypatch, capsys):
    """More threads than at the first call, and the code for sharing can't be had: one line, and NumPy computes."""
    before = kernels.get_num_threads()
    own = optim.Rule("own", [], lambda p, g, lr: (p - lr * g,))
    p, g, memo = np.ones(200_000), np.ones(200_000), {}

    def fail():
        raise KernelError("The sharing of work can't be compiled.")

    try:
        kernels.set_num_threads(1)
        own.update(p, g, [], [0.25], memo)
        monkeypatch.setattr("microtrain.kernels.program.lead", fail)
        kernels.set_num_threads(4)
        own.update(p, g, [], [0.25], memo)
    finally:
        kernels.set_num_threads(before)
    assert (p == 0.5).all() and "NumPy computes it instead" in capsys.readouterr().err
