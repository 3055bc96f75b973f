"""Layers, containers, activations and losses, against PyTorch where it has them."""

import numpy as np
import pytest

import microtrain as mt
import microtrain.nn.functional as F
from microtrain import nn
from microtrain.nn import init


def test_linear_is_x_w_transposed_plus_b():
    layer = nn.Linear(3, 2, generator=mt.Generator(1))
    x = np.arange(12.0).reshape(4, 3)
    expected = x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(mt.tensor(x)).detach().numpy(), expected, rtol=1e-15)
    assert nn.Linear(3, 2, bias=False)(mt.zeros(5, 7, 3)).shape == (5, 7, 2)


def test_linear_names_the_shapes_that_do_not_fit():
    with pytest.raises(mt.MicrotrainError, match=r"\(4, 5\).*\(2, 3\)"):
        nn.Linear(3, 2)(mt.zeros(4, 5))


def test_the_same_generator_seed_gives_the_same_weights():
    a, b = (nn.MLP([4, 8, 3], generator=mt.Generator(5)) for _ in range(2))
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert (p == q).all()


def test_dropout_keeps_the_mean_and_stops_in_eval():
    drop = nn.Dropout(0.25, generator=mt.Generator(0))
    x = mt.ones(200, 200)
    y = drop(x)
    assert set(np.unique(y.numpy())) == {0.0, 1 / 0.75}
    assert abs(y.mean().item() - 1) < 0.02
    drop.eval()
    assert (drop(x) == x).all()
    with pytest.raises(mt.MicrotrainError, match="probability"):
        nn.Dropout(1.5)


def test_containers():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    layers.append(nn.Tanh())
    assert len(layers) == 3 and len(list(layers.parameters())) == 4
    chain = nn.Sequential(*layers)
    assert isinstance(chain[-1], nn.Tanh) and len(chain[:2]) == 2
    with pytest.raises(IndexError, match="3 modules"):
        chain[5]
    named = nn.ModuleDict({"a": nn.Linear(2, 3)})
    named["b"] = nn.ReLU()
    assert "a" in named and list(named) == ["a", "b"] and len(named) == 2


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("ReLU", ()), ("ReLU6", ()), ("LeakyReLU", (0.2,)), ("ELU", (1.5,)), ("CELU", (1.5,)), ("SELU", ()),
        ("GELU", ()), ("GELU", ("tanh",)), ("SiLU", ()), ("Mish", ()), ("Tanh", ()), ("Sigmoid", ()),
        ("LogSigmoid", ()), ("Softplus", (2.0, 10.0)), ("Softsign", ()), ("Hardtanh", (-2.0, 0.5)), ("Softmax", (1,)),
        ("LogSoftmax", (1,)), ("PReLU", (3,)), ("Identity", ()), ("Flatten", ()),
    ],
)  # fmt: skip
def test_activation_modules_equal_pytorchs(name, args):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(5, 3)) * 4
    kwargs = {"approximate": args[0]} if name == "GELU" and args else {}
    args = () if kwargs else args
    theirs = getattr(torch.nn, name)(*args, **kwargs).double()(torch.tensor(x)).detach().numpy()
    ours = getattr(nn, name)(*args, **kwargs)(mt.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_equal_pytorchs(reduction):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x, t, labels, bits = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), rng.integers(4, size=6), rng.random((6, 4))
    pairs = {
        "MSELoss": (x, t), "L1Loss": (x, t), "CrossEntropyLoss": (x, labels), "BCEWithLogitsLoss": (x, bits),
    }  # fmt: skip
    for name, (a, b) in pairs.items():
        theirs = getattr(torch.nn, name)(reduction=reduction)(torch.tensor(a), torch.tensor(b)).numpy()
        ours = getattr(nn, name)(reduction=reduction)(mt.tensor(a), mt.tensor(b)).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=name)


def test_initialisers_have_the_stated_variance():
    w = mt.zeros(300, 200)
    g = mt.Generator(0)
    init.kaiming_normal_(w, nonlinearity="relu", generator=g)
    assert w.var().item() == pytest.approx(2 / 200, rel=0.03)
    init.kaiming_uniform_(w, a=5**0.5, generator=g)
    assert w.abs().max().item() <= 1 / 200**0.5
    init.xavier_uniform_(w, generator=g)
    assert w.var().item() == pytest.approx(2 / 500, rel=0.03)
    init.xavier_normal_(w, gain=2.0, generator=g)
    assert w.var().item() == pytest.approx(8 / 500, rel=0.03)
    init.orthogonal_(w, generator=g)
    np.testing.assert_allclose((w.T @ w).numpy(), np.eye(200), atol=1e-12)
    init.eye_(w)
    assert w.sum().item() == 200
    with pytest.raises(mt.MicrotrainError, match="fan-in"):
        init.xavier_normal_(mt.zeros(3))
    with pytest.raises(mt.MicrotrainError, match="gain"):
        init.calculate_gain("swoosh")


def test_functional_reductions_refuse_unknown_names():
    with pytest.raises(mt.MicrotrainError, match="average"):
        F.mse_loss(mt.zeros(2), mt.zeros(2), reduction="average")
