"""Parameters that are updated together: one large one, or many small ones as one long array.

An update of a small array costs the interpreter more than the arithmetic. So small parameters move into one array when
they are first updated: each then is a view of its part of it, and a rule is called once for all of them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..engine.node import Writer, count_writes, memory_of
from ..tensor import Tensor, wrap
from .rule import Rule

SMALL = 1 << 14  # elements; larger parameters are updated one by one

State = dict[str, Any]


class OtherParametersError(Exception):
    """The parameters are not what they were when the buckets were made."""


class Buckets:
    """The parameters of a group that have a gradient, in buckets; `others` have none.

    Those in one bucket agree in their dtype and in their `scalars`, the numbers among their state.
    """

    def __init__(
        self, rule: Rule, params: Sequence[Tensor], states: Sequence[State], scalars: Sequence[str],
        others: list[Tensor],
    ) -> None:  # fmt: skip
        self.rule, self.others = rule, others
        together: dict[Any, list[tuple[Tensor, State]]] = {}
        for p, state in zip(params, states, strict=True):
            key = (p.dtype, *(state[name] for name in scalars)) if p.numel() <= SMALL else id(p)
            together.setdefault(key, []).append((p, state))
        # The large ones one after another: threads that have just worked on one begin sooner with the next.
        lists = sorted(together.values(), key=lambda pairs: -pairs[0][0].numel())
        self.buckets = [Bucket(rule, [p for p, _ in pairs], [s for _, s in pairs], scalars) for pairs in lists]

    def new_state(self, state: Mapping[Tensor, State]) -> bool:
        """Has the program replaced or removed some of the optimizer's state?"""
        return not all(bucket.has_state(state) for bucket in self.buckets)

    def gradients(self, writer: Writer) -> list[tuple[Bucket, list[Any]]] | None:
        """Each bucket with the gradients of its parameters, which are noted as written by `writer`.

        None if it is no longer these parameters that have a gradient, or one has another shape or dtype now; then
        nothing is noted.
        """
        if self.others and self.new_gradients():
            return None
        try:
            found = [(bucket, bucket.take_gradients()) for bucket in self.buckets]
        except (AttributeError, OtherParametersError):  # the first: somebody's gradient is None
            return None
        for bucket in self.buckets:
            count_writes([p._memory or memory_of(p) for p in bucket.params], writer)
        return found

    def new_gradients(self) -> bool:
        """Have parameters got a gradient that had none when the buckets were made?"""
        return any(p._grad is not None for p in self.others)


