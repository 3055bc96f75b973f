"""Fused kernels beside NumPy, PyTorch (all threads) and jax.jit: elementwise formulas, cross-entropy, Adam.

    python -m tests.benchmarks.bench_kernels [--rounds 5] [--sizes 100 10000 1000000 10000000] [--only tanh gelu limits]

All contestants take turns in one process, rested; medians over the rounds, in microseconds. "forward" makes a new array from
an array; "both" is a forward pass and a backward pass with an upstream gradient; "compiled" is the same by `mt.compile`, as
jax.jit does it (for small arrays, where calls are what costs). At the end: how far the kernels are from
what this machine's memory and arithmetic units allow. Needs PyTorch; jax is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.special
import torch

import microtrain as mt
from microtrain import F
from microtrain.kernels import pool, program
from microtrain.kernels.job import SCRATCH, SIDE_BY_SIDE, new_job
from microtrain.kernels.kernel import CHUNK, Kernel
from microtrain.kernels.layout import address
from microtrain.kernels.source import kernel_source
from microtrain.ops.plan import parameter_names
from microtrain.ops.primitive import TABLE

from .rounds import race

try:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
except ImportError:
    jax = None

LN2, ROOT, GAUSS = math.log(2), math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)

gabor = mt.elementwise("gabor", lambda z: F.sin(z) * F.exp(-z * z / 32))
logcosh = mt.elementwise(
    "logcosh", lambda x: F.abs(x) + F.log1p(F.exp(-2 * F.abs(x))) - LN2, [lambda g, x: g * F.tanh(x)]
)


def gelu_slope(x):
    return 0.5 * (1 + scipy.special.erf(x * ROOT)) + x * np.exp(-0.5 * x * x) * GAUSS


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bell(z):
    return np.exp(-z * z / 32)


# name: (microtrain, numpy, numpy's slope, torch, jax)
FORMULAS: dict[str, tuple[Any, ...]] = {
    "gabor": (
        gabor, lambda z: np.sin(z) * bell(z), lambda z: np.cos(z) * bell(z) - np.sin(z) * bell(z) * z / 16,
        lambda z: torch.sin(z) * torch.exp(-z * z / 32), lambda z: jnp.sin(z) * jnp.exp(-z * z / 32),
    ),
    "gelu": (
        mt.gelu, lambda x: 0.5 * x * (1 + scipy.special.erf(x * ROOT)), gelu_slope,
        torch.nn.functional.gelu, lambda x: jax.nn.gelu(x, approximate=False),
    ),
    "tanh": (mt.tanh, np.tanh, lambda x: 1 - np.tanh(x) ** 2, torch.tanh, lambda x: jnp.tanh(x)),
    "sigmoid": (
        mt.sigmoid, sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x)), torch.sigmoid, lambda x: jax.nn.sigmoid(x),
    ),
    "softplus": (
        mt.softplus, lambda x: np.logaddexp(x, 0), sigmoid, torch.nn.functional.softplus, lambda x: jax.nn.softplus(x),
    ),
    "logcosh": (
        logcosh, lambda x: np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - LN2, np.tanh,
        lambda x: torch.abs(x) + torch.log1p(torch.exp(-2 * torch.abs(x))) - LN2,
        lambda x: jnp.abs(x) + jnp.log1p(jnp.exp(-2 * jnp.abs(x))) - LN2,
    ),
}  # fmt: skip

Contest = dict[str, Callable[[], Any]]
SMALL = 1000  # elements


def compiled(step: Callable[..., Any], *args: Any) -> Contest:
    """The step by `mt.compile`, after the runs in which it looks and compiles."""
    native = mt.compile(step)
    for _ in range(3):
        native(*args)
    return {"compiled": lambda: native(*args)}


def forward(name: str, data: np.ndarray) -> Contest:
    ours, of_numpy, _, of_torch, of_jax = FORMULAS[name]
    x, t = mt.tensor(data), torch.tensor(data)
    contest: Contest = {"microtrain": lambda: ours(x), "numpy": lambda: of_numpy(data), "torch": lambda: of_torch(t)}
    if data.size <= SMALL:
        contest |= compiled(lambda x: ours(x), x)
    if jax is not None:
        j, jitted = jnp.asarray(data), jax.jit(of_jax)
        contest["jax"] = lambda: jitted(j).block_until_ready()
    return contest


def both(name: str, data: np.ndarray) -> Contest:
    ours, of_numpy, slope, of_torch, of_jax = FORMULAS[name]
    upstream = np.ones_like(data)
    x, g = mt.tensor(data, requires_grad=True), mt.tensor(upstream)
    t, tg = torch.tensor(data, requires_grad=True), torch.tensor(upstream)

    def microtrain():
        x.grad = None
        ours(x).backward(g)

    def pytorch():
        t.grad = None
        of_torch(t).backward(tg)

    contest: Contest = {
        "microtrain": microtrain, "numpy": lambda: (of_numpy(data), upstream * slope(data)), "torch": pytorch,
    }  # fmt: skip
    if data.size <= SMALL:

        def of_compiled(x, g):
            y = ours(x)
            return y, mt.autograd.grad(y, [x], g)[0]

        contest |= compiled(of_compiled, x, g)
    if jax is not None:
        j, jg = jnp.asarray(data), jnp.asarray(upstream)

        def value_and_gradient(x, g):
            y, back = jax.vjp(of_jax, x)
            return y, back(g)

        jitted = jax.jit(value_and_gradient)
        contest["jax"] = lambda: jax.block_until_ready(jitted(j, jg))
    return contest


def cross_entropy(dtype: Any, backward: bool) -> Contest:
    rng = np.random.default_rng(0)
    data, labels = rng.standard_normal((4096, 100)).astype(dtype) * 3, rng.integers(0, 100, 4096)
    x, y = mt.tensor(data, requires_grad=backward), mt.tensor(labels)
    t, ty = torch.tensor(data, requires_grad=backward), torch.tensor(labels)

    def of_numpy():
        high = data.max(1, keepdims=True)
        e = np.exp(data - high)
        total = e.sum(1)
        rows = np.arange(len(labels))
        loss = (np.log(total) + high[:, 0] - data[rows, labels]).mean()
        if backward:
            e /= total[:, None]
            e[rows, labels] -= 1
            e /= len(labels)
        return loss

    def microtrain():
        loss = mt.nn.functional.cross_entropy(x, y)
        if backward:
            x.grad = None
            loss.backward()

    def pytorch():
        loss = torch.nn.functional.cross_entropy(t, ty)
        if backward:
            t.grad = None
            loss.backward()

    contest: Contest = {"microtrain": microtrain, "numpy": of_numpy, "torch": pytorch}
    if jax is not None:
        j, jy = jnp.asarray(data), jnp.asarray(labels)

        def loss(x):
            return -jnp.take_along_axis(jax.nn.log_softmax(x), jy[:, None], 1).mean()

        jitted = jax.jit(jax.value_and_grad(loss) if backward else loss)
        contest["jax"] = lambda: jax.block_until_ready(jitted(j))
    return contest


def adam(dtype: Any, size: int = 10**6) -> Contest:
    rng = np.random.default_rng(0)
    data, g = rng.standard_normal(size).astype(dtype), rng.standard_normal(size).astype(dtype)
    p = mt.tensor(data, requires_grad=True)
    p.grad = mt.tensor(g)
    ours = mt.optim.Adam([p])
    contest: Contest = {"microtrain": ours.step}
    a, m, v = data.copy(), np.zeros_like(data), np.zeros_like(data)

    def of_numpy():
        nonlocal a, m, v
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        a = a - 1e-3 * (m / 0.5) / (np.sqrt(v / 0.5) + 1e-8)

    contest["numpy"] = of_numpy
    for name, fused in {"torch": False, "torch fused": True}.items():
        t = torch.tensor(data, requires_grad=True)
        t.grad = torch.tensor(g)
        contest[name] = torch.optim.Adam([t], fused=fused).step
    if jax is not None:

        def update(p, m, v, g, c1, c2):
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            return p - 1e-3 * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), m, v

        jitted = jax.jit(update, donate_argnums=(0, 1, 2))
        state = [jnp.array(data), jnp.zeros(size, dtype), jnp.zeros(size, dtype)]
        jg = jnp.asarray(g)

        def of_jax():
            state[:] = jax.block_until_ready(jitted(*state, jg, 0.5, 0.5))

        contest["jax"] = of_jax
    return contest


PEERS = ("numpy", "torch", "torch fused", "jax")


class Row(NamedTuple):
    """One case of the table."""

    case: str
    dtype: str
    size: int
    times: dict[str, float]

    def ratio(self, peer: str, ours: str = "microtrain") -> float:
        """How many times as long the peer takes."""
        return self.times[peer] / self.times[ours]

    def __str__(self) -> str:
        times = "".join(f"{1e6 * self.times[name]:12,.1f}" if name in self.times else " " * 12 for name in NAMES)
        ratios = "".join(f"{self.ratio(peer):11.2f}x" if peer in self.times else " " * 12 for peer in PEERS)
        return f"{self.case:22} {self.dtype} {self.size:6.0e}{times} {ratios}"


NAMES = ("microtrain", "compiled", *PEERS)
HEAD = f"{'case':22} {'dtype':7} {'size':>6}" + "".join(f"{n:>12}" for n in NAMES) + " " + "".join(
    f"{p:>12}" for p in PEERS
)  # fmt: skip


def timed(case: str, dtype: str, size: int, contest: Contest, options: argparse.Namespace) -> Row:
    """A line of the table, printed."""
    rest = 0.25 if size > 30_000 else 0.0  # smaller arrays occupy one thread only
    pick = min if options.best else statistics.median
    row = Row(case, dtype, size, race(contest, rounds=options.rounds, target=0.02, rest=rest, pick=pick))
    print(row, flush=True)
    return row


def summary(what: str, rows: list[Row], ours: str = "microtrain") -> None:
    """The geometric means, and the worst case, for each peer."""
    rows = [row for row in rows if ours in row.times]
    if rows:
        print(f"\n{what}")
    for peer in PEERS:
        found = [row for row in rows if peer in row.times]
        if found:
            mean = statistics.geometric_mean(row.ratio(peer, ours) for row in found)
            worst = min(found, key=lambda row: row.ratio(peer, ours))
            slower = sum(row.ratio(peer, ours) < 1 for row in found)
            where = f"{worst.case}, {worst.dtype}, {worst.size:.0e}"
            print(
                f"  {peer:12} geometric mean {mean:.2f}x, worst {worst.ratio(peer, ours):.2f}x ({where}), "
                f"faster than {ours} in {slower} of {len(found)}"
            )


def limits(dtype: str, size: int = 10**6) -> None:
    """How long a kernel takes beside copying its arrays, and beside its arithmetic alone, by as many threads.

    For the arithmetic each thread reads the same 1024 numbers over and over and writes its own 1024: nothing leaves the
    first-level caches. (One thread's time divided by their number would count two threads of one core as two cores.)
    """
    x = (np.random.default_rng(0).standard_normal(size) * 3).astype(dtype)
    out = np.empty(size, dtype)
    records = [(address(x), 0, SIDE_BY_SIDE, x.itemsize), (0, 0, SCRATCH, x.itemsize)]

    def kernel_of(name: str, formula: Callable[..., Any]) -> Kernel:
        symbol = mt.formula.Expr("x")
        return Kernel(kernel_source(name, dtype, [(symbol, "array")], [("out", formula(symbol))]))

    def arithmetic(kernel: Kernel) -> None:
        chunks = -(-size // CHUNK)
        work = program.loop()
        pool.run(work, new_job(kernel.program.address, records, chunks, CHUNK, size, work=work.address), together=True)

    copying = kernel_of("copy", F.positive)
    print(f"\n{dtype}, {size} elements, {pool.threads} threads")
    for name in FORMULAS:
        kernel = kernel_of(name, row_of(name).forward)
        contest: Contest = {
            "kernel": lambda k=kernel: k.write([x], [out]),
            "copying": lambda: copying.write([x], [out]),
            "arithmetic": lambda k=kernel: arithmetic(k),
        }
        times = race(contest, rounds=30, target=0.002, pick=min)
        limit = max(times["copying"], times["arithmetic"])
        print(
            f"  {name:10} {1e6 * times['kernel']:7.0f} us; copying {1e6 * times['copying']:5.0f} us, "
            f"arithmetic alone {1e6 * times['arithmetic']:7.0f} us; {times['kernel'] / limit:.2f}x the larger limit",
            flush=True,
        )


def small(dtype: str, size: int = 100) -> None:
    """The kernels alone, without tensors around them, beside NumPy: what a call costs where there is little to compute."""
    data = (np.random.default_rng(0).standard_normal(size) * 3).astype(dtype)
    upstream = np.ones_like(data)
    print(f"\n{dtype}, {size} elements: the kernels alone, arrays in and out")
    ratios = []
    for name, (_, of_numpy, slope, *_) in FORMULAS.items():
        row = row_of(name)
        forward, backward = row.kernel, row.vjp_kernel(0)
        contest: Contest = {"numpy": lambda f=of_numpy: f(data), "kernel": lambda k=forward: k([data])}
        wanted = parameter_names(row.vjp_of(0))
        arguments = [upstream, *(of_numpy(data) if name == "y" else data for name in wanted)]
        contest["numpy's slope"] = lambda f=slope: upstream * f(data)
        contest["kernel's slope"] = lambda k=backward, arguments=arguments: k(arguments)
        with mt.kernels.use("numba"):
            times = race(contest, rounds=15, target=0.01)
        ratios += [times["numpy"] / times["kernel"], times["numpy's slope"] / times["kernel's slope"]]
        texts = "  ".join(f"{what} {1e6 * t:5.2f} us" for what, t in times.items())
        print(f"  {name:10} {texts}  {ratios[-2]:.2f}x, {ratios[-1]:.2f}x NumPy", flush=True)
    print(f"  geometric mean {statistics.geometric_mean(ratios):.2f}x")


def row_of(name: str) -> Any:
    """The row of the table, or of the formula above."""
    row = getattr(FORMULAS[name][0], "row", None)
    return row if hasattr(row, "forward") else TABLE[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10**2, 10**4, 10**6, 10**7])
    parser.add_argument("--only", nargs="*", default=[*FORMULAS, "cross-entropy", "adam", "limits", "small"])
    parser.add_argument("--best", action="store_true", help="the best round instead of the median: for a busy machine")
    options = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"threads: microtrain {pool.threads}, torch {torch.get_num_threads()}; load of the machine {load:.1f}\n")
    print(HEAD)
    rows: list[Row] = []
    for size in options.sizes:
        for dtype in ("float32", "float64"):
            data = (np.random.default_rng(0).standard_normal(size) * 3).astype(dtype)
            for name in FORMULAS:
                for what, contest in {"forward": forward, "both": both}.items():
                    if name in options.only:
                        rows.append(timed(f"{name}, {what}", dtype, size, contest(name, data), options))
    for dtype in ("float32", "float64"):
        for what in ("forward", "both"):
            if "cross-entropy" in options.only:
                contest = cross_entropy(dtype, what == "both")
                rows.append(timed(f"cross-entropy, {what}", dtype, 4096 * 100, contest, options))
        if "adam" in options.only:
            rows.append(timed("Adam", dtype, 10**6, adam(dtype), options))
    special = [row for row in rows if row.case.startswith(("cross", "Adam"))]
    for size in options.sizes:
        found = [row for row in rows if row.size == size and row not in special]
        summary(f"{size:g} elements", found)
        summary(f"{size:g} elements, compiled", found, "compiled")
    summary("cross-entropy and Adam", special)
    summary(
        "all of a million elements and more, cross-entropy and Adam",
        [row for row in rows if row.size >= 10**6 or row in special],
    )
    for part in (limits, small):
        for dtype in ("float32", "float64"):
            if part.__name__ in options.only:
                part(dtype)


if __name__ == "__main__":
    main()
