"""The book's models: regression, deep linear networks, the line, the Gabor function, the shallow network."""

import numpy as np
import pytest

import microtrain as mt
import microtrain.nn.functional as F
from microtrain import nn


def test_linear_regression():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(20, 5)), rng.normal(size=5)
    y = x @ w + 3 + rng.normal(size=20)
    model = nn.LinearRegression(5)
    assert model(mt.tensor(x)).shape == (20,) and [tuple(p.shape) for p in model.parameters()] == [(5,), ()]
    model.solve(x, y)
    loss = model.loss(mt.tensor(x), mt.tensor(y))
    loss.backward()
    assert max(p.grad.abs().max().item() for p in model.parameters()) < 1e-12  # at the minimum
    columns = np.column_stack([x, np.ones(20)])
    best = np.linalg.lstsq(columns, y, rcond=None)[1][0]
    assert loss.item() == pytest.approx(best / 40) and model.loss(
        mt.tensor(x), mt.tensor(y), "sum"
    ).item() == pytest.approx(best)
    plain = nn.LinearRegression(5, bias=False, generator=mt.Generator(0)).solve(x, y)
    np.testing.assert_allclose(plain.weight.detach().numpy(), np.linalg.lstsq(x, y, rcond=None)[0])
    with pytest.raises(mt.MicrotrainError, match="5 weights"):
        model(mt.ones(3, 4))
    with pytest.raises(mt.MicrotrainError, match="solve"):
        model.solve(x, y[:, None])


def test_logistic_regression_of_problem_6_4():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-1, 1, 10), rng.normal(1, 1, 10)])[:, None]
    y = np.repeat([0, 1], 10)
    model = nn.LogisticRegression(1)
    with mt.no_grad():
        model.bias.fill_(0.36744)
        model.weight.fill_(2.10707)
    loss = model.loss(mt.tensor(x), mt.tensor(y), "sum")
    assert loss.item() == pytest.approx(8.135929, abs=1e-6)
    loss.backward()
    assert abs(model.bias.grad.item()) < 1e-3 and abs(model.weight.grad.item()) < 1e-3
    p = model.probabilities(mt.tensor(x)).detach().numpy()
    np.testing.assert_array_equal(model.predict(mt.tensor(x)).numpy(), p > 0.5)


def test_logistic_regression_of_many_classes():
    model = nn.LogisticRegression(3, classes=4, generator=mt.Generator(0))
    x = mt.randn(6, 3)
    assert model(x).shape == (6, 4) and model.predict(x).shape == (6,)
    np.testing.assert_allclose(model.probabilities(x).sum(1).detach().numpy(), np.ones(6))
    labels = mt.tensor([0, 1, 2, 3, 0, 1])
    assert model.loss(x, labels).item() == F.cross_entropy(model(x), labels).item()
    with pytest.raises(mt.MicrotrainError, match="two"):
        nn.LogisticRegression(3, classes=1)


def test_deep_linear_network():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        widths = rng.integers(1, 7, size=rng.integers(2, 6)).tolist()
        model = nn.DeepLinear(widths, generator=mt.Generator(seed))
        x = rng.normal(size=(4, widths[0]))
        product = model.end_to_end().detach().numpy()
        assert product.shape == (widths[-1], widths[0])
        np.testing.assert_allclose(model(mt.tensor(x)).detach().numpy(), (product @ x.T).T, atol=1e-12)
        assert np.linalg.matrix_rank(product, tol=1e-10) <= min(widths)
        for k in range(len(widths)):
            parts = model.product(k) @ model.product(0, k)
            np.testing.assert_allclose(parts.detach().numpy(), product, atol=1e-12)
    assert list(nn.DeepLinear([2, 3, 1]).state_dict()) == ["weights.0", "weights.1"]


def test_ways_to_start_a_deep_linear_network():
    assert nn.DeepLinear([4, 3, 3, 5], "balanced").balancedness() < 1e-12
    assert nn.DeepLinear([4, 4, 4], "orthogonal").balancedness() < 1e-12
    assert (nn.DeepLinear([3, 3, 3], "identity").end_to_end() == mt.eye(3)).all()
    wide = nn.DeepLinear([100, 400, 100], generator=mt.Generator(0))
    assert [w.std().item() for w in wide.weights] == pytest.approx([0.1, 0.05], rel=0.02)
    assert nn.DeepLinear([50, 50], 1e-3).weights[0].std().item() == pytest.approx(1e-3, rel=0.1)
    assert nn.DeepLinear([3, 2]).balancedness() == 0 and nn.DeepLinear([3, 2]).imbalance() == []
    for wrong in (
        lambda: nn.DeepLinear([3]),
        lambda: nn.DeepLinear([3, 3], "wild"),
        lambda: nn.DeepLinear([3, 3]).product(2, 1),
    ):
        with pytest.raises(mt.MicrotrainError):
            wrong()


