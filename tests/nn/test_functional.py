"""How the functions behind the modules are called: PyTorch's arguments, and calls that do not fit."""

import pickle

import numpy as np
import pytest

import microtrain as mt
import microtrain.nn.functional as F
from microtrain import nn
from microtrain.errors import ArgumentError, DtypeError, MicrotrainError, ShapeError, SignatureError

X = mt.tensor([[0.5, -2.0, 3.0], [1.0, 0.0, -0.5]])


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("relu", ()), ("relu6", ()), ("leaky_relu", (0.1,)), ("elu", (0.5,)), ("selu", ()), ("celu", (2.0,)),
        ("silu", ()), ("mish", ()), ("hardtanh", (-0.5, 1.0)),
    ],
)  # fmt: skip
def test_inplace_may_stand_in_its_place(name, args):
    function = getattr(F, name)
    expected = function(X, *args)
    for given, options in (((True,), {}), ((), {"inplace": True})):
        x = X.clone()
        assert function(x, *args, *given, **options) is x and x.tolist() == expected.tolist()
    x = X.clone()
    assert function(x, *args, False) is not x and x.tolist() == X.tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.mse_loss(X, X, size_average=False), r'reduction="sum"[\s\S]*mse_loss\(input, target'),
        (lambda: F.nll_loss(X, mt.tensor([0, 1]), reduce=False), 'reduction="none"'),
        (lambda: F.cross_entropy(X, mt.tensor([0, 1]), size_average=True), "reduction"),
        (lambda: F.mse_loss(X), "missing a required argument: 'target'"),
        (lambda: F.l1_loss(X, X, None, None, "sum"), "5 arguments by position"),
        (lambda: F.normalize(X, out=None), "no out="),
        (lambda: F.embedding(mt.tensor([0]), X, max_nrom=1), "max_nrom"),
        (lambda: F.layer_norm(X, None), "layer_norm"),
    ],
)
def test_calls_that_do_not_fit(call, message):
    with pytest.raises(MicrotrainError, match=message):
        call()


def test_arguments_of_loss_modules_that_pytorch_gave_up():
    with pytest.raises(ArgumentError, match=r'reduction="sum"[\s\S]*It takes'):
        nn.MSELoss(size_average=False)
    with pytest.raises(SignatureError):
        F.mse_loss(X, X, X, X, X)


def test_a_missing_target_names_the_loss():
    with pytest.raises(TypeError, match=r"^MSELoss\.forward\(\) missing 1 required positional argument: 'target'"):
        nn.MSELoss()(X)


def test_functions_can_be_pickled_and_have_their_names():
    for name in ("mse_loss", "embedding", "layer_norm", "cross_entropy"):
        function = getattr(F, name)
        assert pickle.loads(pickle.dumps(function)) is function and function.__name__ == name


@pytest.mark.oracle
def test_attention_with_fewer_heads_of_keys():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(2, 4, 3, 5)), rng.normal(size=(2, 2, 6, 5)), rng.normal(size=(2, 2, 6, 5))
    ours, theirs = (
        m.nn.functional.scaled_dot_product_attention(m.tensor(q), m.tensor(k), m.tensor(v), enable_gqa=True)
        for m in (mt, torch)
    )
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


@pytest.mark.parametrize("heads", [(1, 4), (3, 2), (2, 0)])
def test_heads_that_do_not_divide_those_of_the_queries(heads):
    q, k = mt.zeros(heads[0], 3, 5), mt.zeros(heads[1], 6, 5)
    with pytest.raises(ShapeError, match="do not divide"):
        F.scaled_dot_product_attention(q, k, k, enable_gqa=True)


def test_a_bias_does_not_widen_the_output():
    with pytest.raises(ShapeError, match="bias"):
        F.linear(mt.zeros(4, 3), mt.zeros(1, 3), mt.zeros(7))


def test_settings_that_are_refused():
    with pytest.raises(ArgumentError, match="twice"):
        nn.MSELoss("sum", reduction="mean")
    with pytest.raises(DtypeError, match="ignore_index"):
        nn.CrossEntropyLoss(None, False)(mt.zeros(1, 2), mt.tensor([0]))
