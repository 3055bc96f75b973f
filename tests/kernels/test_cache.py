"""The disk cache survives whatever happens to it, and never gives back the wrong code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from microtrain import kernels
from microtrain.errors import ArgumentError, KernelError
from microtrain.kernels import cache
from microtrain.kernels.compiling import Code
from microtrain.ops.primitive import TABLE

PROGRAM = """
import sys, numpy as np, microtrain as mt
x = mt.tensor(np.linspace(-3, 3, 20_000), requires_grad=True)
y = mt.tanh(x) * 2
y.sum().backward()
np.testing.assert_allclose(x.grad.numpy(), 2 * (1 - np.tanh(x.detach().numpy())**2), rtol=1e-13, atol=1e-15)
print("numba" in sys.modules)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROTRAIN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kernels"


CODE = Code(b"not really machine code", "kernel", ("sin",), 0.25)


def test_what_is_put_comes_back(place):
    assert cache.get("a" * 32) is None
    assert cache.put("a" * 32, "tanh", "# source", CODE)
    assert cache.get("a" * 32) == CODE
    assert (place / ("a" * 32) / "kernel.py").read_text() == "# source"
    (entry,) = cache.entries()
    assert (entry.name, entry.seconds, entry.whole) == ("tanh", 0.25, True)
    assert cache.clear() == 1 and cache.entries() == [] and cache.clear() == 0


def repr_short(x):
    return repr(x)[:20]


@pytest.mark.parametrize("file", ["kernel.o", "kernel.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", b"\x80\x04\x95garbage", b"[]", b"{}", b'"x"', b"null", b"[" * 100_000, None],
    ids=repr_short,
)
def test_damage_is_noticed(place, file, content):
    cache.put("k", "tanh", "# source", CODE)
    path = place / "k" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert cache.get("k") is None
    (entry,) = cache.entries()
    assert not entry.whole
    assert cache.put("k", "tanh", "# source", CODE) and cache.get("k") == CODE


@pytest.fixture
def nobody(place):
    """The folder above the cache is read-only; root, who writes everywhere, becomes somebody else meanwhile."""
    place.parent.mkdir(parents=True)
    place.parent.chmod(0o555)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)
    place.parent.chmod(0o755)


def test_truncated_and_swapped_files_are_noticed(place):
    cache.put("k", "tanh", "# source", CODE)
    cache.put("l", "sigmoid", "# source", Code(b"other code", "kernel", (), 0.1))
    path = place / "k" / "kernel.o"
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.get("k") is None
    path.write_bytes((place / "l" / "kernel.o").read_bytes())
    assert cache.get("k") is None
    about = json.loads((place / "l" / "kernel.json").read_bytes())
    for wrong in ({"symbol": "other"}, {"externals": ["sin"]}):
        (place / "l" / "kernel.json").write_text(json.dumps({**about, **wrong}))
        assert cache.get("l") is None
    (place / "l" / "kernel.json").write_text(json.dumps({**about, "format": 0}))
    assert cache.get("l") is None


def test_a_directory_in_the_way(place):
    place.parent.mkdir()
    place.write_text("a file where the folder should be")
    assert cache.get("k") is None and cache.entries() == [] and not cache.put("k", "tanh", "", CODE)


def test_nobodys_home(monkeypatch):
    monkeypatch.setenv("MICROTRAIN_CACHE_DIR", "~nobody-of-this-name/cache")
    assert cache.get("k") is None and cache.entries() == [] and not cache.put("k", "tanh", "", CODE)
    with pytest.raises(ArgumentError, match="MICROTRAIN_CACHE_DIR"):
        cache.directory()


def test_warming_says_when_nothing_can_be_kept(monkeypatch):
    monkeypatch.setenv("MICROTRAIN_CACHE_DIR", "/dev/null/cache")
    with pytest.raises(KernelError, match="can't be kept in /dev/null/cache"):
        kernels.warm(dtypes=("float32",))


def test_read_only(place, nobody):
    assert not cache.put("k", "tanh", "", CODE) and cache.get("k") is None


@pytest.mark.wide  # two more such places are looked at without a process of their own
def test_a_place_that_cannot_exist(run):
    more = 'import os\nos.environ["MICROTRAIN_CACHE_DIR"] = "/proc/cache"\nassert mt.exp(x).isfinite().all()\n'
    out, messages = run(PROGRAM + more, MICROTRAIN_CACHE_DIR="/dev/null/cache")
    assert out == "True" and "Traceback" not in messages and "compiling exp" in messages


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.delenv("MICROTRAIN_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache.directory() == tmp_path / "microtrain"
    monkeypatch.setenv("MICROTRAIN_CACHE_DIR", "~/somewhere")
    assert cache.directory() == Path.home() / "somewhere"


def test_keys(monkeypatch):
    key = cache.key_of("text")
    assert key == cache.key_of("text") != cache.key_of("text ")
    before = cache._surroundings()
    for k, other in enumerate([*before]):
        monkeypatch.setattr(
            cache, "_surroundings", lambda k=k, other=other: (*before[:k], other + "x", *before[k + 1 :])
        )
        assert cache.key_of("text") != key  # another Numba, CPU, Python ... is another key


def test_of_numbas_options_those_that_change_the_code_change_the_key(monkeypatch):
    key = cache._surroundings.__wrapped__()
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    assert cache._surroundings.__wrapped__() == key
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert cache._surroundings.__wrapped__() != key


def test_the_key_depends_on_every_file_of_machine_code(monkeypatch, tmp_path):
    files = [
        f for f in Path(cache.__file__).parent.glob("*.py") if f.stem.startswith("vecmath") or f.stem in cache.NATIVE
    ]
    assert len(files) == 11 + len(cache.NATIVE)
    for file in files:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "cache.py"))
    key = cache._surroundings.__wrapped__()
    for file in files:
        (tmp_path / file.name).write_text(file.read_text() + "# changed\n")
        changed = cache._surroundings.__wrapped__()
        assert changed != key
        key = changed


def test_the_second_process_needs_no_numba(run):
    first, messages = run(PROGRAM)
    assert first == "True" and "compiling tanh" in messages and "once" in messages
    second, messages = run(PROGRAM)
    assert second == "False" and messages == ""


@pytest.mark.wide
def test_damage_everywhere_is_mended(run, tmp_path):
    run(PROGRAM)
    files = sorted((tmp_path / "cache").rglob("kernel.*"))
    for k, path in enumerate(files):
        path.write_bytes([b"", b"garbage", path.read_bytes()[: path.stat().st_size // 2]][k % 3])
    assert run(PROGRAM)[0] == "True"
    assert run(PROGRAM)[0] == "False"


@pytest.mark.wide
def test_several_processes_at_once(tmp_path):
    environment = {**os.environ, "MICROTRAIN_CACHE_DIR": str(tmp_path), "MICROTRAIN_KERNELS": "auto"}
    for expected in ("True", "False"):
        processes = [
            subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        assert {process.communicate(timeout=120)[0].strip() for process in processes} == {expected}
        assert all(process.returncode == 0 for process in processes)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]  # nothing half written is left


def test_several_threads_at_once(forced):
    x = np.linspace(-1, 1, 1000)
    row = kernels.fused.Fused("thread test", lambda x: TABLE["exp"](x) * 0.123 + TABLE["tanh"](x))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: row([x]), range(16)))
    for y in found:
        np.testing.assert_array_equal(y, found[0])
