"""Norms of vectors and matrices, beside NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, UnsupportedError

A = np.random.default_rng(0).normal(size=(2, 3, 4))


@pytest.mark.parametrize("ord", [None, "fro", 1, -1, np.inf, -np.inf])
@pytest.mark.parametrize("keepdim", [False, True])
def test_norms_of_matrices_equal_numpys(ord, keepdim):
    expected = np.linalg.norm(A, ord, (-2, -1), keepdims=keepdim)
    np.testing.assert_allclose(mt.linalg.norm(mt.tensor(A), ord, (-2, -1), keepdim), expected)
    np.testing.assert_allclose(mt.linalg.matrix_norm(mt.tensor(A), ord, keepdim=keepdim), expected)
    np.testing.assert_allclose(np.linalg.norm(mt.tensor(A), ord, (1, 2), keepdim), expected)


@pytest.mark.parametrize("ord", [None, 1, 2, 3, np.inf, -np.inf, 0])
def test_norms_along_an_axis_equal_numpys(ord):
    np.testing.assert_allclose(mt.linalg.norm(mt.tensor(A), ord, 1), np.linalg.norm(A, ord, 1))
    np.testing.assert_allclose(mt.linalg.norm(mt.tensor(A[0, 0]), ord), np.linalg.norm(A[0, 0], ord))


def test_the_norm_of_everything():
    np.testing.assert_allclose(mt.linalg.norm(mt.tensor(A)), np.linalg.norm(A))
    np.testing.assert_allclose(mt.linalg.vector_norm(mt.tensor(A), 3), np.linalg.norm(A.ravel(), 3))


def test_norms_are_differentiable():
    for ord in ("fro", 1, np.inf):
        x = mt.tensor(A, requires_grad=True)
        assert mt.gradcheck(lambda x, ord=ord: mt.linalg.matrix_norm(x, ord).sum(), x)


def test_what_needs_singular_values_is_refused():
    with pytest.raises(UnsupportedError, match="singular values"):
        mt.linalg.norm(mt.tensor(A[0]), 2)
    with pytest.raises(ArgumentError, match="two axes"):
        mt.linalg.matrix_norm(mt.tensor(A), dim=1)


@pytest.mark.parametrize("norm", [mt.linalg.norm, mt.linalg.vector_norm, mt.linalg.matrix_norm])
def test_the_dtype_in_which_a_norm_is_taken(norm):
    x = mt.full((4, 4), 200.0, dtype=mt.float16)
    assert norm(x, dtype=mt.float64).item() == 800 and norm(x, dtype=mt.float64).dtype == mt.float64


def test_numpys_names_of_the_axes():
    x = mt.tensor(A)
    for name, kwargs in (
        ("norm", {"axis": 1}),
        ("norm", {"ord": 1, "axis": (0, 2), "keepdims": True}),
        ("vector_norm", {"axis": (0, 1), "keepdims": True}),
        ("matrix_norm", {"ord": 1, "keepdims": True}),
    ):
        np.testing.assert_allclose(getattr(mt.linalg, name)(x, **kwargs), getattr(np.linalg, name)(A, **kwargs))
    np.testing.assert_allclose(mt.linalg.vecdot(x, x, axis=1), np.sum(A * A, 1))
