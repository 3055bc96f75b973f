"""Memory that is lent again: never while an array still looks at it."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import microtrain as mt
from microtrain.kernels import memory

MILLION = (1000, 1000)


@pytest.fixture(autouse=True)
def nothing_waits():
    memory.release_memory()
    yield
    memory.release_memory()


def address(x):
    return x.__array_interface__["data"][0]


def test_memory_is_used_again():
    first = memory.empty(MILLION, np.float64)
    place = address(first)
    del first
    assert memory.waiting() == 8_000_000
    assert address(memory.empty((250, 4000), np.float64)) == place


@pytest.mark.parametrize(
    "look",
    [lambda x: x, lambda x: x[3:5][:1], lambda x: x.T.reshape(-1)[:2], lambda x: x.view(np.int64)[0], memoryview,
     lambda x: x.base, lambda x: x.base[10:], np.asarray, lambda x: np.ndarray(3, np.float64, x), lambda x: x.flat],
)  # fmt: skip
def test_not_while_somebody_looks(look):
    x = memory.empty(MILLION, np.float64)
    x[...] = 1.0
    place, watcher = address(x), look(x)
    if watcher is x or not isinstance(watcher, np.ndarray) or np.may_share_memory(watcher, x):
        del x
        assert memory.waiting() == 0
        assert address(memory.empty(MILLION, np.float64)) != place


def test_a_piece_of_a_base_gives_nothing_back():
    x = memory.empty(MILLION, np.float64)
    piece = x.base[10:]
    del piece
    assert memory.waiting() == 0
    assert x.base.nbytes == 8_000_000


def test_small_results_are_ordinary():
    assert memory.empty((10, 10), np.float32).base is None


def test_order():
    assert memory.empty(MILLION, np.float64, "F").flags.f_contiguous


def test_what_waits_is_limited_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(memory, "KEPT", 20_000_000)
    for size in (1_000_000, 1_100_000, 1_200_000, 10_000_000):
        memory.empty((size,), np.float64)  # freed at once
    assert memory.waiting() == 8 * (1_100_000 + 1_200_000)
    del_later = [memory.empty((1_000_000,), np.float64) for _ in range(5)]
    del_later.clear()
    assert memory.waiting() == 2 * 8_000_000


def test_threads_never_share():
    wrong = []

    def work(number):
        for k in range(200):
            x = memory.empty((300_000,), np.float64)
            x[::1000] = number + k
            if not (x[::1000] == number + k).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_results_of_kernels_are_owned():
    x = mt.linspace(-3, 3, 400_000, requires_grad=True)
    y, z = x.detach().tanh(), x.detach().tanh()
    assert not np.may_share_memory(y.numpy(), z.numpy())
    kept = y.numpy().copy()
    view = y.detach()[5:]
    del y, z
    gc.collect()
    for _ in range(3):
        mt.exp(x).sum().backward()  # takes whatever memory waits
    assert np.array_equal(view.numpy(), kept[5:])
    gradient = x.grad
    x.grad = None
    mt.sin(x).sum().backward()
    assert not np.may_share_memory(gradient.numpy(), x.grad.numpy())
    x.grad.add_(1.0)  # gradients are writable


@pytest.mark.wide
def test_nothing_is_said_at_the_end(run):
    out, messages = run(
        "import microtrain as mt\nx = mt.ones(1_000_000)\ny = x.tanh()\nz = x.exp()\ndel z\nprint(y.sum().item() > 0)",
        MICROTRAIN_KERNELS="auto",
    )
    assert out == "True"
    assert "Exception" not in messages and "Error" not in messages
