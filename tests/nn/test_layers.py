"""Layers, activations and the functions behind them, against PyTorch where it has them."""

import numpy as np
import pytest

import microtrain as mt
import microtrain.nn.functional as F
from microtrain import nn, optim
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
    with pytest.raises(mt.MicrotrainError, match=r"\(4, 3\).*\(7, 2, 3\)"):  # a batch of weights
        mt.linear(mt.zeros(4, 3), mt.zeros(7, 2, 3), mt.zeros(2))


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
@pytest.mark.parametrize(
    ("build", "shapes"),
    [
        (lambda nn: nn.Linear(3, 2), [(5, 3)]), (lambda nn: nn.Linear(3, 2, bias=False), [(2, 5, 3)]),
        (lambda nn: nn.Bilinear(3, 4, 2), [(5, 3), (5, 4)]), (lambda nn: nn.Bilinear(3, 4, 2, bias=False), [(3,), (4,)]),
        (lambda nn: nn.LayerNorm(4), [(5, 4)]), (lambda nn: nn.LayerNorm((3, 4), eps=0.1), [(2, 3, 4)]),
        (lambda nn: nn.LayerNorm(4, elementwise_affine=False), [(5, 4)]), (lambda nn: nn.LayerNorm(4, bias=False), [(5, 4)]),
        (lambda nn: nn.Unflatten(1, (2, 3)), [(5, 6)]), (lambda nn: nn.Flatten(0), [(2, 3)]),
    ],
)  # fmt: skip
def test_layers_equal_pytorchs(build, shapes):
    torch = pytest.importorskip("torch")
    theirs, ours = build(torch.nn).double(), build(nn)
    rng = np.random.default_rng(0)
    state = {name: rng.normal(size=tuple(value.shape)) for name, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    ours.load_state_dict(state)
    inputs = [rng.normal(size=s) for s in shapes]
    results = []
    for lib, layer in ((torch, theirs), (mt, ours)):
        xs = [lib.tensor(x, requires_grad=True) for x in inputs]
        y = layer(*xs)
        (y * y).sum().backward()
        results.append(
            [y.detach().numpy(), *(x.grad.numpy() for x in xs), *(p.grad.numpy() for p in layer.parameters())]
        )
    for mine, reference in zip(*results, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-9, atol=1e-12)


def test_embedding():
    layer = nn.Embedding(5, 3)
    numbers = mt.tensor([[0, 4], [4, 4]])
    rows = layer(numbers)
    assert rows.shape == (2, 2, 3) and (rows[0, 1] == layer.weight[4]).all()
    rows.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [1, 0, 0, 0, 3])
    with pytest.raises(IndexError, match="no row 5 among 5"):
        layer(mt.tensor([5]))
    with pytest.raises(TypeError, match="integers"):
        layer(mt.tensor([0.5]))


@pytest.mark.oracle
@pytest.mark.parametrize(
    "options",
    [
        {}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}, {"max_norm": 0.5, "norm_type": 1.0}, {"sparse": False},
        {"max_norm": 1.5, "scale_grad_by_freq": True, "padding_idx": 2},
    ],
)  # fmt: skip
def test_embeddings_as_in_pytorch(options):
    torch = pytest.importorskip("torch")
    rows = np.random.default_rng(0).normal(size=(5, 3))
    results = []
    for m in (mt, torch):
        layer = m.nn.Embedding.from_pretrained(m.tensor(rows), freeze=False, **options)
        numbers = m.tensor([[0, 2], [2, 4], [0, 0]])
        y = layer(numbers)
        (y**2).sum().backward()
        w = m.tensor(rows, requires_grad=True)
        z = m.nn.functional.embedding(numbers, w, **options)
        results.append(
            [y.detach().numpy(), layer.weight.detach().numpy(), layer.weight.grad.numpy(), z.detach().numpy()]
        )
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_what_an_embedding_counts_is_not_compiled():
    layer = nn.Embedding(5, 3, scale_grad_by_freq=True)

    @mt.compile
    def step(numbers):
        layer.zero_grad()
        loss = layer(numbers).sum()
        loss.backward()
        return loss

    with pytest.raises(mt.errors.CompileError, match="taken out of the step"):
        for numbers in ([0, 1], [2, 3], [1, 1]):
            step(mt.tensor(numbers))


