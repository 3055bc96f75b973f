"""A whole training step, compiled: beside eager, PyTorch, torch.compile, jax.jit and hand-written NumPy.

    python -m tests.benchmarks.bench_compile [--dtype float32] [--only NAME ...]

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
LR = 1e-3


def weights(sizes: list[int], dtype: Any) -> list[Any]:
    rng = np.random.default_rng(0)
    found = []
    for n, m in zip(sizes, sizes[1:], strict=False):
        found += [(rng.normal(size=(m, n)) / np.sqrt(n)).astype(dtype), np.zeros(m, dtype)]
    return found


def data(sizes: list[int], batch: int, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(batch, sizes[0])).astype(dtype)
    if sizes[-1] == 1 or len(set(sizes)) == 1:
        return x, rng.normal(size=(batch, sizes[-1])).astype(dtype)
    return x, rng.integers(0, sizes[-1], batch)


def ours(sizes: list[int], x: Any, y: Any, act: str, dtype: Any) -> dict[str, Callable[[], Any]]:
    """microtrain, eager and compiled, and the compiled step repeated in machine code."""
    found: dict[str, Callable[[], Any]] = {}
    for kind in ("eager", "compiled", "repeat"):
        params = [mt.tensor(w, requires_grad=True) for w in weights(sizes, dtype)]
        optimizer = optim.Adam(params, lr=LR)

        def step(x: Any, y: Any, params: Any = params, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            h = x
            for k in range(0, len(params), 2):
                h = F.linear(h, params[k], params[k + 1])
                if act == "relu" and k + 2 < len(params):
                    h = F.relu(h)
            loss = F.mse_loss(h, y) if y.dtype.kind == "f" else F.cross_entropy(h, y)
            loss.backward()
            optimizer.step()
            return loss

        inputs, targets = mt.tensor(x), mt.tensor(y)
        if kind == "eager":
            found["microtrain eager"] = lambda step=step, a=inputs, b=targets: step(a, b)
            continue
        compiled = mt.compile(step)
        for _ in range(3):
            compiled(inputs, targets)
        if kind == "compiled":
            found["microtrain"] = lambda c=compiled, a=inputs, b=targets: c(a, b)
        else:
            found["repeat"] = lambda c=compiled, a=inputs, b=targets: c.repeat(20, a, b)
    return found


def gabor_ours(dtype: Any) -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    rng = np.random.default_rng(0)
    x, y = mt.tensor(rng.uniform(-15, 15, 28).astype(dtype)), mt.tensor(rng.normal(size=28).astype(dtype))
    for kind in ("microtrain eager", "microtrain", "repeat"):
        model = nn.Gabor()
        if dtype == np.float32:
            model.float()
        optimizer = optim.Adam(model.parameters(), lr=LR)

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        compiled = mt.compile(step)
        if kind != "microtrain eager":
            for _ in range(3):
                compiled(x, y)
        found[kind] = {
            "microtrain eager": lambda s=step: s(x, y), "microtrain": lambda c=compiled: c(x, y),
            "repeat": lambda c=compiled: c.repeat(20, x, y),
        }[kind]  # fmt: skip
    return found


def numpy_by_hand(sizes: list[int], x: Any, y: Any, act: str, dtype: Any) -> Callable[[], Any]:
    """What one would write without any framework: no graph, buffers where they are easy to have."""
    params = weights(sizes, dtype)
    flat = np.concatenate([p.ravel() for p in params])
    ends = np.cumsum([p.size for p in params])
    params = [part.reshape(p.shape) for part, p in zip(np.split(flat, ends[:-1]), params, strict=True)]
    grad = np.empty_like(flat)
    grads = [part.reshape(p.shape) for part, p in zip(np.split(grad, ends[:-1]), params, strict=True)]
    m, v, t = np.zeros_like(flat), np.zeros_like(flat), 0
    rows, n = np.arange(len(x)), len(params)

    def step() -> Any:
        nonlocal t
        hs = [x]
        for k in range(0, n, 2):
            h = hs[-1] @ params[k].T
            h += params[k + 1]
            if act == "relu" and k + 2 < n:
                np.maximum(h, 0, out=h)
            hs.append(h)
        if y.dtype.kind == "f":
            g = hs[-1] - y
            loss = np.mean(g * g)
            g *= 2 / g.size
        else:
            g = hs[-1] - hs[-1].max(1, keepdims=True)
            right = g[rows, y]
            np.exp(g, out=g)
            total = g.sum(1)
            loss = np.mean(np.log(total) - right)
            g /= total[:, None]
            g[rows, y] -= 1
            g /= len(x)
        for k in range(n - 2, -1, -2):
            np.matmul(g.T, hs[k // 2], out=grads[k])
            np.add.reduce(g, axis=0, out=grads[k + 1])
            if k:
                g = g @ params[k]
                if act == "relu":
                    g *= hs[k // 2] > 0
        t += 1
        m[:] = 0.9 * m + 0.1 * grad
        v[:] = 0.999 * v + 0.001 * (grad * grad)
        flat[:] -= (LR / (1 - 0.9**t)) * m / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return loss

    return step


def products_alone(sizes: list[int], batch: int, dtype: Any) -> Callable[[], Any]:
    """Nothing but the step's matrix products, into memory that is there."""
    ws = weights(sizes, dtype)[::2]
    hs = [np.ones((batch, n), dtype) for n in sizes]
    gs = [np.ones((batch, n), dtype) for n in sizes]
    gw = [np.empty_like(w) for w in ws]

    def step() -> None:
        for k, w in enumerate(ws):
            np.matmul(hs[k], w.T, out=hs[k + 1])
        for k in range(len(ws) - 1, -1, -1):
            np.matmul(gs[k + 1].T, hs[k], out=gw[k])
            if k:
                np.matmul(gs[k + 1], ws[k], out=gs[k])
        for h in hs:
            h.fill(1)

    return step


