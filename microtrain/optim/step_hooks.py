"""Functions of the program's own that are called before and after each step of an optimizer."""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..engine.backward import Handle
from ..engine.recording import MODE
from ..errors import ArgumentError, DtypeError

if TYPE_CHECKING:
    from .optimizer import Optimizer

Hook = Callable[..., Any]


class HookedStep:
    """Stands in the place of `optimizer.step` of an optimizer that has hooks; others do not even ask for them."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = weakref.ref(optimizer)  # which refers to this object: no cycle
        self.own = vars(optimizer).get("step")  # what the program itself has put in the place of the method
        self.before: list[Hook] = []
        self.after: list[Hook] = []

    def __call__(self, *given: Any, **kwargs: Any) -> Any:
        optimizer = self.optimizer()
        if optimizer is None:
            raise ArgumentError(
                "The optimizer of this step() is gone.",
                "A step with hooks around it does not keep its optimizer alive.",
                "Keep the optimizer, and call optimizer.step().",
            )
        step = self.own or types.MethodType(type(optimizer).step, optimizer)
        for listener in MODE.get().listeners if self.before or self.after else ():
            if hasattr(listener, "refused"):
                listener.refused(
                    f"{type(optimizer).__name__} has hooks around its step.",
                    "Hooks are Python code, which the compiled step can't contain.",
                    "Remove them (handle.remove()), or leave optimizer.step() out of the compiled function.",
                )
        args: tuple[Any, ...] = (optimizer, *given)
        for hook in tuple(self.before):
            changed = hook(optimizer, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2 and isinstance(changed[1], dict)):
                    raise DtypeError(
                        f"A hook before {type(optimizer).__name__}.step() returned {changed!r:.80}.",
                        fix="Return None, or (args, kwargs) for the step; args begins with the optimizer.",
                    )
                args, kwargs = changed
        loss = step(*args[1:], **kwargs)
        for hook in tuple(self.after):
            hook(optimizer, args, kwargs)
        return loss


def register(optimizer: Optimizer, which: str, hook: Hook) -> Handle:
    """Call the hook "before" or "after" each step. Raises `DtypeError` for what is no function."""
    if not callable(hook):
        raise DtypeError(
            f"A hook is a function of the optimizer, args and kwargs of the step, not {type(hook).__name__}."
        )
    step: Any = optimizer.step
    if not isinstance(step, HookedStep):
        optimizer.step = step = HookedStep(optimizer)  # type: ignore[method-assign]
    optimizer.write_back()
    optimizer._buckets = {}  # a compiled step without the hook is not to go on
    return Handle(getattr(step, which), hook)
