"""The learner's program while it runs: whose call this is, and what it calls its tensors."""

from __future__ import annotations

import inspect
import sys
import types
from typing import Any

from ...custom import function, function_call

_PACKAGE = __name__.partition(".")[0]
_OF_FUNCTIONS = (function.__name__, function_call.__name__)


def local_variables() -> dict[str, Any]:
    """The variables of the learner's function that is running; empty at the top level of a module.

    (A module's variables are searched once, when everything is over.)
    """
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    if frame is None or not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return {}
    return frame.f_locals


def inside_a_function() -> bool:
    """Is the forward or backward of a user's own `Function` being called?"""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in _OF_FUNCTIONS:
            return True
        frame = frame.f_back
    return False
