"""Counting elements and looking them up: PyTorch's answers, and clear words for wrong use."""

import numpy as np
import pytest

import microtrain as mt

RNG = np.random.default_rng(0)
A = RNG.integers(0, 3, size=(4, 5))
SORTED = np.sort(RNG.normal(size=(4, 6)))
CALLS = {
    **{
        f"unique {dim}": lambda lib, dim=dim: lib.unique(lib.tensor(A), True, True, True, dim=dim)
        for dim in (None, 0, 1, -1)
    },
    "unique rows": lambda lib: lib.unique(lib.tensor([[1, 2], [0, 2], [1, 2]]), dim=0),
    "unique alone": lambda lib: lib.tensor(A).unique(),
    "unique counts": lambda lib: lib.tensor(A).unique(return_counts=True),
    **{
        f"unique_consecutive {dim}": lambda lib, dim=dim: lib.tensor(A // 2).unique_consecutive(True, True, dim=dim)
        for dim in (None, 0, 1)
    },
    "unique_consecutive slices": lambda lib: lib.unique_consecutive(lib.tensor([[1, 1, 2], [3, 3, 3]]), dim=1),
    "unique_consecutive alone": lambda lib: lib.tensor([1, 1, 2, 1, 1]).unique_consecutive(),
    "unique_consecutive of nothing": lambda lib: lib.zeros(0).unique_consecutive(return_counts=True),
    "bincount": lambda lib: lib.tensor(A).reshape(-1).bincount(lib.tensor(A).reshape(-1) * 0.5, 7),
    "histc": lambda lib: lib.tensor(SORTED).histc(5, -1, 1),
    **{
        f"histc {low} to {high}": lambda lib, low=low, high=high: lib.tensor(SORTED).histc(5, low, high)
        for low, high in ((0, 0), (1, 1), (-2.5, -2.5))
    },
    "histc of one value": lambda lib: lib.full((3,), 2.0, dtype=lib.float64).histc(4, 1, 1),
    "unique NaN": lambda lib: lib.unique(lib.tensor([[np.nan, 1.0], [np.nan, 1.0]]), True, True, True),
    "isin": lambda lib: lib.isin(lib.tensor([1, 2, 3]), lib.tensor([3, 1])),
    "isin of different elements": lambda lib: lib.isin(lib.tensor([1, 2]), lib.tensor([2, 5]), assume_unique=True),
    "searchsorted": lambda lib: lib.searchsorted(lib.tensor(SORTED[0]), lib.tensor(SORTED), right=True),
    "searchsorted rows": lambda lib: lib.searchsorted(lib.tensor(SORTED), lib.tensor(SORTED[:, 2:4]), out_int32=True),
    "searchsorted sorter": lambda lib: lib.searchsorted(
        lib.tensor([3.0, 1.0, 2.0]), lib.tensor([0.5, 1.0, 9.0]), side="right", sorter=lib.tensor([1, 2, 0])
    ),
    "bucketize": lambda lib: lib.bucketize(lib.tensor(SORTED), lib.tensor([-1.0, 0.0, 1.0]), out_int32=True),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore:.*searchsorted")
def test_equal_pytorchs(name):
    torch = pytest.importorskip("torch")
    theirs, ours = ([*y] if isinstance(y, tuple) else [y] for y in (CALLS[name](torch), CALLS[name](mt)))
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        assert b.numpy().dtype == a.numpy().dtype or b.is_floating_point()  # the default is another
        np.testing.assert_array_equal(b.numpy(), a.numpy())


def test_histc_of_whole_numbers_counts_beyond_their_range():
    assert mt.full((300,), 1, dtype=mt.uint8).histc(1).tolist() == [300]
    assert mt.tensor([True, False]).histc(2).tolist() == [1, 1]


def test_a_number_is_its_own_unique():
    assert [x.tolist() for x in mt.tensor(3.0).unique_consecutive(True, True)] == [[3], 0, [1]]
    assert mt.tensor(3.0).unique().tolist() == [3]
    assert mt.searchsorted(mt.tensor([1.0, 2.0]), 1.5).item() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: mt.searchsorted(x, x[:1]), lambda x: mt.searchsorted(x[0, 0], x), lambda x: mt.bucketize(x, x),
        lambda x: mt.searchsorted(x, x, side="up"), lambda x: x.unique(dim=2), lambda x: x.unique_consecutive(dim=-3),
        lambda x: x.bincount(), lambda x: x.histc(2, 3, 1), lambda x: x.histc(2, 0, float("inf")),
    ],
)  # fmt: skip
def test_wrong_use_raises_our_errors(wrong):
    with pytest.raises(mt.MicrotrainError):
        wrong(mt.zeros(3, 4))
