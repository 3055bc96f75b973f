"""Training: the loop, what it records, and how it reports."""

from .history import History
from .loop import evaluate, fit
from .metrics import accuracy, confusion_matrix

__all__ = ["History", "accuracy", "confusion_matrix", "evaluate", "fit"]
