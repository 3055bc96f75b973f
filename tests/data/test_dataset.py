"""Data sets made of others, and data sets that give many samples at once."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.utils import data as ours


def numbers(data):
    """A class of samples by number that can give many at once, and says what it was asked for."""

    class Numbers(data.Dataset):
        def __init__(self, n, factor=1):
            self.n, self.factor, self.asked = n, factor, []

        def __len__(self):
            return self.n

        def __getitem__(self, k):
            self.asked.append(k)
            return k * self.factor, -k

        def __getitems__(self, indices):
            self.asked.append(list(indices))
            return [(k * self.factor, -k) for k in indices]

    return Numbers


def listed(x):
    """Batches as lists."""
    if isinstance(x, dict):
        return {key: listed(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [listed(part) for part in x]  # a sample by itself stays a tuple here, and becomes a list in PyTorch
    return x.tolist() if hasattr(x, "tolist") else x


def asked_at_once(lib, data):
    """Every way in which a loader may ask for many samples at once."""
    kind, said = numbers(data), []

    class Doubled(data.Subset):
        def __getitem__(self, k):
            return self.dataset[self.indices[k]][0] * 2

        def __getitems__(self, indices):
            return [self[k] for k in indices]

    plain = [10, 11, 12, 13, 14]
    for make in (
        lambda n: n,
        lambda n: data.Subset(n, [4, 0, 2]),
        lambda n: data.Subset(data.Subset(n, [4, 0, 2]), [2, 1]),
        lambda n: Doubled(n, [4, 0, 2]),
        lambda n: data.StackDataset(n, plain),
        lambda n: data.StackDataset(a=n, b=plain, c=data.TensorDataset(lib.arange(5))),
        lambda n: data.ConcatDataset([n, n]),
        lambda n: n + data.Subset(n, [3]),
    ):
        n = kind(5, 3)
        dataset = make(n)
        for options in ({"batch_size": 2}, {"batch_size": None}, {"batch_sampler": [[0, 1], [1]]}):
            said.append(listed(list(data.DataLoader(dataset, **options))))
        said += [len(dataset), dataset[1], n.asked]
        said.append(listed(list(data.DataLoader(dataset, 2, collate_fn=lambda batch: batch))))
    return said


@pytest.mark.oracle
def test_many_samples_at_once_as_in_pytorch():
    torch = pytest.importorskip("torch")
    from torch.utils import data as theirs

    assert repr(asked_at_once(mt, ours)) == repr(asked_at_once(torch, theirs))


def test_many_samples_at_once():
    n = numbers(ours)(5)
    assert [x.tolist() for x, _ in ours.DataLoader(n, 2)] == [[0, 1], [2, 3], [4]]
    assert n.asked == [[0, 1], [2, 3], [4]]
    whole = ours.DataLoader(n, 5, collate_fn=lambda batch: batch)
    assert next(iter(whole)) == [(k, -k) for k in range(5)]


def chained(data):
    """What chains of streams give."""

    class Stream(data.IterableDataset):
        def __init__(self, *items):
            self.items = items

        def __iter__(self):
            return iter(self.items)

        def __len__(self):
            return len(self.items)

    both = Stream(1, 2) + Stream(3)
    chain = data.ChainDataset([both, Stream(), Stream(4, 5)])
    loader = data.DataLoader(chain, 2)
    return list(both), list(chain), len(chain), len(loader), listed(list(loader)), type(both).__name__


@pytest.mark.oracle
def test_chains_as_in_pytorch():
    pytest.importorskip("torch")
    from torch.utils import data as theirs

    assert chained(ours) == chained(theirs)


def test_a_chain_goes_through_its_streams_again_each_epoch():
    class Stream(ours.IterableDataset):
        def __iter__(self):
            yield from range(3)

    chain = ours.ChainDataset([Stream(), Stream()])
    assert list(chain) == list(chain) == [0, 1, 2, 0, 1, 2]
    assert [x.tolist() for x in ours.DataLoader(chain, 4)] == [[0, 1, 2, 0], [1, 2]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.StackDataset(), "by position or by keyword"),
        (lambda: ours.StackDataset([1], a=[1]), "by position or by keyword"),
        (lambda: ours.StackDataset([1], [1, 2]), r"\[1, 2\]"),
        (lambda: list(ours.ChainDataset([[1, 2]])), "not of list"),
        (lambda: len(ours.ChainDataset([[1, 2]])), "not of list"),
        (lambda: ours.ConcatDataset([ours.IterableDataset()]), "ChainDataset"),
        (lambda: ours.ConcatDataset([[1, 2], [3]])[3], "number 3 among 3"),
        (lambda: ours.ConcatDataset([[1, 2], [3]])[-4], "number -4 among 3"),
        (lambda: ours.DataLoader([1, 2, 3], batch_size=2.5), "2.5 is not a positive number"),
        (lambda: ours.DataLoader([1, 2, 3], batch_size="2"), "'2' is not a positive number"),
        (lambda: ours.DataLoader([1, 2, 3], batch_size=True), "True is not a positive number"),
        (lambda: ours.DataLoader([1, 2, 3], batch_size=-1), "-1 is not a positive number"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(mt.MicrotrainError, match=message):
        call()


def test_too_few_samples_at_once_are_noticed():
    class Short(numbers(ours)):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(mt.errors.ShapeError, match="for 2 numbers"):
        list(ours.DataLoader(ours.StackDataset(Short(3), [1, 2, 3]), 2))


def test_batch_sizes_may_be_numpy_numbers():
    assert len(ours.DataLoader([1, 2, 3], np.int64(2))) == 2
