"""PyTorch's place for the data loader: `from microtrain.utils.data import DataLoader`."""

from . import data as data
