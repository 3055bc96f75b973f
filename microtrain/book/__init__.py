"""The book, run: every claim that it makes about losses and training, measured with this framework.

`items()` lists them, `run(id)` runs one. The folders follow the book's texts:

    losses_geometry     4.1  losses from probability and geometry
    losses_structure    4.2  their structure, and what it does to optimisation
    optimizers               how deep learning is optimised
    dynamics                 the dynamics of gradient descent
    training            6    training models

Each file holds the items of one topic (see `entry` for how one is written).
"""

from .catalogue import get, items, run
from .entry import Item, item
from .run import Run

__all__ = ["Item", "Run", "get", "item", "items", "run"]
