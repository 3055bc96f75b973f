"""Functions made of others: the same values, gradients and second derivatives as PyTorch's."""

import numpy as np
import pytest

import microtrain as mt

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
CALLS = {
    # arranging
    "atleast_1d": lambda lib, a, b: lib.atleast_1d(a.sum()),
    "atleast_2d": lambda lib, a, b: lib.atleast_2d(a[0]),
    "atleast_3d": lambda lib, a, b: lib.atleast_3d(a, b[0]),
    "column_stack": lambda lib, a, b: lib.column_stack([a[0], b[0], a.T]),
    "row_stack": lambda lib, a, b: lib.row_stack([a[0], b]),
    "dstack": lambda lib, a, b: lib.dstack([a, b]),
    "block_diag": lambda lib, a, b: lib.block_diag(a, b[0], b[:2, 1:]),
    "cartesian_prod": lambda lib, a, b: lib.cartesian_prod(a[0], b[1], a[:, 0]),
    "combinations": lambda lib, a, b: lib.combinations(a[0], 2),
    "combinations with repetition": lambda lib, a, b: lib.combinations(a[0], 3, True),
    "tensor_split": lambda lib, a, b: a.tensor_split(3, 1),
    "tensor_split at places": lambda lib, a, b: a.tensor_split((1, 3), dim=1),
    "vsplit": lambda lib, a, b: a.vsplit(3),
    "hsplit": lambda lib, a, b: lib.hsplit(a, 2),
    "unfold": lambda lib, a, b: a.unfold(1, 2, 1),
    "unfold by steps": lambda lib, a, b: a.unfold(0, 2, 2),
    "fliplr": lambda lib, a, b: a.fliplr() * b,
    "flipud": lambda lib, a, b: lib.flipud(a) * b,
    **{f"rot90 {k}": lambda lib, a, b, k=k: a.rot90(k, (0, 1)) for k in (-1, 0, 1, 2, 3)},
    "diag_embed": lambda lib, a, b: a.diag_embed(1),
    "diag_embed along other axes": lambda lib, a, b: lib.diag_embed(a, -1, 0, 2),
    "tensor_split by a tensor": lambda lib, a, b: a.tensor_split(lib.tensor([1, 3]), 1) + a.tensor_split(lib.tensor(2)),
    "diagflat": lambda lib, a, b: lib.diagflat(a, -1),
    "triangles": lambda lib, a, b: [a[lib.tril_indices(3, 4, -1)[0]], a[tuple(lib.triu_indices(3, 4, 1))]],
    "unravel_index": lambda lib, a, b: lib.unravel_index(lib.tensor([5, 11]), (3, 4)),
    "sum_to_size": lambda lib, a, b: a.sum_to_size(3, 1),
    "vander": lambda lib, a, b: lib.vander(a[0].detach(), 3) * b[:, :1].sum(),  # (PyTorch fails in the second order)
    "linalg.vander": lambda lib, a, b: lib.linalg.vander(a[:, :2], N=3),
    "repeat_interleave by numbers": lambda lib, a, b: a.repeat_interleave(lib.tensor([2, 0, 1]), 0),
    "repeat_interleave of all": lambda lib, a, b: lib.repeat_interleave(a, lib.tensor([3])),
    "cat with an empty vector": lambda lib, a, b: lib.cat([lib.tensor([], dtype=a.dtype), a, b], 1),
    **{
        f"pad {mode}": lambda lib, a, b, mode=mode: lib.nn.functional.pad(a[None], (3, 1), mode=mode)
        for mode in ("reflect", "replicate", "circular")
    },
    "pad both axes": lambda lib, a, b: lib.nn.functional.pad(a[None, None], (-1, 2, 1, 0), mode="replicate"),
    "diff": lambda lib, a, b: a.diff(2, 0, prepend=b[:1], append=b),
    "scatter add": lambda lib, a, b: a.detach().scatter(0, lib.tensor([[0, 0, 2, 1]]), 5.0, reduce="add") * b,
    "scatter a value": lambda lib, a, b: a.scatter(1, lib.tensor([[0], [2], [2]]), value=7.0),
    "diagonal": lambda lib, a, b: a.diagonal(1) * b.diagonal(0)[:3],
    "stacked diagonals": lambda lib, a, b: lib.stack([a, b]).diagonal(0, 1, 2),
    # products
    "vdot": lambda lib, a, b: lib.vdot(a[0], b[0]),
    "addr": lambda lib, a, b: lib.addr(a, b[:, 0], a[0], beta=2, alpha=3),
    "addr without the input": lambda lib, a, b: lib.addr(a / 0, b[:, 0], a[0], beta=0) + b,
    "addmm without the input": lambda lib, a, b: lib.addmm(a.sum() / 0, a, b.T, beta=0, alpha=2),
    "cosine of tensors that broadcast": lambda lib, a, b: lib.nn.functional.cosine_similarity(a[:, None], b, dim=0),
    "cholesky upper": lambda lib, a, b: lib.linalg.cholesky(a @ a.T + lib.eye(3, dtype=a.dtype), upper=True),
    "eigvalsh of the upper triangle": lambda lib, a, b: lib.linalg.eigvalsh(a[:, :3] + a[:, :3].T, UPLO="U"),
    **{
        f"matrix norm {p}": lambda lib, a, b, p=p: lib.linalg.matrix_norm(lib.stack([a, b]), p, keepdim=p < 0)
        for p in (1, -1, np.inf, -np.inf)
    },
    "tensordot": lambda lib, a, b: lib.tensordot(a, b.T, 1),
    "tensordot of axes": lambda lib, a, b: lib.tensordot(a, b, ([0, 1], [0, 1])),
    "kron": lambda lib, a, b: lib.kron(a, b[:2, :2]),
    "kron of ranks": lambda lib, a, b: lib.kron(a, b[0]),
    "cross": lambda lib, a, b: lib.cross(a[:, :3], b[:, 1:], dim=-1),
    "matrix_power": lambda lib, a, b: lib.matrix_power(a[:, :3], 5),
    "matrix_power 0": lambda lib, a, b: lib.matrix_power(a[:, :3], 0) + a[:, :3],
    "matrix_power -2": lambda lib, a, b: (a[:, :3] + 3 * lib.eye(3, dtype=a.dtype)).matrix_power(-2),
    "chain_matmul": lambda lib, a, b: lib.chain_matmul(a, b.T, a),
    "eigh": lambda lib, a, b: lib.linalg.eigh(a @ a.T + lib.diag(lib.tensor([1.0, 2.0, 3.0]))),
    "largest component": lambda lib, a, b: (a @ lib.linalg.eigh(a.T @ a).eigenvectors[:, -1:]).abs(),
    # statistics
    "quantile": lambda lib, a, b: lib.quantile(a, 0.3),
    **{
        f"quantile {how}": lambda lib, a, b, how=how: a.quantile(
            lib.tensor([0.0, 0.4, 1.0], dtype=a.dtype), dim=1, keepdim=True, interpolation=how
        )
        for how in ("linear", "lower", "higher", "nearest", "midpoint")
    },
    "quantile with a gradient for q": lambda lib, a, b: a.quantile(b[0].sigmoid(), dim=1),
    "quantile keepdim": lambda lib, a, b: a.quantile(0.7, dim=0, keepdim=True),
    "kthvalue": lambda lib, a, b: a.kthvalue(2, 1),
    "msort": lambda lib, a, b: a.msort(),
    "mode": lambda lib, a, b: (a * 0.8).round().mode(1),
    "aminmax": lambda lib, a, b: a.aminmax(dim=1),
    "cummax": lambda lib, a, b: a.cummax(1),
    "cummin": lambda lib, a, b: lib.cummin(a, 0),
    "logcumsumexp": lambda lib, a, b: a.logcumsumexp(1),
    "nansum": lambda lib, a, b: lib.where(a > 0, a, float("nan")).nansum(1),
    "nanmean": lambda lib, a, b: lib.where(a > 0.1, a, float("nan")).nanmean(),
    "cov": lambda lib, a, b: lib.cov(a),
    "cov of one": lambda lib, a, b: a[0].cov(),
    "cov of weighted observations": lambda lib, a, b: a.cov(
        correction=0, fweights=lib.tensor([1, 3, 2, 1]), aweights=b[0].detach().abs()
    ),
    "cov of counted observations": lambda lib, a, b: lib.cov(a, fweights=lib.tensor([1, 3, 0, 1])),
    "var_mean": lambda lib, a, b: lib.var_mean(a, dim=1, correction=2, keepdim=True) + lib.std_mean(b, False),
    "poisson nll of expected counts": lambda lib, a, b: lib.nn.functional.poisson_nll_loss(a, b.exp() + 1, full=True),
    "corrcoef": lambda lib, a, b: a.corrcoef(),
    "dist": lambda lib, a, b: a.dist(b, 3),
    "trapezoid": lambda lib, a, b: lib.trapezoid(a, dx=0.5),
    "trapezoid over places": lambda lib, a, b: lib.trapezoid(a, b, dim=0),
    "cumulative_trapezoid": lambda lib, a, b: lib.cumulative_trapezoid(a, b[0], dim=1),
    "take": lambda lib, a, b: a.take(lib.tensor([[0, 5], [5, 11]])),
    # single elements
    "polygamma": lambda lib, a, b: lib.polygamma(2, a.abs() + 1),
    "division": lambda lib, a, b: lib.div(lib.tensor([7, -7, 6]), lib.tensor([2, 2, -3]), rounding_mode="trunc"),
    "argwhere": lambda lib, a, b: (a > 0).argwhere(),
    "fix": lambda lib, a, b: (3 * a).fix(),
}


