"""Data sets, samplers and the loader, under PyTorch's names for the modules. They live in `microtrain.data`."""

from .dataloader import *  # noqa: F403
from .dataset import *  # noqa: F403
from .sampler import *  # noqa: F403


def get_worker_info() -> None:
    """None: samples are loaded by the one process there is."""
