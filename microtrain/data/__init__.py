"""Data: the embedded digits, the book's points, generators, data sets and loaders."""

from typing import Any

from ..calling.signatures import (
    explain_constructors as _explain_constructors,
    explain_functions as _explain_functions,
)
from ..pytorch.missing import refuse as _refuse
from .classification import (
    make_blobs,
    make_imbalanced,
    make_moons,
    make_separable,
    make_spirals,
    make_wilson,
    make_xor,
)
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .digits import DIGITS_CITATION, Digits, load_digits
from .loader import DataLoader
from .points import Samples, gabor_points, line_points
from .regression import make_collinear, make_gabor, make_line, make_regression
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "DIGITS_CITATION",
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Digits",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "Samples",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
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

_explain_constructors([globals()[_name] for _name in __all__])
_explain_functions(globals(), __all__)


def __getattr__(name: str) -> Any:
    return _refuse(__name__, name, __all__)
