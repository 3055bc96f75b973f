"""Losses that PyTorch has not, the book's numbers, extreme logits, and what the formulas are read as."""

from __future__ import annotations

import math

import numpy as np
import pytest

import microtrain as mt
import microtrain.nn.functional as F
from microtrain import nn
from microtrain.errors import ArgumentError, ShapeError
from microtrain.formula import Expr, python_function
from microtrain.nn.losses import classification, information, likelihood, regression
from microtrain.ops.primitive import TABLE, Primitive

RNG = np.random.default_rng(0)


def leaf(x):
    return mt.tensor(np.asarray(x, dtype=float), requires_grad=True)


def slopes(f, *xs):
    return [g.numpy() for g in mt.grad(f(*xs).sum(), list(xs))]


# ---- the formulas ----------------------------------------------------------------------------------------------------

FAMILIES = (regression, classification, likelihood, information)
FOUND = [row for family in FAMILIES for row in vars(family).values() if isinstance(row, Primitive) and row.elementwise]
ROWS = list({row.name: row for row in FOUND if row.name not in TABLE}.values())


def inputs_of(row):
    """Values in the middle of every row's range."""
    rng = np.random.default_rng(1)
    special = {"target": rng.choice([0.0, 1.0], 7)} if row.name in ("focal", "bce") else {}
    if row.name in ("hinge", "hinge_embedding", "soft_margin"):
        special = {"target": rng.choice([-1.0, 1.0], 7)}
    numbers = {"delta": 0.7, "beta": 0.7, "margin": 0.8, "gamma": 1.5, "eps": 1e-8}
    return [special.get(name, numbers.get(name, rng.uniform(0.15, 0.9, 7))) for name in row.inputs]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows_read_arrays_tensors_and_symbols(row):
    values = inputs_of(row)
    symbols = [Expr(name) for name in row.inputs]
    traced = python_function("traced", symbols, row.forward(*symbols))
    np.testing.assert_allclose(traced(*values), row(*values), rtol=1e-14)
    assert row.tex


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_derivatives_equal_differences(row):
    values = inputs_of(row)
    wanted = [k for k in range(len(row.inputs)) if row.vjps[k] is not None]
    tensors = [leaf(v) if k in wanted else v for k, v in enumerate(values)]
    assert mt.gradcheck(lambda *xs: row(*_placed(tensors, wanted, xs)), [tensors[k] for k in wanted])
    assert mt.gradgradcheck(lambda *xs: row(*_placed(tensors, wanted, xs)), [tensors[k] for k in wanted])


def test_large_arrays_go_through_one_kernel():
    """The formula as a fused kernel: the same numbers as with NumPy."""
    x, t = RNG.normal(size=20000), RNG.normal(size=20000)
    results = []
    for tier in ("numpy", "numba"):
        with mt.kernels.use(tier):
            leaf_x = leaf(x)
            loss = F.log_cosh_loss(leaf_x, mt.tensor(t), "sum") + F.mse_loss(leaf_x, mt.tensor(t), "sum")
            loss.backward()
            results.append([loss.detach().numpy(), leaf_x.grad.numpy()])
    for numpy, numba in zip(*results, strict=True):
        np.testing.assert_allclose(numba, numpy, rtol=1e-13)


def _placed(tensors, wanted, xs):
    output = list(tensors)
    for k, x in zip(wanted, xs, strict=True):
        output[k] = x
    return output


# ---- reductions ------------------------------------------------------------------------------------------------------


def test_the_conventions_of_the_book():
    x, t = leaf([1.0, 2.0, 3.0]), mt.tensor([1.0, 0.0, 6.0])
    assert F.mse_loss(x, t).item() == pytest.approx(13 / 3)
    np.testing.assert_allclose(slopes(lambda x: F.mse_loss(x, t), x)[0], [0, 4 / 3, -2], atol=1e-15)
    assert F.mse_loss(x, t, "sum").item() == 13
    assert F.mse_loss(x, t, "half_mean").item() == pytest.approx(13 / 6)
    assert F.mse_loss(x, t, "half_sum").item() == 6.5
    assert F.mse_loss(x, t, "half_none").tolist() == [0, 2, 4.5]
    assert F.l1_loss(x, t).item() == pytest.approx(5 / 3)
    np.testing.assert_allclose(slopes(lambda x: F.l1_loss(x, t), x)[0], [0, 1 / 3, -1 / 3])
    rows, zeros = mt.ones(4, 3), mt.zeros(4, 3)
    assert F.mse_loss(rows, zeros, "batchmean").item() == 3 and F.mse_loss(rows, zeros, "half_batchmean").item() == 1.5
    for wrong in ("average", "half", "half_", "half_average", None):
        with pytest.raises(mt.MicrotrainError, match="reduction"):
            F.mse_loss(x, t, wrong)


