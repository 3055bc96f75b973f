"""What is measured about a classifier besides its loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of samples whose largest logit is that of the right class; logits (n, classes), labels (n,)."""
    right = logits.detach().numpy().argmax(-1) == np.asarray(labels)
    return float(np.count_nonzero(right) / right.size)


def confusion_matrix(predicted: Any, labels: Any, classes: int) -> np.ndarray[Any, Any]:
    """How often class i (row) was taken for class j (column); shape (classes, classes)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (np.asarray(labels), np.asarray(predicted)), 1)
    return counts