def test_lazy_linear_learns_its_size():
    model = nn.Sequential(nn.LazyLinear(4, generator=mt.Generator(0)), nn.Tanh(), nn.LazyLinear(1))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    weight = model[0].weight
    assert "(?)" in repr(model) and "(?)" in model.summary()
    for ask in (lambda: weight.shape, model.state_dict, lambda: init.normal_(weight)):
        with pytest.raises(mt.MicrotrainError, match=r"no (shape|values) yet"):
            ask()
    x = mt.ones(5, 3)
    model(x).sum().backward()
    assert type(model[0]) is nn.Linear and model[0].weight is weight and weight.shape == (4, 3)
    assert model[0].in_features == 3 and isinstance(weight, nn.Parameter)
    same = nn.Linear(3, 4, generator=mt.Generator(0))
    np.testing.assert_array_equal(same.weight.detach().numpy(), weight.detach().numpy())
    before = weight.detach().clone()
    optimizer.step()
    assert not (weight == before).all()
    fresh = nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.LazyLinear(1))
    fresh.load_state_dict(model.state_dict())
    assert (fresh(x) == model(x)).all() and type(fresh[0]) is nn.Linear and fresh[0].in_features == 3
    single = nn.LazyLinear(2, bias=False, dtype=mt.float32).float()
    assert single(mt.ones(2, 2, dtype=mt.float32)).dtype == mt.float32 and single.bias is None


def test_inplace_activations_write_over_their_input():
    for layer in (nn.ReLU(inplace=True), nn.ELU(inplace=True), nn.LeakyReLU(0.1, inplace=True), nn.ReLU(True),
                  nn.LeakyReLU(0.1, True), nn.Hardtanh(-1, 1, True)):  # fmt: skip
        x = mt.tensor([-1.0, 2.0], requires_grad=True)
        h = x * 1
        out = layer(h)
        assert out is h and "inplace=True" in repr(layer)
        out.sum().backward()
        expected = mt.grad(type(layer)(*[getattr(layer, k) for k in layer._settings])(x).sum(), [x])[0]
        np.testing.assert_array_equal(x.grad.numpy(), expected.numpy())
        with pytest.raises(mt.MicrotrainError, match="leaf"):
            layer(x)
    h = mt.tensor([-1.0, 2.0])
    assert F.relu(h, inplace=True) is h and h.tolist() == [0, 2]


def test_settings_are_checked_and_shown():
    assert repr(nn.LeakyReLU(0.2)).startswith("LeakyReLU(negative_slope=0.2)")
    assert repr(nn.HuberLoss(delta=2.0)).startswith("HuberLoss(delta=2.0)")
    for wrong in (
        lambda: nn.ReLU(0.1),
        lambda: nn.ELU(beta=1),
        lambda: nn.HuberLoss("mean", 1.0, 2),
        lambda: nn.MSELoss(x=1),
    ):
        with pytest.raises(mt.MicrotrainError, match="It takes"):
            wrong()
    for wrong in (
        lambda: nn.Linear(-1, 2),
        lambda: nn.Linear(2, 2, device="cuda"),
        lambda: nn.Unflatten(3, (1,))(mt.ones(2)),
    ):
        with pytest.raises(mt.MicrotrainError):
            wrong()


def test_functions_that_need_shapes_say_so():
    for call, message in [
        (lambda: F.bilinear(mt.ones(2, 3), mt.ones(2, 4), mt.ones(5, 4, 3)), "bilinear"),
        (lambda: F.layer_norm(mt.ones(2, 3), 4), r"\(2, 3\) are not \(4,\)"),
        (lambda: F.scaled_dot_product_attention(mt.ones(2, 3), mt.ones(2, 4), mt.ones(2, 4)), "one d"),
    ]:
        with pytest.raises(mt.MicrotrainError, match=message):
            call()


@pytest.mark.oracle
def test_functions_equal_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 3))
    mask, shift = np.tril(np.ones((5, 5), dtype=bool)), rng.normal(size=(5, 5))
    for f in [
        lambda lib, F, a, b, c: F.normalize(a, dim=2),
        lambda lib, F, a, b, c: F.cosine_similarity(a, b, dim=1),
        lambda lib, F, a, b, c: F.scaled_dot_product_attention(a, b, c),
        lambda lib, F, a, b, c: F.scaled_dot_product_attention(a, b, c, is_causal=True, scale=0.3),
        lambda lib, F, a, b, c: F.scaled_dot_product_attention(a, b, c, attn_mask=lib.tensor(mask)),
        lambda lib, F, a, b, c: F.scaled_dot_product_attention(a, b, c, attn_mask=lib.tensor(shift)),
    ]:
        results = []
        for lib, library in ((torch, torch.nn.functional), (mt, F)):
            xs = [lib.tensor(x, requires_grad=True) for x in (a, b, c)]
            y = f(lib, library, *xs)
            grads = lib.autograd.grad((y * y).sum(), xs, allow_unused=True)
            results.append([y.detach().numpy(), *(np.zeros(1) if g is None else g.numpy() for g in grads)])
        for mine, reference in zip(*results, strict=True):
            np.testing.assert_allclose(mine, reference, rtol=1e-9, atol=1e-12)


