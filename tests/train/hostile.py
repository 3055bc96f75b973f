"""Read thousands of broken and hostile checkpoints: each gives our error, nothing runs, and little memory is used.

    python hostile.py FOLDER COUNT SEED

A file whose bits were changed must never be accepted. A file that was put together by somebody who knows the format,
with a fingerprint that fits, may be accepted if what it says can be meant.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from runs import outcome, train

import microtrain as mt
from microtrain.train import Checkpoint, History
from microtrain.train.checkpoint_files import POINTER, present, read_file, write_file

FORBIDDEN = {"exec", "os.system", "os.exec", "os.fork", "subprocess.Popen", "pickle.find_class", "socket.connect"}
MEMORY = 300 << 20  # bytes more than at the start


def deep(n):
    return "[" * n + "]" * n


def bytes_flipped(raw, rng):
    raw = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 8])):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(raw)


def cut(raw, rng):
    return raw[: rng.randrange(len(raw))] if rng.random() < 0.7 else raw + rng.randbytes(rng.randrange(1, 100))


def other_length(raw, rng):
    length = rng.choice([0, 1, 7, 2**63, 2**64 - 1, len(raw), 10**8, 2**32, rng.randrange(len(raw))])
    return length.to_bytes(8, "little") + raw[8:]


LIES = [-1, 0, 1, 2**31, 2**60, 2**63, 10**30, 1e308, None, True, "F64", "../../../etc/passwd", [], {}, [2**40, 2**40]]


def header_lies(raw, rng):
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    name = rng.choice([key for key in header if key != "__metadata__"])
    what = rng.choice(["dtype", "shape", "data_offsets", "name", "gone", "nan"])
    if what == "name":
        header[rng.choice(["../../evil", "", "x" * 10000, "__metadata__"])] = header.pop(name)
    elif what == "gone":
        del header[name]
    elif what == "dtype":
        header[name]["dtype"] = rng.choice(["F8_E4M3", "BF16", "U64", "I8", "C64", "object", *LIES])
    else:
        values = header[name][what if what != "nan" else "shape"]
        lie = "@" if what == "nan" else rng.choice(LIES)
        if values and rng.random() < 0.7:
            values[rng.randrange(len(values))] = lie
        else:
            header[name]["shape"] = lie
    text = json.dumps(header).replace('"@"', "NaN").encode()
    return len(text).to_bytes(8, "little") + text + raw[8 + length :]


def description_lies(raw, rng):
    """Somewhere in the JSON of the description: other values, bombs, unknown words."""
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    text = header["__metadata__"]["microtrain"]
    which = rng.randrange(5)
    if which == 0:
        text = deep(rng.choice([10, 1000, 100_000]))
    elif which == 1:
        text = '{"version": 1, "object": ' + rng.choice(["1e999", "-" * 9, "9" * 5000, "NaN", '{"a": 1, "a": 2}']) + "}"
    elif which == 2:
        k = rng.randrange(len(text))
        text = text[:k] + rng.choice(['"', "[", "]", "{", "}", "0", "null", "\\u0000", ","]) + text[k + 1 :]
    elif which == 3:
        word = rng.choice(['"tensor"', '"array"', '"dict"', '"number"'])
        text = text.replace(word, rng.choice(['"eval"', '"float"', '"dtype"', '"tuple"', '"device"', '"array"']), 1)
    else:
        text = '{"version": 1, "object": {"dict": [' + ",".join(['["a", 1]'] * 100_000) + "]}}"
    header["__metadata__"]["microtrain"] = text
    packed = json.dumps(header).encode()
    return len(packed).to_bytes(8, "little") + packed + raw[8 + length :]


def garbage(raw, rng):
    return rng.choice([b"", rng.randbytes(rng.randrange(1, 5000)), b"PK\x03\x04" + raw, b"\x80\x04" + raw, b"{}" * 50])


BREAKERS = [bytes_flipped, cut, other_length, header_lies, description_lies, garbage]
VALUES = [
    None, True, -1, 0, 3, 2**70, -(2**200), 1.5, float("nan"), float("inf"), "", "x" * 100, "../../etc/passwd", "Adam",
    [], [[]], {}, {"a": 1}, (1, 2), np.zeros(0), np.zeros((3, 0, 2**40)), np.array([np.nan]), np.arange(3), np.array(7),
]  # fmt: skip


def replaced(content, rng):
    """A copy in which one thing, somewhere, is another."""
    if isinstance(content, dict) and content and rng.random() < 0.95:
        key = rng.choice(list(content))
        if rng.random() < 0.05:
            return {k: v for k, v in content.items() if k != key}
        return {**content, key: replaced(content[key], rng)}
    if isinstance(content, (list, tuple)) and content and rng.random() < 0.9:
        k = rng.randrange(len(content))
        return type(content)([*content[:k], replaced(content[k], rng), *content[k + 1 :]])
    value = rng.choice(VALUES)
    return mt.tensor(value) if isinstance(value, np.ndarray) and rng.random() < 0.5 else value


def pointer(rng):
    name = rng.choice(
        ["../../../etc/passwd", "/etc/passwd", "checkpoint-00000001.safetensors", "con", "", "x\0y", "." * 300]
    )
    return rng.choice([
        json.dumps({"newest": name, "before": name}), json.dumps({"newest": [name]}), json.dumps([name]), deep(100_000),
        "{", "", '{"newest": ' + "9" * 5000 + "}", "\ud800", "NaN", '{"newest": "' + "a" * 2_000_000,
    ])  # fmt: skip


def importing():
    """Is Python importing a module of its own, or of this library, whose code of course runs?"""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def main(folder: Path, count: int, seed: int) -> None:
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", ".* Going on from ", UserWarning)  # a pointer to a file that is not there
    os.fsync = lambda handle: None  # nobody cuts the power here, and waiting for the disk takes most of the time
    rng = random.Random(seed)
    done = folder / "done"
    train(done, 2, save_steps=7)
    newest = present(done)[0]
    raw, content = newest.read_bytes(), read_file(newest)
    expected = outcome(train(done, 2, resume=True))
    assert expected["history"]["rows"]
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))
    seen = []
    sys.addaudithook(lambda event, args: seen.append((event, args)) if event in FORBIDDEN and not importing() else None)
    before, results = peak(), Counter()
    path = folder / "broken.safetensors"
    for k in range(count):
        kind = k % 8
        if kind < 6:  # bits
            mutated = BREAKERS[kind](raw, rng)
            path.write_bytes(mutated)
            try:
                Checkpoint.load(path)
                assert mutated == raw or same(read_file(path), content), f"{BREAKERS[kind].__name__} was accepted"
                results["the same in other bytes"] += 1
            except mt.MicrotrainError:
                results["refused"] += 1
        elif kind == 6:  # made by somebody who knows how
            place = folder / "made"
            place.mkdir(exist_ok=True)
            with contextlib.suppress(mt.MicrotrainError):  # what can't be written
                write_file(place / newest.name, replaced(content, rng))
                try:
                    train(place, 2, resume=True)
                    results["accepted"] += 1
                except mt.MicrotrainError:
                    results["refused, though its fingerprint fits"] += 1
            shutil.rmtree(place)
        else:  # the files around
            place = folder / "around"
            place.mkdir(exist_ok=True)
            (place / newest.name).write_bytes(raw)
            (place / POINTER).write_text(pointer(rng), errors="surrogatepass")
            assert Checkpoint.load(place).step == content["step"]
            (place / "history.json").write_text(pointer(rng), errors="surrogatepass")
            with contextlib.suppress(mt.MicrotrainError):
                History.load(place / "history.json")
            results["pointers and histories"] += 1
    used = peak() - before
    assert not seen, seen[:3]
    assert used < MEMORY, f"{used >> 20} MB"
    print(f"{count} files: {dict(results)}, {used >> 20} MB")


def same(one, other):
    from microtrain.train import fingerprint

    return fingerprint(one) == fingerprint(other)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
