"""Methods that change the tensor itself: its shape, its history, some of its elements."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import InplaceError

SHAPES = {
    "unsqueeze_": (lambda x: x.unsqueeze_(1), (3, 1, 4)),
    "squeeze_": (lambda x: x.unsqueeze_(0).squeeze_(), (3, 4)),
    "squeeze_ of one": (lambda x: x.unsqueeze_(0).squeeze_(0), (3, 4)),
    "transpose_": (lambda x: x.transpose_(0, 1), (4, 3)),
    "swapaxes_": (lambda x: x.swapaxes_(0, 1), (4, 3)),
    "t_": (lambda x: x.t_(), (4, 3)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_in_place(name):
    """The same tensor, the same memory, and the gradient in the old shape."""
    change, shape = SHAPES[name]
    leaf = mt.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    x = leaf * 2
    address = x.data_ptr()
    assert change(x) is x and x.shape == shape and x.data_ptr() == address
    weights = mt.tensor(np.random.default_rng(0).normal(size=shape))
    x *= weights
    (x * x).sum().backward()
    twin = mt.tensor(leaf.detach().numpy(), requires_grad=True)
    y = twin * 2
    y = y.reshape(shape) if "t" not in name.split("_")[0] and "axes" not in name else y.T
    ((y * weights) ** 2).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), twin.grad.numpy())


def test_shapes_in_place_of_plain_data_and_of_views():
    x = mt.arange(3)
    assert x.unsqueeze_(0).tolist() == [[0, 1, 2]]
    whole = mt.zeros(2, 3)
    row = whole[0]
    row.unsqueeze_(1).fill_(5)
    assert whole.tolist() == [[5, 5, 5], [0, 0, 0]] and row.shape == (3, 1)
    base = mt.ones(2, 3, requires_grad=True)
    whole = base * 1
    row = whole[0]
    row.unsqueeze_(1)
    row.mul_(3)
    whole.sum().backward()
    assert base.grad.tolist() == [[3, 3, 3], [1, 1, 1]]


def test_shapes_in_place_are_refused_where_they_would_go_wrong():
    with pytest.raises(InplaceError, match="leaf that requires grad"):
        mt.ones(2, requires_grad=True).unsqueeze_(0)
    x = mt.ones(3, requires_grad=True) * 1
    first = x[0]
    x.unsqueeze_(0)
    with pytest.raises(InplaceError, match=r"shape \(3,\), which then got the shape \(1, 3\)"):
        first.mul_(2)
    x = mt.ones(3, requires_grad=True) * 1
    first = x[0]
    x.unsqueeze_(0).add_(1)
    with pytest.raises(InplaceError, match="can't tell any more"):
        (first * 1).backward()


def test_detach_in_place():
    w = mt.tensor(2.0, requires_grad=True)
    h = w * 3
    h.retain_grad()
    y = h * w
    assert h.detach_() is h and h.is_leaf and not h.requires_grad and h.grad_fn is None
    y.backward()  # what was made before stays differentiable
    assert w.grad.item() == 12 and h.grad is None
    (h * w).backward()
    assert w.grad.item() == 18
    with pytest.raises(InplaceError, match="view"):
        (mt.ones(3, requires_grad=True) * 1)[0].detach_()
    assert not mt.ones(2, requires_grad=True).detach_().requires_grad


def test_detach_in_place_still_watches_what_was_kept():
    w = mt.tensor([2.0], requires_grad=True)
    h = w * 3
    y = h * h
    h.detach_()
    h.add_(1)
    with pytest.raises(InplaceError, match="overwrote"):
        y.backward()


def test_diagonals_in_place():
    x = mt.zeros(2, 3)
    assert x.fill_diagonal_(7) is x and x.tolist() == [[7, 0, 0], [0, 7, 0]]
    w = mt.ones(3, 3, requires_grad=True)
    y = w * 2
    y.diagonal(1).mul_(5)
    y.sum().backward()
    assert w.grad.tolist() == [[2, 10, 2], [2, 2, 10], [2, 2, 2]]
    z = mt.ones(2, 2)
    z.diag().fill_(5)
    assert z.sum().item() == 4  # diag copies
    assert mt.ones(2, 2).tril_().tolist() == [[1, 0], [1, 1]] and mt.ones(2, 2).triu_(1).tolist() == [[0, 1], [0, 0]]


@pytest.mark.oracle
def test_index_copy_and_put_equal_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(2, 3))
    calls = [
        lambda lib, a, b: a.index_copy(0, lib.tensor([3, 1]), b),
        lambda lib, a, b: (a * 1).index_copy_(1, lib.tensor([0]), b.sum().reshape(1, 1).expand(4, 1)),
        lambda lib, a, b: a.index_put((lib.tensor([0, 2]), lib.tensor([1, 1])), b[:, 0]),
        lambda lib, a, b: a.index_put((lib.tensor([0, 0]), lib.tensor([1, 1])), b[:, 0], accumulate=True),
        lambda lib, a, b: (a * 1).index_put_((lib.tensor([2, 2]),), b, True),
        lambda lib, a, b: a.index_put((lib.tensor([2, -1]),), b[0], accumulate=True),
        lambda lib, a, b: a.index_put((lib.tensor([True, False, False, True]),), b, accumulate=True),
        lambda lib, a, b: (a * 1).index_put_((a.detach() > 0,), b.sum(), accumulate=True),
    ]
    for call in calls:
        results = []
        for lib in (torch, mt):
            x, y = lib.tensor(a, requires_grad=True), lib.tensor(b, requires_grad=True)
            z = call(lib, x, y)
            (z * z).sum().backward()
            results.append([z.detach().numpy(), x.grad.numpy(), y.grad.numpy()])
        for theirs, ours in zip(*results, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_no_place_outside_is_added_to():
    """An index beyond the end is an error, and not counted from the beginning again."""
    with pytest.raises(IndexError, match="3"):
        mt.zeros(3).index_put_((mt.tensor([3]),), mt.ones(1), accumulate=True)


@pytest.mark.parametrize(
    "add",
    [
        lambda x, i, v: x.index_put((i,), v, accumulate=True), lambda x, i, v: x.index_put_((i,), v, True),
        lambda x, i, v: x.scatter_add(0, i, v), lambda x, i, v: x.index_add_(0, i, v),
        lambda x, i, v: x.scatter(0, i, v, reduce="add"), lambda x, i, v: x.index_put_((i,), v),
    ],
)  # fmt: skip
def test_fractions_do_not_go_into_integers(add):
    x = mt.tensor([1, 2, 3])
    with pytest.raises(mt.errors.DtypeError, match="int64"):
        add(x, mt.tensor([0, 0]), mt.tensor([0.5, 0.75]))
    assert x.tolist() == [1, 2, 3]
