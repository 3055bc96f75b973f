"""Calling a kernel: layouts, broadcasting, numbers, out, in place, threads."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, strategies as st

from microtrain import F
from microtrain.errors import ArgumentError
from microtrain.formula import trace
from microtrain.kernels import cache, pool, ufunc, use
from microtrain.kernels.fused import Fused
from microtrain.kernels.kernel import Kernel
from microtrain.kernels.layout import common_shape, walk
from microtrain.kernels.memory import Lent
from microtrain.kernels.program import MachineCode
from microtrain.kernels.source import kernel_source
from microtrain.kernels.writer import Untranslatable
from tests.wide import mostly_wide


def kernel_of(formula, kinds=None, dtype="float64", in_place=False):
    symbols, e = trace(formula)
    outputs = list(zip([s.name for s in symbols], e)) if in_place else [("out", e)]  # noqa: B905
    kinds = kinds or ["array"] * len(symbols)
    return Kernel(kernel_source("test", dtype, list(zip(symbols, kinds, strict=True)), outputs, in_place))


def line(a, b):
    return a * 2 + b


LINE = kernel_of(line)


def strided(rng, shape, layout):
    """An array of this shape that lies in memory in some way."""
    if layout == "c":
        return rng.standard_normal(shape)
    if layout == "f":
        return np.asfortranarray(rng.standard_normal(shape))
    if layout == "reversed":
        return rng.standard_normal(shape)[tuple(slice(None, None, -1) for _ in shape)]
    if layout == "steps":
        return rng.standard_normal(tuple(2 * n for n in shape))[tuple(slice(None, None, 2) for _ in shape)]
    return np.broadcast_to(rng.standard_normal(()), shape)


LAYOUTS = st.sampled_from(["c", "f", "reversed", "steps", "constant"])


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    dropped=st.integers(0, 3),
    ones=st.lists(st.booleans(), min_size=4, max_size=4),
    layouts=st.tuples(LAYOUTS, LAYOUTS),
    swapped=st.booleans(),
)
def test_any_layout_and_broadcasting(shape, dropped, ones, layouts, swapped):
    rng = np.random.default_rng(0)
    smaller = [1 if one else n for n, one in zip(shape, ones, strict=False)][min(dropped, len(shape) - 1) :]
    a, b = strided(rng, tuple(shape), layouts[0]), strided(rng, tuple(smaller), layouts[1])
    a, b = (b, a) if swapped else (a, b)
    before = a.copy(), b.copy()
    y = LINE([a, b])
    np.testing.assert_array_equal(y, line(a, b))
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])
    assert y.base is None or type(y.base) is Lent


@pytest.mark.parametrize("n", [1, 7, 1023, 1024, 1025, 4096, 4097, 16384, 16385, 100_003])
def test_sizes_around_the_blocks(n):
    a, b = np.random.default_rng(0).standard_normal((2, n))
    np.testing.assert_array_equal(LINE([a, b]), line(a, b))
    np.testing.assert_array_equal(LINE([a[::-1], b]), line(a[::-1], b))
    np.testing.assert_array_equal(LINE([a[:, None], b[:3]]), line(a[:, None], b[:3]))


def test_numbers_and_truth_values():
    kernel = kernel_of(
        lambda x, keep, scale: F.where(keep, x * scale, F.logical_not(keep) * 2.0), ["array", "booleans", "number"]
    )
    x, keep = np.random.default_rng(0).standard_normal(5000), np.arange(5000) % 3 == 0
    np.testing.assert_array_equal(kernel([x, keep, 3]), np.where(keep, x * 3, 2.0))
    positive = kernel_of(lambda x: x > 0)
    np.testing.assert_array_equal(positive([x]), x > 0)
    assert positive([x]).dtype == bool


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_alone_has_the_same_bits(dtype):
    """A small array's kernel is called by NumPy, as a ufunc of its own."""
    single = "scalar" if dtype == "float32" else "number"
    chosen = kernel_of(chosen_line, ["booleans", "array", "array", "number", single], dtype)
    rng = np.random.default_rng(0)
    for shape in [(1,), (17,), (5000,), (3, 1, 70), (1, 1, 1), (1, 33, 1), (2, 3, 4, 5)]:
        a, b = rng.standard_normal((2, *shape)).astype(dtype)
        for number, scalar in [(0.1, -1.5), (np.float64(0.1), -1.5), (np.array(7.0), 3), (-3, 0.1)]:
            operands = [a > b, a, b, number, np.dtype(dtype).type(scalar)]
            alone, shared = chosen.alone(operands, a.size), chosen(operands)
            assert (alone.shape, alone.dtype, alone.base) == (shared.shape, shared.dtype, None)
            np.testing.assert_array_equal(alone, shared)


