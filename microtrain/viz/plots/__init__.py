"""Pictures with matplotlib. Every function takes `ax=None` and returns the Axes it drew on."""

from .classification import confusion, images
from .curves import learning_curves
from .line_search import line_search

__all__ = ["confusion", "images", "learning_curves", "line_search"]