class Bucket:
    """Parameters of one dtype with their state. `scalars` are the numbers in it, the same for all of them."""

    def __init__(self, rule: Rule, params: list[Tensor], states: list[State], scalars: Sequence[str]) -> None:
        self.rule, self.params, self.states = rule, params, states
        self.scalars = {name: states[0][name] for name in scalars}
        self.views: list[np.ndarray] = []
        self.written_back = True  # do the states have these numbers?
        self.memo: dict[str, Any] = {}  # what the rule knows of these arrays since the last step
        self.away: list[tuple[Tensor, np.ndarray]] | None = None  # parameters that are elsewhere
        if len(params) == 1:
            self.state = [states[0][name]._array() for name in rule.state]
            self.members: list[tuple[Tensor, Any]] = [(params[0], None)]  # its data may be anywhere
            self.form = params[0].shape, params[0].dtype
            self.kept = self._kept()
            return
        ends = np.cumsum([p.numel() for p in params]).tolist()
        parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self.p = np.empty(ends[-1], params[0].dtype)
        memory = bytearray(self.p.nbytes)  # for the gradients: they are joined as bytes, and read as numbers
        self.bytes, self.g = memoryview(memory), np.ndarray(self.p.shape, self.p.dtype, memory)
        self.views = [self.p[part].reshape(p.shape) for p, part in zip(params, parts, strict=True)]
        self.members = list(zip(params, self.views, strict=True))
        self.state = []
        for name in rule.state:
            flat = np.concatenate([state[name]._array().reshape(-1) for state in states])
            self.state.append(flat)
            for state, part, p in zip(states, parts, params, strict=True):
                state[name] = wrap(flat[part].reshape(p.shape))
        self.kept = self._kept()

    def _kept(self) -> list[tuple[Tensor, State, list[tuple[str, Tensor]]]]:
        """Each parameter with its state, and what is in that."""
        pairs = zip(self.params, self.states, strict=True)
        return [(p, state, [(name, state[name]) for name in self.rule.state]) for p, state in pairs]

    def has_state(self, all_states: Mapping[Tensor, State]) -> bool:
        """Is the state of all parameters what it was after the last step?"""
        step = self.scalars["step"]
        for p, state, kept in self.kept:
            if all_states.get(p) is not state or (self.written_back and state.get("step") != step):
                return False
            for name, value in kept:
                if state.get(name) is not value:
                    return False
        return True

    def take_gradients(self) -> list[Any]:
        """The gradients, on the way to a step for which all parameters are in their place.

        Raises `AttributeError` if there is a parameter without a gradient, `OtherParametersError` if the program has
        given one another shape or dtype.
        """
        gradients: list[Any] = []
        self.away = None
        for p, view in self.members:
            if p._data is not view and self.away is None:
                self.away = self._gather()
            gradients.append(p._grad._data)  # type: ignore[union-attr]
        return gradients

    def write_back(self) -> None:
        """Put the numbers into the states."""
        if not self.written_back:
            self.written_back = True
            for state in self.states:
                state.update(self.scalars)

    def update(self, gradients: list[Any], hyper: Sequence[Any], negate: bool) -> None:
        """One step. `negate` to climb instead."""
        self.written_back = False
        if self.views:
            g = self.g
            try:
                self.bytes[:] = b"".join(gradients)  # a sixth of the time of np.concatenate
            except (TypeError, ValueError):  # not contiguous, or of another dtype
                np.concatenate(gradients, axis=None, out=g)
            self.rule.update(self.p, -g if negate else g, self.state, hyper, self.memo)
        else:
            self._update_one(self.params[0]._array(), gradients[0], hyper, negate)
        if self.away:
            for p, view in self.away:
                p._array()[...] = view

    def _update_one(self, p: np.ndarray, g: Any, hyper: Sequence[Any], negate: bool) -> None:
        g = np.ascontiguousarray(-g if negate else g).reshape(p.shape)
        if p.flags.c_contiguous:
            self.rule.update(p, g, self.state, hyper, self.memo)
            return
        dense = np.ascontiguousarray(p)
        self.rule.update(dense, g, self.state, hyper, {})
        p[...] = dense

    def _gather(self) -> list[tuple[Tensor, np.ndarray]]:
        """Read the parameters that are elsewhere. Those whose memory nobody else has move in; returns the others."""
        forms = [(x.shape, x.dtype) for x in self.views] or [self.form]
        if any((p._data.shape, p._data.dtype) != form for p, form in zip(self.params, forms, strict=True)):
            raise OtherParametersError
        elsewhere = [(p, view) for p, view in self.members if view is not None and p._data is not view]
        for p, view in elsewhere:
            view[...] = p._array()
        sharing = Counter(id(p._data.base) for p, _ in elsewhere)  # an older bucket's memory is that of several
        alone = [_is_alone(p, sharing[id(p._data.base)]) for p, _ in elsewhere]
        for (p, view), moves in zip(elsewhere, alone, strict=True):
            if moves:
                p._data = view
        return [pair for pair, moves in zip(elsewhere, alone, strict=True) if not moves]


def _holders(p: Any) -> tuple[int, int]:
    """How many references there are to the memory of a tensor, and to the array that this is a view of."""
    data = p._data
    base = data.base
    return sys.getrefcount(data), sys.getrefcount(base)


def _lonely() -> tuple[int, int]:
    """`_holders` of a tensor that is alone in having its memory, a view of an array that nobody else has."""
    p = SimpleNamespace()
    p._data = np.empty(2)[:1]
    return _holders(p)


LONELY = _lonely()


def _is_alone(p: Tensor, sharing: int) -> bool:
    """Does nobody but these tensors (`sharing` of them, if it is a view of an array) look at this memory?"""
    to_data, to_base = _holders(p)
    base = p._data.base
    if base is None:
        return to_data <= LONELY[0]
    return type(base) is np.ndarray and to_data <= LONELY[0] and to_base <= LONELY[1] + sharing - 1
