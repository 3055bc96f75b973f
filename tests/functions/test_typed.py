"""PyTorch's names for dtypes, devices and kinds of tensors; random numbers in place; functions made of others."""

import numpy as np
import pytest

import microtrain as mt


def test_the_device_is_the_cpu():
    device = mt.device("cuda" if mt.cuda.is_available() else "cpu")
    x = mt.ones(2).to(device)
    assert x.device == device == mt.device("cpu") and device.type == "cpu" and str(device) == "cpu"
    assert repr(mt.device("cpu", 0)) == "device(type='cpu', index=0)" and mt.device("cpu:1").index == 1
    assert len({device, x.device}) == 1 and not x.is_cuda and mt.zeros(2, device=device).get_device() == -1
    mt.cuda.manual_seed_all(3)
    assert not (mt.backends.mps.is_available() or mt.accelerator.is_available() or mt.cuda.device_count())
    with mt.device("cpu"):
        pass
    for wrong, error in (("cuda", NotImplementedError), ("cpu:x", ValueError), ("tpu:0", NotImplementedError)):
        with pytest.raises(error):
            mt.device(wrong)


def test_dtypes_have_their_short_names():
    assert mt.float == mt.float32 and mt.int == mt.int32 and mt.bool == np.bool_ and mt.long == mt.int64
    assert mt.ones(2, dtype=mt.float).dtype == np.float32 and mt.tensor([0.0, 2.0]).to(mt.bool).tolist() == [
        False,
        True,
    ]


def test_tensors_of_a_type():
    assert mt.FloatTensor([1, 2]).dtype == mt.float32 and mt.FloatTensor(2, 3).shape == (2, 3)
    assert mt.LongTensor([1.0, 2.0]).tolist() == [1, 2] and mt.LongTensor().shape == (0,)
    x = mt.ones(2)
    assert isinstance(x, mt.DoubleTensor) and not isinstance(x, mt.FloatTensor) and not isinstance(3, mt.IntTensor)
    assert x.type() == "microtrain.DoubleTensor" and x.type(mt.LongTensor).dtype == mt.int64
    assert x.type(mt.float32).dtype == mt.float32 and x.type("torch.FloatTensor").dtype == mt.float32
    with pytest.raises(mt.MicrotrainError, match="not a dtype"):
        x.type("torch.StringTensor")
    assert mt.BoolTensor(2).tolist() == [False, False]


def test_the_class_itself_as_pytorch_calls_it():
    assert mt.Tensor(2, 3).shape == (2, 3) and mt.Tensor(2, 3, 4, 5).shape == (2, 3, 4, 5) and mt.Tensor().shape == (0,)
    assert mt.Tensor([1, 2]).dtype == mt.float64 and mt.tensor([1, 2]).dtype == mt.int64
    assert mt.Tensor(np.array([1, 2])).dtype == mt.int64
    assert mt.is_tensor(mt.ones(1)) and not mt.is_tensor([1]) and mt.numel(mt.ones(2, 3)) == 6
    assert isinstance(mt.ones(2).shape, mt.Size) and mt.is_floating_point(mt.ones(1))


def test_tensors_like_another():
    x = mt.ones(2, dtype=mt.float32)
    made = [x.new_zeros(2, 3), x.new_ones((2, 3)), x.new_empty(2), x.new_full((2,), 3), x.new_tensor([1, 2])]
    assert {t.dtype for t in made} == {mt.float32} and [t.shape for t in made] == [(2, 3), (2, 3), (2,), (2,), (2,)]
    assert x.new_ones(2, dtype=mt.int64).dtype == mt.int64 and x.new_zeros(1, requires_grad=True).requires_grad
    assert x.nelement() == 2 and x.ndimension() == 1


