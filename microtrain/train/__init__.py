"""Training: the loop, what it records, what can be added to it, and checkpoints from which it goes on exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..calling.signatures import (
    explain_constructors as _explain_constructors,
    explain_functions as _explain_functions,
)
from .callbacks import Callback, ClipGradNorm, EarlyStopping
from .checkpoint import Checkpoint
from .fingerprint import fingerprint
from .history import History
from .interrupts import Interrupted
from .keeping import keep, kept
from .loop import evaluate, fit
from .metrics import accuracy, confusion_matrix
from .run import Run
from .watching import LayerStatistics, Trajectory

if TYPE_CHECKING:
    from .survey import Survey

__all__ = [
    "Callback",
    "Checkpoint",
    "ClipGradNorm",
    "EarlyStopping",
    "History",
    "Interrupted",
    "LayerStatistics",
    "Run",
    "Survey",
    "Trajectory",
    "accuracy",
    "confusion_matrix",
    "evaluate",
    "fingerprint",
    "fit",
    "keep",
    "kept",
]

_published = [name for name in __all__ if name != "Survey"]
_explain_constructors([globals()[_name] for _name in _published])
_explain_functions(globals(), _published)


def __getattr__(name: str) -> Any:
    """A survey brings all of `analysis` with it, so it is loaded when somebody uses it."""
    if name == "Survey":
        from .survey import Survey

        return Survey
    raise AttributeError(f"module 'microtrain.train' has no attribute '{name}'")
