"""The recurrent cell, the recurrent network and the attention head."""

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn


def loaded(theirs, ours, torch):
    """The same random numbers in both."""
    rng = np.random.default_rng(0)
    state = {name: rng.normal(size=tuple(v.shape)) * 0.5 for name, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    theirs.load_state_dict({name: torch.tensor(v) for name, v in state.items()})
    ours.load_state_dict(state)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("options", "shape", "state"),
    [
        ({}, (7, 3, 2), None), ({"batch_first": True}, (3, 7, 2), (1, 3, 4)), ({"num_layers": 3}, (5, 2, 2), (3, 2, 4)),
        ({"nonlinearity": "relu"}, (5, 2, 2), None), ({"bias": False, "num_layers": 2}, (5, 2), (2, 4)), ({}, (6, 2), None),
    ],
)  # fmt: skip
def test_rnn_equals_pytorchs(options, shape, state):
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.RNN(2, 4, **options).double(), nn.RNN(2, 4, **options)
    loaded(theirs, ours, torch)
    rng = np.random.default_rng(1)
    x, h = rng.normal(size=shape), None if state is None else rng.normal(size=state)
    results = []
    for lib, model in ((torch, theirs), (mt, ours)):
        inputs = [lib.tensor(a, requires_grad=True) for a in (x, h) if a is not None]
        states, last = model(*inputs)
        (states.square().sum() + (last**3).sum()).backward()
        grads = [p.grad.numpy() for p in [*inputs, *model.parameters()]]
        results.append([states.detach().numpy(), last.detach().numpy(), *grads])
    for mine, reference in zip(*results, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-9, atol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"nonlinearity": "relu"}])
def test_cell_equals_pytorchs(options):
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.RNNCell(2, 4, **options).double(), nn.RNNCell(2, 4, **options)
    loaded(theirs, ours, torch)
    x, h = np.random.default_rng(1).normal(size=(3, 2)), np.random.default_rng(2).normal(size=(3, 4))
    for arguments in ((x,), (x, h), (x[0], h[0])):
        a = theirs(*map(torch.tensor, arguments)).detach().numpy()
        b = ours(*map(mt.tensor, arguments)).detach().numpy()
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-14)


def test_rnn_is_its_cell_run_along_the_sequence():
    network, cell = nn.RNN(2, 3), nn.RNNCell(2, 3)
    cell.load_state_dict({name[:-3]: value for name, value in network.state_dict().items()})
    x = mt.randn(6, 4, 2)
    h, expected = None, []
    for step in x:
        h = cell(step, h)
        expected.append(h)
    np.testing.assert_allclose(network(x)[0].detach().numpy(), mt.stack(expected).detach().numpy(), atol=1e-14)


def test_dropout_between_layers():
    network = nn.RNN(2, 3, num_layers=2, dropout=0.5)
    x = mt.randn(4, 2)
    assert not (network(x)[0] == network(x)[0]).all()
    network.eval()
    assert (network(x)[0] == network(x)[0]).all()


def test_recurrent_mistakes():
    for call, message in [
        (lambda: nn.RNN(2, 3)(mt.ones(4, 5)), r"\(4, 5\)"),
        (lambda: nn.RNN(2, 3)(mt.ones(4, 1, 2), mt.ones(1, 3)), r"first state of shape \(1, 3\).*\(1, 1, 3\)"),
        (lambda: nn.RNNCell(2, 3, nonlinearity="sin"), "tanh"),
        (lambda: nn.RNNCell(2, 3)(mt.ones(4, 2), mt.ones(4, 1, 3)), r"\(4, 2\) and a state of \(4, 1, 3\)"),
        (lambda: nn.RNN(2, 3, num_layers=0), "num_layers=0"),
        (lambda: nn.RNN(2, 3, bidirectional=True), "PyTorch"),
    ]:
        with pytest.raises(mt.MicrotrainError, match=message):
            call()


def test_one_head_of_attention():
    head = nn.SelfAttention(4, 3, 2, generator=mt.Generator(0))
    x = mt.randn(5, 6, 4)
    q, k, v = ((x @ getattr(head, name).weight.T).detach().numpy() for name in ("query", "key", "value"))
    scores = np.exp(q @ k.swapaxes(1, 2) / np.sqrt(3))
    weights = scores / scores.sum(-1, keepdims=True)
    np.testing.assert_allclose(head.weights(x).detach().numpy(), weights, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(head(x).detach().numpy(), weights @ v, rtol=1e-12, atol=1e-14)
    assert [tuple(p.shape) for p in head.parameters()] == [(3, 4), (3, 4), (2, 4)]


def test_a_causal_head_does_not_look_ahead():
    head = nn.SelfAttention(4, causal=True)
    x = mt.randn(6, 4)
    later = x.clone()
    later[3:] = 0
    np.testing.assert_array_equal(head(x).detach().numpy()[:3], head(later).detach().numpy()[:3])
    assert (np.triu(head.weights(x).detach().numpy(), 1) == 0).all()
    with pytest.raises(mt.MicrotrainError, match="not both"):
        nn.functional.attention_weights(x, x, mt.ones(6, 6), is_causal=True)


def test_the_loss_of_an_attention_head_is_not_convex():
    """The 12 x 12 Hessian of 3 matrices (2, 2), at random weights, has negative eigenvalues."""
    rng = np.random.default_rng(0)
    s, target = mt.tensor(rng.normal(size=(8, 4, 2))), mt.tensor(rng.normal(size=(8, 2)))

    def loss(flat):
        q, k, v = (s @ w.reshape(2, 2).T for w in flat.split(4))
        out = nn.functional.scaled_dot_product_attention(q, k, v)[:, -1]
        return nn.functional.mse_loss(out, target, "half_mean")

    lowest = [np.linalg.eigvalsh(mt.hessian(loss, mt.tensor(rng.normal(size=12))).numpy())[0] for _ in range(5)]
    assert min(lowest) < -1e-3


@pytest.mark.oracle
def test_a_position_that_may_look_at_nothing():
    """A row of padding must not make NaN of everything."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, n, 3)) for n in (4, 5, 5)]
    mask = rng.random((2, 4, 5)) > 0.4
    mask[0, 1] = mask[1, 3] = False
    found = []
    for lib in (torch, mt):
        query, key, value = (lib.tensor(a, requires_grad=True) for a in arrays)
        out = lib.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=lib.tensor(mask))
        (out**2).sum().backward()
        found.append([x.detach().numpy() for x in (out, query.grad, key.grad, value.grad)])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert (found[1][0][0, 1] == 0).all()


def test_a_mask_in_a_compiled_step():
    rng = np.random.default_rng(0)
    x = mt.tensor(rng.normal(size=(4, 3)))

    def step(mask):
        return nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask).sum()

    compiled = mt.compile(step)
    for _ in range(4):
        mask = mt.tensor(rng.random((4, 4)) > 0.6)
        assert compiled(mask).item() == pytest.approx(step(mask).item(), rel=1e-12)
