"""Checkpoints as files: whole, or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import microtrain as mt
from microtrain import optim
from microtrain.files import atomically, locked, write_text
from microtrain.train import Checkpoint, fingerprint
from microtrain.train.checkpoint_files import POINTER, present, write_file

from . import runs


def checkpoint(step=3):
    model, optimizer, loader, _ = runs.parts()
    return Checkpoint.take(model, optimizer, loader, step=step)


def attack(folder, count, seed):
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(mt.__file__).parents[1]), str(here)])}
    done = subprocess.run(
        [sys.executable, str(here / "hostile.py"), str(folder), str(count), str(seed)],
        capture_output=True, text=True, timeout=600, env=environment,
    )  # fmt: skip
    assert done.returncode == 0 and f"{count} files" in done.stdout, done.stdout + done.stderr


resource = pytest.mark.skipif(os.name != "posix", reason="limits its memory")


@resource
@pytest.mark.wide
def test_five_hundred_hostile_files(tmp_path):
    attack(tmp_path, 500, 1)


@resource
@pytest.mark.slow
def test_ten_thousand_hostile_files(tmp_path):
    attack(tmp_path, 10_000, 2)


def test_the_last_two_are_kept(tmp_path):
    for step in (1, 2, 3):
        path = checkpoint(step).save(tmp_path)
        assert path.name == f"checkpoint-0000000{step}.safetensors"
    assert [p.name[-14:-12] for p in present(tmp_path)] == ["03", "02"]
    assert Checkpoint.load(tmp_path).step == 3 and Checkpoint.load(path).step == 3
    assert json.loads((tmp_path / POINTER).read_text())["newest"] == path.name
    (tmp_path / POINTER).unlink()
    assert Checkpoint.load(tmp_path).step == 3
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="Going on from checkpoint-00000002"):
        assert Checkpoint.load(tmp_path).step == 2
    present(tmp_path)[1].write_bytes(b"")
    with pytest.raises(mt.MicrotrainError, match="None of the checkpoints"):
        Checkpoint.load(tmp_path)


def test_what_is_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint in the folder"):
        Checkpoint.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file"):
        Checkpoint.load(tmp_path / "nothing.safetensors")
    mt.save({"w": mt.ones(2)}, tmp_path / "w.safetensors")
    with pytest.raises(mt.MicrotrainError, match=r"no checkpoint.*\n.*mt.load"):
        Checkpoint.load(tmp_path / "w.safetensors")
    path = checkpoint().save(tmp_path / "one.safetensors")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1  # the last bit of the last tensor
    path.write_bytes(raw)
    with pytest.raises(mt.MicrotrainError, match="damaged"):
        Checkpoint.load(path)


def test_a_description_that_is_too_long_is_not_read(tmp_path):
    path = tmp_path / "long.safetensors"
    with open(path, "wb") as file:
        file.write((1 << 26).to_bytes(8, "little"))
        file.truncate((1 << 26) + 100)
    with pytest.raises(mt.MicrotrainError, match="description of 67,108,864 bytes"):
        Checkpoint.load(path)


def test_contents_that_make_no_sense(tmp_path):
    content = checkpoint()._content
    for part, wrong in {"step": -1, "model": {"w": 1}, "random": [], "optimizer": {}, "frozen": None}.items():
        write_file(tmp_path / "x.safetensors", {**content, part: wrong})
        with pytest.raises(mt.MicrotrainError, match=f"not a checkpoint.*{part}"):
            Checkpoint.load(tmp_path / "x.safetensors")


def test_only_plain_data_goes_in(tmp_path):
    model, optimizer, loader, _ = runs.parts()
    for odd in (object(), [lambda: 1], {1: {2}}):
        with pytest.raises(mt.MicrotrainError):
            Checkpoint.take(model, optimizer, loader, more={"odd": odd}).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_taken_does_not_change_later():
    model, optimizer, _, _ = runs.parts()
    taken = Checkpoint.take(model, optimizer)
    before = fingerprint(taken.model)
    with mt.no_grad():
        for p in model.parameters():
            p.zero_()
    assert fingerprint(taken.model) == before
    taken.put_back(model, optimizer)
    assert fingerprint(model.state_dict()) == before


def test_frozen_parameters_and_buffers_come_back():
    def build():
        model = mt.nn.Sequential(mt.nn.Linear(2, 2), mt.nn.Linear(2, 1))
        model.register_buffer("seen", mt.zeros(3))
        model.register_buffer("scratch", mt.ones(2), persistent=False)
        return model, optim.SGD(model.parameters(), lr=0.1)

    model, optimizer = build()
    model[0].requires_grad_(False)
    model.seen += 2
    model.scratch += 5
    taken = Checkpoint.take(model, optimizer)
    model, optimizer = build()
    taken.put_back(model, optimizer)
    assert not model[0].weight.requires_grad and model[1].weight.requires_grad
    assert model.seen.tolist() == [2, 2, 2] and model.scratch.tolist() == [6, 6]


def test_fingerprints_tell_everything_apart():
    things = [
        None, True, 1, 1.0, 0.0, -0.0, "1", [1], (1,), {1: 1}, {}, [], [[]], [[], []], mt.tensor(1.0), mt.tensor([1.0]),
        np.array(1.0), np.float64(1.0), mt.tensor([1.0], dtype=mt.float32), mt.tensor([[1.0]]), float("nan"), "", "a",
        {"a": 1, "b": 2}, {"b": 2, "a": 1}, np.dtype("float32"),
    ]  # fmt: skip
    assert len({fingerprint(thing) for thing in things}) == len(things)
    assert fingerprint({"x": [mt.arange(3), (1.5, None)]}) == fingerprint({"x": [mt.arange(3), (1.5, None)]})
    circle = []
    circle.append(circle)
    for odd in (object(), circle, np.array([object()])):
        with pytest.raises(mt.MicrotrainError):
            fingerprint(odd)


def test_files_are_whole_or_as_before(tmp_path):
    write_text(tmp_path / "a", "old", durable=True)
    with pytest.raises(ZeroDivisionError), atomically(tmp_path / "a", durable=True) as path:
        path.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    with locked(tmp_path) as first, locked(tmp_path) as second:
        assert first and (not second or os.name != "posix")
    with locked(tmp_path) as again:
        assert again
