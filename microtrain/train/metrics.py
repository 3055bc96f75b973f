"""What is measured about a classifier besides its loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """The share of samples that get the right class; NaN of none.

    Logits (n, classes) stand for the class of the largest, logits (n,) or (n, 1) for class 1 where they are above 0
    (those of `LogisticRegression`, say); labels (n,). Raises `ShapeError` for other shapes.
    """
    z, t = logits.detach().numpy(), np.asarray(labels)
    if z.shape in (t.shape, (*t.shape, 1)):
        found = z.reshape(t.shape) > 0
    elif z.shape[:-1] == t.shape:
        found = z.argmax(-1)
    else:
        raise ShapeError(
            f"accuracy(): logits {z.shape} and labels {t.shape}.",
            "There is one label for each row of logits, or for each logit where there are two classes.",
            "Labels are the numbers of the classes: labels.squeeze(-1), or labels.argmax(-1) if they are one-hot.",
        )
    right = found == t
    return float(np.count_nonzero(right) / right.size) if right.size else float("nan")


def confusion_matrix(predicted: Any, labels: Any, classes: int) -> np.ndarray[Any, Any]:
    """How often class i (row) was taken for class j (column); shape (classes, classes).

    Raises `ShapeError` unless there is a label for each prediction, `ArgumentError` for a class that is not in
    0 ... classes - 1, `DtypeError` for what is no class at all, such as logits.
    """
    rows, columns = np.asarray(labels), np.asarray(predicted)
    if rows.shape != columns.shape:
        raise ShapeError(f"confusion_matrix(): {columns.shape} predictions and {rows.shape} labels.")
    for name, given in (("predictions", columns), ("labels", rows)):
        if given.size and given.dtype.kind not in "iub":
            raise DtypeError(f"confusion_matrix(): {name} of dtype {given.dtype}.", fix="Classes: logits.argmax(-1).")
        if given.size and not (given.min() >= 0 and given.max() < classes):
            raise ArgumentError(
                f"confusion_matrix(): {name} from {given.min()} to {given.max()}, for {classes} classes.",
                fix=f"Classes are numbered 0 to {classes - 1}.",
            )
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (rows.astype(np.int64), columns.astype(np.int64)), 1)
    return counts
