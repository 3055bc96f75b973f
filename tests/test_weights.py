"""Saving and loading; files that are broken."""

import numpy as np
import pytest

import microtrain as mt
from microtrain import nn


def test_round_trip_of_any_layout_and_dtype(tmp_path):
    path = tmp_path / "deep" / "weights.safetensors"
    values = {
        "transposed": mt.arange(6).reshape(2, 3).T, "scalar": mt.tensor(1.5), "empty": mt.zeros(0, 3),
        "small": mt.randn(3, dtype=mt.float32), "flags": mt.tensor([True, False]), "sliced": mt.arange(10)[::3],
    }  # fmt: skip
    mt.save(values, path)
    loaded = mt.load(path)
    assert loaded.keys() == values.keys()
    for name, value in values.items():
        assert loaded[name].dtype == value.dtype and loaded[name].shape == value.shape
        np.testing.assert_array_equal(loaded[name].numpy(), value.numpy())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_model_comes_back(tmp_path):
    first, second = nn.MLP([3, 4, 2]), nn.MLP([3, 4, 2])
    mt.save(first.state_dict(), tmp_path / "w.safetensors")
    second.load_state_dict(mt.load(tmp_path / "w.safetensors"))
    x = mt.randn(5, 3)
    assert (first(x) == second(x)).all()


def test_broken_files_give_one_clear_error(tmp_path):
    path = tmp_path / "w.safetensors"
    mt.save({"a": mt.randn(20)}, path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(300):
        bad = bytearray(good)
        if trial % 3 == 0:
            bad = bad[: rng.integers(len(bad))]
        else:
            for _ in range(3):
                bad[rng.integers(min(len(bad), 80))] = rng.integers(256)
        path.write_bytes(bad)
        try:
            loaded = mt.load(path)
        except mt.MicrotrainError as error:
            assert "w.safetensors" in str(error)
        else:
            assert all(isinstance(v, mt.Tensor) for v in loaded.values())
    with pytest.raises(mt.MicrotrainError, match="no file"):
        mt.load(tmp_path / "missing")
    path.write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(mt.MicrotrainError, match="another format"):
        mt.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.safetensors"
    mt.save({"a": mt.ones(2)}, path)
    with pytest.raises(mt.MicrotrainError, match="writes tensors"):
        mt.save({"a": "text"}, path)
    assert (mt.load(path)["a"] == 1).all()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
