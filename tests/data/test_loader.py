"""Data sets of one's own, parts of data sets, and batches of anything."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split
from microtrain.data.loader import collate


class Squares(Dataset):
    def __len__(self):
        return 7

    def __getitem__(self, k):
        return np.array([k, k * k]), {"label": k % 2, "name": str(k)}


def test_a_data_set_of_ones_own():
    batches = list(DataLoader(Squares(), batch_size=3))
    assert len(batches) == 3 and len(DataLoader(Squares(), 3, drop_last=True)) == 2
    x, more = batches[1]
    assert x.tolist() == [[3, 9], [4, 16], [5, 25]] and more["label"].tolist() == [1, 0, 1]
    assert more["name"] == ["3", "4", "5"] and isinstance(more["label"], mt.Tensor)
    assert next(iter(DataLoader([(1.0, 2), (3.0, 4)], 2)))[0].tolist() == [1, 3]
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
    with pytest.raises(mt.MicrotrainError, match="length"):
        DataLoader(iter([1, 2]))


def test_samplers_and_collating():
    loader = DataLoader(Squares(), 2, sampler=[5, 1, 0], collate_fn=lambda samples: [s[0].tolist() for s in samples])
    assert list(loader) == [[[5, 25], [1, 1]], [[0, 0]]] and len(loader) == 2
    assert len(list(DataLoader(Squares(), 2, sampler=[5, 1, 0], drop_last=True))) == 1
    with pytest.raises(mt.MicrotrainError, match="not both"):
        DataLoader(Squares(), shuffle=True, sampler=[1])
    assert collate([mt.ones(2), mt.zeros(2)]).shape == (2, 2) and collate([True, False]).dtype == np.bool_
    assert collate([np.float32(1), np.float32(2)]).dtype == mt.float32
    one = [DataLoader(Squares(), 7, shuffle=True, generator=mt.Generator(s)) for s in (0, 0, 1)]
    orders = [next(iter(loader))[0][:, 0].tolist() for loader in one]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[0]) == list(range(7))


def test_what_a_loader_was_made_with():
    loader = DataLoader(Squares(), 2, num_workers=2, pin_memory=True, timeout=3)
    assert (loader.batch_size, loader.num_workers, loader.pin_memory, loader.timeout) == (2, 2, True, 3)
    assert len(loader.dataset) == 7 and not loader.drop_last


def test_parts():
    data = TensorDataset(mt.arange(10), mt.arange(10) * 2)
    part = Subset(data, [7, 3, 5])
    assert len(part) == 3 and part[1][0].item() == 3
    assert [x.tolist() for x, _ in DataLoader(part, 2)] == [[7, 3], [5]]
    both = ConcatDataset([part, data])
    assert len(both) == 13 and [both[k][0].item() for k in (0, 2, 3, 12, -1)] == [7, 5, 0, 9, 9]
    train, test = random_split(data, [8, 2], mt.Generator(0))
    assert sorted([*train.indices, *test.indices]) == list(range(10)) and len(test) == 2
    assert [len(p) for p in random_split(data, [0.5, 0.25, 0.25])] == [6, 2, 2]
    for wrong in ([8, 3], [12, -2]):
        with pytest.raises(mt.MicrotrainError, match="random_split"):
            random_split(data, wrong)
