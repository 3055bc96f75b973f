"""Dtypes: NumPy's promotion, for every dtype; gradients in the dtype of the tensor they belong to."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import microtrain as mt

DTYPES = ["bool", "uint8", "int8", "int32", "int64", "float32", "float64"]
SAME_IN_NUMPY = """
    abs sign sqrt exp exp2 expm1 log log1p log2 log10 sin cos tan sinh cosh tanh arctan square floor ceil trunc
    logical_not isnan isinf isfinite sum prod mean var std max min argmax argmin any all
"""


def values(dtype: str) -> Any:
    return np.array([1, 3, 2]).astype(dtype)


def _known(dtype: Any) -> Any:
    """NumPy sums uint8 in uint64, which tensors do not have: a difference of two such sums could not be negative."""
    return np.dtype(np.int64) if dtype == np.uint64 else dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SAME_IN_NUMPY.split())
def test_functions_promote_as_numpy(name: str, dtype: str) -> None:
    x = values(dtype)
    if (name, dtype) == ("sign", "bool"):
        with pytest.raises(mt.MicrotrainError):
            mt.sign(mt.tensor(x))
        return
    settings = {"correction": 0} if name in ("var", "std") else {}
    y, expected = getattr(mt, name)(mt.tensor(x), **settings), getattr(np, name)(x)
    assert y.dtype == _known(expected.dtype)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12 if y.dtype == np.float64 else 1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "sort", "argsort"])
def test_along_an_axis(name: str, dtype: str) -> None:
    x = values(dtype)
    y, expected = getattr(mt, name)(mt.tensor(x), 0), getattr(np, name)(x, axis=0)
    y = y[0] if isinstance(y, tuple) else y
    assert y.dtype == _known(expected.dtype)
    if name != "argsort" or dtype != "bool":
        np.testing.assert_array_equal(y.numpy(), expected)


@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", [*DTYPES, "int", "float"])
def test_operators_promote_as_numpy(left: str, right: str) -> None:
    """Python numbers have no dtype of their own: they follow the tensor, where they can."""
    a = values(left)
    b: Any = {"int": 2, "float": 2.5}[right] if right in ("int", "float") else values(right)
    for f in (operator.add, operator.mul, operator.truediv, operator.floordiv, operator.eq, operator.lt):
        y = f(mt.tensor(a), b if right in ("int", "float") else mt.tensor(b))
        expected = f(a, b)
        assert y.dtype == expected.dtype, f
        np.testing.assert_array_equal(y.numpy(), expected)
        reflected = f(b, mt.tensor(a))
        assert isinstance(reflected, mt.Tensor)
        assert reflected.dtype == f(b, a).dtype


@pytest.mark.parametrize("dtype", DTYPES[:5])
def test_functions_of_integers(dtype: str) -> None:
    """Integers become floats before anything could wrap around or be cut off."""
    x = values(dtype)
    exact = x.astype(float)
    for name in (
        "sigmoid",
        "logsigmoid",
        "softsign",
        "gelu",
        "silu",
        "reciprocal",
        "softmax",
        "log_softmax",
        "norm",
        "var",
    ):
        y = getattr(mt, name)(mt.tensor(x))
        assert y.dtype == np.float64, name
        np.testing.assert_allclose(y.numpy(), getattr(mt, name)(mt.tensor(exact)).numpy(), rtol=1e-12, err_msg=name)


def test_integers() -> None:
    assert (mt.tensor([1, 2]) / 2).tolist() == [0.5, 1.0]
    assert mt.tensor([1, 2]).mean().item() == 1.5
    assert mt.tensor([True, True, False]).sum().item() == 2
    assert mt.tensor([7, -7]).remainder(3).tolist() == [1, 2]
    assert mt.tensor([7, -7]).fmod(3).tolist() == [1, -1]
    assert (mt.tensor([7, -7]) // 2).tolist() == [3, -4]
    assert mt.tensor([7, -7]).div(2, rounding_mode="trunc").tolist() == [3.0, -3.0]
    assert mt.tensor([1, 5, 9]).clamp(2, 7).tolist() == [2, 5, 7]
    assert mt.tensor([1, 5, 9]).clamp(min=2).dtype == np.int64
    assert mt.tensor([2, 3]).pow(3).tolist() == [8, 27]
    assert mt.tensor([1, 2, 3]).round().dtype == np.int64
    assert mt.tensor([15, 25]).round(decimals=-1).tolist() == [20.0, 20.0]


@pytest.mark.parametrize("mixed", [(np.float32, np.float64), (np.float64, np.float32)])
def test_gradients_have_the_dtype_of_their_tensor(mixed: Any) -> None:
    a = mt.tensor(np.array([1.0, 2.0], mixed[0]), requires_grad=True)
    b = mt.tensor(np.array([3.0, 4.0], mixed[1]), requires_grad=True)
    y = (a * b + a @ b).sum()
    assert y.dtype == np.float64
    y.backward()
    assert a.grad is not None and b.grad is not None
    assert (a.grad.dtype, b.grad.dtype) == mixed
    assert a.grad.tolist() == [9.0, 12.0]


def test_float32_stays_float32_with_python_numbers() -> None:
    x = mt.tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)
    y = ((2 * x + 1) / 3 - 0.5) ** 2 / 7.0
    y = mt.where(y > 0, y, 0.0).clamp(0, 10).sum() * 3
    assert y.dtype == np.float32
    y.backward()
    assert x.grad is not None and x.grad.dtype == np.float32


def test_conversions() -> None:
    x = mt.tensor([0.5, 1.5], requires_grad=True)
    assert [f().dtype for f in (x.float, x.double, x.half, x.long, x.int, x.bool)] == [
        np.float32, np.float64, np.float16, np.int64, np.int32, np.bool_,
    ]  # fmt: skip
    assert x.to("float32").dtype == x.to(mt.float32).dtype == x.to(mt.ones(1, dtype="float32")).dtype == np.float32
    assert x.to(x.dtype) is x
    assert x.to("cpu") is x
    assert not x.long().requires_grad
    (x.float() * 3).sum().backward()
    assert x.grad is not None and x.grad.dtype == np.float64 and x.grad.tolist() == [3.0, 3.0]
    with pytest.raises(mt.MicrotrainError, match="no device"):
        x.cuda()


def test_a_sum_of_bytes_is_a_number_like_others() -> None:
    x = mt.tensor([1, 2], dtype=mt.uint8)
    assert (x.sum() - 5).item() == -2 and (x.prod() - 3).item() == -1 and (x.cumsum(0) - 2).tolist() == [-1, 1]
    assert x.sum(dtype=mt.float32).dtype == mt.float32


HALF = {
    "mean": lambda lib, x: x.mean(),
    "mean of rows": lambda lib, x: x.mean(0),
    "var": lambda lib, x: x.var(),
    "std": lambda lib, x: x.std(correction=0),
    "norm": lambda lib, x: lib.norm(x),
    "softplus": lambda lib, x: lib.nn.functional.softplus(x),
    "layer_norm": lambda lib, x: lib.nn.functional.layer_norm(x, (x.shape[1],)),
    "mse_loss": lambda lib, x: lib.nn.functional.mse_loss(x, lib.zeros_like(x)),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", HALF)
@pytest.mark.parametrize(("shape", "size"), [((350, 200), 3.0), ((4, 6), 150.0)])
def test_float16_is_added_up_in_float32(name, shape, size):
    """Of more than 65504 elements, and of squares beyond that, float16 itself made 0, infinity or NaN."""
    torch = pytest.importorskip("torch")
    a = (np.random.default_rng(0).normal(size=shape) * size).astype(np.float16)
    x, theirs = mt.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    y, z = HALF[name](mt, x), HALF[name](torch, theirs)
    assert y.dtype == mt.float16
    np.testing.assert_allclose(y.detach().numpy().astype(float), z.detach().numpy(), rtol=2e-3, atol=1e-4)
    y.sum().backward()
    z.sum().backward()
    assert x.grad.dtype == mt.float16
    if name != "layer_norm":  # the gradients of its sum are 0 and what rounding leaves
        np.testing.assert_allclose(x.grad.numpy().astype(float), theirs.grad.numpy(), rtol=2e-2, atol=2e-7)


@pytest.mark.parametrize("name", ["erf", "erfc", "erfinv", "digamma", "lgamma", "gelu"])
def test_special_functions_keep_float16(name):
    x = mt.tensor([0.25, 0.5], dtype=mt.float16)
    y = getattr(mt, name)(x)
    assert y.dtype == mt.float16
    np.testing.assert_allclose(y.numpy().astype(float), getattr(mt, name)(x.double()), rtol=2e-3)
