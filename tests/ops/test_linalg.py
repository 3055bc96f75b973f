"""Linear algebra at its corners: shapes of every rank, singular matrices, equal eigenvalues, einsum's forms."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import microtrain as mt

from .helpers import check_derivatives

RANKS: list[tuple[int, ...]] = [(3,), (2, 3), (1, 2, 3), (4, 2, 3)]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(RANKS, [(3,), (3, 2), (1, 3, 2), (4, 3, 2), (2, 1, 3, 1)])))
def test_matmul_of_every_rank(a: Any, b: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=a), rng.normal(size=b)
    np.testing.assert_allclose(mt.matmul(mt.tensor(x), mt.tensor(y)).numpy(), x @ y)
    check_derivatives(mt.matmul, [x, y])


@pytest.mark.parametrize(
    "shapes", [((0, 3), (3, 2)), ((2, 0), (0, 2)), ((2, 3), (3, 0)), ((0, 2, 3), (3,)), ((0,), (0,)), ((5, 0), (0,))]
)
def test_matmul_of_nothing(shapes: Any) -> None:
    x, y = (mt.zeros(s, requires_grad=True) for s in shapes)
    z = x @ y
    assert z.shape == np.matmul(np.zeros(shapes[0]), np.zeros(shapes[1])).shape
    z.sum().backward()
    assert x.grad is not None and y.grad is not None
    assert (x.grad.shape, y.grad.shape) == shapes


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (2, 1, 4, 3), (0, 3)])
def test_linear_takes_any_number_of_axes(shape: Any) -> None:
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=shape), rng.normal(size=(2, 3)), rng.normal(size=2)
    np.testing.assert_allclose(mt.linear(*map(mt.tensor, (x, w, b))).numpy(), x @ w.T + b)
    check_derivatives(mt.linear, [x, w, b])
    check_derivatives(mt.linear, [x, w])


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3)])
def test_linear_takes_the_weight_of_one_output(shape: Any) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=shape), rng.normal(size=3)
    np.testing.assert_allclose(mt.linear(mt.tensor(x), mt.tensor(w)).numpy(), x @ w)
    check_derivatives(mt.linear, [x, w])
    with pytest.raises(mt.errors.ShapeError, match=r"does not fit a weight \(3,\)"):
        mt.linear(mt.tensor(x), mt.tensor(w), mt.ones(3))


def test_linear_mixes_dtypes_as_numpy() -> None:
    x, w = mt.ones(2, 3, dtype="float32"), mt.ones(4, 3, dtype="float32")
    assert mt.linear(x, w, mt.ones(4, dtype="float32")).dtype == np.float32
    assert mt.linear(x, w, mt.ones(4)).dtype == np.float64


@pytest.mark.parametrize(
    "x",
    [
        [[1.0, 2], [2, 4]],
        [[0.0, 0], [0, 0]],
        [[1.0, 2, 3], [2, 4, 6], [1, 0, 1]],
        [[1.0, 2, 3], [2, 4, 6], [3, 6, 9]],
        [[0.0]],
        [[1.0, 1.0], [1.0, 1.0 + 1e-13]],
    ],
)
def test_determinants_of_singular_matrices_have_derivatives(x: Any) -> None:
    check_derivatives(mt.det, [np.array(x)])


def test_determinants_of_batches_with_a_singular_matrix() -> None:
    check_derivatives(mt.det, [np.array([[[1.0, 2], [2, 4]], [[1, 2], [3, 4]]])])
    assert mt.det(mt.zeros(2, 0, 0)).tolist() == [1.0, 1.0]


def test_nan_goes_through_a_determinant() -> None:
    x = mt.tensor([[np.nan, 1.0], [1.0, 2.0]], requires_grad=True)
    y = x.det()
    y.backward()
    assert np.isnan(y.item())
    assert x.grad is not None and np.isnan(x.grad.numpy()).any()


def test_signs_and_logarithms_of_determinants() -> None:
    x = mt.tensor([[[2.0, 0], [0, 3]], [[0, 2], [3, 0]]])
    sign, log = mt.slogdet(x)
    assert sign.tolist() == [1.0, -1.0]
    np.testing.assert_allclose(log.numpy(), [np.log(6)] * 2)
    np.testing.assert_allclose(mt.logdet(x).numpy(), [np.log(6), np.nan])


def test_equal_eigenvalues_have_a_first_derivative() -> None:
    x = mt.eye(3, requires_grad=True)
    mt.eigvalsh(x).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.eye(3), atol=1e-14)


def test_eigenvalues_and_vectors_have_pytorchs_names() -> None:
    found = mt.linalg.eigh(mt.tensor([[2.0, 1.0], [1.0, 2.0]]))
    assert found._fields == ("eigenvalues", "eigenvectors")
    np.testing.assert_allclose(found.eigenvalues.numpy(), [1.0, 3.0])


def test_cholesky_reads_as_symmetric() -> None:
    x = mt.tensor([[4.0, 2.0], [2.0, 3.0]], requires_grad=True)
    mt.cholesky(x).sum().backward()
    assert x.grad is not None and np.allclose(x.grad.numpy(), x.grad.numpy().T)


def test_solving_vectors_matrices_and_batches() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 3)) + 3 * np.eye(3), rng.normal(size=(2, 3))
    x = mt.solve(mt.tensor(a), mt.tensor(b))
    assert x.shape == (2, 3)
    np.testing.assert_allclose(np.einsum("bij,bj->bi", a, x.numpy()), b)
    assert mt.solve(mt.tensor(a[0]), mt.tensor(b[0])).shape == (3,)
    assert mt.solve(mt.tensor(a), mt.tensor(b[0])).shape == (2, 3)


def test_einsum_forms() -> None:
    rng = np.random.default_rng(0)
    a, b = mt.tensor(rng.normal(size=(2, 3))), mt.tensor(rng.normal(size=(3, 4)))
    expected = (a @ b).numpy()
    for equation in ("ij,jk->ik", "ij,jk", " i j , j k -> i k", "...j,jk->...k", "Ij,jk->Ik"):
        np.testing.assert_allclose(mt.einsum(equation, a, b).numpy(), expected)
    np.testing.assert_allclose(mt.einsum("ij,jk", [a, b]).numpy(), expected)
    for lists in ([0, 1], b, [1, 2], [0, 2]), ((0, 1), b, (1, 2)), ([..., 5], b, [5, 3], [..., 3]):
        np.testing.assert_allclose(mt.einsum(a, *lists).numpy(), expected)
    np.testing.assert_allclose(mt.einsum("ba,cb", a, b.T @ mt.ones(3, 2)).shape, (3, 4))


def test_einsum_copies() -> None:
    x = mt.ones(2, 3)
    for equation in ("ij->ji", "ij->ij", "ij"):
        mt.einsum(equation, x).fill_(5)
    mt.einsum("ii->i", mt.eye(3)).fill_(2)
    assert x.sum().item() == 6


def test_trace_and_triangles() -> None:
    x = mt.arange(9.0).reshape(3, 3)
    assert mt.trace(x).item() == 12
    assert mt.tril(x).sum().item() + mt.triu(x, 1).sum().item() == 36
    assert mt.diag(mt.tensor([1.0, 2.0]), 1).tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]]
    assert mt.diag(x, -1).tolist() == [3.0, 7.0]
    assert mt.diagonal(mt.zeros(2, 3, 4), dim1=0, dim2=2).shape == (3, 2)


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (2, 5, 3)])
def test_solve_from_the_right(shape: Any) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 3)), rng.normal(size=shape)
    results = []
    for m in (mt, torch):
        x = m.tensor(a, requires_grad=True)
        y = m.linalg.solve(x, m.tensor(b), left=False)
        (y**2).sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("batch", [2, 3])
def test_solve_from_the_right_for_a_batch_of_vectors(batch: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(batch, 3, 3)), rng.normal(size=(batch, 3))
    x = mt.linalg.solve(mt.tensor(a), mt.tensor(b), left=False).numpy()
    np.testing.assert_allclose(np.einsum("ki,kij->kj", x, a), b, rtol=1e-9)
