"""Data: the embedded digits, data sets and loaders."""

from .dataset import DataLoader, TensorDataset
from .digits import DIGITS_CITATION, Digits, load_digits

__all__ = ["DIGITS_CITATION", "DataLoader", "Digits", "TensorDataset", "load_digits"]