def torchs(sizes: list[int], x: Any, y: Any, act: str, dtype: Any) -> dict[str, Callable[[], Any]]:
    import torch

    found: dict[str, Callable[[], Any]] = {}
    for kind in ("torch", "torch.compile"):
        params = [torch.tensor(w, requires_grad=True) for w in weights(sizes, dtype)]
        optimizer = torch.optim.Adam(params, lr=LR)
        inputs, targets = torch.tensor(x), torch.tensor(y)

        def loss_of(params: Any, inputs: Any, targets: Any) -> Any:
            h = inputs
            for k in range(0, len(params), 2):
                h = torch.nn.functional.linear(h, params[k], params[k + 1])
                if act == "relu" and k + 2 < len(params):
                    h = torch.relu(h)
            if targets.dtype.is_floating_point:
                return torch.nn.functional.mse_loss(h, targets)
            return torch.nn.functional.cross_entropy(h, targets)

        f = torch.compile(loss_of) if kind == "torch.compile" else loss_of

        def step(
            f: Any = f, params: Any = params, optimizer: Any = optimizer, a: Any = inputs, b: Any = targets
        ) -> Any:
            optimizer.zero_grad()
            loss = f(params, a, b)
            loss.backward()
            optimizer.step()
            return loss

        try:
            step()
        except Exception as error:  # no C++ compiler, say
            print(f"  ({kind} takes no part: {type(error).__name__})")
            continue
        found[kind] = step
    return found


def jaxs(sizes: list[int], x: Any, y: Any, act: str, dtype: Any) -> dict[str, Callable[[], Any]]:
    """The whole step jitted, with donated buffers."""
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return {}
    jax.config.update("jax_enable_x64", True)
    params = [jnp.asarray(w) for w in weights(sizes, dtype)]
    state = [params, [jnp.zeros_like(p) for p in params], [jnp.zeros_like(p) for p in params], jnp.zeros((), dtype)]
    inputs, targets = jnp.asarray(x), jnp.asarray(y)

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        h = x
        for k in range(0, len(params), 2):
            h = h @ params[k].T + params[k + 1]
            if act == "relu" and k + 2 < len(params):
                h = jax.nn.relu(h)
        if jnp.issubdtype(y.dtype, jnp.floating):
            return jnp.mean((h - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], 1))

    def step(state: Any, x: Any, y: Any) -> Any:
        params, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(params, x, y)
        t = t + 1
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
        c1, c2 = 1 - 0.9**t, 1 - 0.999**t
        params = [p - LR / c1 * a / (jnp.sqrt(b / c2) + 1e-8) for p, a, b in zip(params, m, v, strict=True)]
        return loss, [params, m, v, t]

    jitted = jax.jit(step, donate_argnums=0)
    held = [state]

    def run() -> None:
        loss, held[0] = jitted(held[0], inputs, targets)
        loss.block_until_ready()

    return {"jax.jit": run}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dtype", nargs="*", default=["float32", "float64"])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--target", type=float, default=0.05)
    parser.add_argument("--without", nargs="*", default=[])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in given.dtype:
        dtype = np.dtype(name).type
        for title, (sizes, batch, act) in MLPS.items():
            if given.only and not any(part in title for part in given.only):
                continue
            x, y = data(sizes, batch, dtype)
            start = time.perf_counter()
            contestants = ours(sizes, x, y, act, dtype)
            made = time.perf_counter() - start
            contestants["NumPy by hand"] = numpy_by_hand(sizes, x, y, act, dtype)
            contestants["products"] = products_alone(sizes, batch, dtype)
            for module, makers in {"torch": torchs, "jax": jaxs}.items():
                if module not in given.without:
                    with contextlib.suppress(ImportError):
                        contestants.update(makers(sizes, x, y, act, dtype))
            show(f"{title} {name} (ready in {made:.1f} s)", race_of(contestants, given))
        if not given.only or "Gabor" in given.only:
            show(f"{GABOR} {name}", race_of(gabor_ours(dtype), given))


def race_of(contestants: dict[str, Callable[[], Any]], given: Any) -> dict[str, float]:
    times = race(contestants, rounds=given.rounds, target=given.target, rest=0.25 if "torch" in contestants else 0.0)
    if "repeat" in times:
        times["repeat"] /= 20
    return times


def show(title: str, times: dict[str, float]) -> None:
    print(title)
    for name, t in times.items():
        print(f"  {name:18} {1e6 * t:12,.1f} us   {t / times['microtrain']:6.2f}x", flush=True)


if __name__ == "__main__":
    main()
