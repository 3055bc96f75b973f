"""Samplers, batches chosen by hand, streams of samples, and PyTorch's places for them."""

from __future__ import annotations

import collections
import itertools

import numpy as np
import pytest

import microtrain as mt
from microtrain.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from microtrain.train import randomness


def generator():
    return mt.Generator(3)


class Numbers(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


class Forever(Sampler):
    def __iter__(self):
        return itertools.cycle([2, 0])


def test_orders():
    data = range(7)
    assert list(SequentialSampler(data)) == list(range(7)) and len(SequentialSampler(data)) == 7
    order = list(RandomSampler(data, generator=generator()))
    assert sorted(order) == list(range(7)) and order != list(range(7))
    assert all(type(i) is int for i in order)
    assert order == list(RandomSampler(data, generator=generator()))
    same = DataLoader(mt.arange(7), 7, shuffle=True, generator=generator())
    assert next(iter(same)).tolist() == order, "shuffle=True is this sampler"
    rounds = RandomSampler(data, num_samples=16, generator=generator())
    drawn = list(rounds)
    assert len(rounds) == 16 and sorted(drawn[:7]) == sorted(drawn[7:14]) == list(range(7))
    assert len(list(RandomSampler(data, num_samples=3))) == 3
    again = list(RandomSampler(data, replacement=True, num_samples=200, generator=generator()))
    assert len(again) == 200 and set(again) == set(range(7))
    part = SubsetRandomSampler([4, 1, 6], generator())
    assert sorted(part) == [1, 4, 6] and len(part) == 3
    assert sorted(SubsetRandomSampler(mt.tensor([4, 1]))) == [1, 4]


def test_weights():
    sampler = WeightedRandomSampler(mt.tensor([1.0, 0.0, 3.0]), 4000, generator=generator())
    share = collections.Counter(sampler)
    assert len(sampler) == 4000 and share[1] == 0 and abs(share[2] / 4000 - 0.75) < 0.03
    assert sorted(WeightedRandomSampler([1, 0, 3], 2, replacement=False)) == [0, 2]
    for weights, n, options in ([[1, 0], 2, {"replacement": False}], [[-1, 2], 1, {}], [[0, 0], 1, {}], [[1], 0, {}]):
        with pytest.raises(mt.MicrotrainError, match="WeightedRandomSampler"):
            WeightedRandomSampler(weights, n, **options)
    with pytest.raises(mt.MicrotrainError, match="RandomSampler: True"):
        RandomSampler([1], num_samples=True)


def test_batches_chosen_by_hand():
    data = TensorDataset(mt.arange(10) * 10)
    batches = BatchSampler(SequentialSampler(data), 4)
    assert list(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] and len(batches) == 3
    assert len(list(BatchSampler(range(10), 4, drop_last=True))) == len(BatchSampler(range(10), 4, True)) == 2
    loader = DataLoader(data, batch_sampler=[[1], [5, 5, 0], [9, 2]])
    assert [x.tolist() for (x,) in loader] == [[10], [50, 50, 0], [90, 20]] and len(loader) == 3
    for options in ({"batch_size": 2}, {"shuffle": True}, {"sampler": [1]}, {"drop_last": True}):
        with pytest.raises(mt.MicrotrainError, match="batch_sampler"):
            DataLoader(data, batch_sampler=batches, **options)


def test_the_rest_of_an_epoch_of_chosen_batches():
    data = mt.arange(10)
    loader = DataLoader(data, batch_sampler=BatchSampler(RandomSampler(data, generator=generator()), 3))
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    rest = [x.tolist() for x in batches]
    other = DataLoader(data, batch_sampler=BatchSampler(RandomSampler(data), 3))
    other.load_state_dict(state)
    assert [x.tolist() for x in other] == rest and other.state_dict() == {}
    for wrong in (DataLoader(data, 3), DataLoader(Numbers(10), 3)):
        with pytest.raises(mt.MicrotrainError, match="not the state of a loader"):
            wrong.load_state_dict(state)
    assert len(randomness.streams([loader])) == 2, "the generator of the sampler of the batches, and the default one"


def test_streams():
    assert [b.tolist() for b in DataLoader(Numbers(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in DataLoader(Numbers(5), 2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Numbers(3), batch_size=None)) == [0, 1, 2]
    with pytest.raises(TypeError):
        len(DataLoader(Numbers(5), 2))
    with pytest.raises(mt.MicrotrainError, match="order of its own"):
        DataLoader(Numbers(5), shuffle=True)
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(IterableDataset())


def test_samplers_without_an_end():
    loader = DataLoader(mt.arange(3) * 5, 3, sampler=Forever())
    assert [x.tolist() for x in itertools.islice(loader, 2)] == [[10, 0, 10], [0, 10, 0]]
    assert loader.state_dict() == {} and loader.epoch() is None
    with pytest.raises(NotImplementedError, match="__iter__"):
        list(Sampler())


def test_samples_without_batches():
    class Rows(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, k):
            return {"x": np.full(2, k), "name": str(k)}, (k, np.float32(k))

    (row, (number, part)), _ = DataLoader(Rows(), batch_size=None)
    assert isinstance(row["x"], mt.Tensor) and row["name"] == "0" and number == 0 and part.dtype == mt.float32
    assert len(DataLoader(Rows(), batch_size=None)) == 2
    assert list(DataLoader(Rows(), None, collate_fn=lambda sample: sample[1][0])) == [0, 1]
    with pytest.raises(mt.MicrotrainError, match="no last one"):
        DataLoader(Rows(), None, drop_last=True)


def test_parts_of_samples():
    Pair = collections.namedtuple("Pair", "a b")
    batch = next(iter(DataLoader([Pair(1, 2.0), Pair(3, 4.0)], 2)))
    assert isinstance(batch, Pair) and batch.a.tolist() == [1, 3] and batch.b.tolist() == [2.0, 4.0]
    for samples in ([(1, 2), (1,)], [np.zeros(2), np.zeros(3)]):
        with pytest.raises(mt.MicrotrainError, match="collate_fn"):
            list(DataLoader(samples, 2))
    joined = TensorDataset(mt.arange(2)) + TensorDataset(mt.arange(3))
    assert [x.item() for (x,) in (joined[k] for k in range(len(joined)))] == [0, 1, 0, 1, 2]


def test_pytorchs_order_of_arguments_and_places():
    assert mt.utils.data.dataloader.DataLoader is DataLoader and mt.utils.data.get_worker_info() is None
    assert mt.utils.data.sampler.SubsetRandomSampler is SubsetRandomSampler
    assert mt.utils.data.dataset.TensorDataset is TensorDataset
    assert mt.utils.data.default_collate([1, 2]).tolist() == [1, 2]
    batch = list(DataLoader(range(5), 2, None, [3, 4, 1], None, 2, list, True, True, 0, None))
    assert batch == [[3, 4]], "dataset, batch_size, shuffle, sampler, batch_sampler, num_workers, collate_fn ..."


def test_samples_one_by_one_under_any_keys():
    x = mt.arange(10)
    batches = DataLoader(x, batch_size=None, sampler=BatchSampler(SequentialSampler(x), 4, False))
    assert [batch.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(DataLoader({"a": 1, "b": 2}, batch_size=None, sampler=["b", "a"])) == [2, 1]


@pytest.mark.parametrize("options", [{"sampler": [0.5]}, {"batch_sampler": [[0.7]]}])
def test_what_is_no_number_of_a_sample_is_refused(options):
    with pytest.raises(mt.MicrotrainError, match="which is not the number of a sample"):
        list(DataLoader(mt.arange(3), **options))


def test_nothing_can_be_drawn_from_no_samples():
    with pytest.raises(mt.MicrotrainError, match="no samples"):
        list(RandomSampler([]))