def chosen_line(c, a, b, number, scalar):
    return F.where(c, F.exp(a) * number, b - scalar)


def test_alone_where_numpy_does_not_show_its_c_interface(monkeypatch):
    monkeypatch.delattr("numpy._core.umath._UFUNC_API")
    monkeypatch.setattr(ufunc, "_make", ufunc._make.__wrapped__)
    kernel = kernel_of(lambda a, k: a * k, ["array", "number"])
    a = np.random.default_rng(0).standard_normal(50)
    np.testing.assert_array_equal(kernel.alone([a, 2], a.size), a * 2)
    assert (kernel.runs, kernel.elements) == (1, 50)


def test_first_calls_do_not_wait_for_each_other(monkeypatch):
    """Nor would they in a child that was forked while a kernel was compiled: nobody there would end the wait."""
    slow, quick = kernel_of(lambda a: a * 3), kernel_of(lambda a: a * 4)
    begun, go_on, find, a = threading.Event(), threading.Event(), MachineCode._find, np.ones(9)

    def held(code):
        if code is slow.program:
            begun.set()
            go_on.wait()
        return find(code)

    monkeypatch.setattr(MachineCode, "_find", held)
    calls = [threading.Thread(target=kernel.alone, args=([a], 9)) for kernel in (slow, quick)]
    calls[0].start()
    begun.wait()
    calls[1].start()
    calls[1].join(20)
    waited = calls[1].is_alive()
    go_on.set()
    for call in calls:
        call.join()
    assert not waited
    assert slow.runs == quick.runs == 1


def test_a_large_integer_is_refused_by_name():
    times = kernel_of(lambda a, k: a * k, ["array", "number"])
    with pytest.raises(OverflowError):
        times.alone([np.ones(3), 10**400], 3)


def test_out():
    a, b = np.random.default_rng(0).standard_normal((2, 300, 50))
    expected = line(a, b)
    for out in (np.empty((300, 50)), np.empty((50, 300)).T, np.empty((600, 100))[::2, ::2]):
        assert LINE([a, b], out) is out
        np.testing.assert_array_equal(out, expected)
    copy = a.copy()
    LINE([copy, b], copy)  # the same memory
    np.testing.assert_array_equal(copy, expected)
    long = np.arange(1000.0)
    expected = line(long[:-1], long[1:])
    LINE([long[:-1], long[1:]], long[1:])  # overlapping
    np.testing.assert_array_equal(long[1:], expected)
    for wrong in (np.empty((300, 49)), np.empty((300, 50), np.float32)):
        with pytest.raises(ValueError, match="out is"):
            LINE([a, b], wrong)


def test_no_more_operands_than_there_is_room_for():
    """Those that do not lie side by side are copied to buffers, of which a thread has so many."""
    most = pool.MOST_OPERANDS - 1  # and the result
    for n in (most, most + 1):
        names = [f"x{k}" for k in range(n)]
        fused = Fused("sum", eval(f"lambda {', '.join(names)}: {' + '.join(names)}"))
        operands = [np.full((30, 70), 1.0, order="CF"[k % 2]) for k in range(n)]
        with use("numba"):
            y = fused(operands)
        assert (y is None) == (n > most)
        if y is not None:
            np.testing.assert_array_equal(y, n)


def test_several_results_and_in_place():
    both = kernel_of(lambda a, b: (a + b, a - b), in_place=True)
    for shape, make in (((5000,), np.array), ((70, 90), lambda x: np.asfortranarray(x)[::2, ::3])):
        a, b = (make(x) for x in np.random.default_rng(0).standard_normal((2, *shape)))
        expected = a + b, a - b
        both.write([a, b], [])
        np.testing.assert_array_equal(a, expected[0])
        np.testing.assert_array_equal(b, expected[1])


def test_sines_are_not_written_over_their_input():
    with pytest.raises(Untranslatable):
        kernel_of(lambda a: (F.sin(a),), in_place=True)


