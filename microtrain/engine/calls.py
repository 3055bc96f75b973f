"""Which operations a call consisted of: of a module, or of a backward pass that recorded its own graph.

The tensor that comes out of a call carries the mark; everything that led to it since the call began was inside. This
costs one mark for each call and nothing for an operation.
"""

from __future__ import annotations

import weakref
from typing import Any

from ..tensor import Tensor


def mark_call(owner: Any, since: int, output: Any) -> None:
    """Mark what came out of a call of `owner`, which began when the serial number was `since`."""
    if isinstance(output, Tensor):
        node = output._node
        if node is not None and node.serial > since:  # else the call gave back what it was given
            name = owner if type(owner) is str else weakref.ref(owner)
            node.calls += ((name, since),)
    elif isinstance(output, (tuple, list)):
        for each in output:
            mark_call(owner, since, each)
    elif isinstance(output, dict):
        for each in output.values():
            mark_call(owner, since, each)