def test_the_hessian_of_a_linear_model():
    """X^T X / N belongs to 1/(2N) sum r^2, twice that to the mean of squares (section 4.2.2 mixes them up)."""
    x, y = mt.tensor(RNG.normal(size=(200, 5))), mt.tensor(RNG.normal(size=200))
    w = mt.tensor(RNG.normal(size=5))
    exact = x.numpy().T @ x.numpy() / 200
    for reduction, factor in (("mean", 2), ("half_mean", 1), ("sum", 400)):
        h = mt.hessian(lambda w, r=reduction: F.mse_loss(x @ w, y, r), w)
        np.testing.assert_allclose(h.numpy(), factor * exact, atol=1e-8)


def test_shapes_that_would_compare_everything_with_everything():
    for function in (F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.log_cosh_loss, F.gaussian_nll):
        with pytest.raises(mt.MicrotrainError, match=r"\(5, 1\).*\(5,\)[\s\S]*squeeze"):
            function(mt.ones(5, 1), mt.ones(5))
        with pytest.raises(mt.MicrotrainError, match=r"\(5,\).*\(4,\)"):
            function(mt.ones(5), mt.ones(4))
    assert F.mse_loss(mt.ones(5), 0.0).item() == 1  # one target for all
    assert F.mse_loss(leaf(2.0), mt.tensor([1.0, 2.0, 3.0])).item() == pytest.approx(2 / 3)  # one prediction for all


def test_a_constant_fit_finds_the_mean_or_the_median():
    data = mt.tensor([1.0, 2.0, 3.0, 4.0, 100.0])
    grid = np.linspace(0, 30, 3001)
    best = {f: grid[np.argmin([f(mt.tensor(c), data).item() for c in grid])] for f in (F.mse_loss, F.l1_loss)}
    assert best[F.mse_loss] == pytest.approx(22) and best[F.l1_loss] == pytest.approx(3)


@pytest.mark.parametrize("loss", [F.huber_loss, F.smooth_l1_loss, F.hinge_embedding_loss, F.hinge_loss])
def test_where_a_loss_bends_can_be_learned(loss):
    x, t = mt.tensor([0.1, 2.0, -3.0, 0.5]), mt.tensor([1.0, -1.0, -1.0, 1.0])
    name = {F.huber_loss: "delta", F.smooth_l1_loss: "beta"}.get(loss, "margin")
    bend = mt.tensor(0.7, requires_grad=True)
    for reduction in ("mean", "sum"):
        assert mt.gradgradcheck(
            lambda x, b, r=reduction: loss(x, t, reduction=r, **{name: b}), (x.requires_grad_(), bend)
        )
    assert bend.grad is None and mt.grad(loss(x, t, **{name: bend}), bend)[0].item() != 0


def test_log_cosh_keeps_its_digits(monkeypatch):
    mpmath = pytest.importorskip("mpmath")
    monkeypatch.setattr(mpmath.mp, "dps", 50)
    for r in (0.0, 1e-12, 1e-5, 0.3, 0.999999, 1.0, 5.0, 700.0, 1e4):
        x = leaf(r)
        y = F.log_cosh_loss(x, mt.tensor(0.0))
        assert y.item() == pytest.approx(float(mpmath.log(mpmath.cosh(r))), rel=3e-15, abs=0)
        assert slopes(lambda x: F.log_cosh_loss(x, 0.0), x)[0] == pytest.approx(math.tanh(r), rel=1e-15)


# ---- classification --------------------------------------------------------------------------------------------------


def test_binary_cross_entropy_of_the_book():
    x, y = RNG.normal(size=(20, 5)), RNG.integers(2, size=20).astype(float)
    w = leaf(RNG.normal(size=5))
    z = mt.tensor(x) @ w
    sigma = 1 / (1 + np.exp(-z.detach().numpy()))
    (g,) = slopes(lambda w: F.binary_cross_entropy_with_logits(mt.tensor(x) @ w, mt.tensor(y), reduction="sum"), w)
    np.testing.assert_allclose(g, (sigma - y) @ x, atol=1e-12)
    for logit, label, value, slope in ((40.0, 0.0, 40.0, 1.0), (-800.0, 1.0, 800.0, -1.0)):
        z = leaf([logit])
        loss = F.binary_cross_entropy_with_logits(z, mt.tensor([label]))
        assert loss.item() == pytest.approx(value)
        loss.backward()
        assert z.grad.item() == pytest.approx(slope)


