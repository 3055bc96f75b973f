"""What goes into a step and comes out of it: tensors and floats in lists, tuples and dictionaries.

(No functions inside functions that call themselves: these would be cycles, which hold on to tensors.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .floats import TracedFloat


class Output:
    """Stands for a tensor (or a float) in what a step returns."""

    def __init__(self, what: Any, kind: str = "output") -> None:
        self.what, self.kind = what, kind  # the number of an output or argument, or how to get a "number"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Output) and (self.kind, self.what) == (other.kind, other.what)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.what}>"

    __hash__ = None  # type: ignore[assignment]


# ---- arguments -------------------------------------------------------------------------------------------------------


def flat(args: Any, kwargs: Any, constant: Any) -> tuple[list[Any], Any]:
    """(tensors, arrays and floats among the arguments, everything else: what a compiled form is for).

    `constant` are the places of those floats that count as everything else.
    """
    arguments: list[Any] = []
    key: list[Any] = []
    for x in args:
        _visit(x, arguments, key, constant)
    if kwargs:
        _visit(kwargs, arguments, key, constant)
    ids = [id(x) for x in arguments if type(x) is not float]
    if len(set(ids)) < len(ids):  # one tensor in two places
        key.append(tuple(map(ids.index, ids)))
    return arguments, tuple(key)


def _visit(x: Any, arguments: list[Any], key: list[Any], constant: Any) -> None:
    if isinstance(x, Tensor):
        arguments.append(x)
        key.append((x._data.shape, x._data.dtype.num, x._tracked))
    elif isinstance(x, np.ndarray):
        arguments.append(x)
        key.append((x.shape, x.dtype.num))
    elif type(x) is float:
        key.append(("constant", x) if len(arguments) in constant else float)
        arguments.append(x)
    elif isinstance(x, (list, tuple)):
        key.append((type(x), len(x)))
        for part in x:
            _visit(part, arguments, key, constant)
    elif isinstance(x, dict):
        key.append((dict, tuple(x)))
        for part in x.values():
            _visit(part, arguments, key, constant)
    else:
        try:
            hash(x)
            key.append((type(x), x))
        except TypeError:
            key.append(id(x))


def seen(args: tuple[Any, ...]) -> Any:
    """What `unchanged` compares with; None if there is more than tensors."""
    if not all(isinstance(x, Tensor) for x in args):
        return None
    return [(k, x, x._data, x._tracked) for k, x in enumerate(args)]


def unchanged(args: tuple[Any, ...], before: Any) -> bool:
    """Are these the same tensors as before, and are they still what they were?"""
    if before is None or len(args) != len(before):
        return False
    for k, tensor, data, tracked in before:
        if args[k] is not tensor or tensor._data is not data or tensor._tracked is not tracked:
            return False
    return True


def with_numbers(x: Any, numbers: dict[int, TracedFloat], place: Iterable[int]) -> Any:
    """The arguments once more, with these numbers in the places of floats. `place` counts as `flat` does."""
    if isinstance(x, (Tensor, np.ndarray)):
        next(place)  # type: ignore[call-overload]
        return x
    if type(x) is float:
        return numbers.get(next(place), x)  # type: ignore[call-overload]
    if type(x) in (list, tuple, dict) or (isinstance(x, tuple) and hasattr(x, "_fields")):
        return _of_parts(x, lambda part: with_numbers(part, numbers, place))
    return x


def _of_parts(x: Any, work: Callable[[Any], Any]) -> Any:
    """A container like x, of what `work` makes of its parts; x itself if it is none."""
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(work, x))
    if isinstance(x, (list, tuple)):
        return type(x)(map(work, x))
    if isinstance(x, dict):
        return {name: work(part) for name, part in x.items()}
    return x


# ---- results ---------------------------------------------------------------------------------------------------------


def template_of(x: Any, arguments: list[Any], outputs: list[Any]) -> Any:
    """What a step returned, with `Output`s in the place of tensors, which go to `outputs`."""
    if isinstance(x, Tensor):
        for k, argument in enumerate(arguments):
            if x is argument:
                return Output(k, "argument")
        if x._node is None and x._tracked:
            return x  # a parameter: the very same tensor
        outputs.append(x)
        return Output(len(outputs) - 1)
    if type(x) is TracedFloat:
        return Output(x.how, "number")
    return _of_parts(x, lambda part: template_of(part, arguments, outputs))


def same(a: Any, b: Any) -> bool:
    """Are these templates of the same form? Numbers are compared elsewhere."""
    if isinstance(a, Output) and isinstance(b, Output):
        return a.kind == b.kind and (a.kind == "number" or a == b)
    if isinstance(a, (list, tuple)) and type(a) is type(b) and len(a) == len(b):
        return all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return all(same(a[name], b[name]) for name in a)
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return a is b  # a parameter
    return a is b or (type(a) is type(b) and bool(a == b))


def leaves(template: Any) -> list[Any]:
    """The leaves that a step returns, themselves."""
    if isinstance(template, dict):
        return leaves(list(template.values()))
    if isinstance(template, (list, tuple)):
        return [leaf for part in template for leaf in leaves(part)]
    return [template] if isinstance(template, Tensor) else []


def rebuilt(template: Any, results: list[Any], arguments: list[Any]) -> Any:
    """What the step returns, of the arrays that the native function left."""
    if template.__class__ is Output:
        if template.kind == "output":
            return wrap(results[template.what])
        return arguments[template.what] if template.kind == "argument" else template.what(arguments)
    if template.__class__ is tuple:  # most often
        return tuple([rebuilt(part, results, arguments) for part in template])
    return _of_parts(template, lambda part: rebuilt(part, results, arguments))


def detached(x: Any) -> Any:
    """What a step returned, without its graph."""
    if isinstance(x, Tensor):
        return x if x._node is None else x.detach()
    if type(x) is TracedFloat:
        return x.plain
    return _of_parts(x, detached)


# ---- the results of many steps ---------------------------------------------------------------------------------------


def stacked(results: list[Any]) -> Any:
    """An axis of steps in front of every tensor."""
    if not results:
        return None
    first = results[0]
    if isinstance(first, Tensor):
        return wrap(np.stack([r._data for r in results]))
    return _each(first, results, stacked)


def chained(parts: list[Any]) -> Any:
    """Results that have an axis of steps already, one after the other."""
    if not parts:
        return None
    first = parts[0]
    if isinstance(first, Tensor):
        return wrap(np.concatenate([p._data for p in parts]))
    return _each(first, parts, chained)


def recorded(template: Any, records: list[Any], arguments: list[Any], n: int) -> Any:
    """The results of n steps, of arrays that have an axis of steps already; arguments and parameters n times."""
    if template.__class__ is Output and template.kind == "output":
        return wrap(records[template.what])
    x = rebuilt(template, [], arguments) if template.__class__ is Output else template
    if isinstance(x, (Tensor, np.ndarray)):
        data = x._data if isinstance(x, Tensor) else x
        return wrap(np.repeat(data[None], n, 0))
    return _of_parts(x, lambda part: recorded(part, records, arguments, n))


def _each(first: Any, items: list[Any], work: Any) -> Any:
    """A container like `first`, of what `work` makes of the items' parts at each place."""
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(work(list(parts)) for parts in zip(*items, strict=True)))
    if isinstance(first, (list, tuple)):
        return type(first)(work(list(parts)) for parts in zip(*items, strict=True))
    if isinstance(first, dict):
        return {name: work([item[name] for item in items]) for name in first}
    return first
