"""What a node keeps for its backward pass, and how the vjps of a row get what they ask for.

That follows from the names of the vjps' parameters and from which inputs want a gradient. It is worked out when a row
is first called so, and kept with the row: later calls only look it up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..kernels import tier
from ..kernels.fused import Fused

if TYPE_CHECKING:
    from .primitive import Primitive

Vjp = Callable[..., Any]


class Keep(NamedTuple):
    """One thing a node keeps for its backward pass."""

    kind: str  # "input", "output" or "shape"
    index: int  # type: ignore[assignment]  # which input; -1 is the output
    slot: int  # which of the wanted inputs this is (its place in `Plan.wanted` and `Node.parents`), -1 if it is none


@dataclass(slots=True)  # whose fields are read in a third of the time that those of a named tuple take
class Plan:
    """What to keep and what to compute when the inputs of `mask` (bit i = input i) want a gradient.

    Three numberings: the *index* of an input in the call; its *slot* among the wanted ones, as in `Node.parents`; and
    the *place* of what is kept in `Node.kept`. For mul(a, b), with the vjps g * b and g * a:

                       a and b want a gradient                      b only
        mask           0b11                                         0b10
        wanted         (0, 1)                                       (1,)
        others         ()                                           (0,)
        keep           b: index 1, slot 1; a: index 0, slot 0       a: index 0, slot -1
        watched        (1, 0)                                       ()
        kept_others    ()                                           ((0, 0),): at place 0 is input 0
    """

    wanted: tuple[int, ...]  # the inputs that get a gradient
    others: tuple[int, ...]  # and those that do not
    vjps: tuple[Callable[[Any, Any, dict[str, Any]], Any], ...]  # (g, kept, params) -> gradient of a wanted input
    keep: tuple[Keep, ...]
    pick: Callable[[list[Any]], tuple[Any, ...]]  # [*inputs, output] -> what is kept
    watched: tuple[int, ...]  # the slots of wanted inputs that are kept, and so must not be overwritten
    kept_others: tuple[tuple[int, int], ...]  # (place in `kept`, input) of kept inputs that want no gradient
    keeps_output: bool
    holds_memory: bool  # are inputs or the output kept, and not only shapes?


def make_plan(row: Primitive, mask: int, count: int) -> Plan:
    """The plan of a row that is called with `count` inputs, of which those in `mask` want a gradient."""
    wanted = tuple(i for i in range(count) if mask >> i & 1 and row.vjp_of(i) is not None)
    keep: list[Keep] = []

    def place(kind: str, index: int) -> int:
        """Where in `kept` this will be."""
        item = Keep(kind, index, wanted.index(index) if index in wanted else -1)
        if item not in keep:
            keep.append(item)
        return keep.index(item)

    vjps = []
    for i in wanted:
        vjp = row.vjp_of(i)
        assert vjp is not None
        sources: list[int | str | tuple[int, ...]] = []
        for name in parameter_names(vjp):
            kind, index = row.source_of(name)
            if kind == "param":
                sources.append(name)
            elif kind == "all":
                sources.append(tuple(place("input", k) for k in range(count)))
            else:
                sources.append(place(kind, i if row.variadic and index >= 0 else index))
        if row.elementwise:
            vjps.append(_fused_reader(row.vjp_kernel(i), sources))
        else:
            vjps.append(_reader(vjp, sources, {**row.params, "i": i}))
    return Plan(
        wanted,
        tuple(i for i in range(count) if i not in wanted),
        tuple(vjps),
        tuple(keep),
        _picker(keep),
        tuple(item.slot for item in keep if item.kind == "input" and item.slot >= 0),
        tuple((k, item.index) for k, item in enumerate(keep) if item.kind == "input" and item.slot < 0),
        any(item.kind == "output" for item in keep),
        any(item.kind != "shape" for item in keep),
    )


def parameter_names(vjp: Vjp) -> list[str]:
    """All but the first, which is g, whatever its name. (`inspect` would take longer than the rest of the import.)"""
    code = inspect.unwrap(vjp).__code__
    return list(code.co_varnames[1 : code.co_argcount])


def _picker(keep: list[Keep]) -> Callable[[list[Any]], tuple[Any, ...]]:
    """From [*inputs, output], take what is kept; the output has index -1."""
    places = [item.index for item in keep]
    if not places:
        return lambda values: ()
    if all(item.kind != "shape" for item in keep):
        if len(places) > 1:
            return itemgetter(*places)
        (only,) = places
        return lambda values: (values[only],)
    return lambda values: tuple(
        np.shape(values[item.index]) if item.kind == "shape" else values[item.index] for item in keep
    )


def _fused_reader(fused: Fused, sources: list[Any]) -> Callable[[Any, Any, dict[str, Any]], Any]:
    """Like `_reader`, for elementwise rows: large gradients are computed by a kernel."""
    vjp, array = fused.formula, np.ndarray
    if not sources:
        return lambda g, kept, params: fused.value(g) if g.__class__ is array and g.size >= tier.large else vjp(g)
    if len(sources) == 1:
        (only,) = sources
        return lambda g, kept, params: (
            fused.value(g, kept[only]) if g.__class__ is array and g.size >= tier.large else vjp(g, kept[only])
        )
    pick = itemgetter(*sources)
    return lambda g, kept, params: (
        fused.value(g, *pick(kept)) if g.__class__ is array and g.size >= tier.large else vjp(g, *pick(kept))
    )


def _reader(
    vjp: Vjp, sources: list[int | str | tuple[int, ...]], defaults: dict[str, Any]
) -> Callable[[Any, Any, dict[str, Any]], Any]:
    """Turn `vjp(g, b, dim)` into `(g, kept, params) -> gradient`, picking what its parameters name."""
    if not sources:
        return lambda g, kept, params: vjp(g)
    if all(isinstance(s, int) for s in sources):
        if len(sources) == 1:
            (only,) = sources
            return lambda g, kept, params: vjp(g, kept[only])
        pick = itemgetter(*sources)
        return lambda g, kept, params: vjp(g, *pick(kept))

    def read(g: Any, kept: Any, params: dict[str, Any]) -> Any:
        arguments = []
        for s in sources:
            if isinstance(s, int):
                arguments.append(kept[s])
            elif isinstance(s, tuple):
                arguments.append(tuple(kept[k] for k in s))
            else:
                arguments.append(params[s] if s in params else defaults[s])
        return vjp(g, *arguments)

    return read
