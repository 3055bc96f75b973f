"""Sequences of different lengths in one batch."""

from __future__ import annotations

import numpy as np
import pytest

import microtrain as mt
from microtrain.data import DataLoader
from microtrain.nn import utils
from microtrain.nn.utils.rnn import pad_sequence, unpad_sequence


def test_padding_and_back():
    each = [mt.arange(n) + 1 for n in (3, 1, 2)]
    assert pad_sequence(each).tolist() == [[1, 1, 1], [2, 0, 2], [3, 0, 0]]
    rows = pad_sequence(each, batch_first=True, padding_value=-1)
    assert rows.tolist() == [[1, 2, 3], [1, -1, -1], [1, 2, -1]] and rows.dtype == mt.int64
    left = pad_sequence(iter(each), True, padding_side="left")
    assert left.tolist() == [[1, 2, 3], [0, 0, 1], [0, 1, 2]]
    for lengths in ([3, 1, 2], mt.tensor([3, 1, 2])):
        assert [x.tolist() for x in unpad_sequence(rows, lengths, batch_first=True)] == [x.tolist() for x in each]
        assert [x.tolist() for x in unpad_sequence(rows.T, lengths)] == [x.tolist() for x in each]


def test_gradients_reach_each_sequence():
    a, b = (mt.ones(n, 2, requires_grad=True) for n in (3, 1))
    batch = pad_sequence([a, b], batch_first=True)
    assert batch.shape == (2, 3, 2) and batch[1, 1:].abs().sum() == 0
    (batch * mt.arange(12.0).reshape(2, 3, 2)).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), np.arange(6.0).reshape(3, 2))
    assert b.grad.tolist() == [[6, 7]]


def test_in_a_loader():
    words = [mt.tensor([1, 2]), mt.tensor([3]), mt.tensor([4, 5, 6])]
    batches = DataLoader(words, 2, collate_fn=lambda batch: pad_sequence(batch, True))
    assert [b.tolist() for b in batches] == [[[1, 2], [3, 0]], [[4, 5, 6]]]


def test_mistakes_are_explained():
    for wrong in ([], [mt.ones(2), mt.ones(2, 3)], [mt.ones(2, 2), mt.ones(2, 3)], [mt.tensor(1.0)]):
        with pytest.raises(mt.MicrotrainError, match="pad_sequence"):
            pad_sequence(wrong)
    with pytest.raises(mt.MicrotrainError, match="padding_side"):
        pad_sequence([mt.ones(2)], padding_side="top")
    for lengths in ([1], [1, 9], [1, -1]):
        with pytest.raises(mt.MicrotrainError, match="unpad_sequence"):
            unpad_sequence(mt.ones(3, 2), lengths)
    with pytest.raises(NotImplementedError, match="pad_sequence and a mask"):
        utils.rnn.pack_padded_sequence
    with pytest.raises(NotImplementedError, match=r"torch\.nn\.utils\.weight_norm is not in microtrain"):
        utils.weight_norm
    with pytest.raises(AttributeError, match="clip_grad_norm_"):
        utils.clip_grad_norm