@pytest.mark.parametrize(
    ("dtype", "how"),
    mostly_wide(
        itertools.product(["float64", "float32"], ["sum", "max", "min", "logsumexp"]),
        but=[("float32", "sum"), ("float64", "max"), ("float64", "logsumexp")],
    ),
)
@pytest.mark.parametrize("shape", [(50_000,), (37, 1000), (5, 3, 2000), (300, 70)])
def test_reductions_at_the_end(how, shape, dtype):
    kernel = kernel_of(lambda x, b: F.tanh(x) * 3 + b + 9, dtype=dtype)
    rng = np.random.default_rng(0)
    x, b = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape[-1:]).astype(dtype)
    values = (np.tanh(x) * 3 + b + 9).astype(np.longdouble)
    rows = values.reshape(-1, shape[-1])
    reduce = {
        "sum": np.add.reduce, "max": np.maximum.reduce, "min": np.minimum.reduce,
        "logsumexp": lambda x, axis: np.log(np.sum(np.exp(x), axis)),
    }[how]  # fmt: skip
    tolerance = 20 * np.finfo(dtype).eps
    y = kernel.fold([x, b], how, len(rows))
    np.testing.assert_allclose(y, reduce(rows, 1), rtol=tolerance)
    pieces = kernel.fold([x, b], how)
    np.testing.assert_allclose(reduce(pieces.astype(np.longdouble), 0), reduce(rows.ravel(), 0), rtol=tolerance)


def test_the_same_bits_with_any_number_of_threads():
    kernel = kernel_of(lambda x: F.exp(F.sin(x)))
    x = np.random.default_rng(0).standard_normal(300_001)
    before, found = pool.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 7):
            pool.set_num_threads(threads)
            found.append((kernel([x]), kernel([x[::-1]]), kernel.fold([x], "sum"), kernel.fold([x], "logsumexp")))
    finally:
        pool.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    for wrong in (0, -1, 1.5, "2", None, True):
        with pytest.raises(ArgumentError, match="at least one"):
            pool.set_num_threads(wrong)
    assert pool.get_num_threads() == before


def test_callers_in_many_threads():
    kernel = kernel_of(lambda x: F.exp(x) + 1)
    inputs = [np.random.default_rng(k).standard_normal(200_000) for k in range(6)]
    expected = [kernel([x]) for x in inputs]
    wrong = []

    def call(k):
        for _ in range(20):
            if not np.array_equal(kernel([inputs[k]]), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=call, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


HERE = {"MICROTRAIN_CACHE_DIR": str(cache.directory())}  # where such kernels are most often already


def test_a_forked_child_has_threads_of_its_own(run):
    out, _ = run(
        """
import os, numpy as np, microtrain as mt
x = mt.tensor(np.linspace(-1, 1, 300_000))
a = x.tanh().numpy()
child = os.fork() if hasattr(os, "fork") else 0
same = np.array_equal(x.tanh().numpy(), a)
if child == 0:
    os._exit(0 if same else 1)
print(same, os.waitpid(child, 0)[1])
""",
        **HERE,
    )
    assert out == "True 0"


def test_the_program_ends_although_helpers_wait(run):
    out, _ = run("import microtrain as mt; mt.ones(500_000).tanh(); print('done')", **HERE)
    assert out == "done"


# ---- layouts ---------------------------------------------------------------------------------------------------------


def test_walks_have_few_axes():
    x = np.zeros((4, 5, 6))
    assert walk(x.shape, [x]) == ((120,), [(8,)])
    assert walk((4, 5, 6), [x, np.zeros(6)])[0] == (20, 6)
    assert walk((4, 5, 6), [x, np.zeros((5, 6))])[0] == (4, 30)
    assert walk((1, 1), [np.zeros((1, 1))])[0] == (1,)
    assert walk((4, 5), [np.zeros((4, 5)).T.copy().T])[0] == (4, 5)


def test_common_shapes():
    x = np.zeros((3, 4))
    assert common_shape([x, x]) == ((3, 4), True)
    assert common_shape([x.T, x.T]) == ((4, 3), True)
    assert common_shape([x, np.asfortranarray(x)]) == ((3, 4), False)
    assert common_shape([x, np.zeros(4)]) == ((3, 4), False)
    with pytest.raises(ValueError, match="shape"):
        common_shape([x, np.zeros(3)])
