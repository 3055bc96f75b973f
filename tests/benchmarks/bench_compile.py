"""A whole training step, compiled: beside eager, PyTorch, torch.compile, jax.jit, and NumPy and Numba by hand.

    python -m tests.benchmarks.bench_compile [--dtype float32] [--only NAME ...] [--without torch jax]

Adam everywhere, all contestants in one process, in turns. PyTorch and JAX take part where they are installed.
"""

from __future__ import annotations

import argparse
import contextlib
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import microtrain as mt
from microtrain import nn, optim
from microtrain.nn import functional as F

from . import compile_peers as peers
from .compile_peers import LR, MANY, Contestants
from .rounds import race

MLPS = {  # name: (sizes, batch, activation)
    "2-16-16-2, batch 100": ([2, 16, 16, 2], 100, "relu"),
    "64-128-64-10, batch 64": ([64, 128, 64, 10], 64, "relu"),
    "784-256-10, batch 64": ([784, 256, 10], 64, "relu"),
    "784-1024-1024-10, batch 256": ([784, 1024, 1024, 10], 256, "relu"),
    "deep linear, 30 of 32, batch 32": ([32] * 31, 32, "none"),
    "logistic regression 4-3, batch 150": ([4, 3], 150, "none"),
    "1-3-1 (10 parameters), batch 12": ([1, 3, 1], 12, "relu"),
}
GABOR = "Gabor, 2 parameters, 28 points"
TINY = 1000  # parameters up to which a loop is written by hand in Numba: beyond, one would call BLAS
FEW = 10  # steps of a repeated loop of larger ones


def ours(make: Callable[[], tuple[Any, Any]], x: Any, y: Any, loss_of: Any, many: int = MANY) -> Contestants:
    """microtrain, eager and compiled, and `many` compiled steps in machine code. `make()`: (model, parameters)."""
    found: Contestants = {}
    inputs, targets = mt.tensor(x), mt.tensor(y)
    for kind in ("microtrain eager", "microtrain", "repeat"):
        model, params = make()
        optimizer = optim.Adam(params, lr=LR)

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        compiled = mt.compile(step)
        if kind != "microtrain eager":
            for _ in range(3):
                compiled(inputs, targets)
        found[kind] = {
            "microtrain eager": lambda s=step: s(inputs, targets),
            "microtrain": lambda c=compiled: c(inputs, targets),
            "repeat": lambda c=compiled: c.repeat(many, inputs, targets),
        }[kind]
    return found


def network(sizes: list[int], act: str, dtype: Any) -> tuple[Any, Any]:
    """(the function, its parameters)."""
    params = [mt.tensor(w, requires_grad=True) for w in peers.weights(sizes, dtype)]

    def model(h: Any) -> Any:
        for k in range(0, len(params), 2):
            h = F.linear(h, params[k], params[k + 1])
            if act == "relu" and k + 2 < len(params):
                h = F.relu(h)
        return h

    return model, params


def gabor(dtype: Any) -> tuple[Any, Any]:
    model = nn.Gabor(*peers.START)
    if dtype == np.float32:
        model.float()
    return model, list(model.parameters())


def of_network(sizes: list[int], batch: int, act: str, dtype: Any, without: list[str]) -> Contestants:
    x, y = peers.data(sizes, batch, dtype)
    loss = F.mse_loss if y.dtype.kind == "f" else F.cross_entropy
    count = sum(n * m + m for n, m in zip(sizes, sizes[1:], strict=False))
    found = ours(lambda: network(sizes, act, dtype), x, y, loss, MANY if count <= TINY else FEW)
    given = (sizes, x, y, act, dtype)
    found["NumPy by hand"] = peers.numpy_by_hand(*given)
    found["products"] = peers.products_alone(sizes, batch, dtype)
    if count <= TINY:
        found["Numba by hand"] = peers.numba_by_hand(*given)
    return found | others({"torch": peers.torchs, "jax": peers.jaxs}, given, without)


def of_gabor(dtype: Any, without: list[str]) -> Contestants:
    given = (*peers.gabor_data(dtype), dtype)
    found = ours(lambda: gabor(dtype), given[0], given[1], F.mse_loss)
    found["NumPy by hand"], found["Numba by hand"] = peers.gabor_numpy(*given), peers.gabor_numba(*given)
    return found | others({"torch": peers.gabor_torch, "jax": peers.gabor_jax}, given, without)


def others(makers: dict[str, Any], given: tuple[Any, ...], without: list[str]) -> Contestants:
    """Those that are installed."""
    found: Contestants = {}
    for module, maker in makers.items():
        if module not in without:
            with contextlib.suppress(ImportError):
                found |= maker(*given)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", nargs="*", default=["float32", "float64"])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--target", type=float, default=0.05)
    parser.add_argument("--rest", type=float, default=0.15)
    parser.add_argument("--without", nargs="*", default=[])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in given.dtype:
        dtype = np.dtype(name).type
        makers: dict[str, Any] = {
            title: lambda n=net: of_network(*n, dtype, given.without)  # noqa: B023
            for title, net in MLPS.items()
        }
        makers[GABOR] = lambda: of_gabor(dtype, given.without)  # noqa: B023
        for title, make in makers.items():
            if given.only and not any(part in title for part in given.only):
                continue
            start = time.perf_counter()
            contestants = make()
            made = time.perf_counter() - start
            # The threads of PyTorch, and of NumPy's BLAS, go on waiting for work at full speed: let them go to sleep.
            times = race(contestants, rounds=given.rounds, target=given.target, rest=given.rest)
            many = MANY if "Numba by hand" in contestants else FEW
            show(f"{title} {name} (ready in {made:.1f} s)", times, many)


def show(title: str, times: dict[str, float], many: int) -> None:
    print(title)
    for name, t in times.items():
        t = t / many if name in ("repeat", "Numba by hand") else t
        print(f"  {name:18} {1e6 * t:12,.{1 if t > 1e-5 else 2}f} us   {t / times['microtrain']:6.2f}x", flush=True)


if __name__ == "__main__":
    main()
