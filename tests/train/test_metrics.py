"""Accuracy and the confusion matrix: right, and never a number for what does not belong together."""

import numpy as np
import pytest

import microtrain as mt
from microtrain.errors import ArgumentError, DtypeError, ShapeError
from microtrain.train import accuracy, confusion_matrix


def test_accuracy_of_many_and_of_two_classes():
    assert accuracy(mt.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]]), mt.tensor([1, 0, 0])) == 2 / 3
    assert accuracy(mt.tensor([1.5, -2.0, 0.5, 0.0]), mt.tensor([1, 0, 0, 0])) == 3 / 4  # one logit each
    assert accuracy(mt.tensor([[1.5], [-2.0], [0.5]]), mt.tensor([1, 0, 0])) == 2 / 3
    assert accuracy(mt.tensor([[1.5], [-2.0], [0.5]]), mt.tensor([[1], [0], [0]])) == 2 / 3
    assert accuracy(mt.tensor([0.0, 3.0]), mt.tensor(1)) == 1.0  # one sample
    assert np.isnan(accuracy(mt.zeros(0, 3), mt.zeros(0).long()))


@pytest.mark.parametrize(("logits", "labels"), [((4, 3), (4, 1)), ((4,), (3,)), ((4, 3), (5,))])
def test_accuracy_of_what_does_not_fit(logits, labels):
    with pytest.raises(ShapeError, match=r"squeeze\(-1\)"):
        accuracy(mt.zeros(*logits), mt.zeros(*labels).long())


def test_confusion_counts_rows_of_labels():
    counts = confusion_matrix(mt.tensor([0, 1, 1, 2]), [0, 1, 2, 2], 3)
    assert counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert confusion_matrix([True, False], [True, True], 2).tolist() == [[0, 0], [1, 1]]
    assert confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]


def test_confusion_of_what_is_no_class():
    with pytest.raises(ArgumentError, match="predictions from 0 to 5, for 3 classes"):
        confusion_matrix([0, 5], [0, 1], 3)
    with pytest.raises(ArgumentError, match="labels from -1 to 0"):  # NumPy would count from the end
        confusion_matrix([0, 1], [-1, 0], 3)
    with pytest.raises(DtypeError, match=r"logits\.argmax\(-1\)"):
        confusion_matrix(mt.tensor([0.2, 0.8]), [0, 1], 2)
    with pytest.raises(ShapeError):
        confusion_matrix([0, 1], [0], 2)
