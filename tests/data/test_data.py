"""The digits, data sets, loaders."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.data import DataLoader, TensorDataset, load_digits


def test_digits_are_the_1797_images_split_once_and_for_all():
    digits = load_digits()
    assert digits.train_images.shape == (1437, 64) and digits.test_images.shape == (360, 64)
    assert digits.train_images.dtype == mt.float64 and digits.test_labels.dtype == mt.int64
    assert digits.train_images.min().item() == 0 and digits.train_images.max().item() == 1
    again = load_digits(mt.float32)
    assert again.test_images.dtype == mt.float32
    np.testing.assert_array_equal(again.test_labels.numpy(), digits.test_labels.numpy())
    counts = np.bincount(np.concatenate([digits.train_labels.numpy(), digits.test_labels.numpy()]))
    np.testing.assert_array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    assert np.bincount(digits.test_labels.numpy()).min() > 20


def test_loader_shows_every_sample_once_an_epoch_in_seeded_order():
    data = TensorDataset(mt.arange(10), mt.arange(10) * 2)

    def epochs(seed):
        loader = DataLoader(data, 3, shuffle=True, generator=mt.Generator(seed))
        return [[int(x) for xs, _ in loader for x in xs] for _ in range(2)]

    first, second = epochs(0)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second and epochs(0) == [first, second] and epochs(1) != [first, second]


def test_loader_sizes():
    x = mt.arange(10)
    assert [len(b) for b in DataLoader(x, 4)] == [4, 4, 2]
    assert [len(b) for b in DataLoader(x, 4, drop_last=True)] == [4, 4]
    assert len(DataLoader(x, 4)) == 3 and len(DataLoader(x, 4, drop_last=True)) == 2
    assert [int(v) for b in DataLoader(x, 4) for v in b] == list(range(10))


@pytest.mark.oracle
def test_the_kinds_of_batches_are_pytorchs():
    torch = pytest.importorskip("torch")
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6)

    def kinds(lib, data):
        x_, y_ = lib.tensor(x), lib.tensor(y)
        pairs = data.TensorDataset(x_, y_)
        sets = [x_, data.Subset(x_, [5, 0, 2, 1]), pairs, data.Subset(pairs, [1, 0, 4]), data.TensorDataset(x_)]
        sets += [x, list(x_), [(a, int(b)) for a, b in zip(x_, y_, strict=True)]]
        options = [{"batch_size": 4}, {"batch_size": None}, {"batch_size": 3, "drop_last": True}]
        return [[described(b) for b in data.DataLoader(s, **o)] for s in sets for o in options]

    def described(batch):
        return [*map(described, batch)] if type(batch) is list else (type(batch).__name__, np.asarray(batch).tolist())

    assert kinds(mt, mt.utils.data) == kinds(torch, torch.utils.data)


def test_batches_of_one_tensor_go_through_compiled_steps():
    x, total = mt.arange(10.0), mt.zeros(1)

    def step(part):
        total.add_(part.sum())
        return part.sum()

    sums = mt.compile(step).minibatches(DataLoader(x, 4), epochs=3)
    assert sums.tolist() == [6, 22, 17] * 3 and total.item() == 135


def test_arrays_are_tensors_of_a_data_set():
    x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    for pairs in (TensorDataset(x, y), (x, y), (mt.tensor(x), y)):
        a, b = next(iter(DataLoader(pairs, 2)))
        assert isinstance(a, mt.Tensor) and a.tolist() == [[0, 1], [2, 3]]
        assert isinstance(b, mt.Tensor) and b.dtype == mt.int64 and b.tolist() == [0, 1]


def test_mistakes_are_explained():
    with pytest.raises(mt.MicrotrainError, match=r"\(3,\), \(4,\)"):
        TensorDataset(mt.zeros(3), mt.zeros(4))
    with pytest.raises(mt.MicrotrainError, match="not a positive number of samples"):
        DataLoader(mt.zeros(3), 0)
    with pytest.raises(mt.MicrotrainError, match="empty"):
        DataLoader(mt.zeros(0, 3), 1)
