"""Files of `torch.save`: weights are read, everything else is refused, and nothing is ever executed."""

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn, optim

NUMBERS = (np.arange(6, dtype="f4"),)
PROTOCOL, STOP, REDUCE, MARK, TUPLE = b"\x80\x02", b".", b"R", b"(", b"t"


def archive(description, numbers=(), compress=False):
    """The bytes of a file such as torch.save writes."""
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as file:
        file.writestr("model/data.pkl", description)
        file.writestr("model/byteorder", "little")
        for key, array in enumerate(numbers):
            file.writestr(f"model/data/{key}", np.asarray(array).tobytes())
    return buffer.getvalue()


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    return b"J" + struct.pack("<i", value)


def tuple_of(*parts):
    return MARK + b"".join(parts) + TUPLE


def named(module, name):
    return b"c" + f"{module}\n{name}\n".encode()


def storage(kind="FloatStorage", key="0", count=6):
    return tuple_of(text("storage"), named("torch", kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(offset=0, shape=(2, 3), strides=(3, 1), source=None, function="_rebuild_tensor_v2"):
    empty = named("collections", "OrderedDict") + b")R"
    parts = (
        source or storage(), number(offset), tuple_of(*map(number, shape)), tuple_of(*map(number, strides)), b"\x89", empty,
    )  # fmt: skip
    return named("torch._utils", function) + tuple_of(*parts) + REDUCE


def read(description, numbers=NUMBERS, **options):
    return mt.load(io.BytesIO(archive(PROTOCOL + description + STOP, numbers, **options)))


def refused(match, description, numbers=NUMBERS, **options):
    with pytest.raises(mt.MicrotrainError, match=match):
        read(description, numbers, **options)


def test_a_tensor_written_by_hand():
    assert read(tensor()).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read(tensor(1, (2, 2), (1, 3))).tolist() == [[1, 4], [2, 5]]
    assert read(tensor(shape=(), strides=())).item() == 0
    assert read(tensor(shape=(0, 3))).shape == (0, 3)
    assert read(b"}" + text("w") + tensor() + b"s")["w"].dtype == np.float32


@pytest.mark.parametrize(
    "shape",
    [((7,), (1,)), ((2, 4), (3, 1)), ((1000,), (0,)), ((2, 3), (1,)), ((-1, 3), (3, 1)), ((2**31 - 1, 2), (0, 0))],
    ids=str,
)
def test_tensors_that_reach_beyond_their_numbers(shape):
    refused("a tensor|damaged", tensor(0, *shape))
    refused("a tensor|damaged", tensor(5, (2,), (1,)))
    refused("a tensor|damaged", tensor(-1, (2,), (1,)))


def test_code_is_not_executed(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(os, "system", called.append)

    class Evil:
        def __reduce__(self):
            return os.system, ("echo broken into",)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(mt.MicrotrainError):
            mt.load(io.BytesIO(archive(pickle.dumps({"weights": Evil()}, protocol))))
    for module, name in (("builtins", "eval"), ("os", "system"), ("torch", "load"), ("microtrain", "load")):
        refused(rf"asks for {module}.{name}", named(module, name) + tuple_of(text("1 + 1")) + REDUCE)
    assert called == []


@pytest.mark.parametrize(
    ("match", "description"),
    [
        ("damaged", b"N" + number(3) + b"s"),
        ("no dict", b"]" + text("a") + text("b") + b"s"),
        ("key is a tuple", b"}" + tuple_of(number(1)) + number(2) + b"s"),
        ("no tensor", tuple_of(text("storage"), text("f4"), text("0"), text("cpu"), number(6)) + b"Q"),
        ("not described", tensor(source=b"N")),
        ("not described as data", storage()),
        ("not described as data", named("torch._utils", "_rebuild_tensor_v2")),
        ("no tensor", named("torch._utils", "_rebuild_parameter") + tuple_of(number(1)) + REDUCE),
        ("damaged", named("torch", "device") + tuple_of(text("cuda")) + REDUCE),
        ("damaged", tensor(source=storage(key="9"))),
        ("damaged", tensor(source=storage(key="../byteorder"))),
        ("damaged", b"]q\x00h\x00a"),  # a list that contains itself
        ("damaged", b"\x8f"),  # an instruction that is not among those
        ("damaged", b"("),
        ("damaged", b""),
    ],
    ids=str,
)
def test_odd_descriptions(match, description):
    refused(match, description)


def test_nothing_grows_beyond_the_size_of_the_file():
    large = np.zeros(2**18, "f4")
    one = tensor(0, (2**18,), (1,))
    assert len(read(b"]" + one * 2 + b"", (large,)).shape) == 1
    refused("again and again", b"](" + one * 20 + b"e", (large,))
    refused("compressed", tensor(), compress=True)
    refused("damaged", b"\x8e" + struct.pack("<Q", 2**62))  # a text of that length
    refused("damaged", b"r" + struct.pack("<I", 2**32 - 1))  # remember nothing, under a large number
    twice = b"".join(
        b"](" + 2 * (b"j" + struct.pack("<I", k)) + b"e" + b"r" + struct.pack("<I", k + 1) for k in range(60)
    )  # a list of a list twice of a list twice ...
    found = read(b"]q\x00" + twice)
    assert found[0] is found[1] and found[0][0] is found[1][1]


def test_deep_nesting_is_no_crash():
    refused("damaged", b"]" * 100_000 + b"a" * 99_999)


def test_three_thousand_damaged_files():
    rng = np.random.default_rng(0)
    whole = bytearray(archive(PROTOCOL + b"}" + text("w") + tensor() + b"s" + STOP, (np.arange(6, dtype="f4"),)))
    outcomes = {"read": 0, "refused": 0}
    for _ in range(3000):
        broken = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            broken[rng.integers(4, len(broken))] = rng.integers(256)
        if rng.random() < 0.2:
            broken = broken[: rng.integers(4, len(broken))]
        try:
            mt.load(io.BytesIO(bytes(broken)))
            outcomes["read"] += 1
        except mt.MicrotrainError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 1000


# ---- with PyTorch ----------------------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_weights_and_optimizers_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    made = torch.optim.Adam(theirs.parameters(), lr=0.01)
    x = np.random.default_rng(0).normal(size=(5, 3))

    def step(lib, model, optimizer):
        optimizer.zero_grad()
        model(lib.tensor(x)).square().sum().backward()
        optimizer.step()

    for _ in range(3):
        step(torch, theirs, made)
    torch.save({"model": theirs.state_dict(), "optimizer": made.state_dict(), "epoch": 3}, tmp_path / "check.pt")
    saved = mt.load(tmp_path / "check.pt", map_location="cpu")
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    ours.load_state_dict(saved["model"])
    optimizer = optim.Adam(ours.parameters())
    optimizer.load_state_dict(saved["optimizer"])
    assert saved["epoch"] == 3 and optimizer.param_groups[0]["lr"] == 0.01
    for _ in range(3):
        step(torch, theirs, made)
        step(mt, ours, optimizer)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12)


@pytest.mark.oracle
def test_all_that_a_checkpoint_contains(tmp_path):
    torch = pytest.importorskip("torch")
    whole = {
        "views": torch.arange(12)[3:9:2], "turned": torch.arange(6).reshape(2, 3).T, "empty": torch.zeros(0, 3),
        "number": torch.tensor(3.5), "flags": torch.tensor([True, False]), "half": torch.ones(2, dtype=torch.float16),
        "parameter": torch.nn.Parameter(torch.ones(2)), "list": [1, (2.5, None)], "text": "十", "yes": True,
        "big": 10**15, "size": torch.Size([1, 2]), "device": torch.device("cpu"), 7: "seven",
    }  # fmt: skip
    torch.save(whole, tmp_path / "all.pt")
    found = mt.load(tmp_path / "all.pt")
    assert list(found) == list(whole)
    for key, value in whole.items():
        if isinstance(value, torch.Tensor):
            np.testing.assert_array_equal(found[key].detach().numpy(), value.detach().numpy())
            assert found[key].dtype == value.detach().numpy().dtype and found[key].requires_grad == value.requires_grad
        elif key != "device":
            assert found[key] == value and type(found[key]) in (type(value), tuple)
    for wrong in (torch.nn.Linear(1, 1), {"x": torch.ones(2, dtype=torch.bfloat16)}, {"x": print}):
        torch.save(wrong, tmp_path / "wrong.pt")
        with pytest.raises(mt.MicrotrainError, match=r"asks for[\s\S]*state_dict"):
            mt.load(tmp_path / "wrong.pt")
    torch.save(whole, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(mt.MicrotrainError, match="pickle"):
        mt.load(tmp_path / "old.pt")
