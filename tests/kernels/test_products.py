"""Matrix products whose bits do not depend on threads."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import microtrain as mt
from microtrain import analysis, data, optim
from microtrain.kernels import blas, products, tiles, use
from microtrain.ops import products as ops_products
from tests.wide import mostly_wide


@pytest.mark.parametrize("shape", [(256, 1024), (1024, 784), (64, 256), (256, 10), (10, 5000), (3000, 3000), (1, 4096)])
def test_there_are_enough_tiles_and_none_is_very_small(shape: tuple[int, int]) -> None:
    m, n = shape
    down, across = tiles.tile_of(m, n)
    count = math.ceil(m / down) * math.ceil(n / across)
    assert count >= tiles.MANY or (min(m, down), min(n, across)) <= (tiles.SMALLEST, tiles.SMALLEST) or count >= 4
    assert down >= tiles.SMALLEST and across >= tiles.SMALLEST
    assert max(down, across) <= tiles.LARGEST


SHAPES = [
    ((64, 784), (784, 128)), ((300, 200), (200, 200)), ((257, 301), (301, 203)), ((1000, 500), (500, 10)),
    ((3, 200, 150), (150, 130)), ((3, 200, 150), (3, 150, 130)), ((2, 1, 200, 150), (3, 150, 130)),
    ((3, 1, 200, 150), (1, 2, 150, 130)), ((500, 700), (700,)), ((700,), (700, 500)), ((700, 700), (700, 1)),
    ((1, 700), (700, 700)), ((20_000,), (20_000,)), ((3000, 5), (5, 2000)), ((100, 100), (100, 100)),
    ((0, 500), (500, 1000)), ((500, 0), (0, 900)), ((1, 50_000), (50_000,)), ((1, 50_000), (50_000, 1)),
    ((3, 1, 50_000), (3, 50_000, 1)),
]  # fmt: skip
LAYOUTS = {
    "as it is": lambda x: x,
    "columns": lambda x: np.swapaxes(np.ascontiguousarray(np.swapaxes(x, -1, -2)), -1, -2) if x.ndim > 1 else x,
    "backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "part": lambda x: np.pad(x, 3)[(slice(3, -3),) * x.ndim],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
}


def operands(shapes: Any, dtype: str, layout: str) -> Any:
    rng = np.random.default_rng(0)
    return [LAYOUTS[layout](rng.standard_normal(shape).astype(dtype)) for shape in shapes]


DTYPES = ["float32", "float64"]
EACH_LAYOUT = [(layout, DTYPES[k % 2], k % 3 == 0) for k, layout in enumerate(LAYOUTS)]


@pytest.mark.parametrize(
    ("layout", "dtype", "ours"), mostly_wide(itertools.product(LAYOUTS, DTYPES, [True, False]), but=EACH_LAYOUT)
)
def test_products_are_numpys(layout: str, dtype: str, ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "has_512_bits", lambda: ours)
    products._worklist.cache_clear()
    for shapes in SHAPES:
        a, b = operands(shapes, dtype, layout)
        found = products.matmul(a, b)
        with blas.one_thread_each:  # NumPy's own threads would wait for those of other tests
            wanted, sizes = np.matmul(a, b), np.matmul(abs(a), abs(b))
        assert found.shape == wanted.shape and found.dtype == wanted.dtype
        bound = np.finfo(dtype).eps * sizes * (4 + math.sqrt(a.shape[-1]))
        assert (abs(found - wanted) <= bound).all(), shapes
    products._worklist.cache_clear()


@pytest.mark.parametrize("dtype", mostly_wide(DTYPES, but={"float32"}))
def test_bits_do_not_depend_on_the_threads_of_blas(dtype: str) -> None:
    get, put = blas.threads()
    before = get()
    try:
        for shapes in SHAPES:
            found = set()
            for threads in (1, 2, 3, 4):
                put(threads)
                for layout in ("as it is", "columns"):
                    found.add(
                        (layout, np.ascontiguousarray(products.matmul(*operands(shapes, dtype, layout))).tobytes())
                    )
            assert len(found) == 2, shapes
    finally:
        put(before)


def test_neither_do_those_of_products_of_a_matrix_with_itself() -> None:
    get, put = blas.threads()
    before = get()
    try:
        for rows, columns in ((243, 8), (103, 50), (110, 42), (252, 10), (1, 50_000)):  # another function of BLAS
            x = np.random.default_rng(0).standard_normal((rows, columns))
            found: dict[str, set[bytes]] = {"rows": set(), "columns": set(), "small": set()}
            for threads in (1, 2, 3, 4):
                put(threads)
                columns_side_by_side = np.asfortranarray(x)
                found["rows"].add(products.matmul(x, x.T).tobytes())
                found["columns"].add(products.matmul(columns_side_by_side, columns_side_by_side.T).tobytes())
                found["small"].add(ops_products._product(x, x.T).tobytes())
            assert all(len(bits) == 1 for bits in found.values()), (rows, columns)
    finally:
        put(before)


def test_the_threads_of_blas_are_restored_after_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    get, put = blas.threads()
    before = get()

    def interrupted(n: int) -> None:
        put(n)
        if n == 1:
            raise KeyboardInterrupt

    put(3)
    try:
        with blas.one_thread_each:
            assert get() == 1
        with monkeypatch.context() as patch:
            patch.setattr(blas.one_thread_each, "put", interrupted)
            with pytest.raises(KeyboardInterrupt), blas.one_thread_each:
                pass
        assert get() == 3
        with pytest.raises(KeyboardInterrupt), blas.one_thread_each, blas.one_thread_each:
            raise KeyboardInterrupt
        assert get() == 3
    finally:
        put(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_while_another_thread_is_about_to_change_the_threads_of_blas() -> None:
    program = """
