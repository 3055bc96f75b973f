"""Whole Jacobians by batched backward passes: the same as one pass after the other."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.calculus import many_vjps
from microtrain.calculus.batching import Batch, Units
from microtrain.ops import products, shapes


def one_by_one(f: object, *xs: mt.Tensor) -> list[np.ndarray]:
    found = []
    for x in xs:
        y = f(*xs)
        rows = [
            mt.autograd.grad(y.reshape(-1)[k], [x], retain_graph=True, allow_unused=True)[0] for k in range(y.numel())
        ]
        found.append(np.array([np.zeros(x.numel()) if r is None else r.numpy().reshape(-1) for r in rows]))
    return found


FUNCTIONS = {
    "matmul": lambda a, b: a @ b,
    "chain": lambda a, b: (a.tanh() @ b).softmax(-1) * a.sum(),
    "parts": lambda a, b: mt.cat([a[1:, ::2].reshape(-1), b[mt.tensor([0, 0, 2])].reshape(-1)]),
    "only one": lambda a, b: a.exp(),
    "labels": lambda a, b: mt.nn.functional.cross_entropy(a @ b, mt.tensor([1, 0, 3, 3]), reduction="none"),
    "norms": lambda a, b: (a.norm(dim=1).unsqueeze(1) * b.T.var(1)[:3]).cumsum(0),
    "gather": lambda a, b: a.gather(1, mt.tensor([[0], [2], [1], [1]])) * b.amax(0),
    "triangles": lambda a, b: mt.tril(a @ b) @ mt.linalg.solve(b @ b.T + mt.eye(3), b).T,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_rows_of_the_jacobian(name):
    rng = np.random.default_rng(0)
    a = mt.tensor(rng.normal(size=(4, 3)), requires_grad=True)
    b = mt.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    found = many_vjps.rows(FUNCTIONS[name](a, b), [a, b])
    for block, expected in zip(found, one_by_one(FUNCTIONS[name], a, b), strict=True):
        np.testing.assert_allclose(block, expected, atol=1e-12)


def test_products_in_chunks(monkeypatch):
    monkeypatch.setattr(many_vjps, "CACHE", 1)  # eight at a time
    a = mt.tensor(np.random.default_rng(0).normal(size=(4, 3)), requires_grad=True)
    y = (a @ a.T).tanh()
    vectors = np.random.default_rng(1).normal(size=(37, 4, 4))
    (found,) = many_vjps.products(y, [a], vectors)
    (rows,) = many_vjps.rows(y, [a])
    np.testing.assert_allclose(found.reshape(37, -1), vectors.reshape(37, -1) @ rows, atol=1e-12)


def test_hooks_listeners_and_custom_functions_see_ordinary_gradients():
    a = mt.tensor(np.ones(6), requires_grad=True)
    seen = []
    y = a * 2
    y.register_hook(lambda g: seen.append(g.shape))
    (rows,) = many_vjps.rows(y * 3, [a])
    np.testing.assert_array_equal(rows, 6 * np.eye(6))
    assert seen == [(6,)] * 6

    class Cube(mt.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            assert isinstance(g, mt.Tensor)
            return g * 3 * x**2

    (rows,) = many_vjps.rows(Cube.apply(a), [a])
    np.testing.assert_array_equal(rows, 3 * np.eye(6))
    with mt.detect_anomaly():
        np.testing.assert_array_equal(mt.hessian(lambda x: (x**2).sum(), mt.ones(7)).numpy(), 2 * np.eye(7))


def test_empty_constant_and_leaf_outputs():
    a = mt.tensor(np.ones(5), requires_grad=True)
    assert many_vjps.rows(mt.ones(6), [a])[0].tolist() == np.zeros((6, 5)).tolist()
    assert many_vjps.rows(a[:0], [a])[0].shape == (0, 5)
    np.testing.assert_array_equal(many_vjps.rows(a, [a])[0], np.eye(5))


def test_units_are_rows_of_the_identity():
    units = Units(np.arange(6), (2, 3), np.float64)
    np.testing.assert_array_equal(units.data.reshape(6, 6), np.eye(6))
    turned = shapes.permute(units, dims=(1, 0))
    assert type(turned) is Units
    np.testing.assert_array_equal(turned.data, units.data.swapaxes(1, 2))
    m, n = np.arange(12.0).reshape(3, 4), np.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(products.matmul(units, m).data, units.data @ m)
    np.testing.assert_array_equal(products.matmul(n, units).data, n @ units.data)
    np.testing.assert_array_equal((units * 2 + 1).data, units.data * 2 + 1)
    both = products.matmul(units, Batch(np.ones((6, 3, 2))))
    np.testing.assert_array_equal(both.data, units.data @ np.ones((6, 3, 2)))
