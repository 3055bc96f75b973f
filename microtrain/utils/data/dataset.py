"""PyTorch's place for data sets: `from microtrain.utils.data.dataset import Dataset`."""

from ...data.dataset import *  # noqa: F403
