"""What `fit` is given: is it what it should be, and does it belong together?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, DtypeError
from ..nn.module import Module
from ..optim.lr_scheduler import ReduceLROnPlateau
from ..optim.optimizer import Optimizer
from .callbacks import Callback


def check_parts(model: Any, optimizer: Any, loss: Any, metrics: Any, callbacks: Any) -> None:
    """Raise an error for what is not what it should be, or does not belong together."""
    if not isinstance(model, Module):
        made = ", an object of the class and not the class itself" if isinstance(model, type) else ""
        raise DtypeError(f"fit() takes a model, not {_said(model)}.", fix=f"Give a Module{made}.")
    if not isinstance(optimizer, Optimizer):
        raise DtypeError(f"fit() takes an optimizer, not {_said(optimizer)}.")
    own = [p for p in model.parameters() if p.requires_grad]
    groups = getattr(optimizer, "param_groups", None)  # none if it wraps another one
    if own and groups and {id(p) for group in groups for p in group["params"]}.isdisjoint(map(id, own)):
        raise ArgumentError(
            "fit(): the optimizer has no parameter of this model.",
            "It was made for another model, or for one that was replaced since; the training would change nothing.",
            f"{type(optimizer).__name__}(model.parameters(), ...) with this model.",
        )
    if not callable(loss):
        raise DtypeError(f"fit(): the loss is a function of (outputs, targets), not {_said(loss)}.")
    if metrics is not None and not isinstance(metrics, Mapping):
        raise DtypeError(f"fit(): metrics is {_said(metrics)}.", fix='Give a dict: metrics={"accuracy": accuracy}.')
    several = isinstance(callbacks, (list, tuple))
    wrong = next((c for c in callbacks if not isinstance(c, Callback)), None) if several else callbacks
    if wrong is not None:
        made = f"Make one: {wrong.__name__}()." if isinstance(wrong, type) else "callbacks=[train.EarlyStopping()]"
        raise DtypeError(f"fit(): callbacks is a list of callbacks, but there is {_said(wrong)}.", fix=made)


def _said(thing: Any) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else type(thing).__name__


def check_settings(
    optimizer: Any, epochs: Any, scheduler: Any, scheduler_per: str, statistics: Any, save_seconds: Any, save_steps: Any
) -> None:
    """Raise an error for arguments that can't be meant."""
    if not isinstance(epochs, int) or epochs < 0:
        raise ArgumentError(f"fit(): epochs is a number from 0, not {epochs!r}.")
    if scheduler is not None and scheduler not in optimizer.schedulers:
        raise ArgumentError("fit(): the scheduler is not one of this optimizer's.")
    if scheduler_per not in ("epoch", "batch"):
        raise ArgumentError(f"fit(): scheduler_per is 'epoch' or 'batch', not {scheduler_per!r}.")
    if isinstance(scheduler, ReduceLROnPlateau) and scheduler_per == "batch":
        raise ArgumentError("fit(): ReduceLROnPlateau watches epochs.", fix="Leave scheduler_per='epoch'.")
    if not isinstance(statistics, int) or statistics < 0:
        raise ArgumentError(f"fit(): statistics is a number of steps, or 0 for none, not {statistics!r}.")
    if not save_seconds >= 0 or (save_steps is not None and not save_steps >= 1):
        raise ArgumentError(
            f"fit(): save_seconds is not negative and save_steps at least 1, not {save_seconds} and {save_steps}."
        )