def test_random_numbers_in_place():
    x, g = mt.zeros(4000), mt.Generator(0)
    memory = x._array()
    for fill, mean, variance in [
        (lambda: x.uniform_(-1, 3, generator=g), 1, 16 / 12), (lambda: x.normal_(2.0, 3.0, generator=g), 2, 9),
        (lambda: x.bernoulli_(0.25, generator=g), 0.25, 3 / 16), (lambda: x.random_(10, generator=g), 4.5, 99 / 12),
        (lambda: x.random_(5, 15, generator=g), 9.5, 99 / 12), (lambda: x.exponential_(2.0, generator=g), 0.5, 0.25),
    ]:  # fmt: skip
        assert fill() is x and x._array() is memory
        assert x.mean().item() == pytest.approx(mean, abs=0.1 * variance**0.5)
        assert x.var().item() == pytest.approx(variance, rel=0.1)
    w = mt.zeros(3, requires_grad=True)
    with pytest.raises(mt.MicrotrainError, match="leaf"):
        w.normal_()
    w.data.normal_()
    h = w * 1
    h.uniform_()
    assert w.std().item() > 0
    (h.sum() + w.sum()).backward()
    assert w.grad.tolist() == [1, 1, 1]  # where numbers were drawn gradients end
    for wrong in (
        lambda: x.normal_(0, -1),
        lambda: x.bernoulli_(2),
        lambda: x.random_(3, 3),
        lambda: x.exponential_(0),
    ):
        with pytest.raises(mt.MicrotrainError):
            wrong()


def test_normal_and_multinomial():
    mt.manual_seed(1)
    assert mt.normal(0.0, 1.0, (2, 3)).shape == (2, 3)
    means = mt.arange(3.0) * 1000
    assert (mt.normal(means, mt.ones(3)) - means).abs().max().item() < 10
    weights = mt.tensor([[0.0, 1.0, 3.0], [1.0, 0.0, 0.0]])
    draws = mt.multinomial(weights, 4000, replacement=True)
    assert draws.shape == (2, 4000) and draws.dtype == mt.int64 and (draws[1] == 0).all()
    assert (draws[0] == 2).double().mean().item() == pytest.approx(0.75, abs=0.03) and (draws[0] > 0).all()
    assert sorted(mt.multinomial(mt.ones(5), 5).tolist()) == [0, 1, 2, 3, 4]
    for wrong in (
        lambda: mt.multinomial(weights, 2),
        lambda: mt.multinomial(-weights, 1),
        lambda: mt.multinomial(mt.ones(1, 1, 1), 1),
    ):
        with pytest.raises(mt.MicrotrainError, match="multinomial"):
            wrong()