import os, signal, threading, time
from microtrain.kernels import blas
with blas.one_thread_each:
    pass
def begin_and_end():
    for _ in range(100_000):
        with blas.one_thread_each:
            pass
other = threading.Thread(target=begin_and_end, daemon=True)
other.start()
for _ in range(30):
    child = os.fork()
    if not child:
        signal.alarm(5)  # ends a child that waits
        with blas.one_thread_each:
            pass
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
os._exit(0)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


def test_what_is_no_matrix_of_floats_is_numpys_business() -> None:
    large = np.ones((300, 300))
    for a, b in (
        (large.astype(int), large), (large, large.astype(np.float32)), (large.astype(np.float16),) * 2,
        (large.astype(complex), large), (large.astype(">f8"), large), (large > 0, large),
    ):  # fmt: skip
        np.testing.assert_array_equal(products.matmul(a, b), np.matmul(a, b))
    with pytest.raises(ValueError, match="mismatch"):
        products.matmul(large, np.ones((301, 300)))
    with pytest.raises(ValueError, match=r"mismatch|broadcast"):
        products.matmul(np.ones((2, 300, 300)), np.ones((3, 300, 300)))
    with pytest.raises(mt.MicrotrainError, match="matmul"):
        mt.ones(300, 300) @ mt.ones(301, 300)


def test_nan_infinity_and_subnormal_numbers() -> None:
    a, b = np.full((200, 200), 1e-310), np.eye(200)
    np.testing.assert_array_equal(products.matmul(a, b), a)
    a[3, 5], b[7, 9] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        wanted = np.matmul(a, b)
    np.testing.assert_array_equal(np.isnan(products.matmul(a, b)), np.isnan(wanted))


def test_without_kernels_one_thread_of_blas_does_it() -> None:
    a, b = operands(((300, 200), (200, 200)), "float64", "as it is")
    with use("numpy"), blas.one_thread_each:
        np.testing.assert_array_equal(products.matmul(a, b), np.matmul(a, b))


def test_analyses_and_solvers_do_not_depend_on_the_threads_of_blas() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 200)), rng.standard_normal(300)
    square = x.T @ x

    def results() -> list[Any]:
        regression = mt.nn.LinearRegression(200, dtype=mt.float64).solve(x, y)
        network = mt.nn.DeepLinear([200, 200, 200], dtype=mt.float64, init="identity").reparametrise(square, 1)
        return [
            regression.weight.detach().numpy(), network.weights[1].detach().numpy(),
            mt.analysis.nuclear_norm(x), mt.analysis.quadratic_gd(square, np.ones(200), np.zeros(200), 1e-4, 50),
        ]  # fmt: skip

    same_with_any_number_of_threads(results)


def same_with_any_number_of_threads(results: Callable[[], list[Any]]) -> None:
    libraries = [blas.threads(), blas.threads(blas.scipys_library())]
    before = [get() for get, _ in libraries]
    try:
        found = []
        for threads in (1, 4):
            for _, put in libraries:
                put(threads)
            found.append([np.asarray(each).tobytes() for each in results()])
            assert [get() for get, _ in libraries] == [threads] * 2
        assert [one == other for one, other in zip(*found, strict=True)] == [True] * len(found[0])
    finally:
        for (_, put), threads in zip(libraries, before, strict=True):
            put(threads)


