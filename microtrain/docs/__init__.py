"""Pages of the documentation that are made of the library itself: `microtrain docs optimizers`."""

from .optimizers import optimizers_page

__all__ = ["optimizers_page"]
