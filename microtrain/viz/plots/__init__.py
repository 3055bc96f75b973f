"""Pictures with matplotlib. Every function takes `ax=None` and returns the Axes it drew on."""

from .classification import confusion, images
from .curves import learning_curves

__all__ = ["confusion", "images", "learning_curves"]