def test_sigmoid_and_half_squares_eq_4_2_6():
    x, y = RNG.normal(size=(1, 5)), mt.tensor([1.0])
    w = leaf(RNG.normal(size=5))
    p = (mt.tensor(x) @ w).sigmoid()
    (g,) = slopes(lambda w: F.mse_loss((mt.tensor(x) @ w).sigmoid(), y, "half_sum"), w)
    q = p.item()
    np.testing.assert_allclose(g, -(1 - q) * q * (1 - q) * x[0], atol=1e-12)


def test_nll_of_the_book():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    log_p, labels = leaf(np.log(p)), mt.tensor([0, 1, 2])
    assert F.nll_loss(log_p, labels, reduction="sum").item() == pytest.approx(1.496109, abs=1e-6)
    assert F.nll_loss(log_p, labels).item() == pytest.approx(0.498703, abs=1e-6)
    assert math.exp(-F.nll_loss(log_p, labels, reduction="sum").item()) == pytest.approx(0.224)
    np.testing.assert_allclose(slopes(lambda x: F.nll_loss(x, labels), log_p)[0], -np.eye(3) / 3)
    many = mt.log_softmax(mt.randn(5000, 4), 1)
    assert np.isfinite(F.nll_loss(many, mt.zeros(5000).long(), reduction="sum").item())
    with pytest.raises(IndexError, match=r"nll_loss.*label 3"):
        F.nll_loss(log_p, mt.tensor([0, 1, 3]))


@pytest.mark.parametrize("wrong", [None, "a", 1.5, True])
@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.NLLLoss])
def test_the_ignored_label_is_an_integer(loss, wrong):
    x, labels = mt.ones(2, 3), mt.tensor([0, 1])
    with pytest.raises(mt.errors.DtypeError, match="ignore_index is a label, an integer, not"):
        loss(ignore_index=wrong)(x, labels)
    assert loss(ignore_index=np.int64(1))(x, labels).item() == loss()(x[:1], labels[:1]).item()


def test_focal_of_the_book():
    for p, ratio in ((0.1, 0.81), (0.5, 0.25), (0.9, 0.01), (0.99, 1e-4)):
        z = mt.tensor([math.log(p / (1 - p))])
        both = F.focal_loss(z, mt.tensor([1.0])).item(), F.binary_cross_entropy_with_logits(z, mt.tensor([1.0])).item()
        assert both[0] / both[1] == pytest.approx(ratio, rel=1e-10)
        two = mt.tensor([[0.0, z.item()]])
        assert F.focal_loss(two, mt.tensor([1])).item() == pytest.approx(both[0], rel=1e-12)
    logits, labels = leaf(RNG.normal(size=(8, 4))), mt.tensor(RNG.integers(4, size=8))
    assert F.focal_loss(logits, labels, 0.0).item() == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-13)
    z, t = leaf(RNG.normal(size=9) * 3), RNG.integers(2, size=9).astype(float)
    same = F.focal_loss(z, mt.tensor(t), 0.0), F.binary_cross_entropy_with_logits(z, mt.tensor(t))
    assert same[0].item() == pytest.approx(same[1].item(), rel=1e-13)
    s, p = 2 * t - 1, 1 / (1 + np.exp(-(2 * t - 1) * z.detach().numpy()))
    for gamma, alpha in ((2.0, None), (0.5, 0.25), (3.5, 0.9)):
        (g,) = slopes(lambda z, g=gamma, a=alpha: F.focal_loss(z, mt.tensor(t), g, a, "sum"), z)
        weight = 1.0 if alpha is None else np.where(t == 1, alpha, 1 - alpha)
        np.testing.assert_allclose(g, s * weight * (1 - p) ** gamma * (gamma * p * np.log(p) + p - 1), rtol=1e-10)
    weights = mt.tensor([1.0, 2.0, 3.0, 4.0])
    losses = F.focal_loss(logits, labels, alpha=weights, reduction="none")
    plain = F.focal_loss(logits, labels, reduction="none")
    np.testing.assert_allclose(losses.detach().numpy(), (plain * weights[labels]).detach().numpy())
    for bad in ({"gamma": -1.0}, {"target": mt.full((9,), 0.3)}):
        with pytest.raises(mt.MicrotrainError, match="focal_loss"):
            F.focal_loss(**{"input": z, "target": mt.tensor(t), **bad})
    with pytest.raises(mt.MicrotrainError):
        F.focal_loss(logits, mt.tensor(t))


