"""Every loss in every convention: "mean", "sum", "none", "batchmean", and the halves of all of these."""

import inspect

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn
from microtrain.nn import functional as F

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(2, 5, 3))
POSITIVE, SHARES = (np.abs(a) + 0.1 for a in (X, T))
SIGNS, LABELS, BITS = np.sign(T), np.array([0, 2, 1, 1, 0]), (T > 0) * 1.0
CHANCES = SHARES / SHARES.sum(-1, keepdims=True)

CASES = {
    "mse_loss": (X, T), "l1_loss": (X, T), "huber_loss": (X, T), "smooth_l1_loss": (X, T), "log_cosh_loss": (X, T),
    "binary_cross_entropy": (CHANCES, BITS), "binary_cross_entropy_with_logits": (X, BITS),
    "hinge_loss": (X, SIGNS), "hinge_embedding_loss": (POSITIVE, SIGNS), "soft_margin_loss": (X, SIGNS),
    "cross_entropy": (X, LABELS), "nll_loss": (np.log(CHANCES), LABELS), "focal_loss": (X, LABELS),
    "multi_margin_loss": (X, LABELS), "kl_div": (np.log(CHANCES), CHANCES[::-1].copy()), "kl_with_logits": (X, CHANCES),
    "gaussian_nll": (X, T), "laplace_nll": (X, T), "bernoulli_nll": (X, BITS), "categorical_nll": (X, LABELS),
    "gaussian_nll_loss": (X, T, POSITIVE), "poisson_nll_loss": (X, np.round(POSITIVE)),
}  # fmt: skip


def test_no_loss_is_forgotten():
    functions = {n: getattr(nn.losses, n) for n in nn.losses.__all__ if inspect.isfunction(getattr(nn.losses, n))}
    losses = {n for n, f in functions.items() if "reduction" in inspect.signature(f).parameters}
    assert losses - {"reduce"} <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_conventions(name):
    loss = getattr(F, name) if hasattr(F, name) else getattr(nn.losses, name)
    tensors = [mt.tensor(a) for a in CASES[name]]
    each = loss(*tensors, reduction="none")
    values = each.numpy()
    expected = {"mean": values.mean(), "sum": values.sum(), "none": values, "batchmean": values.sum() / 5}
    for convention, value in expected.items():
        np.testing.assert_allclose(loss(*tensors, reduction=convention).numpy(), value, rtol=1e-13)
        half = loss(*tensors, reduction=f"half_{convention}")
        np.testing.assert_allclose(half.numpy(), value / 2, rtol=1e-13)
        assert half.shape == each.shape if convention == "none" else half.shape == ()
    with pytest.raises(mt.MicrotrainError, match="average"):
        loss(*tensors, reduction="average")


@pytest.mark.parametrize(
    "options", [{"weight": mt.tensor([1.0, 2.0, 0.5])}, {"ignore_index": 1}, {"label_smoothing": 0.2}]
)
def test_the_mean_of_classes_is_by_weight_and_half_of_it_half(options):
    x, labels = mt.tensor(X), mt.tensor(LABELS)
    for loss in (F.cross_entropy, F.nll_loss):
        if loss is F.nll_loss and "label_smoothing" in options:
            continue
        mean, total = (loss(x, labels, reduction=r, **options).item() for r in ("mean", "sum"))
        counted = {"weight": 6.5, "ignore_index": 3, "label_smoothing": 5}[next(iter(options))]
        assert mean == pytest.approx(total / counted)
        assert loss(x, labels, reduction="half_mean", **options).item() == pytest.approx(mean / 2)


@pytest.mark.parametrize("kind", [nn.CrossEntropyLoss, nn.BCEWithLogitsLoss, nn.MSELoss, nn.KLDivLoss])
def test_modules_have_them_too(kind):
    target = mt.tensor(LABELS if kind is nn.CrossEntropyLoss else CHANCES)
    x = mt.tensor(X, requires_grad=True)
    whole, half = kind(reduction="sum")(x, target), kind(reduction="half_sum")(x, target)
    assert half.item() == pytest.approx(whole.item() / 2)
    np.testing.assert_allclose(mt.grad(half, x)[0].numpy(), mt.grad(whole, x)[0].numpy() / 2, rtol=1e-14)


def test_halves_of_squares_have_no_factor_2():
    x = mt.tensor(X, requires_grad=True)
    (g,) = mt.grad(F.mse_loss(x, mt.tensor(T), "half_sum"), x)
    np.testing.assert_allclose(g.numpy(), X - T, rtol=1e-14)


def test_rows_and_columns_of_a_deep_linear_network():
    """Inputs are rows; the end-to-end matrix maps columns: f(X) = X W^T."""
    net = nn.DeepLinear([3, 4, 2], generator=mt.Generator(0))
    assert [w.shape for w in net.weights] == [(4, 3), (2, 4)] and net.end_to_end().shape == (2, 3)
    rows = mt.tensor(X)
    np.testing.assert_allclose(net(rows).detach(), rows.numpy() @ net.end_to_end().detach().numpy().T, atol=1e-14)
    np.testing.assert_allclose(net(rows).detach().T, net.end_to_end().detach().numpy() @ rows.numpy().T, atol=1e-14)
    np.testing.assert_allclose(net.product(0, 1).detach(), net.weights[0].detach())
    np.testing.assert_allclose((net.product(1, 2) @ net.product(0, 1)).detach(), net.end_to_end().detach(), atol=1e-15)
    with pytest.raises(mt.MicrotrainError, match=r"\(3, 5\)"):  # columns where rows belong
        net(mt.tensor(X.T.copy()))
