"""Arguments that share memory with something else that the step uses.

`step(x, w.detach())`: while a step is captured nobody can tell whether it reads w or its second argument. So what was
captured is right for arguments that lie where w lies, and for no others; and what was captured with an argument of its
own is not right for w, or a row of it, if the step writes to it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..engine.node import memory_of
from ..tensor import Tensor
from .known import same_place
from .program import Program, Update


class Aliases:
    """Which arguments of a compiled form have to be where something else is, and which may not."""

    def __init__(self, program: Program, updates: list[Update], referred: list[Any], arguments: list[Any]) -> None:
        parameters = [p for u in updates for p in u.bucket.params]
        given, found = Counter(map(id, arguments)), Counter(map(id, referred))
        outside = parameters + [t for t in referred if found[id(t)] > given[id(t)]]  # not as an argument alone
        self.same: list[tuple[int, Any]] = []  # (argument, the tensor that is at the same place)
        for k, x in enumerate(arguments):
            if isinstance(x, (Tensor, np.ndarray)):
                self.same += [(k, t) for t in outside if t is x or same_place(_array(t), _array(x))][:1]
        homes = [home for home, _ in program.stores]
        written = [memory_of(x) for x in (*parameters, *(v.source for v in homes if v.kind == "tensor"))]
        self.written = {id(memory): memory for memory in written}
        same = {k for k, _ in self.same}
        self.copied = {  # lies in what the step writes, and was read before: what it was goes into a copy
            k for k, x in enumerate(arguments) if isinstance(x, Tensor) and id(x._memory) in self.written
        } - same
        self.free = {k for k, x in enumerate(arguments) if isinstance(x, Tensor)} - same - self.copied
        self.stored = [v.source for v in homes if v.kind == "argument" and v.source in self.free]
        self.outside = outside if self.stored else []

    def fit(self, arguments: list[Any]) -> bool:
        """Is the form right for these, as far as the memory is concerned?"""
        for k, t in self.same:
            if arguments[k] is not t and not same_place(_array(arguments[k]), _array(t)):
                return False
        for k in self.free:
            memory = arguments[k]._memory
            if memory is not None and id(memory) in self.written:
                return False
        for k in self.stored:
            x, memory = arguments[k], memory_of(arguments[k])
            if any(t is x or t._memory is memory for t in self.outside):
                return False
            if sum(isinstance(other, Tensor) and other._memory is memory for other in arguments) > 1:
                return False
        return True


def _array(x: Any) -> Any:
    return x._data if isinstance(x, Tensor) else x