def test_hinge():
    x, t = leaf([2.0, 0.5, -1.0, 1.0]), mt.tensor([1.0, 1.0, 1.0, 1.0])
    assert F.hinge_loss(x, t, reduction="none").tolist() == [0, 0.5, 2, 0]
    assert F.hinge_loss(x, -t, reduction="none").tolist() == [3, 1.5, 0, 2]
    assert slopes(lambda x: F.hinge_loss(x, t, reduction="sum"), x)[0].tolist() == [0, -1, -1, 0]  # 0 at the corner
    assert F.hinge_loss(x, t, p=2, reduction="none").tolist() == [0, 0.25, 4, 0]
    assert nn.HingeLoss(margin=2.0)(x, t).item() == pytest.approx((0 + 1.5 + 3 + 1) / 4)
    with pytest.raises(mt.MicrotrainError, match="-1 and 1"):
        F.hinge_loss(x, mt.tensor([0.0, 1.0, 1.0, 0.0]))


def test_class_weights_are_copies_of_samples():
    logits, labels = leaf(RNG.normal(size=(6, 3))), np.array([0, 1, 2, 0, 0, 1])
    weights = np.array([2, 1, 3])
    many = np.repeat(np.arange(6), weights[labels])
    one = F.cross_entropy(logits, mt.tensor(labels), mt.tensor(weights.astype(float)))
    two = F.cross_entropy(logits[many], mt.tensor(labels[many]))
    assert one.item() == pytest.approx(two.item(), rel=1e-13)
    np.testing.assert_allclose(F.balanced_weights(mt.tensor(labels)).numpy(), [6 / 9, 1, 2])
    assert F.balanced_weights(mt.tensor([0, 2])).tolist() == [2 / 3, 0, 2 / 3]
    with pytest.raises(mt.MicrotrainError, match="labels"):
        F.balanced_weights(mt.tensor([0.5]))


EXTREME = [0.0, 30.0, -30.0, 500.0, -500.0, 1e4, -1e4]


@pytest.mark.parametrize("a", EXTREME)
@pytest.mark.parametrize("b", EXTREME)
def test_extreme_logits(a, b, monkeypatch):
    """Values, first and second derivatives are finite and right at logits of +-1e4."""
    mpmath = pytest.importorskip("mpmath")
    monkeypatch.setattr(mpmath.mp, "dps", 500)  # 1 + exp(-1000) is not 1; what is smaller is no float
    big_a, big_b = mpmath.mpf(a), mpmath.mpf(b)
    surprise = mpmath.log(1 + mpmath.exp(big_b - big_a))  # of class 0 of the logits (a, b)
    rest = 1 / (1 + mpmath.exp(big_a - big_b))
    logits = leaf([[a, b]])
    one = mt.tensor([0])
    losses = {
        "cross_entropy": (lambda z: F.cross_entropy(z, one), surprise, -rest),
        "nll": (lambda z: F.nll_loss(F.log_softmax(z, 1), one), surprise, -rest),
        "focal": (
            lambda z: F.focal_loss(z, one), rest**2 * surprise,
            rest**2 * (2 * (1 - rest) * mpmath.log(1 - rest) - rest if rest < 1 else -1),
        ),
        "focal of power 1/2": (lambda z: F.focal_loss(z, one, 0.5), mpmath.sqrt(rest) * surprise, None),
        "kl": (lambda z: F.kl_with_logits(z, mt.tensor([[1.0, 0.0]])), surprise, -rest),
    }  # fmt: skip
    for name, (f, value, slope) in losses.items():
        assert f(logits).item() == pytest.approx(float(value), rel=1e-13, abs=1e-15), name
        (g,) = mt.grad(f(logits), [logits], create_graph=True)
        if slope is not None:
            assert g[0, 0].item() == pytest.approx(float(slope), rel=1e-11, abs=1e-15), name
        (h,) = mt.grad((g * mt.tensor([[1.0, -2.0]])).sum(), [logits])
        assert np.isfinite(g.detach().numpy()).all() and np.isfinite(h.numpy()).all(), name
    z = leaf([a])
    u = mpmath.log(1 + mpmath.exp(-big_a))
    for name, f in {
        "bce": lambda z: F.binary_cross_entropy_with_logits(z, mt.ones(1)),
        "soft margin": lambda z: F.soft_margin_loss(z, mt.ones(1)),
        "bernoulli": lambda z: F.bernoulli_nll(z, mt.ones(1)),
        "log sigmoid": lambda z: -F.logsigmoid(z).sum(),
    }.items():
        assert f(z).item() == pytest.approx(float(u), rel=1e-13, abs=1e-290), name
        (g,) = mt.grad(f(z), [z], create_graph=True)
        assert g.item() == pytest.approx(float(-1 / (1 + mpmath.exp(big_a))), rel=1e-13, abs=1e-15), name
        assert np.isfinite(mt.grad(g, [z])[0].item()), name


