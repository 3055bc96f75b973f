"""Data: the embedded digits, the book's points, generators, data sets and loaders."""

from .classification import (
    make_blobs,
    make_imbalanced,
    make_moons,
    make_separable,
    make_spirals,
    make_wilson,
    make_xor,
)
from .dataset import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from .digits import DIGITS_CITATION, Digits, load_digits
from .loader import DataLoader
from .points import Samples, gabor_points, line_points
from .regression import make_collinear, make_gabor, make_line, make_regression

__all__ = [
    "DIGITS_CITATION",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Digits",
    "Samples",
    "Subset",
    "TensorDataset",
    "gabor_points",
    "line_points",
    "load_digits",
    "make_blobs",
    "make_collinear",
    "make_gabor",
    "make_imbalanced",
    "make_line",
    "make_moons",
    "make_regression",
    "make_separable",
    "make_spirals",
    "make_wilson",
    "make_xor",
    "random_split",
]