A = np.random.default_rng(0).normal(size=(3, 4))
CALLS = {
    "addmm": lambda lib, a, b: lib.addmm(a @ b.T, a, b.T, beta=0.5, alpha=2.0),
    "addmv": lambda lib, a, b: lib.addmv(a[:, 0], a, b[0]),
    "baddbmm": lambda lib, a, b: lib.baddbmm((a @ b.T)[None], a[None], b.T[None], beta=2),
    "inner": lambda lib, a, b: lib.inner(a, b),
    "inner of vectors": lambda lib, a, b: lib.inner(a[0], b[0]),
    "cdist": lambda lib, a, b: lib.cdist(a, b + 3),
    "narrow": lambda lib, a, b: a.narrow(1, 1, 2) * lib.narrow(b, -1, -2, 2),
    "select": lambda lib, a, b: a.select(1, 2) + b.select(-1, -1),
    "diff": lambda lib, a, b: lib.diff(a, n=2) + b.diff(dim=0)[0, :2],
    "index_add": lambda lib, a, b: a.index_add(0, lib.tensor([0, 2, 0]), b, alpha=2.0),
    "index_fill": lambda lib, a, b: a.index_fill(1, lib.tensor([0, 3]), 0.5) * b,
    "clamp_min": lambda lib, a, b: a.clamp_min(0.1) * b.clamp_max(0.2),
    "nan_to_num": lambda lib, a, b: (a / (a > 0)).nan_to_num(nan=0.5, posinf=2.0, neginf=-3.0) * b,
    "logit": lambda lib, a, b: lib.logit(a.sigmoid()) + lib.logit(b, eps=0.2),
    "var_mean": lambda lib, a, b: lib.stack(lib.var_mean(a, 1)) + lib.stack(lib.std_mean(b, 1)),
    "count_nonzero": lambda lib, a, b: a.sum() * lib.count_nonzero(b > 0) + (b > 0).count_nonzero(1),
    "broadcast_tensors": lambda lib, a, b: lib.broadcast_tensors(a[0], b)[0] * b,
    "meshgrid": lambda lib, a, b: lib.stack(lib.meshgrid(a[0], b[:, 0], indexing="ij")),
    "meshgrid of pictures": lambda lib, a, b: lib.stack(lib.meshgrid([a[0], b[:, 0]], indexing="xy")),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", CALLS)
def test_composed_functions_equal_pytorchs(name):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (torch, mt):
        a, b = (lib.tensor(x, requires_grad=True) for x in (A, A[::-1].copy()))
        y = CALLS[name](lib, a, b)
        (y * y).sum().backward()
        results.append([y.detach().numpy(), *(np.zeros(1) if t.grad is None else t.grad.numpy() for t in (a, b))])
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_counting():
    values, inverse, counts = mt.tensor([[3, 1], [3, 7]]).unique(return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 3, 7] and inverse.tolist() == [[1, 0], [1, 2]] and counts.tolist() == [1, 2, 1]
    assert mt.unique(mt.tensor([2.0, 1.0, 2.0])).tolist() == [1, 2]
    assert mt.bincount(mt.tensor([0, 2, 2]), minlength=4).tolist() == [1, 0, 2, 0]
    assert mt.bincount(mt.tensor([0, 2, 2]), mt.tensor([0.5, 1.0, 2.0])).tolist() == [0.5, 0, 3]
    with pytest.raises(mt.MicrotrainError, match="bincount"):
        mt.bincount(mt.tensor([-1]))


def test_composed_mistakes():
    x = mt.ones(3, 4)
    for wrong in (
        lambda: x.narrow(1, 2, 3), lambda: mt.inner(x, mt.ones(3)), lambda: x.index_add(0, mt.tensor([0.5]), x),
        lambda: x.index_add(0, mt.tensor([0]), mt.ones(2, 4)), lambda: x.index_add(1, mt.tensor([0]), mt.ones(2, 1)),
        lambda: mt.meshgrid(x), lambda: mt.meshgrid(x[0], indexing="yx"), lambda: mt.broadcast_tensors(x, mt.ones(3)),
    ):  # fmt: skip
        with pytest.raises(mt.MicrotrainError):
            wrong()


def test_linalg():
    a = mt.tensor(A[:, :3] @ A[:, :3].T + np.eye(3))
    assert mt.linalg.norm(a).item() == pytest.approx(np.linalg.norm(a.numpy()))
    assert mt.linalg.norm(a[0], 1).item() == pytest.approx(np.abs(a.numpy()[0]).sum())
    np.testing.assert_allclose(mt.linalg.norm(a, dim=1).numpy(), np.linalg.norm(a.numpy(), axis=1))
    np.testing.assert_allclose(mt.linalg.solve(a, a).numpy(), np.eye(3), atol=1e-12)
    with pytest.raises(NotImplementedError, match="Frobenius"):
        mt.linalg.norm(a, 2)
    np.testing.assert_allclose(mt.linalg.multi_dot([a, a, a]).numpy(), mt.linalg.matrix_power(a, 3).numpy())
    assert mt.linalg.diagonal(mt.ones(2, 3, 4)).shape == (2, 3)
    np.testing.assert_allclose(mt.linalg.vecdot(a, a).numpy(), (a.numpy() ** 2).sum(1))
    try:
        mt.linalg.cholesky(-a)
    except mt.linalg.LinAlgError as error:
        assert "positive definite" in str(error)
