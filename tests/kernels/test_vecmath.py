"""The vector mathematics: accurate to the bound in each docstring, exact where it must be, and really vectorised."""

import functools
import itertools
import platform
import re
import subprocess
import sys

import numpy as np
import pytest

numba = pytest.importorskip("numba")
mp = pytest.importorskip("mpmath").mp.clone()
special = pytest.importorskip("scipy.special")

from llvmlite import binding  # noqa: E402

from microtrain import kernels  # noqa: E402
from microtrain.kernels import (  # noqa: E402
    vecmath,
    vecmath_exp,
    vecmath_inverse,
    vecmath_log,
    vecmath_pow,
    vecmath_trig,
)
from microtrain.ops.activations import SELU_ALPHA, SELU_SCALE  # noqa: E402
from microtrain.ops.primitive import TABLE  # noqa: E402
from tests.wide import mostly_wide  # noqa: E402

BITS = mp.prec = 160


@pytest.fixture(autouse=True)
def enough_bits(monkeypatch):
    """Other files of tests want others."""
    monkeypatch.setattr(mp, "prec", BITS)


KINDS = ["float64", "float32"]
TWO_ARGUMENTS = ["pow", "atan2"]
ONE_ARGUMENT = [name for name in vecmath.TABLE if name not in TWO_ARGUMENTS]
# The default suite has every other function in one kind: each is compiled, which takes a while.
QUICK = [(name, KINDS[k // 2 % 2]) for k, name in enumerate(vecmath.TABLE) if k % 2]


def each(names, but=QUICK):
    """All these functions in both kinds, but for QUICK in the wider suite."""
    return pytest.mark.parametrize(("name", "kind"), mostly_wide(itertools.product(names, KINDS), but=but))


# The same functions by NumPy and SciPy: the reference for float32, and for what happens at 0, inf and NaN.
NUMPY = {
    "atan": np.arctan,
    "atan2": np.arctan2,
    "asin": np.arcsin,
    "acos": np.arccos,
    "pow": np.power,
    "erf": special.erf,
    "sigmoid": special.expit,
    "silu": lambda x: x * special.expit(x),
    "softplus": lambda x: np.logaddexp(0, x),
    "logsigmoid": lambda x: np.minimum(x, 0) - np.log1p(np.exp(-abs(x))),
    **dict.fromkeys(["elu", "celu"], lambda x: np.where(x > 0, x, np.expm1(x))),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(x)),
    "gelu": lambda x: x * special.ndtr(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
}
MPMATH = {
    "exp2": lambda x: mp.power(2, x),
    "log2": lambda x: mp.log(x) / mp.log(2),
    "log10": lambda x: mp.log(x) / mp.log(10),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "logsigmoid": lambda x: -mp.log1p(mp.exp(-x)),
    "pow": mp.power,
    **dict.fromkeys(["elu", "celu"], lambda x: x if x > 0 else mp.expm1(x)),
    "selu": lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * mp.expm1(x)),
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
}

# Where the accuracy is measured. Beyond, results are 0, 1, inf or NaN: the tests of special values look there.
EXPONENTIAL = {"float64": (-746, 711), "float32": (-105, 90)}
POSITIVE = {"float64": (0, np.inf), "float32": (0, np.inf)}
DOMAIN = {
    **dict.fromkeys(
        ["exp", "expm1", "sinh", "cosh", "softplus", "logsigmoid", "sigmoid", "silu", "mish", "elu", "celu", "selu"],
        EXPONENTIAL,
    ),
    "exp2": {"float64": (-1076, 1025), "float32": (-151, 129)},
    **dict.fromkeys(["log", "log2", "log10"], POSITIVE),
    "log1p": dict.fromkeys(KINDS, (-1, np.inf)),
    **dict.fromkeys(["asin", "acos"], dict.fromkeys(KINDS, (-1, 1))),
    **dict.fromkeys(["tanh", "erf"], dict.fromkeys(KINDS, (-30, 30))),
    **{name: {kind: (-limit, limit) for kind, limit in limits.items()} for name, limits in vecmath.RANGE.items()},
}


def numpy_function(name):
    return NUMPY.get(name) or getattr(np, name)


def mpmath_function(name):
    return MPMATH.get(name) or getattr(mp, name)


def bound_of(name, kind):
    """The bound in ulps that the docstring states."""
    return int(re.search(r"At most (\d) ulp", vecmath.TABLE[name][kind].__doc__)[1])


@functools.cache
def loop(function, arguments=1, wide=False):
    """The plain loop over a scalar function that the compiled kernels contain."""
    if arguments == 2:

        @numba.njit(error_model="numpy")
        def kernel(x, y, out):
            for i in range(out.size):
                out[i] = function(x[i], y[i])

    elif wide:

        @numba.njit(error_model="numpy")
        def kernel(x, out):
            vecmath.wide_vectors()
            for i in range(out.size):
                out[i] = function(x[i])

    else:

        @numba.njit(error_model="numpy")
        def kernel(x, out):
            for i in range(out.size):
                out[i] = function(x[i])

    return kernel


def compute(name, kind, *arguments):
    arrays = [np.array(argument, kind) for argument in arguments]
    out = np.empty_like(arrays[0])
    loop(vecmath.TABLE[name][kind], len(arrays))(*arrays, out)
    return out


def around(value, kind, steps=3):
    """The numbers of this format next to a value."""
    integer = np.dtype(kind.replace("float", "int"))
    return (np.array(value, kind).view(integer) + np.arange(-steps, steps + 1, dtype=integer)).view(kind)


def hard_points(kind):
    """Where range reductions change, where results overflow, underflow or become subnormal, and the tiny."""
    info = np.finfo(kind)
    values = [
        0.2532868,
        0.3466,
        0.41421356,
        0.5,
        0.54930614,
        0.6021604,
        0.70710678,
        1,
        1.0397,
        1.125,
        1.41421356,
        2,
        4,
        6,
        10,
        20,
    ]
    values += [0.1 * info.eps, 0.5 * info.eps, info.eps, info.smallest_normal, 40 * info.smallest_subnormal, 1e-8]
    values += np.log([float(info.max), float(info.smallest_normal)]).tolist()
    values += [EXPONENTIAL[kind][0] + 0.9, np.log(float(info.max)) + np.log(2), info.minexp, info.maxexp]
    values += [(k + 0.5) * np.log(2) for k in (0, 1, 2, 3, 10, 20, 30, 60, 100, -100)]
    values += [k * np.pi / 4 for k in (1, 2, 3, 4, 5, 6, 7, 8, 100, 12345, 1000001)] + [vecmath.RANGE["sin"][kind]]
    values += [2.0**k for k in range(info.minexp, info.maxexp, 37)] + [10.0**k for k in range(-37, 38, 3)]
    positive = np.concatenate([around(value, kind) for value in values])
    return np.concatenate([positive, -positive])


def sample(name, kind, count, seed=0):
    """`count` arguments of each sort, then the hard points, all inside the domain."""
    random = np.random.default_rng(seed)
    low, high = DOMAIN.get(name, {}).get(kind, (-np.inf, np.inf))
    width = 1000 if np.isinf(high) else high
    unsigned = np.dtype(kind.replace("float", "uint"))
    bit_patterns = random.integers(0, np.iinfo(unsigned).max, 2 * count, dtype=unsigned, endpoint=True).view(kind)
    logarithmic = np.exp2(random.uniform(-70, 10, count)) * random.choice([-1, 1], count)
    near_multiples = np.rint(random.uniform(-1, 1, count) * min(width, 1e9)) * (np.pi / 2)
    parts = [bit_patterns, random.uniform(-width, width, count), random.uniform(-3, 3, 2 * count), logarithmic]
    points = np.concatenate([np.asarray(part).astype(kind) for part in (*parts, near_multiples, hard_points(kind))])
    return points[(points >= low) & (points <= high) & np.isfinite(points) & (points != 0)]


def pow_sample(kind, count, seed=0):
    """Bases and exponents whose power is mostly a number; bases near 1 with large exponents among them."""
    random = np.random.default_rng(seed)
    digits, largest = (52, 745) if kind == "float64" else (23, 104)
    near_one = 1 + random.choice([-1, 1], count) * np.exp2(-random.uniform(1.1, digits, count))
    anywhere = np.exp(random.uniform(-80, 80, count))
    x = np.concatenate([near_one, anywhere, random.uniform(0.5, 2, count)]).astype(kind)
    x = x[(x != 1) & (x != 0)]
    y = (random.uniform(-1.05, 1.05, x.size) * largest / np.log(x.astype("float64"))).astype(kind)
    subnormal = (np.arange(1, count) * np.finfo(kind).smallest_subnormal).astype(kind)
    x = np.concatenate([x, subnormal, random.uniform(-9, 9, count).astype(kind)])
    y = np.concatenate([y, random.uniform(-1, 1, count - 1), random.integers(-30, 30, count)]).astype(kind)
    return x, y


def atan2_sample(kind, count, seed=0):
    random = np.random.default_rng(seed)
    unsigned = np.dtype(kind.replace("float", "uint"))
    patterns = random.integers(0, np.iinfo(unsigned).max, 2 * count, dtype=unsigned).view(kind)
    uniform = random.uniform(-3, 3, (2, count)).astype(kind)
    y, x = np.concatenate([patterns.reshape(2, -1), uniform], axis=1)
    finite = np.isfinite(x) & np.isfinite(y)
    return y[finite], x[finite]


def arguments_of(name, kind, count, seed=0):
    if name == "pow":
        return pow_sample(kind, count, seed)
    if name == "atan2":
        return atan2_sample(kind, count, seed)
    return (sample(name, kind, count, seed),)


def errors_against_mpmath(name, arguments, results):
    """In ulps of the exact result, for float64. Infinity counts as 2**1024, the first number that is not there."""
    function, errors = mpmath_function(name), []
    for *values, result in zip(*arguments, results, strict=True):
        exact = function(*(mp.mpf(float(value)) for value in values))
        largest = mp.mpf(2) ** 1024
        exact = max(-largest, min(largest, exact))
        computed = largest * int(np.sign(result)) if np.isinf(result) else mp.mpf(float(result))
        exponent = mp.frexp(exact)[1] if exact else -10000
        unit = max(min(exponent, 1024) - 53, -1074)
        errors.append(float(mp.ldexp(abs(computed - exact), -unit)))
    return np.array(errors)


def errors_against_float64(name, arguments, results):
    """In ulps of the exact result, for float32."""
    with np.errstate(all="ignore"):
        exact = np.clip(numpy_function(name)(*(a.astype("float64") for a in arguments)), -(2.0**128), 2.0**128)
    computed = np.clip(results.astype("float64"), -(2.0**128), 2.0**128)
    exponent = np.frexp(exact)[1]
    exponent = np.where(exact == 0, -1000, np.minimum(exponent, 128))
    return np.ldexp(np.abs(computed - exact), -np.maximum(exponent - 24, -149))


def check_accuracy(name, kind, arguments, results, bound):
    assert not np.isnan(results).any()
    errors = (errors_against_mpmath if kind == "float64" else errors_against_float64)(name, arguments, results)
    worst = int(np.argmax(errors))
    assert errors[worst] <= bound, (
        f"{name}_{kind} is {errors[worst]:.3f} ulp off at {[a[worst] for a in arguments]!r}: {results[worst]!r}"
    )


@each(vecmath.TABLE)
def test_error_is_within_the_stated_bound(name, kind):
    arguments = arguments_of(name, kind, 250 if kind == "float64" else 50_000)
    check_accuracy(name, kind, arguments, compute(name, kind, *arguments), bound_of(name, kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", vecmath.TABLE)
def test_error_is_within_the_stated_bound_in_a_dense_sample(name, kind):
    arguments = arguments_of(name, kind, 20_000 if kind == "float64" else 5_000_000, seed=1)
    check_accuracy(name, kind, arguments, compute(name, kind, *arguments), bound_of(name, kind))


# Rows of the table whose formulas are made of these functions: in ulps, and from where to where. Left out is where a
# formula subtracts nearly equal numbers (gelu below -1/2, as PyTorch's) or is another (softplus).
DERIVED = {
    "elu": (2, {}),
    "celu": (2, {}),
    "selu": (2, {}),
    "gelu": (2, {"float64": (-0.5, 40), "float32": (-0.5, 40)}),
    "softplus": (2, {"float64": (-746, 20), "float32": (-105, 20)}),
}


ROWS = [name for name in TABLE if name in vecmath.TABLE or name in DERIVED]


@each(ROWS, but=[(name, KINDS[k // 3 % 2]) for k, name in enumerate(ROWS) if k % 3 == 1])
def test_rows_of_the_table_keep_the_bounds(name, kind):
    bound, domain = DERIVED.get(name) or (bound_of(name, kind), {})
    low, high = domain.get(kind, (-np.inf, np.inf))
    arguments = arguments_of(name, kind, 250 if kind == "float64" else 50_000)
    arguments = [x[(low <= arguments[0]) & (arguments[0] <= high)] for x in arguments]
    alpha = [1.0] * (len(TABLE[name].inputs) - len(arguments))
    with kernels.use("numba"), np.errstate(all="ignore"):
        results = TABLE[name].kernel([*arguments, *alpha])
    check_accuracy(name, kind, arguments, results, bound)


SPECIAL = [0.0, 1.0, 2.0, 3.0, 0.5, 1.5, 37.0, 800.0, 2.0**24, 1e30, np.inf]


def agree_in_kind(computed, expected):
    """Both NaN, both the same infinity, both the same zero, or both ordinary numbers and close."""
    same = (computed == expected) & (np.signbit(computed) == np.signbit(expected))
    close = np.isclose(computed, expected, rtol=4 * np.finfo(computed.dtype).eps, atol=0)
    return np.where(np.isfinite(expected) & (expected != 0), close, same) | (np.isnan(computed) & np.isnan(expected))


@each(ONE_ARGUMENT)
def test_special_values_are_numpys(name, kind):
    x = np.array([*SPECIAL, *(-v for v in SPECIAL), np.nan, np.finfo(kind).max, -np.finfo(kind).max], kind)
    if name in vecmath.RANGE:
        x = x[~(abs(x) > vecmath.RANGE[name][kind]) | np.isinf(x)]
    with np.errstate(all="ignore"):
        expected = numpy_function(name)(x.astype("float64")).astype(kind)
    assert agree_in_kind(compute(name, kind, x), expected).all()


@each(TWO_ARGUMENTS)
def test_special_values_of_two_arguments_are_numpys(name, kind):
    digits = np.finfo(kind).nmant
    integers = [2.0**digits, 2.0**digits + 1, 2.0 ** (digits + 1), 2.0 ** (digits - 1) + 0.5]  # odd, even, neither
    values = [*SPECIAL, *integers, np.finfo(kind).smallest_subnormal, np.finfo(kind).max, 1 - np.finfo(kind).epsneg]
    values = np.array([*values, *(-v for v in values), np.nan], kind)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = numpy_function(name)(x.astype("float64"), y.astype("float64")).astype(kind)
    wrong = ~agree_in_kind(compute(name, kind, x, y), expected)
    assert not wrong.any(), list(zip(x[wrong], y[wrong], strict=True))[:5]


@pytest.mark.parametrize("kind", mostly_wide(KINDS, but={"float64"}))
def test_some_results_are_exact(kind):
    info = np.finfo(kind)
    exponents = np.arange(info.minexp - info.nmant, info.maxexp)
    powers = np.ldexp(np.ones((), kind), exponents)
    tens = np.arange(0, 23 if kind == "float64" else 11)
    assert (compute("exp2", kind, exponents) == powers).all()
    assert (compute("log2", kind, powers) == exponents).all()
    assert (compute("log10", kind, 10.0**tens) == tens).all()
    assert (compute("exp", kind, np.array([0.0, -0.0])) == 1).all()
    assert (compute("cos", kind, np.array([0.0, -0.0])) == 1).all()
    assert (compute("cosh", kind, np.array([0.0, -0.0])) == 1).all()
    assert (compute("sigmoid", kind, np.array([0.0, -0.0])) == 0.5).all()
    for name in ("tanh", "erf"):  # gelu(-inf) would else be -inf
        assert (compute(name, kind, [30.0, np.inf, -30.0, -np.inf]) == [1, 1, -1, -1]).all()
    assert (compute("pow", kind, [-2.0, 3.0, 10.0, 0.5], [3.0, 4.0, 5.0, 10.0]) == [-8, 81, 1e5, 2.0**-10]).all()


@each(["expm1", "log1p", "sinh", "tanh", "erf", "sin", "tan", "atan", "asin"])
def test_tiny_arguments_keep_sign_and_bits(name, kind):
    tiny = np.arange(0, 50) * np.finfo(kind).smallest_subnormal
    x = np.concatenate([tiny, -tiny]).astype(kind)
    factor = 2 / np.sqrt(np.pi) if name == "erf" else 1
    expected = (x.astype("float64") * factor).astype(kind)
    computed = compute(name, kind, x)
    assert (np.signbit(computed) == np.signbit(x)).all()
    assert (abs(computed - expected) <= np.finfo(kind).smallest_subnormal).all()


@each(vecmath.RANGE)
def test_beyond_their_range_sine_and_company_are_nan_and_their_full_versions_right(name, kind):
    limit = vecmath.RANGE[name][kind]
    x = np.array([np.nextafter(np.array(limit, kind), np.inf), 2 * limit, 1e22, 3e37, np.finfo(kind).max], kind)
    assert np.isnan(compute(name, kind, x)).all()
    x = np.concatenate([x, -x, np.array([0.5, -0.0, limit], kind)])
    full = np.array([vecmath.FULL[name][kind](value) for value in x], kind)
    mp_function = mpmath_function(name)
    with mp.workprec(1400):
        exact = np.array([float(mp_function(mp.mpf(float(value)))) for value in x])
    assert np.allclose(full, exact, rtol=2 * np.finfo(kind).eps, atol=0)
    assert np.isnan(vecmath.FULL[name][kind](np.array(np.inf, kind)[()]))


def test_a_loop_can_notice_large_angles_and_go_over_the_block_again():
    fast, full, limit = vecmath.sin_f64, vecmath.sin_f64_full, vecmath.RANGE["sin"]["float64"]

    @numba.njit(error_model="numpy")
    def kernel(x, out):
        large = False
        for i in range(x.size):
            large |= abs(x[i]) > limit
            out[i] = fast(x[i])
        if large:
            for i in range(x.size):
                out[i] = full(x[i])

    for x in (np.linspace(-5, 5, 101), np.array([1.0, 1e10, -3e100])):
        out = np.empty_like(x)
        kernel(x, out)
        assert np.allclose(out, np.sin(x), rtol=1e-15, atol=0)
    if vectorises_here():
        assert packed_arithmetic(kernel, "float64")


def vectorises_here():
    features = binding.get_host_cpu_features()
    on_host = not (numba.config.CPU_NAME or numba.config.CPU_FEATURES)
    return on_host and platform.machine() in ("x86_64", "AMD64") and features.get("avx2") and features.get("fma")


def packed_arithmetic(kernel, kind):
    """The packed fused multiply-adds of a compiled kernel."""
    suffix = {"float64": "pd", "float32": "ps"}[kind]
    (assembly,) = kernel.inspect_asm().values()
    return re.findall(rf"vfn?m(?:add|sub)\d+{suffix}\s.*%[yz]mm", assembly)


@pytest.mark.skipif(not vectorises_here(), reason="needs x86-64 with AVX2 and FMA")
@each(vecmath.TABLE)
def test_loops_vectorise(name, kind):
    arguments = 2 if name in TWO_ARGUMENTS else 1
    compute(name, kind, *[np.ones(4)] * arguments)
    assert packed_arithmetic(loop(vecmath.TABLE[name][kind], arguments), kind)


@pytest.mark.skipif(
    not (vectorises_here() and binding.get_host_cpu_features().get("avx512f")), reason="needs x86-64 with AVX-512"
)
def test_wide_vectors_brings_the_512_bit_registers():
    kernel = loop(vecmath.exp_f64, wide=True)
    out = np.empty(100)
    kernel(np.linspace(-3, 3, 100), out)
    assert any("%zmm" in line for line in packed_arithmetic(kernel, "float64"))
    assert (out == compute("exp", "float64", np.linspace(-3, 3, 100))).all()


@each(vecmath.TABLE)
def test_result_has_the_type_of_the_argument(name, kind):
    arguments = 2 if name in TWO_ARGUMENTS else 1
    function = vecmath.TABLE[name][kind]
    compute(name, kind, *[np.ones(4)] * arguments)
    (signature,) = function.nopython_signatures
    assert [str(signature.return_type), *map(str, signature.args)] == [kind] * (1 + arguments)


def test_importing_compiles_nothing():
    code = """
from microtrain.kernels import vecmath
functions = [f for table in (vecmath.TABLE, vecmath.FULL) for kinds in table.values() for f in kinds.values()]
assert len(functions) > 40 and not any(f.signatures for f in functions)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_functions_are_found_by_name():
    for table, suffix in ((vecmath.TABLE, ""), (vecmath.FULL, "_full")):
        for name, kinds in table.items():
            for kind, function in kinds.items():
                assert getattr(vecmath, f"{name}_f{kind[-2:]}{suffix}") is function
                assert "ulp" in function.__doc__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("parts", "value"),
    [
        (vecmath_exp.LN2, mp.log(2)),
        (vecmath_log.LN2_SHORT, mp.log(2)),
        (vecmath_log.LOG10_2_SHORT, mp.log(2) / mp.log(10)),
        (vecmath_log.LOG2_E, 1 / mp.log(2)),
        (vecmath_log.LOG10_E, 1 / mp.log(10)),
        (vecmath_pow.C1, 2 / mp.log(2)),
        (vecmath_pow.C3, 2 / mp.log(2) / 3),
        (vecmath_trig.HALF_PI, mp.pi / 2),
        (vecmath_inverse.PI, mp.pi),
    ],
)
def test_constants_in_parts_add_up(parts, value, kind):
    digits = np.finfo(kind).nmant + 1
    rest = +value
    for part in parts[kind]:
        assert float(np.array(part, kind)) == part  # a number of the format
        rest -= part
    # Every part carries its share of the digits; a short first part has room for the exponent: 11 bits and 8.
    short = parts in (vecmath_log.LN2_SHORT, vecmath_log.LOG10_2_SHORT)
    room = {"float64": 11, "float32": 8}[kind] if short else 0
    assert abs(rest) <= value * mp.mpf(2) ** (room - digits * len(parts[kind]))