def test_the_padding_row_of_an_embedding_stays():
    layer = nn.Embedding(5, 2, padding_idx=-5)
    assert layer.padding_idx == 0 and layer.weight[0].tolist() == [0, 0] and "padding_idx=0" in repr(layer)
    layer(mt.tensor([[0, 1], [1, 4]])).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0], [0, 0], [1, 1]]
    for wrong in (5, -6):
        with pytest.raises(mt.MicrotrainError, match="padding_idx"):
            nn.Embedding(5, 2, wrong)


def test_an_embedding_of_given_rows():
    rows = mt.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=mt.float32)
    layer = nn.Embedding.from_pretrained(rows)
    assert layer(mt.tensor([1])).tolist() == [[3, 4]] and not layer.weight.requires_grad
    assert layer.weight.dtype == np.float32 and nn.Embedding.from_pretrained(rows, freeze=False).weight.requires_grad
    rows[0, 0] = 9.0
    assert layer.weight[0, 0].item() == 1
    with pytest.raises(mt.MicrotrainError, match="matrix"):
        nn.Embedding.from_pretrained(mt.ones(3))
    with pytest.raises(mt.MicrotrainError, match="takes a tensor, not list"):
        nn.Embedding.from_pretrained([[1.0, 2.0]])
    own = nn.Embedding(2, 2, 0, _weight=rows)
    assert own.weight.tolist() == rows.tolist() and own.weight.requires_grad and own.weight.dtype == np.float32
    assert not nn.Embedding(2, 2, _weight=rows, _freeze=True).weight.requires_grad
    with pytest.raises(mt.MicrotrainError, match=r"_weight has shape \(2, 2\), but the rows \(3, 2\)"):
        nn.Embedding(3, 2, _weight=rows)


def test_layers_are_told_their_device_and_dtype():
    """As programs of PyTorch do: `factory_kwargs = {"device": device, "dtype": dtype}`."""
    where = {"device": mt.device("cpu"), "dtype": mt.float32}
    for layer in (
        nn.Linear(2, 3, **where), nn.Bilinear(2, 3, 4, **where), nn.Embedding(3, 2, **where), nn.LayerNorm(3, **where),
        nn.PReLU(**where), nn.RNNCell(2, 3, **where), nn.RNN(2, 3, **where),
    ):  # fmt: skip
        assert {p.dtype for p in layer.parameters()} == {np.dtype("float32")}
    for make in (lambda: nn.PReLU(device="cuda"), lambda: nn.RNN(2, 3, device="cuda")):
        with pytest.raises(mt.MicrotrainError, match="cuda"):
            make()
    assert nn.PReLU(3, 0.1).weight.tolist() == pytest.approx([0.1] * 3)


def test_a_parameter_of_a_leaf_and_of_a_result():
    leaf = mt.ones(2, requires_grad=True)
    weight = nn.Parameter(leaf)
    weight.detach().fill_(3.0)
    assert weight.is_leaf and weight.requires_grad and leaf.tolist() == [1, 1]  # a copy
    with pytest.raises(mt.MicrotrainError, match="history"):
        nn.Parameter(leaf * 2)


def test_one_number_goes_through_prelu_as_one_number():
    assert nn.PReLU()(mt.tensor(-2.0)).shape == () and F.prelu(mt.tensor(-2.0), mt.tensor([0.5])).item() == -1


def test_rows_are_taken_out_of_a_matrix():
    with pytest.raises(mt.MicrotrainError, match=r"matrix, not out of shape \(3,\)"):
        F.embedding(mt.tensor([0]), mt.ones(3))


def test_counting_changes_only_the_gradient_of_the_weight():
    weight = mt.tensor([[np.inf, 1.0], [2.0, 3.0]], requires_grad=True)
    rows = F.embedding(mt.tensor([0, 0, 1]), weight, scale_grad_by_freq=True)
    assert rows.tolist() == [[np.inf, 1.0], [np.inf, 1.0], [2.0, 3.0]]
    of_rows, of_weight = mt.grad((rows[:, 1] ** 2).sum(), [rows, weight])
    assert of_rows.tolist() == [[0.0, 2.0], [0.0, 2.0], [0.0, 6.0]]
    assert of_weight.tolist() == [[0.0, 2.0], [0.0, 6.0]]