def outputs(y):
    return list(y) if isinstance(y, (tuple, list)) else [y]


@pytest.mark.oracle
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:.*torch.chain_matmul")
@pytest.mark.filterwarnings("ignore:.*searchsorted")
def test_equal_pytorchs(name):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (torch, mt):
        a, b = (lib.tensor(x, requires_grad=True) for x in (A, B))
        ys = outputs(CALLS[name](lib, a, b))
        found = [y.detach().numpy() for y in ys]
        smooth = [y for y in ys if y.requires_grad]
        if smooth:
            total = sum((y * y * (k + 1)).sum() for k, y in enumerate(smooth))
            gs = lib.autograd.grad(total, [a, b], create_graph=True, allow_unused=True)
            again = sum((g * g).sum() for g in gs if g is not None)
            hs = lib.autograd.grad(again, [a, b], allow_unused=True) if again.requires_grad else (None, None)
            found += [np.zeros(A.shape) if g is None else g.detach().numpy() for g in (*gs, *hs)]
        results.append(found)
    assert len(results[0]) == len(results[1])
    for theirs, ours in zip(*results, strict=True):
        assert theirs.shape == ours.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_quantile_of_nothing_and_of_nan():
    assert mt.isnan(mt.quantile(mt.tensor([1.0, float("nan"), 2.0]), 0.5))
    assert mt.quantile(mt.tensor(3.0), 0.5).item() == 3 and mt.quantile(mt.tensor([1.0, 2.0]), [0.5]).shape == (1,)
    for wrong in (
        lambda: mt.quantile(mt.zeros(0), 0.5), lambda: mt.zeros(3).quantile(1.5), lambda: mt.zeros(3).quantile([[0.5]]),
        lambda: mt.zeros(3).quantile(0.5, interpolation="best"),
    ):  # fmt: skip
        with pytest.raises(mt.MicrotrainError, match="quantile"):
            wrong()