def test_neither_do_paths_flows_and_exponents_of_many_parameters() -> None:
    rng = np.random.default_rng(0)
    start, curvatures = rng.standard_normal(30_000), mt.tensor(np.geomspace(1, 100, 30_000))
    few, convex = start[:300], mt.tensor(np.cov(rng.standard_normal((300, 400))))

    def loss(p: Any) -> Any:
        return 0.5 * (curvatures[: p.numel()] * p * p).sum() + 0.1 * p.sin().sum()

    def coupled(p: Any) -> Any:
        return 0.5 * (p * (convex @ p)).sum() + 0.1 * p.sin().sum()

    def results() -> list[Any]:
        path = analysis.trace(lambda p: optim.Adam(p, lr=0.1), loss, start, steps=5)
        explicit = analysis.gradient_flow(loss, start, t_end=0.02, rtol=1e-3, times=[0.01], method="DOP853")
        implicit = analysis.gradient_flow(coupled, few, t_end=0.1, rtol=1e-4, method="Radau")
        exponents = analysis.lyapunov_spectrum(coupled, few, lr=0.1, steps=2, burn=1)
        twins = analysis.twin_lyapunov(analysis.gd_map(loss, 0.01, start), start, steps=4, burn=1)
        distributions = start**2 / (start**2).sum(), np.full(30_000, 1 / 30_000)
        return [
            path.chord, path.max_deviation, explicit.points, implicit.points, implicit(0.05), exponents.exponents,
            twins.exponents, analysis.euler_error(loss, start, 0.01, [0.005]),
            analysis.angle_to_minimum(loss, start, 0 * start), analysis.descent_gap(loss, start, -start, 100.0),
            analysis.variational_inequality(start, 0 * start, np.random.default_rng(0).standard_normal((20, 30_000))),
            analysis.fisher_geodesic(*distributions, points=3),
            analysis.critical_points(coupled, [few], max_steps=3, tol=1.0)[0].eigenvalues,
            data.make_regression(3000, 500, generator=mt.Generator(0))[1].numpy(),
        ]  # fmt: skip

    same_with_any_number_of_threads(results)


PROGRAM = """
import hashlib, numpy as np, microtrain as mt
from microtrain import nn, optim
from microtrain.nn.functional import cross_entropy
mt.manual_seed(0)
digest = hashlib.sha256()
for dtype in (mt.float32, mt.float64):
    model = nn.Sequential(nn.Linear(784, 128, dtype=dtype), nn.Tanh(), nn.Linear(128, 10, dtype=dtype))
    x, y = mt.randn(64, 784, dtype=dtype), mt.randint(10, (64,))
    for name, options in dict(Adam={}, SGD={"momentum": 0.9}, LBFGS={"max_iter": 3}).items():
        optimizer = getattr(optim, name)(model.parameters(), lr=1e-3, **options)
        def closure():
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            return loss
        for _ in range(2):
            optimizer.step(closure)
            digest.update(nn.utils.clip_grad_norm_(model.parameters(), 0.1).numpy().tobytes())
    for p in model.parameters():
        digest.update(p.detach().numpy().tobytes())
    a = mt.randn(150, 150, dtype=dtype, requires_grad=True)
    s = a @ a.mT + 10 * mt.eye(150, dtype=dtype)
    for value in (
        s, mt.linalg.inv(s), mt.linalg.solve(s, a), mt.linalg.slogdet(s)[1], mt.linalg.cholesky(s),
        mt.linalg.eigvalsh(s), mt.einsum("ij,jk->ik", a, s), mt.einsum("ij,ij->", a, s), s.reshape(-1) @ a.reshape(-1),
        s @ a[0], nn.init.orthogonal_(mt.empty(200, 150, dtype=dtype)),
    ):
        a.grad = None
        digest.update(value.detach().numpy().tobytes())
        if value.requires_grad:
            value.sum().backward(retain_graph=True)
            digest.update(a.grad.numpy().tobytes())
print(digest.hexdigest())
"""


def test_a_program_gives_the_same_bits_with_any_number_of_threads() -> None:
    found = set()
    for threads in ("1", "2", "4"):
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MICROTRAIN_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(variables, threads)}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        found.add(run.stdout)
    assert len(found) == 1
