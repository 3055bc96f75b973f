"""Does a compiled form still hold? It is asked before every step, so the answer must come fast.

All that can be seen at a glance (is this still the same object?) is one expression, made for the form. If it says no,
the part of it that must be true is asked again, and we look closely at the rest: the same number in another object does
no harm, and a parameter whose memory moved is followed.
"""

from __future__ import annotations

from typing import Any

from ..engine.recording import MODE
from .guards import Guards
from .program import Program, Update


class Watched:
    """A tensor from outside, and its array when we looked last. `slot` is the operand with its address, or -1."""

    __slots__ = ("data", "kind", "slot", "tensor", "tracked")

    def __init__(self, tensor: Any, slot: int) -> None:
        data = tensor._array()
        self.tensor, self.slot, self.tracked = tensor, slot, tensor._tracked
        self.data, self.kind = data, (data.shape, data.dtype, data.strides)


class Watch:
    """What a form depends on: grad mode, gradients that are there before, tensors, optimizers, and the guards."""

    def __init__(
        self, program: Program, updates: list[Update], outside: list[Watched], step: Any, addresses: Any
    ) -> None:
        self.outside, self.addresses = outside, addresses
        self.changed = ""  # what a guard found
        self.grad_mode = MODE.get().grad
        self.rules = [
            (u, u.optimizer._buckets[u.group], u.bucket.rule, groups[u.group], len(groups))
            for u in updates
            for groups in (u.optimizer.param_groups,)
        ]
        self.before = [(leaf, how) for leaf, _, how in program.gradients if how != "any"]
        self.guards = Guards(step, frozenset(id(v.source) for v in program.values if v.kind == "array"))
        self._write()

    def _write(self) -> None:
        """The expressions: what must be true, and that with what only a close look may find to be as good."""
        given: list[Any] = []

        def x(value: Any) -> str:
            given.append(value)
            return f"x{len(given) - 1}"

        must, same = [f"mode().grad is {self.grad_mode}"], []
        must += [f"{x(leaf)}._grad is {'None' if how == 'none' else 'not None'}" for leaf, how in self.before]
        for watched in self.outside:
            t = x(watched.tensor)
            must.append(f"{t}._tracked is {watched.tracked}")
            same.append(f"{t}._data is {x(watched.data)}")
        for update, buckets, rule, group, count in self.rules:
            o = x(update.optimizer)
            must.append(f"{o}._buckets.get({update.group}) is {x(buckets)} and len({o}.param_groups) == {count}")
            g = x(group)
            right = f"{o}.rule_for({g}) is {x(rule)} and {g}.get('maximize', False) == {update.negate}"
            if update.optimizer.rule_for(group) is rule and group.get("maximize", False) == update.negate:
                right = f"([*{g}.values()] == {x([*group.values()])} or {right})"  # in half the time
            must.append(right)
            if buckets.others:
                must.append(f"not {x(buckets)}.new_gradients()")
            states, numbers = x(update.optimizer._state), x(update.bucket.scalars)
            unchanged = [f"{o}._state is {states}"]
            for p, state, pieces in update.bucket.kept:  # has the program put other state there?
                s = x(state)
                unchanged.append(f"{states}.get({x(p)}) is {s} and {s}['step'] == {numbers}['step']")
                unchanged += [f"{s}[{name!r}] is {x(value)}" for name, value in pieces]
            same.append(f"(not {o}._seen or {' and '.join(unchanged)})")
        same += self.guards.tests(x)
        names = ", ".join(["mode", *(f"x{k}" for k in range(len(given)))])
        source = f"def made({names}):\n    return lambda: {' and '.join(must)}, lambda: {' and '.join(must + same)}"
        namespace: dict[str, Any] = {}
        exec(source, namespace)
        self._may_hold, self._glance = namespace["made"](MODE.get, *given)

    def holds(self) -> bool:
        """Is everything still as it was captured?"""
        try:
            if self._glance():
                return True
        except (AttributeError, IndexError, KeyError, ValueError):
            pass
        return self._may_hold() and self._looked_at_closely()

    @property
    def obsolete(self) -> bool:
        """Can it never hold again, because an optimizer has put its parameters elsewhere?"""
        return any(u.optimizer._buckets.get(u.group) is not buckets for u, buckets, *_ in self.rules)

    def _looked_at_closely(self) -> bool:
        """Is what is not the same as good? Then that is what the glance asks for from now on."""
        for update, buckets, *_ in self.rules:
            if update.optimizer._seen and buckets.new_state(update.optimizer._state):
                return False
        self.changed = self.guards.changed()
        if self.changed:
            return False
        for watched in self.outside:
            data = watched.tensor._data
            if data is not watched.data:
                data = watched.tensor._array()
                if watched.slot < 0 or (data.shape, data.dtype, data.strides) != watched.kind:
                    return False
                self.addresses[watched.slot] = data.ctypes.data
                watched.data = data
        self._write()
        return True