def test_copies_of_fewer_axes_than_there_are():
    x = mt.arange(6).reshape(2, 3)
    with pytest.raises(mt.errors.ShapeError, match=r"repeat\(\) of shape \(2, 3\) by \(2,\)[\s\S]*tile"):
        x.repeat(2)
    assert x.tile(2).tolist() == x.repeat(1, 2).tolist() == [[0, 1, 2, 0, 1, 2], [3, 4, 5, 3, 4, 5]]
    assert x.repeat(2, 1, 1).shape == (2, 2, 3) and mt.tensor(1.0).repeat(2).tolist() == [1, 1]


def test_running_sums_of_exp_of_numbers_far_apart():
    nan, inf = float("nan"), float("inf")
    for numbers, expected in (
        ([-1000.0, 0.0, 1000.0], [-1000, 0, 1000]), ([1000.0, 0.0, -1000.0], [1000, 1000, 1000]),
        ([1.0, nan, 3.0], [1, nan, nan]), ([inf, nan, 1.0], [inf, nan, nan]), ([-inf, -inf, 2.0], [-inf, -inf, 2]),
        ([2, 2], [2, 2 + np.log(2)]), ([], []),
    ):  # fmt: skip
        np.testing.assert_allclose(mt.tensor(numbers).logcumsumexp(0).numpy(), expected)
    x = mt.tensor([-1000.0, 0.0, 1000.0], requires_grad=True)
    x.logcumsumexp(0).backward(mt.tensor([1.0, 2.0, 3.0]))
    assert x.grad.tolist() == [1, 2, 3]
    masked = mt.tensor([-inf, 0.0, -inf, -inf, 1.0], requires_grad=True)
    (first,) = mt.grad(masked.logcumsumexp(0)[1:].sum(), masked, create_graph=True)
    share = np.e / (1 + np.e)
    np.testing.assert_allclose(first.detach().numpy(), [0, 3 + 1 - share, 0, 0, share])
    (second,) = mt.grad(first[1], masked)
    np.testing.assert_allclose(second.numpy(), [0, share * (1 - share), 0, 0, -share * (1 - share)])
    lowest = float(np.finfo(np.float64).min)
    assert mt.tensor([lowest, lowest, -inf]).logcumsumexp(0).tolist() == [lowest] * 3
    assert mt.tensor(2.0).logcumsumexp(0).item() == 2 and mt.ones(2).float().logcumsumexp(0).dtype == mt.float32


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.kthvalue(0), lambda x: x.kthvalue(5), lambda x: mt.block_diag(mt.zeros(2, 2, 2)),
        lambda x: x.tensor_split(0), lambda x: mt.tensor(1.0).tensor_split(2), lambda x: x.unfold(1, 9, 1),
        lambda x: x.unfold(1, 2, 0), lambda x: x.rot90(1, (0, 0)), lambda x: x.sum_to_size(2), lambda x: x.cross(x),
        lambda x: x.matrix_power(2), lambda x: mt.tensordot(x, x, 1), lambda x: mt.zeros(2, 2, 2).cov(),
        lambda x: mt.trapezoid(mt.tensor(1.0)), lambda x: mt.broadcast_shapes((2,), (3,)), lambda x: mt.vander(x),
        lambda x: mt.zeros(0).mode(), lambda x: mt.tensor(1.0).kthvalue(2), lambda x: x.diff(-1),
        lambda x: mt.nn.functional.pad(x, (4, 0), mode="reflect"), lambda x: mt.nn.functional.pad(x, (1, 0), mode="other"),
        lambda x: mt.nn.functional.pad(mt.zeros(0), (1, 0), mode="replicate"), lambda x: x.diag_embed(0, 1, 1),
        lambda x: mt.tensor(1.0).diag_embed(), lambda x: x.repeat_interleave(mt.tensor([1, 2])), lambda x: x.scatter(0, x.long()),
        lambda x: x.repeat_interleave([-1], 0), lambda x: x.scatter(0, x.long(), 1.0, reduce="multiply"),
        lambda x: x.cov(fweights=[1, 2]), lambda x: x.cov(aweights=[1, 2, 3, -1]), lambda x: mt.linalg.eigvalsh(x[:, :3], "X"),
        lambda x: mt.linalg.vander(mt.tensor(1.0)), lambda x: mt.linalg.matrix_norm(x, 1, dim=1), lambda x: mt.cat([mt.zeros(0), mt.tensor(1.0)]), lambda x: x.tensor_split(mt.tensor(1.5)), lambda x: mt.cat([mt.zeros(0), mt.zeros(2, 2), mt.zeros(3, 3)]),
    ],
)  # fmt: skip
def test_wrong_use_raises_our_errors(wrong):
    with pytest.raises(mt.MicrotrainError):
        wrong(mt.zeros(3, 4))


