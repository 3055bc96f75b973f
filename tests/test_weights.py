"""Saving and loading: every layout and dtype, nested checkpoints, files that are broken, the way to PyTorch and back."""

import io
import json
import math
import struct

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim


def same(a, b):
    """Equal, down to the types."""
    assert type(a) is type(b)
    if isinstance(a, (mt.Tensor, np.ndarray)):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    elif isinstance(a, dict):
        assert list(a) == list(b) and [type(k) for k in a] == [type(k) for k in b]
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b or (a != a and b != b)


def test_round_trip_of_any_layout_and_dtype(tmp_path):
    path = tmp_path / "deep" / "weights.safetensors"
    values = {
        "transposed": mt.arange(6).reshape(2, 3).T, "scalar": mt.tensor(1.5), "empty": mt.zeros(0, 3),
        "small": mt.randn(3, dtype=mt.float32), "flags": mt.tensor([True, False]), "sliced": mt.arange(10)[::3],
        "parameter": nn.Parameter([1.0, 2.0]).detach(), "half": mt.ones(2, dtype=mt.float16),
    }  # fmt: skip
    mt.save(values, path)
    same(mt.load(path), values)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_model_comes_back(tmp_path):
    first, second = nn.MLP([3, 4, 2]), nn.MLP([3, 4, 2])
    mt.save(first.state_dict(), tmp_path / "w.safetensors")
    second.load_state_dict(mt.load(tmp_path / "w.safetensors", map_location="cpu", weights_only=True))
    x = mt.randn(5, 3)
    assert (first(x) == second(x)).all()
    with pytest.raises(mt.MicrotrainError, match="cuda"):
        mt.load(tmp_path / "w.safetensors", map_location="cuda")


NESTED = {
    "model": {"0.weight": mt.ones(2, 3), "0.bias": mt.zeros(2)},
    "optimizer": {
        "state": {0: {"step": 3, "exp_avg": mt.zeros(2, 3)}, 1: {"step": 3}},
        "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999), "params": [0, 1], "maximize": False, "foreach": None}],
    },
    "epoch": 3,
    "losses": [0.5, 1 / 3, math.inf, -math.inf, math.nan, 5e-324],
    "best": np.float32(0.1),
    "count": np.int64(2**40),
    "seen": np.array([[True, False]]),
    "state of the generator": mt.Generator(5).get_state(),
    "text": 'quotes " and \\ and a snowman \N{SNOWMAN}',
    ("a", 1): [],
    True: {},
    "": (),
    "dtype": mt.float32,
    "device": mt.device("cpu"),
}


@pytest.mark.parametrize(
    "value", [NESTED, mt.tensor(2.0), [mt.ones(1)], {"a": np.ones(2)}, 7, None, {}, "text"], ids=range(8)
)
def test_nested_objects_come_back_as_they_were(tmp_path, value):
    path = tmp_path / "checkpoint.pt"
    mt.save(value, path)
    same(mt.load(path), value)
    buffer = io.BytesIO()
    mt.save(value, buffer)
    buffer.seek(0)
    same(mt.load(buffer), value)


def test_names_that_collide_stay_apart(tmp_path):
    value = {"a": {"b": mt.zeros(1)}, "a.b": mt.ones(1), "__metadata__": mt.full((1,), 2.0), "a.b_": mt.full((1,), 3.0)}
    mt.save(value, tmp_path / "x")
    same(mt.load(tmp_path / "x"), value)
    mt.save({"__metadata__": mt.ones(2)}, tmp_path / "x")
    same(mt.load(tmp_path / "x"), {"__metadata__": mt.ones(2)})


