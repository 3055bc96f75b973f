"""Data sets and the loader, under PyTorch's name for the module. They live in `microtrain.data`."""

from ..data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split
from ..data.loader import collate as default_collate

__all__ = ["ConcatDataset", "DataLoader", "Dataset", "Subset", "TensorDataset", "default_collate", "random_split"]