# ---- likelihoods -----------------------------------------------------------------------------------------------------


def line_data():
    x = np.linspace(-1, 1, 50)
    return x, 2 * x + 1 + 0.5 * np.random.default_rng(0).normal(size=50)


def test_gaussian_likelihood_of_the_book():
    x, y = line_data()
    theta = np.polyfit(x, y, 1)
    np.testing.assert_allclose(theta, [2.290076, 1.064498], atol=1e-6)
    pred = mt.tensor(theta[0] * x + theta[1])
    assert -F.gaussian_nll(pred, mt.tensor(y), 0.5).item() == pytest.approx(-29.124309, abs=1e-6)
    ratio = []  # the log-likelihood is an affine function of the MSE, not a multiple
    for _ in range(20):
        a, b = RNG.normal(size=2)
        p = mt.tensor(a * x + b)
        mse, nll = F.mse_loss(p, mt.tensor(y)).item(), F.gaussian_nll(p, mt.tensor(y), 0.5).item()
        assert -nll == pytest.approx(-100 * mse - 11.289568, abs=1e-6)
        ratio.append(nll / mse)
    assert max(ratio) - min(ratio) > 1


def test_a_trained_sigma_becomes_the_root_of_the_mean_square():
    x, y = line_data()
    theta = np.polyfit(x, y, 1)
    residuals = y - np.polyval(theta, x)
    s = leaf(math.sqrt(np.mean(residuals**2)))
    (slope,) = slopes(lambda s: F.gaussian_nll(mt.tensor(np.polyval(theta, x)), mt.tensor(y), s), s)
    assert abs(slope) < 1e-10
    assert s.item() ** 2 == pytest.approx(0.178347, abs=1e-6)
    with pytest.raises(mt.MicrotrainError, match="positive"):
        F.gaussian_nll(mt.zeros(2), mt.zeros(2), 0.0)


@pytest.mark.parametrize("name", likelihood.NOISE_MODELS)
def test_each_noise_model_has_the_gradient_of_its_loss_times_a_constant(name):
    model = likelihood.NOISE_MODELS[name]
    pred = leaf(RNG.normal(size=(20, 4)))
    target = {
        "bernoulli": mt.tensor(RNG.integers(2, size=(20, 4)).astype(float)),
        "categorical": mt.tensor(RNG.integers(4, size=20)),
    }.get(name, mt.tensor(RNG.normal(size=(20, 4))))
    (a,), (b,) = slopes(lambda p: model.nll(p, target), pred), slopes(lambda p: model.loss(p, target), pred)
    ratio = a / b
    assert np.median(ratio) > 0 and np.abs(ratio / np.median(ratio) - 1).max() < 1e-8


def test_laplace_density():
    assert F.laplace_nll(mt.tensor([3.0]), mt.tensor([1.0]), 2.0).item() == pytest.approx(math.log(4) + 1)
    assert nn.LaplaceNLLLoss(scale=2.0)(mt.tensor([3.0]), mt.tensor([1.0])).item() == pytest.approx(math.log(4) + 1)


def test_2000_densities_do_not_underflow():
    r = mt.tensor(RNG.normal(size=2000))
    density = np.exp(-(r.numpy() ** 2) / 2) / math.sqrt(2 * math.pi)
    assert np.prod(density) == 0
    assert F.gaussian_nll(r, mt.zeros(2000)).item() == pytest.approx(-np.log(density).sum())


