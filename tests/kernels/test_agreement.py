"""Both tiers compute the same: every elementwise row of the table and every derivative, in both dtypes.

Arithmetic is the same to the last bit. A function of vecmath and NumPy's own may differ by 4 ulps; a formula carries that on,
and where it subtracts nearly equal numbers it becomes large in ulps of the small result. So the bound is worked out along with
the value, to first order, from the rows' own derivatives.
"""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

import microtrain as mt
from microtrain.engine.quiet import quiet, restore
from microtrain.formula import Expr, F, in_order, trace
from microtrain.kernels.writer import VECTOR, expanded
from microtrain.ops.primitive import TABLE
from tests.wide import mostly_wide

ULPS = 4  # of one function
ROWS = [name for name, row in TABLE.items() if row.elementwise and not name.startswith("bitwise")]
ON_NUMPY_ONLY = {
    "floor_divide", "remainder", "fmod", "asinh", "acosh", "atanh", "erfc", "erfinv", "digamma", "polygamma", "lgamma",
    "hypot", "heaviside", "xlogy",
}  # fmt: skip
SPECIAL = [
    0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, 6, -6, 19.9, 20, 20.1, 88, -88, 1e-30, -1e-30, 1e-5, 1e4, -1e4, 1e30, -1e30,
    np.inf, -np.inf, np.nan, 1e-310, 5e-324, 710, -745,
]  # fmt: skip


@pytest.fixture(autouse=True)
def silence():
    token = quiet()
    yield
    restore(token)


def values(dtype):
    rng = np.random.default_rng(0)
    random = [rng.standard_normal(2000) * 3, rng.standard_normal(500) * 30, rng.standard_normal(300) * 1e-4]
    return np.concatenate([*random, SPECIAL * 5]).astype(dtype)


def inputs_of(row, dtype):
    rng = np.random.default_rng(1)
    pool = values(dtype)
    return {
        name: rng.integers(0, 2, pool.size).astype(bool) if name in ("condition", "keep") else rng.permutation(pool)
        for name in row.inputs
    }


def long(x):
    """In higher precision, so that small slopes do not vanish."""
    return x.astype(np.longdouble) if getattr(x, "dtype", np.dtype(bool)).kind == "f" else x


def bound_of(expression, symbols, arrays):
    """How far two evaluations of an expression may be apart."""
    value, error = dict(zip(symbols, arrays, strict=True)), dict.fromkeys(symbols, 0.0)
    (expression,) = expanded([expression])
    for e in in_order([expression]):
        if e.row is None:
            continue
        args = [value[a] if isinstance(a, Expr) else a for a in e.args]
        value[e] = y = np.asarray(e.row.forward(*args))
        error[e] = 0.0
        if y.dtype.kind != "f":
            continue
        if e.name in VECTOR or e.name == "pow":
            error[e] = ULPS * long(np.spacing(np.abs(y)))
        if e.name in ("sigmoid", "silu"):  # NumPy's formulas are 0 where e**-x overflows, before the functions are
            x, largest = long(args[0]), long(np.finfo(y.dtype).max)
            size = np.abs(x) if e.name == "silu" else 1
            error[e] = error[e] + np.where(x < -np.log(largest), size / largest, 0)
        if e.name == "mish":  # NumPy's formula multiplies x by what was rounded to a subnormal number
            error[e] = error[e] + np.abs(long(args[0])) * np.finfo(y.dtype).smallest_subnormal
        if e.name == "logaddexp":  # max(a, b) + log1p(...), which may cancel
            error[e] = ULPS * long(np.spacing(np.maximum.reduce([np.abs(x) for x in args])))
        known = {"y": long(y), **dict(zip(e.row.inputs, map(long, args), strict=True))}
        for k, a in enumerate(e.args):
            vjp = e.row.vjps[k] if isinstance(a, Expr) and k < len(e.row.vjps) else None
            if vjp is not None:
                wanted = list(inspect.signature(vjp).parameters)[1:]
                slope = vjp(np.ones(y.shape, np.longdouble), *(known[name] for name in wanted))
                error[e] = error[e] + np.where(error[a] > 0, np.abs(slope) * error[a], 0)
        error[e] = error[e] + (long(np.spacing(np.abs(y))) if np.any(error[e]) else 0.0)
    return error[expression]


def agree(ours, numpys, bound, what):
    assert ours.dtype == numpys.dtype and ours.shape == numpys.shape, what
    if ours.dtype == bool:
        np.testing.assert_array_equal(ours, numpys, err_msg=what)
        return
    same = (ours == numpys) | (np.isnan(ours) & np.isnan(numpys))
    bound = np.broadcast_to(np.where(np.isfinite(bound), bound, 0), same.shape)
    bad = ~same & ~(np.abs(long(ours) - long(numpys)) <= bound)
    assert not bad.any(), f"{what}: {bad.sum()} differ, {ours[bad][:3]} and {numpys[bad][:3]} (bound {bound[bad][:3]})"


