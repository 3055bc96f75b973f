"""`mt.explain`: the formula, its kernel and the facts; and that a generated source can be run as it is printed."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain import F
from microtrain.errors import ArgumentError
from microtrain.kernels.source import kernel_source
from microtrain.kernels.writer import Untranslatable


def test_a_tensor():
    bump = mt.elementwise("bump", lambda z: F.sin(z) * F.exp(-z * z / 32))
    x = mt.tensor(np.linspace(-1, 1, 30_000), requires_grad=True)
    y = bump(x)
    y.sum().backward()
    explained = mt.explain(y)
    shown = str(explained)
    assert "value: sin(z) * exp(-z * z / 32)" in shown
    assert "derivative in z: " in shown
    assert "reads      8 bytes for each element (1 array), writes 8 (all 30,000: 240 kB and 240 kB)" in shown
    assert "replaces   6 operations of NumPy with 5 arrays in between, about 144 bytes" in shown
    assert "ran        1 time, on 30,000 elements" in shown
    assert "compiled   in " in shown
    assert "out_[i] = sin_f64(z) * exp_f64(-z * z / 32.0)" in shown
    assert len(explained.sources) == 2
    assert explained.kernels[0].program.seconds > 0


@pytest.mark.parametrize("thing", ["relu", "gelu", "sigmoid", "add", "where", "exp", "fmod"])
def test_operations(thing):
    row = mt.ops.primitive.TABLE[thing]
    shown = repr(mt.explain(row))
    assert shown.startswith(thing)
    assert "Kernels compute arrays of at least 8,192 elements" in shown
    assert ("NumPy computes it" in shown) == (thing in ("fmod", "add"))  # the derivative of a sum is what arrives
    assert mt.explain(row).latex()


def test_what_kernels_know_by_name_is_more_than_one_operation_to_numpy():
    assert "replaces   4 operations of NumPy" in str(mt.explain(mt.sigmoid))  # neg, exp, add, div
    assert "replaces   1 operation of NumPy" in str(mt.explain(mt.tanh))


def test_functions_methods_rules_and_reductions():
    assert "tanh" in str(mt.explain(mt.tanh)) and "tanh" in str(mt.explain(mt.tensor(1.0).tanh))
    assert "sqrt(t2 * (1.0 / c2))" in str(mt.explain(mt.optim.Adam.rule)) == str(mt.optim.Adam.rule.explain())
    assert "    add(t1, t2, out=m)" in str(mt.explain(mt.optim.Adam.rule))  # what NumPy does
    x = mt.tensor(np.ones((2, 3)), requires_grad=True)
    assert "hand-written kernel" in str(mt.explain(mt.softmax(x, 1)))
    assert str(mt.explain(mt.matmul)) == "matmul\n\n    a b\n\nNumPy computes it."
    bump = mt.elementwise("bump", lambda z: z * F.exp(-z * z))
    shown = str(mt.explain(bump.sum(x)))
    assert shown.startswith("sum of bump, in one kernel") and "out_[i] = z * exp_f64(-z * z)" in shown


@pytest.mark.parametrize("name", [name for name, row in mt.ops.primitive.TABLE.items() if row.elementwise])
def test_every_operation_fits_a_screen(name):
    shown = str(mt.explain(mt.ops.primitive.TABLE[name]))
    assert max(map(len, shown.splitlines())) <= 100
    for source in mt.explain(mt.ops.primitive.TABLE[name]).sources:
        compile(source, name, "exec")


def test_every_rule_fits_a_screen():
    for name in dir(mt.optim):
        rule = getattr(getattr(mt.optim, name), "rule", None)
        if isinstance(rule, mt.optim.Rule):
            explained = rule.explain()
            assert max(map(len, str(explained).splitlines())) <= 100, name
            for source in explained.sources:
                compile(source, name, "exec")


def test_what_the_tier_says():
    for tier, words in {"numpy": "NumPy computes everything", "numba": "whatever they can"}.items():
        with mt.kernels.use(tier):
            assert words in str(mt.explain(mt.tanh))


def test_optimizers_and_equations():
    assert "m <- beta1 * m" in str(mt.explain(mt.optim.Adam))
    p = mt.ones(2, requires_grad=True)
    assert "AMSGrad" in str(mt.explain(mt.optim.Adam([p], amsgrad=True)))
    for thing in (mt.optim.LBFGS, mt.optim.LBFGS([p]), mt.optim.LBFGS.rule):
        explained = mt.explain(thing)
        assert "p <- p - step * B @ g" in str(explained) and explained.latex() == mt.optim.LBFGS.rule.latex()


@pytest.mark.parametrize("thing", [3, "tanh", None, [1, 2]])
def test_other_things(thing):
    with pytest.raises(ArgumentError, match="explain"):
        mt.explain(thing)
    with pytest.raises(ArgumentError, match="requires_grad"):
        mt.explain(mt.ones(3))


def test_sources_are_self_contained(tmp_path):
    """The text alone, run by Numba, computes the formula."""
    import numba

    symbols, e = mt.formula.trace(lambda x, keep: F.where(keep, F.gelu(x), F.pow(x, 3)))
    source = kernel_source("test", "float64", list(zip(symbols, ["array", "booleans"], strict=True)), [("out", e)])
    namespace = {}
    exec(compile(source.text, str(tmp_path / "kernel.py"), "exec"), namespace)
    kernel = numba.njit(namespace["kernel"])
    x, keep, out = np.linspace(-2, 2, 50), np.arange(50) % 2 == 0, np.empty(50)

    @numba.njit
    def call(addresses):
        kernel(50, addresses.ctypes)

    call(np.array([x.ctypes.data, keep.ctypes.data, out.ctypes.data]))
    with mt.kernels.use("numpy"):
        np.testing.assert_allclose(out, np.where(keep, mt.gelu(mt.tensor(x)).numpy(), x**3), rtol=1e-14)


@pytest.mark.parametrize(
    "formula",
    [
        lambda x: F.fmod(x, 2),
        lambda x: (x > 0) + (x < 1),  # an integer in NumPy
        lambda x: F.where(x > 0, True, 2.0),
        lambda x: x * np.float64(0.1),  # float64 in NumPy, so not for float32
        lambda x: x * F.where(x > 0, 1.0, 0.1),  # as here
        lambda x: (x <= 0) * 0.1 * x,
        lambda x: F.where(x, 1, x > 0.5),
        lambda x: x ** np.float64(2),
        lambda x: F.exp(x > 0),
    ],
)
def test_what_has_no_kernel(formula):
    symbols, e = mt.formula.trace(formula)
    with pytest.raises(Untranslatable):
        kernel_source("test", "float32", [(symbols[0], "array")], [("out", e)])


@pytest.mark.parametrize(
    ("formula", "dtype"),
    [
        (lambda x: (x > 0) * 2, np.int64),
        (lambda x: F.abs(F.where(x > 0, 1, x < -1)) + 1, np.int64),
        (lambda x: F.where(x > 0, 1.0, 2), np.float64),
        (lambda x: F.where(x > 0, 1, 2) / 3, np.float64),
        (lambda x: x > 0, np.bool_),
    ],
)
def test_integers_are_integers_in_every_tier(formula, dtype):
    x = mt.tensor(np.linspace(-2, 2, 101))
    for name in ("numpy", "numba"):
        with mt.kernels.use(name):
            assert mt.elementwise("test", formula, [])(x).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "formula",
    [
        lambda x: F.where(x > 0, np.float32(0.1), 0.3),
        lambda x: x * F.where(x > 0, np.float16(0.1), 0.3),
        lambda x: (x > 0) * np.float16(2),
        lambda x: F.where(x > 0, np.uint8(3), 0.5),
    ],
)
def test_numbers_of_numpys_have_their_dtype_in_every_tier(formula, dtype):
    x, values = mt.tensor(np.linspace(-2, 2, 101, dtype=dtype)), []
    for name in ("numpy", "numba"):
        with mt.kernels.use(name):
            values.append(mt.elementwise("test", formula, [])(x).numpy())
    assert values[0].dtype == values[1].dtype
    np.testing.assert_array_max_ulp(*values, maxulp=1)


def test_awkward_names():
    names = ["n", "i", "t1", "f64", "operands", "exp_f64", "x_", "wide_vectors", "no_overlap"]
    symbols, e = mt.formula.trace(eval(f"lambda {', '.join(names)}: {' + '.join(names)}"))
    source = kernel_source("test", "float64", [(s, "array") for s in symbols], [("out", e)])
    compile(source.text, "kernel", "exec")
    kernel = mt.kernels.kernel.Kernel(source)
    np.testing.assert_array_equal(kernel([np.full(9, 2.0**k) for k in range(9)]), np.full(9, 511.0))


@pytest.mark.parametrize("formula", [lambda LIMIT: F.sin(LIMIT), lambda maximum: F.maximum(maximum, F.sin(maximum))])
def test_names_of_what_a_kernel_calls(formula):
    """An input LIMIT would be compared with itself, and the sine of a large number be wrong."""
    symbols, e = mt.formula.trace(formula)
    kernel = mt.kernels.kernel.Kernel(kernel_source("test", "float64", [(symbols[0], "array")], [("out", e)]))
    x = np.array([1e9, 1e15, -1e15, 2.0])
    np.testing.assert_allclose(kernel([x]), formula(x), rtol=1e-15)
