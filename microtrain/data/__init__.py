"""Data: the embedded digits, data sets and loaders."""

from .dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from .digits import DIGITS_CITATION, Digits, load_digits
from .loader import DataLoader

__all__ = [
    "DIGITS_CITATION",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Digits",
    "Subset",
    "TensorDataset",
    "load_digits",
    "random_split",
]
