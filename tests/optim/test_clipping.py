"""Clipping: by norm, by value, each for itself, and relative to the weights."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.nn import utils


def with_gradients(*gradients, lib=mt):
    params = []
    for g in map(np.asarray, gradients):
        params.append(lib.tensor(np.ones(g.shape, g.dtype), requires_grad=True))
        params[-1].grad = lib.tensor(g)
    return params


def test_the_norm_over_all_parameters():
    a, b = with_gradients([3.0], [[4.0]])
    norm = utils.clip_grad_norm_([a, b], 1.0)
    assert norm.item() == 5.0 and norm.shape == ()
    np.testing.assert_allclose([a.grad.item(), b.grad.item()], [0.6, 0.8], rtol=1e-6)
    before = a.grad.numpy().copy()
    assert utils.clip_grad_norm_([a, b], 10.0).item() == pytest.approx(1.0, rel=1e-6)
    np.testing.assert_array_equal(a.grad.numpy(), before)  # not a bit


def test_zeros_and_parameters_without_gradients():
    (a,) = with_gradients([0.0, 0.0])
    b = mt.ones(2, requires_grad=True)
    assert utils.clip_grad_norm_([a, b], 1.0).item() == 0.0
    assert (a.grad == 0).all() and b.grad is None
    assert utils.clip_grad_norm_(iter([b]), 1.0).item() == 0.0


@pytest.mark.parametrize(
    ("size", "dtype"), [(1e30, "float32"), (1e-30, "float32"), (1e200, "float64"), (1e-200, "float64")]
)
def test_squares_that_do_not_fit(size, dtype):
    (a,) = with_gradients(np.array([3 * size, 4 * size], dtype))
    assert utils.get_total_norm(a.grad).item() == pytest.approx(5 * size, rel=1e-6)


def test_not_finite():
    (a,) = with_gradients([np.inf, 1.0])
    with pytest.raises(mt.MicrotrainError, match="inf"):
        utils.clip_grad_norm_(a, 1.0, error_if_nonfinite=True)
    assert a.grad[1] == 1.0
    assert utils.clip_grad_norm_(a, 1.0).item() == np.inf
    (b,) = with_gradients([np.nan, 1.0])
    assert np.isnan(utils.clip_grad_norm_(b, 1.0).item())


def test_each_for_itself():
    a, b = with_gradients([3.0, 4.0], [0.3, 0.4])
    np.testing.assert_allclose(utils.clip_grad_norm_each_([a, b], 1.0), [5.0, 0.5])
    np.testing.assert_allclose(np.linalg.norm(a.grad.numpy()), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(b.grad.numpy(), [0.3, 0.4])


def test_relative_to_the_weights():
    w = mt.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], requires_grad=True)
    w.grad = mt.tensor([[0.6, 0.8], [0.6, 0.8], [6.0, 8.0]])
    (norms,) = utils.clip_grad_adaptive_([w], clipping=0.1)
    np.testing.assert_allclose(norms, [[1.0], [1.0], [10.0]])
    np.testing.assert_allclose(np.linalg.norm(w.grad.numpy(), axis=1), [0.5, 0.05, 1e-4])
    (z,) = with_gradients([0.0, 0.0])
    utils.clip_grad_adaptive_([z])
    assert (z.grad == 0).all()


def test_the_rate_in_effect():
    """Measured: how far a step of gradient descent goes, over the norm of the gradient before clipping."""
    for norm, rate in ((0.5, 0.1), (2.0, 0.05), (5.0, 0.02), (100.0, 0.001)):
        (p,) = with_gradients([0.6 * norm, 0.8 * norm])
        before = p.detach().numpy().copy()
        total = utils.clip_grad_norm_([p], 1.0)
        mt.optim.SGD([p], 0.1).step()
        assert np.linalg.norm(p.detach().numpy() - before) / norm == pytest.approx(rate, rel=3e-6)
        assert utils.effective_lr(0.1, total, 1.0) == pytest.approx(rate)
    assert utils.effective_lr(0.1, 0.0, 1.0) == 0.1


def test_clipping_is_a_write_and_the_gradient_may_be_a_single_number():
    p = mt.tensor(2.0, requires_grad=True)
    (p * p * p).backward()
    assert utils.clip_grad_norm_(p, 3.0).item() == 12.0
    assert p.grad.item() == pytest.approx(3.0, rel=1e-6)
    utils.clip_grad_value_([p], 0.5)
    assert p.grad.item() == 0.5


def test_vectors_of_parameters():
    a, b = mt.tensor([[1.0, 2.0]], requires_grad=True), mt.tensor(3.0, requires_grad=True)
    vector = utils.parameters_to_vector([a, b])
    np.testing.assert_array_equal(vector.detach().numpy(), [1, 2, 3])
    (vector * vector).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), [[2, 4]])
    utils.vector_to_parameters(mt.tensor([4.0, 5.0, 6.0]), [a, b])
    assert a.tolist() == [[4, 5]] and b.item() == 6
    with pytest.raises(mt.MicrotrainError, match="3 parameters"):
        utils.vector_to_parameters(mt.ones(4), [a, b])
    with pytest.raises(mt.MicrotrainError, match="order 0"):
        utils.get_total_norm([a], 0)


@pytest.mark.oracle
@pytest.mark.parametrize("order", [1, 1.5, 2, 3, float("inf")])
@pytest.mark.parametrize("limit", [0.1, 3.0, 100.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_to_pytorchs(order, limit, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=s).astype(dtype) for s in [(3, 4), (5,), ()]]
    ours, theirs = with_gradients(*gradients), with_gradients(*gradients, lib=torch)
    norm = utils.clip_grad_norm_(ours, limit, order)
    expected = torch.nn.utils.clip_grad_norm_(theirs, limit, order)
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    assert norm.item() == pytest.approx(expected.item(), rel=tolerance)
    assert norm.dtype == np.dtype(dtype) and expected.dtype is getattr(torch, dtype)
    utils.clip_grad_value_(ours, 0.05)
    torch.nn.utils.clip_grad_value_(theirs, 0.05)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=tolerance)
        assert p.grad.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["float32"], "float32"), (["float64"], "float64"), (["float32", "float64"], "float64"),
        (["float16"], "float32"), (["float16", "float32"], "float32"), (["float16", "float64"], "float64"),
        ([], "float64"),
    ],
)  # fmt: skip
def test_the_norm_has_the_dtype_of_the_gradients(dtypes, expected):
    params = with_gradients(*(np.full(2, 60_000, dtype) for dtype in dtypes))

    def step():
        return utils.clip_grad_norm_(params, 1e9)

    compiled = mt.compile(step)
    for norm in (step(), *(compiled() for _ in range(3))):
        assert norm.dtype == np.dtype(expected) and norm.shape == ()
        assert norm.item() == pytest.approx(60_000 * (2 * len(dtypes)) ** 0.5, rel=1e-3)


def test_the_norm_of_no_gradients_has_the_default_dtype(monkeypatch):
    monkeypatch.setattr("microtrain.dtypes._default", mt.float32)
    assert utils.clip_grad_norm_([mt.ones(2, requires_grad=True)], 1.0).dtype == mt.float32


def test_a_norm_that_its_dtype_does_not_hold_is_no_finite_one():
    (a,) = with_gradients(np.full(4, 3e38, "float32"))
    with pytest.raises(mt.MicrotrainError, match="too large for its dtype"):
        utils.clip_grad_norm_(a, 1.0, error_if_nonfinite=True)