# ---- information -----------------------------------------------------------------------------------------------------


def test_self_information_and_entropy():
    assert F.self_information(0.5, base=2).item() == 1 and F.self_information(1.0).item() == 0
    assert F.self_information([0.1, 0.25], base=2).tolist() == pytest.approx([3.321928, 2.0], abs=1e-6)
    assert F.self_information(0.0).item() == math.inf
    assert slopes(F.self_information, leaf(0.25))[0] == -4
    assert slopes(lambda p: F.self_information(p, 2), leaf(0.25))[0] == pytest.approx(-5.770780, abs=1e-6)
    assert F.entropy([0.5, 0.25, 0.25]).item() == pytest.approx(1.039721, abs=1e-6)
    assert F.entropy([0.5, 0.25, 0.25], base=2).item() == 1.5
    one_hot = leaf([1.0, 0.0, 0.0])
    for certain in (
        F.entropy(one_hot), F.self_information(1.0), F.distribution_cross_entropy(one_hot, one_hot),
        F.entropy(one_hot, base=2), F.kl_divergence(one_hot, one_hot),
    ):  # fmt: skip
        assert certain.item() == 0 and math.copysign(1, certain.item()) == 1  # and not -0
    assert slopes(F.entropy, one_hot)[0].tolist() == [-1, 0, 0]
    dice = RNG.dirichlet(np.ones(5), 10000)
    h = F.entropy(mt.tensor(dice)).numpy()
    assert h.min() > 0 and h.max() < math.log(5)
    hessian = mt.hessian(lambda p: -F.entropy(p), mt.tensor([0.5, 0.3, 0.2]))
    np.testing.assert_allclose(hessian.numpy(), np.diag([2, 1 / 0.3, 5]), atol=1e-12)
    for bad in ([1.2, -0.2], [2.0]):
        with pytest.raises(mt.MicrotrainError, match="probability"):
            F.entropy(bad)
    with pytest.raises(mt.MicrotrainError, match="base"):
        F.entropy([0.5, 0.5], base=1)


def test_entropy_is_largest_at_the_uniform_distribution():
    z = leaf(np.random.default_rng(0).normal(size=5))
    for _ in range(500):
        (g,) = slopes(lambda z: F.entropy(F.softmax(z, 0)), z)
        z = leaf(z.detach().numpy() + g)
    np.testing.assert_allclose(F.softmax(z, 0).detach().numpy(), np.full(5, 0.2), atol=1e-6)


def test_kl_divergence():
    half, other = [0.5, 0.5], [0.9, 0.1]
    assert F.kl_divergence(half, other).item() == pytest.approx(0.510826, abs=1e-6)
    assert F.kl_divergence(other, half).item() == pytest.approx(0.368064, abs=1e-6)
    assert F.kl_divergence([1.0, 0.0], half).item() == pytest.approx(math.log(2))
    assert F.kl_divergence(half, [1.0, 0.0]).item() == math.inf
    assert F.kl_divergence([1.0, 0.0], [1.0, 0.0]).item() == 0
    assert F.kl_divergence([0.2, 0.8], [0.8, 0.2]).item() == F.kl_divergence([0.8, 0.2], [0.2, 0.8]).item()
    p, q = RNG.dirichlet(np.ones(5), 5000), RNG.dirichlet(np.ones(5), 5000)
    values = F.kl_divergence(mt.tensor(p), mt.tensor(q)).numpy()
    assert values.min() > 0
    total = F.distribution_cross_entropy(mt.tensor(p), mt.tensor(q)).numpy()
    np.testing.assert_allclose(total, values + F.entropy(mt.tensor(p)).numpy(), rtol=1e-12)
    z, t = leaf(RNG.normal(size=(3, 5))), RNG.dirichlet(np.ones(5), 3)
    (g,) = slopes(lambda z: F.kl_with_logits(z, mt.tensor(t), "sum"), z)
    np.testing.assert_allclose(g, F.softmax(z, 1).detach().numpy() - t, atol=1e-14)
    cross, own, kl = F.decompose(mt.tensor(t), z)
    assert cross == pytest.approx(own + kl)
    assert cross == pytest.approx(F.cross_entropy(z, mt.tensor(t)).item())


# ---- geometry --------------------------------------------------------------------------------------------------------