def test_training_goes_on_where_it_stopped(tmp_path):
    def setup():
        model = nn.MLP([2, 8, 1], generator=mt.Generator(1))
        return model, optim.Adam(model.parameters(), lr=0.01)

    x = mt.randn(20, 2, generator=mt.Generator(2))
    y = x.prod(1, keepdim=True)

    def train(model, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            nn.MSELoss()(model(x), y).backward()
            optimizer.step()

    model, optimizer = setup()
    train(model, optimizer, 10)
    whole, whole_optimizer = setup()
    train(whole, whole_optimizer, 5)
    mt.save({"model": whole.state_dict(), "optimizer": whole_optimizer.state_dict(), "epoch": 5}, tmp_path / "c.pt")
    resumed, resumed_optimizer = setup()
    checkpoint = mt.load(tmp_path / "c.pt")
    resumed.load_state_dict(checkpoint["model"])
    resumed_optimizer.load_state_dict(checkpoint["optimizer"])
    assert checkpoint["epoch"] == 5
    train(resumed, resumed_optimizer, 5)
    for p, q in zip(model.parameters(), resumed.parameters(), strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_what_can_not_be_saved_is_named_with_its_place(tmp_path):
    path = tmp_path / "w.pt"
    mt.save({"a": mt.ones(2)}, path)
    for value, place in [
        ({"a": {"b": [1, object()]}}, r"'a\.b\.1' is a object"),
        (nn.Linear(2, 2), r"what you gave it is a Linear[\s\S]*state_dict"),
        ({"f": lambda: 0}, "'f' is a function"),
        ({"x": 1j}, "'x' is a complex"),
        ({"x": np.array([1j])}, "'x' is a ndarray"),
        ({object(): 1}, "key"),
    ]:
        with pytest.raises(mt.MicrotrainError, match=place):
            mt.save(value, path)
    circle = []
    circle.append(circle)
    with pytest.raises(mt.MicrotrainError, match="contains itself"):
        mt.save(circle, path)
    assert (mt.load(path)["a"] == 1).all()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "value", [{"a": mt.arange(20)}, {"a": mt.arange(20), "n": (3, math.inf)}], ids=["plain", "nested"]
)
def test_broken_files_give_one_clear_error(tmp_path, value):
    path = tmp_path / "w.safetensors"
    mt.save(value, path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    failures = 0
    for trial in range(400):
        bad = bytearray(good)
        if trial % 3 == 0:
            bad = bad[: rng.integers(len(bad))]
        else:
            for _ in range(3):
                bad[rng.integers(len(bad) - 160)] = rng.integers(256)
        path.write_bytes(bad)
        try:
            mt.load(path)
        except mt.MicrotrainError as error:
            assert "w.safetensors" in str(error)
            failures += 1
    assert failures > 200


def test_missing_files_and_other_formats(tmp_path):
    path = tmp_path / "w.pt"
    with pytest.raises(FileNotFoundError, match="no file"):
        mt.load(path)
    path.write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(mt.MicrotrainError, match="pickle"):
        mt.load(path)
    path.write_bytes(b"PK\x03\x04 a zip")
    with pytest.raises(mt.MicrotrainError, match=r"torch\.save: it is damaged"):
        mt.load(path)
    path.write_text("plain text, long enough to be a header")
    with pytest.raises(mt.MicrotrainError, match="another format"):
        mt.load(path)


def write_raw(path, description, dtype="F64"):
    header = {"__metadata__": {"microtrain": description}, "a": {"dtype": dtype, "shape": [1], "data_offsets": [0, 8]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)


@pytest.mark.parametrize(
    "description",
    [
        "not json", "{}", "[]", '{"object": {"tensor": "missing"}}', '{"object": {"os.system": "ls"}}', '{"object": {}}',
        '{"object": {"dict": 3}}', '{"object": {"tuple": 3}}', '{"object": {"float": "abc"}}', '{"object": {"dtype": "O"}}',
        '{"object": {"device": "cuda"}}', '{"object": {"dict": [[{"dict": []}, 1]]}}', '{"object": ' + "[" * 5000,
        '{"object": ' + '{"tuple":[' * 3000 + "]}" * 3000 + "}",
    ],
    ids=range(14),
)  # fmt: skip
def test_descriptions_that_lie(tmp_path, description):
    path = tmp_path / "w"
    write_raw(path, description)
    with pytest.raises(mt.MicrotrainError, match="does not fit"):
        mt.load(path)


def test_dtypes_that_are_not_here(tmp_path):
    write_raw(tmp_path / "w", "null", "C64")
    with pytest.raises(mt.MicrotrainError, match=r"w\b"):
        mt.load(tmp_path / "w")


@pytest.mark.oracle
def test_weights_go_to_pytorch_and_back(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    def build(lib):
        class Net(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = lib.nn.Embedding(5, 3)
                self.rnn = lib.nn.RNN(3, 4, num_layers=2, batch_first=True)
                self.norm = lib.nn.LayerNorm(4)
                self.body = lib.nn.Sequential(lib.nn.Linear(4, 6), lib.nn.PReLU(), lib.nn.Linear(6, 2, bias=False))
                self.extra = lib.nn.ParameterList([lib.nn.Parameter(lib.zeros(2))])
                self.register_buffer("scale", lib.ones(1))

            def forward(self, x):
                states, _ = self.rnn(self.embed(x))
                return self.body(self.norm(states)) * self.scale + self.extra[0]

        return Net()

    theirs, ours = build(torch).double(), build(mt)
    numbers = np.random.default_rng(0).integers(5, size=(2, 7))
    expected = theirs(torch.tensor(numbers)).detach().numpy()
    save_file(theirs.state_dict(), tmp_path / "torch.safetensors")
    keys = ours.load_state_dict(mt.load(tmp_path / "torch.safetensors"))
    assert keys == ([], [])
    np.testing.assert_allclose(ours(mt.tensor(numbers)).detach().numpy(), expected, rtol=1e-12)
    assert list(ours.state_dict()) == list(theirs.state_dict())

    fresh = build(torch).double()
    mt.save(ours.state_dict(), tmp_path / "ours.safetensors")
    fresh.load_state_dict(load_file(tmp_path / "ours.safetensors"))
    np.testing.assert_allclose(fresh(torch.tensor(numbers)).detach().numpy(), expected, rtol=1e-12)
    ours.load_state_dict(build(torch).double().state_dict())  # straight from PyTorch's tensors
    torch.save(theirs.state_dict(), tmp_path / "torch.pt")
    assert ours.load_state_dict(mt.load(tmp_path / "torch.pt")) == ([], [])
    torch.save(torch.nn.Linear(1, 1), tmp_path / "pickle.pt")
    with pytest.raises(mt.MicrotrainError, match=r"it asks for[\s\S]*safetensors\.torch"):
        mt.load(tmp_path / "pickle.pt")


def test_a_file_where_a_folder_should_be_is_named_and_kept(tmp_path):
    (tmp_path / "taken").write_text("mine")
    for path in (tmp_path / "taken" / "w.safetensors", tmp_path / "taken" / "deeper" / "w.safetensors"):
        with pytest.raises(mt.MicrotrainError, match="taken is a file, not a folder"):
            mt.save({"w": mt.ones(2)}, path)
    assert (tmp_path / "taken").read_text() == "mine"


def test_pytorchs_options_of_files_are_accepted(tmp_path):
    mt.save({"w": mt.ones(2)}, tmp_path / "w", pickle_protocol=4)
    assert mt.load(tmp_path / "w", mmap=True, pickle_module=None)["w"].tolist() == [1, 1]