def test_dtypes_stay():
    x = mt.tensor([1.0, float("nan")], dtype=mt.float32)
    assert x.nanmean().dtype == mt.float32 and x.nanmean().item() == 1
    assert x.masked_fill(mt.tensor([True, False]), mt.tensor(-1.0)).dtype == mt.float32
    assert mt.tensor([1, 2]).quantile(0.5).item() == 1.5
    assert mt.tril_indices(2, 2, dtype=mt.int32).dtype == mt.int32


def test_a_mask_is_of_booleans():
    with pytest.raises(mt.MicrotrainError, match="mask == 0"):
        mt.zeros(2).masked_fill(mt.tensor([1.0, 0.0]), 2.0)
    assert mt.zeros(2).masked_fill([True, False], 2.0).tolist() == [2, 0]


def test_the_slope_of_logit_at_its_ends():
    p = mt.tensor([0.0, 0.5, 1.0], requires_grad=True)
    p.logit().sum().backward()
    assert p.grad.tolist() == [np.inf, 4, np.inf]


def test_of_one_number():
    x = mt.tensor(3.0)
    assert [i.tolist() for i in x.nonzero(as_tuple=True)] == [[0]]
    assert x.quantile(0.5, dim=0, keepdim=True).shape == ()
    assert [t.item() for t in (*x.kthvalue(1), *x.mode())] == [3, 0, 3, 0]
    assert mt.zeros(0, 3).mode(1).values.shape == (0,)


def test_sums_in_another_dtype():
    x = mt.tensor([3, 4], dtype=mt.int32)
    assert x.norm(dtype=mt.float32).dtype == mt.float32 and x.norm(dtype=mt.float32).item() == 5
    assert x.nansum(dtype=mt.float64).dtype == x.nanmean(dtype=mt.float64).dtype == mt.float64
    assert mt.heaviside(mt.tensor([0.0, -1.0]), values=mt.tensor(0.5)).tolist() == [0.5, 0]
