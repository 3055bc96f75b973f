"""PyTorch's place for samplers: `from microtrain.utils.data.sampler import SubsetRandomSampler`."""

from typing import Any

from ...data.sampler import *  # noqa: F403
from ...pytorch.missing import refuse as _refuse


def __getattr__(name: str) -> Any:
    return _refuse(__name__, name, globals())
