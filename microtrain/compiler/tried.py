"""Arguments that Python may have computed with: for which values is a compiled form known, or likely, to be right?"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from .guards import LARGEST


class Tried:
    """The values for which the step was seen to do what the form does.

    Floats: an interval about those that were seen, of three times their width, is taken on trust. NumPy's arrays that
    no operation reads (`x[:count]`): it was right for one, and with the first other one we look again. `read` are the
    places of those that operations read.
    """

    def __init__(self, arguments: Sequence[Any], read: Container[int]) -> None:
        self.ranges = [(k, x, x) for k, x in enumerate(arguments) if type(x) is float]
        self.arrays = {
            k: x.tobytes()
            for k, x in enumerate(arguments)
            if isinstance(x, np.ndarray) and k not in read and x.nbytes <= LARGEST
        }
        self.any = bool(self.ranges or self.arrays)

    def covers(self, arguments: Sequence[Any]) -> bool:
        return all(low <= arguments[k] <= high for k, low, high in self.ranges) and not self.others(arguments)

    def others(self, arguments: Sequence[Any]) -> list[int]:
        """The places of arrays that are not what they were."""
        return [k for k, before in self.arrays.items() if arguments[k].tobytes() != before]

    def add(self, arguments: Sequence[Any]) -> None:
        """It was seen to be right for these."""
        for place, (k, low, high) in enumerate(self.ranges):
            x = arguments[k]
            if not low <= x <= high:
                least, most = min(low, x), max(high, x)
                self.ranges[place] = (k, least - (most - least), most + (most - least))
        for k in self.others(arguments):
            del self.arrays[k]
        self.any = bool(self.ranges or self.arrays)
