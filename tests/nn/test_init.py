"""Initialisers: the variances they promise, and the matrices they make."""

import numpy as np
import pytest
from scipy import stats

import microtrain as mt
from microtrain import nn
from microtrain.nn import init


def test_variances():
    w = mt.zeros(300, 200)
    g = mt.Generator(0)
    init.kaiming_normal_(w, nonlinearity="relu", generator=g)
    assert w.var().item() == pytest.approx(2 / 200, rel=0.03)
    init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear", generator=g)
    assert w.var().item() == pytest.approx(1 / 300, rel=0.03)
    init.kaiming_uniform_(w, a=5**0.5, generator=g)
    assert w.abs().max().item() <= 1 / 200**0.5
    init.xavier_uniform_(w, generator=g)
    assert w.var().item() == pytest.approx(2 / 500, rel=0.03)
    init.xavier_normal_(w, gain=2.0, generator=g)
    assert w.var().item() == pytest.approx(8 / 500, rel=0.03)
    init.normal_(w, 3.0, 0.5, g)
    assert w.mean().item() == pytest.approx(3, abs=0.01) and w.std().item() == pytest.approx(0.5, rel=0.02)
    init.uniform_(w, -2.0, 4.0, g)
    assert w.min().item() >= -2 and w.max().item() < 4 and w.var().item() == pytest.approx(3, rel=0.02)


def test_constants():
    w = nn.Parameter(mt.zeros(3, 4))
    assert init.constant_(w, 2.5) is w and (w == 2.5).all() and w.requires_grad and w.is_leaf
    assert (init.ones_(w) == 1).all() and (init.zeros_(w) == 0).all()
    assert (init.eye_(w) == mt.eye(3, 4)).all() and init.identity_ is init.eye_
    with pytest.raises(mt.MicrotrainError, match="matrix"):
        init.eye_(mt.zeros(3))


def test_truncated_normal():
    w = init.trunc_normal_(mt.zeros(20000), mean=1.0, std=2.0, a=-1.0, b=2.0, generator=mt.Generator(0)).numpy()
    reference = stats.truncnorm(-1, 0.5, loc=1, scale=2)
    assert stats.kstest(w, reference.cdf).pvalue > 0.01
    with pytest.raises(mt.MicrotrainError, match="nothing"):
        init.trunc_normal_(mt.zeros(3), a=7.0, b=8.0)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (4, 2, 3)])
def test_orthogonal(shape):
    w = init.orthogonal_(mt.zeros(*shape), gain=2.0, generator=mt.Generator(0)).numpy().reshape(shape[0], -1)
    small = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_sparse():
    w = init.sparse_(mt.zeros(10, 7), 0.25, std=1.0, generator=mt.Generator(0)).numpy()
    assert ((w == 0).sum(0) == 3).all()
    with pytest.raises(mt.MicrotrainError, match="share"):
        init.sparse_(mt.zeros(3, 3), 2.0)


@pytest.mark.parametrize("widths", [(5, 3, 4), (4, 4), (6, 2, 7, 3, 5)])
def test_balanced(widths):
    weights = [mt.zeros(b, a) for a, b in zip(widths, widths[1:], strict=False)]
    init.balanced_(weights, generator=mt.Generator(1))
    product = np.linalg.multi_dot([w.numpy() for w in weights[::-1]]) if len(weights) > 1 else weights[0].numpy()
    for below, above in zip(weights, weights[1:], strict=False):
        np.testing.assert_allclose((above.T @ above).numpy(), (below @ below.T).numpy(), atol=1e-12)
    assert np.linalg.matrix_rank(product) == min(widths)
    again = [mt.zeros(*w.shape) for w in weights]
    init.balanced_(again, product)
    remade = again[0].numpy()
    for w in again[1:]:
        remade = w.numpy() @ remade
    np.testing.assert_allclose(remade, product, atol=1e-12)
    with pytest.raises(mt.MicrotrainError, match="chain"):
        init.balanced_([mt.zeros(2, 3), mt.zeros(2, 3)])
    if min(widths) < min(product.shape):
        with pytest.raises(mt.MicrotrainError, match="rank"):
            init.balanced_(weights, np.eye(*product.shape))
    with pytest.raises(mt.MicrotrainError, match="product of shape"):
        init.balanced_(weights, np.eye(9))


def test_what_does_not_go():
    for call, message in [
        (lambda: init.xavier_normal_(mt.zeros(3)), "fan-in"),
        (lambda: init.calculate_gain("swoosh"), "gain"),
        (lambda: init.kaiming_normal_(mt.zeros(2, 2), mode="fan"), "fan_in"),
        (lambda: init.normal_(mt.zeros(2), std=-1.0), "negative"),
        (lambda: init.orthogonal_(mt.zeros(2)), "matrix"),
    ]:
        with pytest.raises(mt.MicrotrainError, match=message):
            call()


def test_the_same_seed_gives_the_same_numbers_in_every_dtype():
    a, b = (init.normal_(mt.zeros(5, dtype=d), generator=mt.Generator(3)).numpy() for d in (mt.float64, mt.float32))
    np.testing.assert_array_equal(a.astype(np.float32), b)


@pytest.mark.oracle
def test_gains_and_fans_equal_pytorchs():
    torch = pytest.importorskip("torch")
    for name, param in [("linear", None), ("tanh", None), ("relu", None), ("leaky_relu", 0.3), ("sigmoid", None)]:
        assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)
    for shape in [(3, 4), (3, 4, 5)]:
        theirs = torch.nn.init._calculate_fan_in_and_fan_out(torch.zeros(shape))
        assert init._calculate_fan_in_and_fan_out(mt.zeros(shape)) == theirs