def test_bregman_divergences():
    p, q = leaf(RNG.dirichlet(np.ones(4))), leaf(RNG.dirichlet(np.ones(4)))
    half = F.bregman_divergence(lambda x: 0.5 * (x * x).sum(), p, q)
    assert half.item() == pytest.approx(0.5 * ((p - q) ** 2).sum().item())
    kl = F.bregman_divergence(lambda x: x * x.log(), p, q)
    assert kl.item() == pytest.approx(F.kl_divergence(p, q).item())
    assert F.generalised_kl(p, q).item() == pytest.approx(kl.item())
    assert F.bregman_divergence(lambda z: z.logsumexp(-1), p, p).item() == pytest.approx(0, abs=1e-15)
    # the divergence of log-sum-exp between logits is the KL divergence of their distributions, the other way round
    swapped = F.bregman_divergence(lambda z: z.logsumexp(-1), q.log(), p.log())
    assert swapped.item() == pytest.approx(kl.item())
    assert mt.gradcheck(lambda p, q: F.bregman_divergence(lambda x: x * x.log(), p, q), [p, q])
    a, b = mt.tensor([0.7, 0.2, 0.1]), mt.tensor([0.5, 0.3, 0.2])
    assert F.bregman_divergence(lambda x: x * x.log(), a, b).item() == pytest.approx(0.0851228, abs=1e-7)
    a, b = mt.tensor([0.7, 0.2, 0.3]), mt.tensor([0.5, 0.3, 0.1])  # they add up to 1.2 and 0.9
    assert F.bregman_divergence(lambda x: x * x.log(), a, b).item() == pytest.approx(0.184021, abs=1e-6)
    a, b = mt.tensor([1.0, -2.0, 3.0]), mt.tensor([0.5, 1.0, 1.0])
    assert F.bregman_divergence(lambda x: 0.5 * (x * x).sum(), a, b).item() == pytest.approx(6.625)
    with mt.no_grad():
        assert not F.bregman_divergence(lambda x: x * x.log(), p, q).requires_grad
    with pytest.raises(mt.MicrotrainError, match="no gradient"):
        F.bregman_divergence(lambda x: 3.0, p, q)


def test_bregman_losses_of_a_formula():
    x, t = leaf(RNG.uniform(0.5, 2, 6)), leaf(RNG.uniform(0.5, 2, 6))
    a, b = x.detach().numpy(), t.detach().numpy()
    for phi, expected in [
        (lambda x: x * x, (a - b) ** 2),
        (lambda x: x * mt.F.log(x), a * np.log(a / b) - a + b),
        (lambda x: -mt.F.log(x), a / b - np.log(a / b) - 1),
        (mt.F.exp, np.exp(a) - np.exp(b) - np.exp(b) * (a - b)),
        (lambda x: 3 * x, np.zeros(6)),
    ]:
        loss = nn.BregmanLoss(phi, "none")
        np.testing.assert_allclose(loss(x, t).detach().numpy(), expected, atol=1e-14)
        assert mt.gradcheck(loss, [x, t]) and mt.gradgradcheck(loss, [x, t])


def test_fisher_information():
    z = mt.tensor([2.0, 1.0, 0.1])
    p = F.softmax(z, 0).numpy()
    exact = np.diag(p) - np.outer(p, p)
    np.testing.assert_allclose(F.fisher_of_logits(z).numpy(), exact, atol=1e-15)
    np.testing.assert_allclose(F.fisher_information(lambda z: F.log_softmax(z, -1), z).numpy(), exact, atol=1e-14)
    np.testing.assert_allclose(mt.hessian(lambda z: F.cross_entropy(z, 0), z).numpy(), exact, atol=1e-14)
    np.testing.assert_allclose(F.fisher_of_logits(z).sum(1).numpy(), np.zeros(3), atol=1e-16)
    draws = np.random.default_rng(0).choice(3, 4000, p=p)
    sampled = F.fisher_from_samples(lambda z, k: F.log_softmax(z, -1)[int(k)], z, draws).numpy()
    assert np.abs(sampled - exact).max() < 0.02
    # a Gaussian with known variance: 1 / sigma^2
    samples = np.random.default_rng(0).normal(1.0, 0.5, 4000)
    one = F.fisher_from_samples(lambda m, x: -F.gaussian_nll(m, mt.tensor([x]), 0.5), mt.tensor([1.0]), samples)
    assert one.item() == pytest.approx(4, rel=0.05)
    # the KL divergence of neighbours is half the quadratic form
    p, d = np.array([0.5, 0.3, 0.2]), np.array([1.0, -0.5, -0.5])
    for eps, forward in ((0.1, 2.107), (0.01, 2.0438), (0.001, 2.04184)):
        assert F.kl_divergence(p, p + eps * d).item() / eps**2 == pytest.approx(forward, rel=1e-3)
    assert (d * d / p).sum() / 2 == pytest.approx(2.041667, abs=1e-6)
    with pytest.raises(mt.MicrotrainError, match="vector"):
        F.fisher_of_logits(mt.zeros(2, 2))


