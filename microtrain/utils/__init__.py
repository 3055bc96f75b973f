"""PyTorch's place for the data loader: `from microtrain.utils.data import DataLoader`."""

from typing import Any

from ..pytorch.missing import refuse as _refuse
from . import data as data


def __getattr__(name: str) -> Any:
    return _refuse(__name__, name, globals())