QUICK = [
    *itertools.product(["tanh", "gelu", "pow", "sin"], ["float64"]),
    *itertools.product(["log", "softplus", "div", "where"], ["float32"]),
]


@pytest.mark.parametrize(("name", "dtype"), mostly_wide(itertools.product(ROWS, ["float64", "float32"]), but=QUICK))
def test_tiers_agree(name, dtype, forced):
    row = TABLE[name]
    inputs = inputs_of(row, dtype)
    arrays = list(inputs.values())
    y = row.forward(*arrays)
    ours = row.kernel(arrays)
    assert (ours is None) == (name in ON_NUMPY_ONLY)
    if ours is not None:
        symbols, e = row.kernel.expression()
        agree(ours, y, bound_of(e, symbols, arrays), name)
    g = np.random.default_rng(2).permutation(values(dtype))
    for k, vjp in enumerate(row.vjps):
        if vjp is None:
            continue
        known = {**inputs, **({} if "y" in inputs else {"y": y})}
        arrays = [known[wanted] for wanted in list(inspect.signature(vjp).parameters)[1:]]
        gradient = vjp(g, *arrays)
        ours = row.vjp_kernel(k)((g, *arrays))
        if ours is None:
            symbols, e = trace(vjp)
            assert e is symbols[0] or name in ON_NUMPY_ONLY, f"{name}: no kernel for the derivative in input {k}"
            continue
        symbols, e = row.vjp_kernel(k).expression()
        agree(ours, np.broadcast_to(gradient, g.shape), bound_of(e, symbols, [g, *arrays]), f"{name}, derivative {k}")


@pytest.mark.parametrize(
    ("name", "dtype"),
    mostly_wide(
        itertools.product(["sin", "cos", "tan"], [np.float64, np.float32]),
        but=[("sin", np.float32), ("tan", np.float64)],
    ),
)
def test_arguments_beyond_the_fast_range(name, dtype, forced):
    """A block with one large argument is computed again by slow functions: right everywhere."""
    x = np.linspace(-5, 5, 20_000).astype(dtype)
    x[::4111] = [1e12, -3e15, 1e10, 7e9, np.inf]
    ours, numpys = TABLE[name].kernel([x]), TABLE[name].forward(x)
    finite = np.isfinite(x)
    np.testing.assert_allclose(ours[finite], numpys[finite], rtol=20 * np.finfo(dtype).eps)
    assert np.isnan(ours[~finite]).all()


def test_float32_stays_float32(forced):
    """Python numbers take the dtype of the array, and arithmetic among them is done in double precision."""
    x = np.linspace(-1, 1, 100, dtype=np.float32)
    for row, numbers in ((TABLE["leaky_relu"], [0.01]), (TABLE["lerp"], [x[::-1].copy(), 0.3]), (TABLE["pow"], [3])):
        ours, numpys = row.kernel([x, *numbers]), row.forward(x, *numbers)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, numpys, rtol=3e-7)


@pytest.mark.parametrize(
    "operands",
    [
        [np.ones(9, np.float64), np.ones(9, np.float32)],
        [np.ones(9, np.int64), np.ones(9)],
        [np.ones(9, np.float16), np.ones(9, np.float16)],
        [np.ones(9, ">f8"), np.ones(9, ">f8")],
        [np.ones(9, np.float32), np.float64(2)],
        [np.ones(9, bool), 2.0],
        [np.ones(9), 10**400],
        [np.ones((3, 3)), np.ones(2)],
        [np.array(2.0), np.array(3.0)],
        [np.empty(0), np.empty(0)],
        [np.frombuffer(b"x" * 73, np.uint8)[1:].view(np.float64), 2.0],
        [np.ones(9), 1j],
    ],
    ids=str,
)
def test_what_kernels_leave_to_numpy(operands, forced):
    assert TABLE["mul"].kernel(operands) is None


def test_a_name_inside_another_is_left_alone(forced, capfd):
    """acos has cos in its name, but no version for arguments of any size."""
    f = mt.elementwise("turned", lambda x: F.cos(F.acos(x) + 0.3) + F.tan(F.atan(x)) * F.sin(F.asin(x)))
    x = np.linspace(-0.9, 0.9, 7)
    np.testing.assert_allclose(f(mt.tensor(x)), np.cos(np.arccos(x) + 0.3) + x * x, rtol=1e-13)
    assert "can't compile" not in capfd.readouterr().err
