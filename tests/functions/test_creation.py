"""Making tensors."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import (
    ArgumentError,
    DtypeError,
    MicrotrainError,
    NotDifferentiableError,
    ShapeError,
    UnsupportedError,
)


def test_dtypes_of_data():
    assert mt.tensor(1.0).dtype == mt.float64 and mt.tensor([1, 2]).dtype == mt.int64
    assert mt.tensor([True]).dtype == bool and mt.tensor(np.float32(1)).dtype == mt.float32
    assert mt.tensor(np.ones(2, np.float16)).dtype == mt.float16
    assert mt.tensor([1, 2], dtype=mt.float32).dtype == mt.float32
    assert mt.tensor([[1.0, 2.0], [3.0, 4.0]]).shape == (2, 2) and mt.tensor([]).shape == (0,)
    assert mt.tensor([mt.tensor(1.0), 2.0]).tolist() == [1, 2]


def test_data_that_is_none():
    for data in ("a", [1, "a"], None, [object()], 1j, {1: 2}, np.array(["x"])):
        with pytest.raises(DtypeError):
            mt.tensor(data)
    with pytest.raises(ShapeError, match="equal lengths"):
        mt.tensor([[1.0], [1.0, 2.0]])
    with pytest.raises(MicrotrainError):
        mt.tensor([300], dtype=mt.uint8)
    with pytest.raises(MicrotrainError):
        mt.tensor([2**70])


def test_patterns():
    assert mt.zeros(2, 3).shape == mt.zeros((2, 3)).shape == mt.ones([2, 3]).shape == mt.empty(2, 3).shape == (2, 3)
    assert mt.zeros(()).shape == mt.zeros().shape == ()
    assert mt.full((2,), 7).tolist() == [7, 7] and mt.full(2, 0.5).dtype == mt.float64
    assert mt.eye(2).tolist() == [[1, 0], [0, 1]] and mt.eye(2, 3).shape == (2, 3)
    assert mt.arange(3).tolist() == [0, 1, 2] and mt.arange(3).dtype == mt.int64
    assert mt.arange(1.0, 2.0, 0.5).tolist() == [1, 1.5] and mt.arange(3, 0, -1).tolist() == [3, 2, 1]
    assert (
        mt.arange(0, 2, 0.5, dtype=int).tolist() == [0, 0, 1, 1] and mt.arange(3, dtype="float32").dtype == mt.float32
    )
    assert mt.linspace(0, 1, 3).tolist() == [0, 0.5, 1] and mt.linspace(0, -3, 5, dtype=int).tolist() == [
        0,
        0,
        -1,
        -2,
        -3,
    ]
    for wrong in (
        lambda: mt.arange(float("inf")),
        lambda: mt.arange(float("nan")),
        lambda: mt.arange(-1, 2, dtype="uint8"),
    ):
        with pytest.raises(ArgumentError, match="arange"):
            wrong()
    assert mt.empty(3).tolist() == [0, 0, 0]
    assert mt.ones(2, dtype=mt.int64).dtype == mt.int64 and mt.ones(2, requires_grad=True).requires_grad


def test_like():
    x = mt.ones(2, 3, dtype=mt.float32)
    for make in (mt.zeros_like, mt.ones_like, mt.empty_like, mt.rand_like, mt.randn_like):
        assert (make(x).shape, make(x).dtype) == ((2, 3), mt.float32)
        assert make(x, dtype=mt.float64).dtype == mt.float64
    assert mt.full_like(x, 2.0).tolist() == [[2] * 3] * 2 and mt.randint_like(x, 5).shape == (2, 3)
    assert set(mt.randint_like(mt.zeros(99), high=2).tolist()) == set(mt.randint(high=2, size=(99,)).tolist()) == {0, 1}


def test_sizes_in_every_form():
    for make in (mt.zeros, mt.ones, mt.empty, mt.rand, mt.randn):
        for x in (make(2, 3), make((2, 3)), make([2, 3]), make(size=(2, 3)), make(mt.tensor(2), np.int64(3))):
            assert x.shape == (2, 3)
        assert make().shape == () and make(3).shape == make(size=3).shape == (3,)


def test_bad_arguments():
    for call in (lambda: mt.zeros(-1), lambda: mt.zeros(1.5), lambda: mt.arange(0, 1, 0), lambda: mt.randint(3)):
        with pytest.raises(ArgumentError):
            call()
    for call in (
        lambda: mt.randint(5, 2, (3,)), lambda: mt.randint(0, 300, (3,), dtype=mt.uint8),
        lambda: mt.randint(2**64, (3,)), lambda: mt.randint(-1, 2, (3,), dtype=mt.uint8),
        lambda: mt.randint(0, (3,)), lambda: mt.linspace(0, 1, -1), lambda: mt.eye(-1),
        lambda: mt.linspace(0, 1, 2.5), lambda: mt.arange(0, 5, -1), lambda: mt.randperm(-1), lambda: mt.eye(2, 1.5),
        lambda: mt.bernoulli(mt.tensor([2.0])), lambda: mt.poisson(mt.tensor([-1.0])),
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            call()
    for call in (lambda: mt.arange("a"), lambda: mt.linspace(0, "a", 2), lambda: mt.randn(2, dtype=mt.int64)):
        with pytest.raises(DtypeError):
            call()
    assert mt.arange(mt.tensor(3)).tolist() == [0, 1, 2] and mt.arange(3, 3).numel() == 0
    with pytest.raises(DtypeError):
        mt.from_numpy([1, 2])
    with pytest.raises(DtypeError):
        mt.ones(2, dtype=mt.int64, requires_grad=True)
    with pytest.raises(UnsupportedError, match="cuda"):
        mt.zeros(2, device="cuda")
    assert mt.zeros(2, device="cpu").shape == (2,)


def test_random_numbers_are_the_same_in_every_dtype():
    a, b = mt.Generator(1), mt.Generator(1)
    x, y = mt.randn(5, generator=a), mt.randn(5, generator=b, dtype=mt.float32)
    np.testing.assert_array_equal(x.numpy().astype(np.float32), y.numpy())
    assert mt.rand(2, 2, generator=a).shape == (2, 2) and 0 <= mt.rand(1).item() < 1
    r = mt.randint(3, 6, (100,), generator=a)
    assert set(r.tolist()) == {3, 4, 5} and r.dtype == mt.int64
    assert sorted(mt.randperm(5).tolist()) == list(range(5))
    assert mt.bernoulli(mt.tensor([0.0, 1.0])).tolist() == [0, 1]


def test_default_dtype():
    try:
        mt.set_default_dtype(mt.float32)
        assert mt.tensor(1.0).dtype == mt.zeros(1).dtype == mt.randn(1).dtype == mt.arange(0.0, 1.0).dtype == mt.float32
        assert mt.tensor(np.ones(1)).dtype == mt.float64 and mt.tensor([1]).dtype == mt.int64
        assert mt.get_default_dtype() == mt.float32
    finally:
        mt.set_default_dtype(mt.float64)
    with pytest.raises(DtypeError):
        mt.set_default_dtype(int)
    with pytest.raises(DtypeError, match="not a dtype"):
        mt.zeros(1, dtype="nonsense")


def test_devices_and_memory_formats_of_pytorch_programs_are_understood():
    x, cpu = mt.ones(2, 3), mt.device("cpu")
    made = [
        *(
            make(x, device=x.device)
            for make in (mt.zeros_like, mt.ones_like, mt.empty_like, mt.rand_like, mt.randn_like)
        ),
        *(make(x, 3, device="cpu", memory_format=mt.preserve_format) for make in (mt.full_like, mt.randint_like)),
        x.clone(memory_format=mt.preserve_format),
        x.T.contiguous(memory_format=mt.contiguous_format).T,
    ]
    assert all(y.shape == (2, 3) and y.dtype == x.dtype for y in made)
    assert mt.tril_indices(2, 2, device=cpu).shape == mt.triu_indices(2, 2, device=cpu).shape == (2, 3)
    assert mt.normal(0.0, 1.0, size=(4,), device=cpu).shape == (4,)
    for make in (mt.zeros_like, mt.randn_like):
        with pytest.raises(mt.MicrotrainError, match="cuda"):
            make(x, device="cuda")


def test_numbers_that_require_grad():
    a, b = mt.tensor(0.5, requires_grad=True), mt.tensor(2.0, requires_grad=True)
    assert mt.gradcheck(lambda a, b: mt.linspace(a, b, 5), (a, b)) and mt.gradcheck(lambda b: mt.logspace(0, b, 3), b)
    np.testing.assert_allclose(mt.linspace(a, b, 5).detach().numpy(), np.linspace(0.5, 2, 5))
    assert mt.linspace(a, 2, 5, dtype=mt.float32).dtype == mt.float32 and mt.linspace(a, b, 1).tolist() == [0.5]
    assert not mt.linspace(a.detach(), 2, 5).requires_grad
    assert mt.linspace(a.reshape(1, 1), mt.tensor([2]), 3).tolist() == [0.5, 1.25, 2]
    assert mt.gradcheck(lambda a, b: mt.logspace(a, 1, 3, base=b), (a, b))
    for call in (
        lambda: mt.arange(a),
        lambda: mt.full((2,), a),
        lambda: mt.full_like(mt.ones(2), a),
        lambda: mt.scalar_tensor(a),
        lambda: mt.linspace(a, 2, 3, dtype=mt.int64),
        lambda: mt.logspace(a, 2, 3, dtype=mt.int64),
    ):
        with pytest.raises(NotDifferentiableError, match="lost without a word"):
            call()
    for end in (mt.ones(3), [1, 2, 3], "2", None):
        with pytest.raises(MicrotrainError, match=r"reshaped to \(\)|linspace\(\) takes numbers"):
            mt.linspace(a, end, 3)


def test_normal_numbers_around_integers_are_floats():
    assert mt.normal(mt.tensor([1, 2]), 1.0).dtype == mt.float64 == mt.normal(0, mt.tensor([1, 2])).dtype
    assert mt.normal(mt.ones(2).float(), 1.0).dtype == mt.float32
    assert mt.normal(mt.tensor([1, 2]), mt.ones(2).float()).dtype == mt.float32


def test_normal_numbers_of_a_leaf():
    w = mt.normal(0, 0.01, size=(2, 1), requires_grad=True, generator=mt.Generator(0))
    assert w.is_leaf and w.requires_grad and w.shape == (2, 1)
    assert w.tolist() == mt.normal(0, 0.01, size=(2, 1), generator=mt.Generator(0)).tolist()
