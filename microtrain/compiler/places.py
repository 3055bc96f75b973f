"""Places whose values a step may depend on, all read like dictionaries: d.get(key, default)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ABSENT = "(nothing)"  # an object has no attribute of this name of its own; its class may have


class Attributes:
    """What has its attributes in no dictionary: functions, objects with `__slots__`, the class of an object."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def __contains__(self, name: str) -> bool:
        return hasattr(self.owner, name)

    def __getitem__(self, name: str) -> Any:
        return getattr(self.owner, name)

    def get(self, name: str, default: Any) -> Any:
        return getattr(self.owner, name, default)


class Variable:
    """A context variable, whatever the key."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def get(self, name: str, default: Any) -> Any:
        return self.variable.get(default)


def same_there(d: Any, key: Any, value: Any, name: Callable[[Any], str]) -> str:
    """The expression for `value` being at a place still, the very same object. `name` gives an object a name."""
    if isinstance(d, Variable):
        return f"{name(d.variable)}.get({name(ABSENT)}) is {name(value)}"
    if isinstance(d, Attributes):  # without getattr, which takes four times as long
        owner = name(d.owner)
        return f"not hasattr({owner}, {key!r})" if value is ABSENT else f"{owner}.{key} is {name(value)}"
    if value is ABSENT:
        return f"{key!r} not in {name(d)}"
    return f"{name(d)}[{repr(key) if isinstance(key, str) else name(key)}] is {name(value)}"
