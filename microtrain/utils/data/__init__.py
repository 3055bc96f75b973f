"""Data sets, samplers and the loader, under PyTorch's names for the modules. They live in `microtrain.data`."""

from typing import Any

from ...pytorch.missing import refuse as _refuse
from .dataloader import *  # noqa: F403
from .dataset import *  # noqa: F403
from .sampler import *  # noqa: F403


def get_worker_info() -> None:
    """None: samples are loaded by the one process there is."""


def __getattr__(name: str) -> Any:
    return _refuse(__name__, name, globals())
