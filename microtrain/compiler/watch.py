"""Does a compiled form still hold? It is asked before every step, so the answer must come fast.

All that can be seen at a glance (is this still the same object?) is one expression, made for the form. If it says no,
we look closely: the same number in another object does no harm, and a parameter whose memory moved is followed.
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
        self, program: Program, updates: list[Update], outside: list[Watched], step: Any, operands: Any
    ) -> None:
        self.outside, self.operands = outside, operands
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
        """The expression."""
        given: list[Any] = []

        def x(value: Any) -> str:
            given.append(value)
            return f"x{len(given) - 1}"

        tests = [f"mode().grad is {self.grad_mode}"]
        tests += [f"{x(leaf)}._grad is {'None' if how == 'none' else 'not None'}" for leaf, how in self.before]
        for watched in self.outside:
            t = x(watched.tensor)
            tests.append(f"{t}._data is {x(watched.data)} and {t}._tracked is {watched.tracked}")
        for update, buckets, rule, group, count in self.rules:
            o = x(update.optimizer)
            g = x(group)
            tests.append(f"{o}._buckets[{update.group}] is {x(buckets)} and len({o}.param_groups) == {count}")
            tests.append(f"{o}.rule_for({g}) is {x(rule)}")
            tests.append(f"{g}['maximize'] == {update.negate}" if "maximize" in group else f"'maximize' not in {g}")
            states, numbers = x(update.optimizer._state), x(update.bucket.scalars)
            unchanged = [f"{o}._state is {states}"]
            for p, state, pieces in update.bucket.kept:  # has the program put other state there?
                s = x(state)
                unchanged.append(f"{states}.get({x(p)}) is {s} and {s}['step'] == {numbers}['step']")
                unchanged += [f"{s}[{name!r}] is {x(value)}" for name, value in pieces]
            tests.append(f"(not {o}._seen or {' and '.join(unchanged)})")
            if buckets.others:
                tests.append(f"not {x(buckets)}.new_gradients()")
        tests += self.guards.tests(x)
        names = ", ".join(["mode", *(f"x{k}" for k in range(len(given)))])
        namespace: dict[str, Any] = {}
        exec(f"def glance({names}):\n    return lambda: " + " and ".join(tests), namespace)
        self._glance = namespace["glance"](MODE.get, *given)

    def holds(self) -> bool:
        """Is everything still as it was captured?"""
        try:
            if self._glance():
                return True
        except (AttributeError, IndexError, KeyError, ValueError):
            pass
        return self._looked_at_closely()

    @property
    def obsolete(self) -> bool:
        """Can it never hold again, because an optimizer has put its parameters elsewhere?"""
        return any(u.optimizer._buckets.get(u.group) is not buckets for u, buckets, *_ in self.rules)

    def _looked_at_closely(self) -> bool:
        if MODE.get().grad != self.grad_mode:
            return False
        for leaf, how in self.before:
            if (leaf._grad is None) != (how == "none"):
                return False
        for update, buckets, rule, group, count in self.rules:
            optimizer = update.optimizer
            if optimizer._buckets.get(update.group) is not buckets:
                return False
            if optimizer.rule_for(group) is not rule or (optimizer._seen and buckets.new_state(optimizer._state)):
                return False
            if group.get("maximize", False) != update.negate or len(optimizer.param_groups) != count:
                return False
            if buckets.new_gradients():
                return False
        self.changed = self.guards.changed()
        if self.changed:
            return False
        for watched in self.outside:
            tensor = watched.tensor
            if tensor._tracked != watched.tracked:
                return False
            if tensor._data is not watched.data:
                now = tensor._array()
                if watched.slot < 0 or (now.shape, now.dtype, now.strides) != watched.kind:
                    return False
                self.operands[watched.slot] = now.ctypes.data
                watched.data = now
        self._write()
        return True