def test_labels_alone_can_be_ignored():
    scores = mt.ones(2, 3)
    with pytest.raises(mt.MicrotrainError, match="ignore_index=1"):
        F.cross_entropy(scores, mt.ones(2, 3) / 3, ignore_index=1)
    assert F.cross_entropy(scores, mt.tensor([0, 1]), ignore_index=1).item() == pytest.approx(np.log(3))


@pytest.mark.parametrize("loss", ["multi_margin_loss", "focal_loss"])
def test_losses_that_ignore_no_label_refuse_what_others_ignore(loss):
    with pytest.raises(mt.errors.IndexingError, match=rf"{loss}\(\): label -100 with 3 classes"):
        getattr(mt.nn.functional, loss)(mt.zeros(2, 3), mt.tensor([1, -100]))


def test_weights_go_with_the_losses():
    x, t, w = mt.tensor([[1.0], [2.0], [4.0]]), mt.zeros(3, 1), mt.tensor([1.0, 2.0, 1.0])
    assert F.mse_loss(x, t, weight=w[:, None]).item() == F.mse_loss(x, t, weight=[[1], [2], [1]]).item() == 25 / 4
    assert F.mse_loss(x, t, "half_mean", weight=w[:, None]).item() == 25 / 8
    assert F.mse_loss(x, t, weight=3.0).item() == F.mse_loss(x, t).item()  # one weight for all
    assert F.mse_loss(x.float(), t.float(), weight=mt.tensor([[1], [2], [1]])).dtype == np.float32
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.binary_cross_entropy_with_logits, F.hinge_loss):
        with pytest.raises(ShapeError, match=r"weights \(3,\) for losses \(3, 1\)"):
            loss(x, mt.ones(3, 1), weight=w)


def test_targets_of_bce_are_probabilities():
    for labels in ([-1.0, 1.0], [0.0, 1.5]):
        with pytest.raises(ArgumentError, match=r"is not in \[0, 1\]"):
            F.binary_cross_entropy(mt.tensor([0.2, 0.8]), mt.tensor(labels))


@pytest.mark.parametrize("labels", [[0, 1, 1], [False, True, True]])
def test_whole_labels_leave_the_dtype_of_the_logits(labels):
    for loss in (F.binary_cross_entropy_with_logits, F.mse_loss, F.hinge_embedding_loss):
        logits = mt.tensor([0.5, -1.0, 2.0], dtype=mt.float32, requires_grad=True)
        got = loss(logits, mt.tensor(labels))
        assert got.dtype == np.float32, loss
        got.backward()
        wanted = loss(logits.detach(), mt.tensor(labels).float())
        assert got.item() == wanted.item() and logits.grad.dtype == np.float32


def test_what_is_said_about_labels_of_another_kind():
    scores = mt.zeros(4, 3)
    for target, message in [
        (mt.zeros(4), r"Convert the labels: target\.long\(\)"),
        (mt.zeros(4, 2), r"There are 3 classes: a probability for each, or the number of one, target\.argmax\(1\)"),
    ]:
        with pytest.raises(mt.errors.DtypeError, match=message):
            F.cross_entropy(scores, target)
    with pytest.raises(mt.errors.DtypeError, match="argmax") as caught:  # of nll_loss they are labels in any case
        F.nll_loss(scores, scores)
    assert "probabilities where" not in str(caught.value)
    with pytest.raises(IndexError, match="Labels count from 0"):
        F.one_hot(mt.tensor([-1]))
    with pytest.raises(mt.errors.DtypeError, match=r"the class ReLU(.|\n)*Make one: ReLU"):
        nn.Sequential(nn.ReLU)


def test_a_bregman_formula_is_of_one_number():
    for phi in (lambda x: (x * x).sum(), 3, lambda x, y: x * y):
        with pytest.raises(ArgumentError, match=r"can't be read with symbols(.|\n)*bregman_divergence\(\)"):
            nn.BregmanLoss(phi)
