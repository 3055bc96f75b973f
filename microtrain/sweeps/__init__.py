"""Sweeps: a training run with many settings and seeds, in several processes or on a cluster, and what came of them."""

from .result import Finished, Sweep
from .sweep import SweepInterrupted, sweep
from .target import experiment

__all__ = ["Finished", "Sweep", "SweepInterrupted", "experiment", "sweep"]
