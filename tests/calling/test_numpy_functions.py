"""NumPy's functions on tensors: NumPy's values, and gradients that are not lost."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.calling.numpy_functions import SAME
from microtrain.errors import ArgumentError, IndexingError, NotDifferentiableError

RNG = np.random.default_rng(0)
A, V, W = RNG.normal(size=(3, 3)), RNG.normal(size=4), RNG.normal(size=4)
SPD = A @ A.T + 3 * np.eye(3)
CALLS = {
    np.sum: [((A,), {"axis": 0}), ((A, 1), {"keepdims": True})],
    np.var: [((A,), {"axis": 0})],
    np.std: [((A,), {"ddof": 1})],
    np.clip: [((A, -1, 1), {}), ((A,), {"a_min": 0, "a_max": None}), ((A,), {"min": 0})],
    np.round: [((A, 2), {}), ((A,), {"decimals": 1})],
    np.cumsum: [((A,), {}), ((A,), {"axis": 1})],
    np.where: [((A > 0, A, 0.0), {}), ((A > 0,), {})],
    np.concatenate: [(([A, A], 1), {}), (((A, A),), {"axis": 0}), (([A, V],), {"axis": None})],
    np.stack: [(((A, A),), {"axis": 1})],
    np.vsplit: [((A, 3), {})],
    np.hsplit: [((A, [1, 2]), {}), ((V, 2), {})],
    np.vstack: [(([A, A],), {}), ((A[None],), {}), ((A,), {})],
    np.hstack: [(((A, A),), {}), ((A,), {}), (([V, [1.0, 2.0]],), {})],
    np.column_stack: [(((V, W),), {})],
    np.reshape: [((A, (1, 9)), {})],
    np.squeeze: [((A[None],), {"axis": 0})],
    np.expand_dims: [((A, 0), {}), ((A,), {"axis": -1}), ((A, (0, -1)), {}), ((A, (3, 0)), {})],
    np.sort: [((A,), {}), ((A, 0), {}), ((A, None), {})],
    np.argsort: [((A,), {}), ((A, 0), {}), ((A, None), {})],
    np.transpose: [((A,), {}), ((A, (1, 0)), {})],
    np.swapaxes: [((A, 0, 1), {})],
    np.moveaxis: [((A, 0, 1), {})],
    np.broadcast_to: [((A, (2, 3, 3)), {})],
    np.flip: [((A,), {}), ((A,), {"axis": 1})],
    np.roll: [((A, 1), {})],
    np.tile: [((A, (2, 2)), {})],
    np.repeat: [((A, 2, 0), {})],
    np.rot90: [((A,), {}), ((A, 3), {"axes": (1, 0)})],
    np.split: [((A, 3), {}), ((A, [1, 2]), {"axis": 1})],
    np.array_split: [((V, 3), {})],
    np.append: [((A, V), {}), ((A, A), {"axis": 1}), ((V, [1, 2]), {})],
    np.pad: [((A, 1), {}), ((A, ((0, 1), (2, 0))), {"constant_values": 5.0}), ((V, (1, 2)), {"mode": "constant"})],
    np.dstack: [(((A, A),), {})],
    np.meshgrid: [((V, W), {}), ((V, A[0]), {"indexing": "ij"})],
    np.average: [
        ((A,), {"axis": 0}),
        ((V,), {"weights": W}),
        ((V,), {"weights": [1, 2, 3, 4]}),
        ((A,), {"axis": 1, "weights": A * A}),
        ((A,), {"axis": -2, "weights": [1, 2, 3]}),
        ((A,), {"axis": 1, "weights": A[0] * A[0], "keepdims": True}),
    ],
    np.nan_to_num: [
        ((np.array([np.nan, np.inf, 1.0]),), {}),
        ((np.array([np.nan, -np.inf]), True, 2.0), {"neginf": 0}),
    ],
    np.nansum: [((np.array([[np.nan, 2.0], [1.0, 3.0]]), 0), {})],
    np.trace: [((A,), {}), ((A, 1), {}), ((A[None],), {"axis1": 1, "axis2": 2})],
    np.vdot: [((V, W), {}), ((A, A), {})],
    np.linalg.multi_dot: [(([A, SPD, A],), {})],
    np.linalg.matrix_power: [((A, 3), {})],
    np.outer: [((V, W), {})],
    np.inner: [((V, W), {})],
    np.dot: [((A, A), {}), ((V, W), {}), ((A, np.stack([A, SPD])), {})],
    np.kron: [((A, A), {})],
    np.cross: [((A, A[::-1].copy()), {})],
    np.tensordot: [((A, A, 1), {}), ((A, A), {"axes": (0, 1)}), ((A, A, ([0], [1])), {})],
    np.einsum: [(("ij,jk->ik", A, A), {}), ((A, [0, 1], A, [1, 2], [2, 0]), {})],
    np.take_along_axis: [((A, np.argsort(A, 0), 0), {})],
    np.take: [((A, [0, 5]), {}), ((A, 2), {}), ((A, [[0, 2], [1, -1]]), {"axis": 1}), ((A, -1, -1), {})],
    np.quantile: [
        ((A, 0.3), {}),
        ((A, 0.5), {"axis": 1}),
        ((np.stack([A, A.T]), [0.1, 0.6]), {"axis": (0, -1)}),
        ((np.stack([A, A.T]), [0.1, 0.6]), {"axis": (2, 1), "keepdims": True}),
    ],
    np.percentile: [((A, 30), {}), ((A, [10, 50.0]), {"axis": 1})],
    np.median: [((A,), {}), ((V,), {}), ((A,), {"axis": 0, "keepdims": True}), ((A,), {"axis": (0, 1)})],
    np.ptp: [((A,), {}), ((A, 0), {"keepdims": True})],
    np.trapezoid: [((A,), {}), ((V, W), {}), ((A,), {"dx": 0.5, "axis": 0})],
    np.rollaxis: [((A[None], 2), {}), ((A[None], 0, 3), {}), ((A[None], 1, -1), {}), ((A[None], -1), {"start": 1})],
    np.select: [(([A > 1, A > 0], [A * 2, A * 3]), {}), (([V < 0], [V]), {"default": 7.0})],
    np.polyval: [((V, W), {}), ((V, 0.5), {}), ((V, A), {}), ((V, [1.0, 2.0]), {})],
    np.cov: [((A,), {}), ((V,), {}), ((A,), {"rowvar": False, "bias": True}), ((A,), {"ddof": 0}), ((V, W), {})],
    np.corrcoef: [((A,), {}), ((V, W), {}), ((A, A[:1].T), {"rowvar": False})],
    np.linspace: [
        ((V[0], W[0]), {}),
        ((V[0], 2, 5), {}),
        ((0.0, W[0]), {"num": 1}),
        ((V, W, 3), {}),
        ((1.0, A), {"num": 2}),
    ],
    np.vander: [((V,), {}), ((V, 3), {"increasing": True})],
    np.linalg.vector_norm: [((A,), {}), ((A,), {"axis": (0, 1), "keepdims": True}), ((A,), {"axis": 1, "ord": 3})],
    np.linalg.trace: [((A,), {}), ((np.stack([A, A.T]),), {"offset": 1})],
    np.linalg.diagonal: [((np.stack([A, A.T]),), {"offset": -1})],
    np.astype: [((A, np.float32), {})],
    np.linalg.norm: [((A,), {}), ((V,), {"ord": 1}), ((A,), {"axis": 1})],
    np.linalg.solve: [((A, SPD), {})],
}


def tensors(x):
    if isinstance(x, (np.ndarray, np.floating)):
        return mt.tensor(x, requires_grad=x.dtype.kind == "f")
    if isinstance(x, (list, tuple)) and any(isinstance(item, np.ndarray) for item in x):
        return type(x)(map(tensors, x))
    return x


@pytest.mark.parametrize("function", SAME, ids=lambda f: f.__name__)
def test_values_are_numpys(function):
    default = SPD if "linalg" in (function.__module__ or "") else A
    for args, kwargs in CALLS.get(function, [((default,), {})]):
        expected = function(*args, **kwargs)
        found = function(*map(tensors, args), **kwargs)
        several = isinstance(expected, (tuple, list))
        for ours, theirs in zip(found if several else [found], expected if several else [expected], strict=True):
            assert isinstance(ours, mt.Tensor) and ours.shape == np.shape(theirs)
            np.testing.assert_allclose(ours.detach().numpy(), theirs)


@pytest.mark.parametrize("function", [np.fabs, np.conjugate, np.deg2rad, np.radians, np.rad2deg, np.degrees])
def test_other_names_of_elementwise_functions(function):
    x = mt.tensor(V, requires_grad=True)
    np.testing.assert_allclose(function(x).detach().numpy(), function(V))
    (slope,) = mt.autograd.grad(function(x).sum(), x)
    np.testing.assert_allclose(slope.numpy(), (function(V + 1e-6) - function(V - 1e-6)) / 2e-6, rtol=1e-6)


def test_what_numpy_would_refuse():
    x = mt.tensor(V, requires_grad=True)
    calls = [lambda: np.split(x, 3), lambda: np.average(x, weights=V[:2]), lambda: np.nan_to_num(x, copy=False),
             lambda: np.pad(x, (1, 2, 3)), lambda: np.pad(x, 1, "edge")]  # fmt: skip
    for call in calls:
        with pytest.raises(mt.MicrotrainError, match=r"np\."):
            call()
    for call in (
        lambda: np.pad(x, 1.5),
        lambda: np.split(x, 2, axis=1),
        lambda: np.vsplit(x, 2),
        lambda: np.split(x, 0),
        lambda: np.expand_dims(x, 5),
        lambda: np.take(x, [0, 99]),
    ):
        with pytest.raises(mt.MicrotrainError):
            call()


def test_gradients_are_kept():
    x = mt.tensor([0.5, 3.0], requires_grad=True)
    (np.clip(x, 0, 1) * np.sum(x) + np.var(x)).sum().backward()
    assert x.grad.tolist() == pytest.approx([3.5 + 1.5 - 2.5, 1.5 + 2.5])


def test_calls_with_other_arguments():
    x = mt.tensor([1.0, 2.0])
    assert type(np.sum(x, dtype=np.float32)) is np.float32  # NumPy does it
    assert np.pad(x, 1, "edge").tolist() == [1, 1, 2, 2] and np.nanmax(x) == 2 and type(np.histogram(x)) is tuple
    w = mt.tensor([1.0, 2.0], requires_grad=True)
    for call in (lambda: np.sum(w, dtype=np.float32), lambda: np.nanmax(w), lambda: np.clip(w, 0, 1, out=np.zeros(2))):
        with pytest.raises(NotDifferentiableError):
            call()
    assert np.shape(w) == (2,) and np.allclose(w, [1, 2])


def test_what_a_function_takes_is_said():
    w = mt.tensor([[1.0, 2.0]], requires_grad=True)
    with pytest.raises(NotDifferentiableError, match=r"reshape\(a, shape\) alone"):
        np.reshape(w, (2, 1), order="F")
    with pytest.raises(NotDifferentiableError, match=r"sum\(a, axis=None, keepdims=False\) alone"):
        np.sum(w, initial=2.0)
    with pytest.raises(NotDifferentiableError, match=r"fix: Use x\.detach\(\)"):
        np.unwrap(w)
    with pytest.raises(NotDifferentiableError, match=r"cov\(m, y=None, rowvar=True, bias=False, ddof=None\) alone"):
        np.cov(w, fweights=[1, 2])
    with pytest.raises(ArgumentError, match="1 conditions and 2 choices"):
        np.select([w > 1], [w, w])
    for start in (3, -3):
        with pytest.raises(IndexingError, match="beyond its 2 axes"):
            np.rollaxis(w, 0, start)


def test_a_number_stored_in_an_array():
    """NumPy turns what float() raises into an error of its own; ours is its cause, and is shown above it."""
    for x in (mt.tensor(1.0, requires_grad=True), mt.nn.Parameter(mt.tensor(1.0))):
        with pytest.raises(ValueError, match="setting an array element") as caught:
            np.zeros(3)[0] = x
        assert isinstance(caught.value.__cause__, NotDifferentiableError)
        assert "x.detach().numpy()" in str(caught.value.__cause__)
    array = np.zeros(3)
    array[0] = mt.tensor(2.0)
    assert array[0] == 2


def test_what_tells_places_or_kinds_needs_no_gradient():
    x = mt.tensor(V, requires_grad=True)
    np.testing.assert_array_equal(np.searchsorted(np.sort(V), x), np.searchsorted(np.sort(V), V))
    np.testing.assert_array_equal(np.digitize(x, [0.0, 1.0]), np.digitize(V, [0.0, 1.0]))
    assert np.isin(x, V[:1]).sum() == 1 and np.isrealobj(x) and not np.iscomplexobj(x)
