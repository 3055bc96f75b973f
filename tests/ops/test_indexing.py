"""Reading and writing parts: views and copies, repeated places, masks, what NumPy would do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import microtrain as mt

from .helpers import check_derivatives

INDICES: list[Any] = [
    0, -1, slice(None), slice(1, None), slice(None, None, -1), slice(3, 0, -2), slice(5, 9), ..., None, (), (0, 1),
    (..., 0),
    (slice(None), None, 1), (None, ..., None), ([0, 2],), [0, 2, 0], ([0, 1], [1, 2]), ([[0], [1]], [0, 2]),
    (slice(None), [2, 0]), ([0, 1], slice(None)), np.array([True, False, True]), True, False, np.int64(1), np.array(1),
    ([True, False, True], 0), (np.array([[True, False, True, False]] * 3)), (0, ..., [1, 2]), [],
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_reading_is_numpys(index: Any) -> None:
    a = np.arange(12.0).reshape(3, 4)
    expected = a[np.array(index, dtype=int) if isinstance(index, list) else index]
    y = mt.tensor(a)[index]
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.numpy(), expected)
    check_derivatives(lambda x: x[index] * 2.0, [a])


@pytest.mark.oracle
@pytest.mark.parametrize(
    "index",
    [
        (0, slice(None), [1, 3]), (0, ..., [1, 0]), (slice(None), 0, slice(None), [1, 0]), ([0, 1], slice(None), 0),
        (0, None, [2, 1]), (-1, slice(1, 3), [[1, 2], [0, 3]], 1), (1, [0, 1], slice(None), [0, 1]),
        (0, slice(None), np.array([[True, False], [False, True], [True, True], [False, False]])),
        (np.array([[True, False, True]] * 4), slice(None), 1), (slice(None, None, 2), 1, slice(None), [1]),
    ],
    ids=repr,
)  # fmt: skip
def test_a_number_is_taken_before_lists_as_in_pytorch(index: Any) -> None:
    """NumPy would take it for one more list, and put the axis of the lists first where a slice is between."""
    torch = pytest.importorskip("torch")
    a = np.random.default_rng(0).normal(size=(4, 3, 4, 2))
    results = []
    for lib in (torch, mt):
        x = lib.tensor(a, requires_grad=True)
        y = x[index]
        z = x * 1
        z[index] = y * 2
        z[index] += 1
        (g,) = lib.autograd.grad((y**3).sum() + (z * z).sum(), x)
        w = lib.tensor(a)
        w[index] = 7.0
        results.append([t.detach().numpy() for t in (y, z, g, w)])
    for theirs, ours in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_number_outside_is_reported_beside_lists() -> None:
    for index in ((9, slice(None), [0]), (0, slice(None), [9]), (0, slice(None), slice(None), slice(None), [0])):
        with pytest.raises(IndexError):
            mt.zeros(2, 3, 4)[index]
        with pytest.raises(IndexError):
            mt.zeros(2, 3, 4)[index] = 1.0


@pytest.mark.parametrize("index", [i for i in INDICES if not (isinstance(i, list) and not i)], ids=repr)
def test_writing_is_numpys(index: Any) -> None:
    a = np.arange(12.0).reshape(3, 4)
    expected, x = a.copy(), mt.tensor(a)
    expected[index] = -1
    x[index] = -1
    np.testing.assert_array_equal(x.numpy(), expected)


def test_indices_may_be_tensors() -> None:
    x = mt.arange(5.0)
    assert x[mt.tensor([3, 0])].tolist() == [3.0, 0.0]
    assert x[mt.tensor(2)].item() == 2.0
    assert x[mt.tensor(1) : mt.tensor(3)].tolist() == [1.0, 2.0]
    assert x[x > 2].tolist() == [3.0, 4.0]
    assert mt.eye(3)[mt.tensor([0, 1]), mt.tensor([0, 2])].tolist() == [1.0, 0.0]


def test_a_part_is_a_view() -> None:
    x = mt.zeros(2, 3)
    x[0].fill_(1)
    x[:, 1].mul_(5)
    x[1][2].add_(7)
    assert x.tolist() == [[1.0, 5.0, 1.0], [0.0, 0.0, 7.0]]
    row = mt.zeros(3)
    row[1].add_(2)  # NumPy would have given a number here
    assert row.tolist() == [0.0, 2.0, 0.0]
    copy = x[[0]]
    copy.fill_(9)
    assert x[0].tolist() == [1.0, 5.0, 1.0]


def test_elements_read_twice_get_both_gradients() -> None:
    x = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x[[0, 0, 2]] * mt.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [11.0, 0.0, 100.0]


def test_elements_written_twice_take_the_last() -> None:
    x = mt.zeros(3, requires_grad=True)
    value = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[[0, 0, 2]] = value
    assert y.tolist() == [2.0, 0.0, 3.0]
    (y * mt.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 10.0, 0.0]
    assert value.grad is not None and value.grad.tolist() == [0.0, 1.0, 100.0]


def test_scatter_takes_the_last_and_scatter_add_takes_all() -> None:
    x, index = mt.zeros(3), mt.tensor([1, 1, 0])
    src = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert x.scatter(0, index, src).tolist() == [3.0, 2.0, 0.0]
    assert x.scatter_add(0, index, src).tolist() == [3.0, 3.0, 0.0]
    weights = mt.tensor([1.0, 10.0, 100.0])
    assert mt.grad((x.scatter(0, index, src) * weights).sum(), [src])[0].tolist() == [0.0, 10.0, 1.0]
    assert mt.grad((x.scatter_add(0, index, src) * weights).sum(), [src])[0].tolist() == [10.0, 10.0, 1.0]


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 3), (1, 1, 2, 3)])
def test_a_written_value_broadcasts_and_gets_its_gradient(shape: Any) -> None:
    def write(x: mt.Tensor, value: mt.Tensor) -> mt.Tensor:
        y = x * 1
        y[1:, ::2] = value
        return y

    check_derivatives(write, [np.ones((3, 5)), np.random.default_rng(0).normal(size=shape)])


def test_writing_by_a_mask() -> None:
    def write(x: mt.Tensor, value: mt.Tensor) -> mt.Tensor:
        y = x * 2
        y[mt.tensor([[True, False], [True, True]])] = value
        return y * y

    check_derivatives(write, [np.ones((2, 2)), np.array([1.0, 2.0, 3.0])])
    check_derivatives(write, [np.ones((2, 2)), np.array(1.5)])


def test_augmented_assignment_to_a_part() -> None:
    def change(x: mt.Tensor) -> mt.Tensor:
        y = x * 1
        y[0] += 2 * x[1]
        y[:, 1] *= y[:, 0]
        y[y > 100] -= 1
        return y

    check_derivatives(change, [np.array([[1.0, 2.0], [3.0, 4.0]])])


def test_the_index_is_not_shared_with_the_learners_array() -> None:
    x = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    index = np.array([0, 1])
    y = x[index]
    index[:] = 2
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1.0, 1.0, 0.0]


def test_integers_into_integers_and_booleans() -> None:
    x = mt.zeros(3, dtype=int)
    x[0] = 5
    x[1] = True
    assert x.tolist() == [5, 1, 0]
    y = mt.zeros(2, dtype="float32")
    y[0] = 1
    y[1] = 0.5
    assert y.dtype == np.float32 and y.tolist() == [1.0, 0.5]
    mask = mt.zeros(4, dtype=bool)
    mask[0], mask[1:], mask[2] = 1, 1.0, 0
    assert mask.tolist() == [True, True, False, True]
    for value in (2, 0.5, mt.tensor([1, 0, 0, 1])):
        with pytest.raises(mt.errors.DtypeError, match="dtype bool without loss"):
            mask[:] = value


def test_gather_from_the_documentation_of_pytorch() -> None:
    t = mt.tensor([[1, 2], [3, 4]])
    assert mt.gather(t, 1, mt.tensor([[0, 0], [1, 0]])).tolist() == [[1, 1], [4, 3]]
    assert mt.take_along_dim(t, mt.argmax(t, dim=1, keepdim=True), 1).tolist() == [[2], [4]]
    assert mt.one_hot(mt.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_lists_and_arrays_as_indices_of_gather() -> None:
    x = mt.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert mt.gather(x, 1, np.array([[0], [1]])).tolist() == [[1.0], [4.0]]
    assert x.index_select(0, [1]).tolist() == [[3.0, 4.0]]
    assert x.take_along_dim(np.array([3, 0])).tolist() == [4.0, 1.0]


def test_a_tuple_inside_an_index_is_a_list() -> None:
    x = mt.arange(24).reshape(2, 3, 4)
    assert x[0, :, (0, 1)].shape == x[0, :, [0, 1]].shape == (3, 2)
    x[0, :, (0, 1)] = mt.zeros(3, 2, dtype=x.dtype)
    assert x[0, :, :2].sum() == 0


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("index", [0, [0], [0, 0]], ids=repr)
def test_gathering_and_scattering_without_axes(shape: Any, index: Any) -> None:
    """PyTorch treats a tensor or an index of one number as a vector, and gives the result the shape of it again."""
    torch = pytest.importorskip("torch")
    count = np.shape(index)
    calls = [
        lambda lib, x, s: x.gather(0, lib.tensor(index)),
        lambda lib, x, s: x.scatter_add(-1, lib.tensor(index), s),
        lambda lib, x, s: (x * 1).scatter_add_(0, lib.tensor(index), s),
        lambda lib, x, s: x.scatter(0, lib.tensor(index), 2.5),
    ]
    if count != (2,):  # of two writes to one place, PyTorch differentiates both
        calls.append(lambda lib, x, s: x.scatter(0, lib.tensor(index), s * 1))
    if count != (2,) or shape:  # PyTorch takes one of a tensor without axes, and not two
        calls.append(lambda lib, x, s: x.index_select(0, lib.tensor(index)))
    for call in calls:
        results = []
        for lib in (torch, mt):
            x = lib.tensor(np.full(shape, 1.5), requires_grad=True)
            s = lib.tensor(np.arange(1.0, 3.0)[: count[0]] if count else np.array(2.0), requires_grad=True)
            y = call(lib, x, s)
            found = lib.autograd.grad((y**3).sum(), [x, s], allow_unused=True)
            results.append([y.detach().numpy(), *(np.zeros(1) if g is None else g.numpy() for g in found)])
        for theirs, ours in zip(*results, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs)
    with pytest.raises(IndexError, match="outside"):
        mt.tensor(1.5).gather(0, mt.tensor(1))
    with pytest.raises(mt.errors.ShapeError):
        mt.zeros(2, 3).gather(0, mt.tensor(1))
