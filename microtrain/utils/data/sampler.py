"""PyTorch's place for samplers: `from microtrain.utils.data.sampler import SubsetRandomSampler`."""

from ...data.sampler import *  # noqa: F403