def test_gradient_flow_conserves_the_balance():
    """d/dt (W2^T W2 - W1 W1^T) = 0: over a fixed time the change is proportional to the step."""
    x, y = mt.randn(30, 3, generator=mt.Generator(0)), mt.randn(30, 2, generator=mt.Generator(1))
    drift = []
    for steps in (100, 200):
        model = nn.DeepLinear([3, 4, 2], generator=mt.Generator(2))
        before = model.imbalance()[0].detach()
        for _ in range(steps):
            model.zero_grad()
            F.mse_loss(model(x), y).backward()
            with mt.no_grad():
                for w in model.parameters():
                    w.sub_(w.grad, alpha=1 / steps)
        drift.append((model.imbalance()[0].detach() - before).norm().item())
    assert 0 < drift[1] < 0.02 and drift[0] / drift[1] == pytest.approx(2, rel=0.1)


def test_reparametrisation_changes_nothing_but_the_parameters():
    model = nn.DeepLinear([3, 4, 4, 2], generator=mt.Generator(0))
    before, middle = model.end_to_end().detach().numpy(), model.weights[1].detach().numpy().copy()
    s = np.random.default_rng(0).normal(size=(4, 4))
    model.reparametrise(s, 2)
    np.testing.assert_allclose(model.end_to_end().detach().numpy(), before, atol=1e-12)
    np.testing.assert_allclose(model.weights[1].detach().numpy(), s @ middle)
    for wrong in (
        lambda: model.reparametrise(s, 3),
        lambda: model.reparametrise(np.eye(3), 1),
        lambda: model.reparametrise(s * 0, 1),
    ):
        with pytest.raises(mt.MicrotrainError, match="reparametrise"):
            wrong()


def test_diagonal_linear_network():
    model = nn.DiagonalLinear(4, scale=0.5)
    assert (model.weight() == 0).all() and model(mt.ones(3, 4)).shape == (3,)
    with mt.no_grad():
        model.u += 1
    assert (model.weight() == 2).all()


def test_line_of_eq_6_4():
    model = nn.Line(0.6, -0.2)
    x = mt.tensor([1.9])
    assert model(x).item() == pytest.approx(0.22)
    names = []

    class Listener:
        def forward(self, primitive, *_):
            names.append(primitive.name)

        def backward(self, *_):
            pass

    with mt.listen(Listener()):
        model(x)
    assert names == ["mul", "add"]
    assert repr(model).startswith("Line(phi_0=0.6, phi_1=-0.2)")


def test_gabor_of_eq_6_8():
    x = mt.tensor(np.linspace(-15, 15, 61))
    for phi_0, phi_1, crossing in ((-5.0, 25.0, 10 / 3), (20.0, 40.0, -25 / 3), (3.0, 15.0, -10 / 3)):
        model, other = nn.Gabor(phi_0, phi_1), nn.Gabor(-phi_0, -phi_1)
        np.testing.assert_allclose(other(x).detach().numpy(), -model(x).detach().numpy(), atol=1e-15)
        assert model(mt.tensor(crossing)).item() == pytest.approx(0, abs=1e-14)
        u = phi_0 + 0.06 * phi_1 * x.numpy()
        np.testing.assert_allclose(model(x).detach().numpy(), np.sin(u) * np.exp(-u * u / 32), atol=1e-15)
        loss = F.mse_loss(model(x), mt.ones(61), "sum")
        loss.backward()
        slope = np.exp(-u * u / 32) * (np.cos(u) - u * np.sin(u) / 16)
        residual = 2 * (np.sin(u) * np.exp(-u * u / 32) - 1) * slope
        assert model.phi_0.grad.item() == pytest.approx(residual.sum())
        assert model.phi_1.grad.item() == pytest.approx((residual * 0.06 * x.numpy()).sum())


def test_shallow_network_of_eq_6_23():
    model = nn.ShallowNetwork(generator=mt.Generator(1))
    assert sum(p.numel() for p in model.parameters()) == 10
    x, y = np.linspace(0.1, 2, 8), np.random.default_rng(1).normal(size=8)
    phi_0, phi, t0, t1 = (p.detach().numpy() for p in model.parameters())
    z = t0 + t1 * x[:, None]
    f = phi_0 + np.maximum(z, 0) @ phi
    np.testing.assert_allclose(model(mt.tensor(x)).detach().numpy(), f, rtol=1e-13)
    assert model(mt.tensor(x[:, None])).shape == (8, 1)
    F.mse_loss(model(mt.tensor(x)), mt.tensor(y), "sum").backward()
    r = 2 * (f - y)
    expected = [r.sum(), r @ np.maximum(z, 0), phi * (r @ (z > 0)), phi * ((r * x) @ (z > 0))]
    for p, g in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-12)
    assert nn.ShallowNetwork(5, mt.tanh)(mt.tensor(x)).shape == (8,)
    with pytest.raises(mt.MicrotrainError, match="one number"):
        model(mt.ones(2, 3))
