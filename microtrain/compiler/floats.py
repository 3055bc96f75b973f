"""Floats among the arguments of a step: a learning rate, a weight of a penalty, a temperature.

They are to be numbers of the run, not of the capture. So while a step is captured each of them is a `TracedFloat`: a
float that remembers how to get its value from the arguments. Arithmetic of Python's (`lr / 2`, `1 - beta`) gives a
`TracedFloat` again; where one meets a tensor, or is set in an optimizer's group, the compiled step works it out anew at
each call.

What looks at its value (`if lr > 0.1`, `int(lr)`, `np.sign(lr)`) makes it a constant again, with a compiled form for
each value. So does what Python computes without telling (`math.sqrt(lr)`): that is found out when the argument has
another value for the first time, because then the step is captured once more and must do the same with it; and once
more whenever a value lies far from all that were tried (tried.py): there may be a branch (`if math.sqrt(lr) > 0.1`).
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any

How = Callable[[list[Any]], Any]
_PACKAGE = __name__.partition(".")[0]


class TracedFloat(float):
    """A float of which we know how to get it from the list of arguments (`how`), and from which of them (`who`)."""

    how: How
    who: frozenset[int]
    looked: set[int]  # the arguments whose values were looked at, of all numbers of one capture

    @classmethod
    def of(cls, value: float, how: How, who: frozenset[int], looked: set[int]) -> TracedFloat:
        self = cls(value)
        self.how, self.who, self.looked = how, who, looked
        return self

    def look(self) -> None:
        """Somebody wants to know the value."""
        self.looked |= self.who

    @property
    def plain(self) -> float:
        """The value, without a look at it."""
        return float.__pos__(self)


def argument(k: int, value: float, looked: set[int]) -> TracedFloat:
    """The k-th argument."""
    return TracedFloat.of(value, operator.itemgetter(k), frozenset([k]), looked)


def _arithmetic(name: str, work: Callable[..., Any], reflected: bool) -> Any:
    def method(self: TracedFloat, *others: Any) -> Any:
        (other,) = others or (None,)
        if others and (not isinstance(other, (int, float)) or type(other).__module__ == "numpy"):
            return NotImplemented
        value = getattr(float, name)(self, *others)
        if value is NotImplemented or not isinstance(value, float):
            return value
        mine = self.how
        if not others:
            return TracedFloat.of(value, lambda a: work(mine(a)), self.who, self.looked)
        who, theirs = self.who, other.how if isinstance(other, TracedFloat) else lambda a: other
        if isinstance(other, TracedFloat):
            who = who | other.who
        how = (lambda a: work(theirs(a), mine(a))) if reflected else (lambda a: work(mine(a), theirs(a)))
        return TracedFloat.of(value, how, who, self.looked)

    return method


def _looking(name: str) -> Any:
    def method(self: TracedFloat, *others: Any) -> Any:
        self.look()
        for other in others:
            if isinstance(other, TracedFloat):
                other.look()
        return getattr(float, name)(self, *others)

    return method


def _told(name: str) -> Any:
    """For what NumPy does with every number: it counts as a look if the learner's code has asked NumPy for it."""

    def method(self: TracedFloat, *others: Any) -> Any:
        frame = sys._getframe(1)
        while frame.f_back is not None and _package_of(frame) == "numpy":
            frame = frame.f_back
        if _package_of(frame) != _PACKAGE:
            self.look()
        return self.plain if name == "__float__" else getattr(float, name)(self, *others)

    return method


def _package_of(frame: Any) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


for _name in ("add", "sub", "mul", "truediv", "pow"):
    _work = getattr(operator, _name)
    setattr(TracedFloat, f"__{_name}__", _arithmetic(f"__{_name}__", _work, False))
    setattr(TracedFloat, f"__r{_name}__", _arithmetic(f"__r{_name}__", _work, True))
for _name in ("neg", "pos", "abs"):
    setattr(TracedFloat, f"__{_name}__", _arithmetic(f"__{_name}__", getattr(operator, _name), False))
for _name in (
    "bool", "int", "floor", "ceil", "trunc", "round", "eq", "ne", "lt", "le", "gt", "ge", "floordiv", "rfloordiv",
    "mod", "rmod", "divmod", "rdivmod",
):  # fmt: skip
    setattr(TracedFloat, f"__{_name}__", _looking(f"__{_name}__"))
for _name in ("float", "str", "repr", "format", "hash"):
    setattr(TracedFloat, f"__{_name}__", _told(f"__{_name}__"))
for _name in ("is_integer", "as_integer_ratio", "hex"):
    setattr(TracedFloat, _name, _looking(_name))
