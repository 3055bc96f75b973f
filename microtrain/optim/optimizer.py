"""The class around a rule: parameter groups, state, `step`, `zero_grad`, `state_dict`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..recording import call_site, memory_of, set_grad_enabled
from ..tensor import Tensor
from .rule import Rule

Group = dict[str, Any]
FEW = 1 << 14  # parameters up to this many elements together are updated as one array


class Optimizer:
    """Base of the optimizers. A subclass has a `rule` and says, for each step, what its hyper-parameters are.

    Args:
        params: tensors, or groups: [{"params": [...], "lr": 0.1}, {"params": [...]}].
        defaults: the hyper-parameters of groups that do not set their own.
    """

    rule: ClassVar[Rule]

    def __init__(self, params: Iterable[Any], defaults: Group) -> None:
        if isinstance(params, Tensor):
            raise DtypeError("An optimizer takes a list of parameters.", fix="Write [w] instead of w.")
        items = list(params)
        if not items:
            raise ArgumentError("The optimizer got no parameters.", fix="model.parameters() can be used up only once.")
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._buckets: dict[int, Bucket] = {}
        for group in items if isinstance(items[0], dict) else [{"params": items}]:
            self.add_param_group(group)

    def add_param_group(self, group: Group) -> None:
        """More parameters, with hyper-parameters of their own."""
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise DtypeError(f"An optimizer takes tensors, not {type(p).__name__}.")
            if not p.is_leaf:
                raise ArgumentError("An optimizer can only change leaves, not the results of operations.")
            if id(p) in known:
                raise ArgumentError("A parameter appears in two places of the optimizer.")
            known.add(id(p))
        unknown = set(group) - set(self.defaults) - {"params"}
        if unknown:
            raise ArgumentError(
                f"{type(self).__name__} has no hyper-parameter {sorted(unknown)}.",
                fix=f"It has {', '.join(self.defaults)}.",
            )
        self.param_groups.append({**self.defaults, **group, "params": params})

    def rule_for(self, group: Group) -> Rule:
        """The rule that a group's options ask for."""
        return self.rule

    def hyper(self, group: Group, step: int) -> dict[str, Any]:
        """The values of the rule's hyper-parameters at this step (counted from 1)."""
        return group

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients (or write zeros into them)."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    p._grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. `closure`, if given, computes the loss first and is returned."""
        loss = None
        if closure is not None:
            with set_grad_enabled(True):
                loss = closure()
        where = call_site(2)
        for index, group in enumerate(self.param_groups):
            params = [p for p in group["params"] if p._grad is not None]
            if params:
                self._step_group(index, group, params)
            for p in params:
                memory = memory_of(p)
                memory.version += 1
                memory.writer = (type(self).__name__, where)
        return loss

    def _step_group(self, index: int, group: Group, params: list[Tensor]) -> None:
        rule = self.rule_for(group)
        bucket = self._buckets.get(index)
        if bucket is None or not bucket.holds(rule, params):
            bucket = self._buckets[index] = Bucket(rule, params, [self._state_of(p, rule) for p in params])
        if bucket.possible:
            step = bucket.next_step()
            bucket.update([self.hyper(group, step)[name] for name in rule.hyper], group.get("maximize", False))
            return
        for p, state in zip(params, bucket.states, strict=True):
            state["step"] += 1
            hyper = self.hyper(group, state["step"])
            g = p._grad._array()  # type: ignore[union-attr]
            rule.update(
                p._array(),
                -g if group.get("maximize") else g,
                [state[name] for name in rule.state],
                [hyper[name] for name in rule.hyper],
            )

    def _state_of(self, p: Tensor, rule: Rule) -> dict[str, Any]:
        state = self.state.setdefault(p, {"step": 0})
        for name in rule.state:
            if name not in state:
                state[name] = np.zeros(p.shape, p.dtype)
        return state

    def state_dict(self) -> dict[str, Any]:
        """Groups and state as plain data, parameters numbered in order; a copy."""
        number = {p: k for k, p in enumerate(self._params())}
        return {
            "state": {
                number[p]: {key: np.array(value) if hasattr(value, "shape") else value for key, value in state.items()}
                for p, state in self.state.items()
            },
            "param_groups": [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken. Raises `ShapeError` if the parameters differ in number or shape."""
        params = list(self._params())
        groups = state_dict["param_groups"]
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ShapeError(
                "load_state_dict(): the saved optimizer has groups of "
                f"{[len(g['params']) for g in groups]} parameters, this one of "
                f"{[len(g['params']) for g in self.param_groups]}.",
            )
        state: dict[Tensor, dict[str, Any]] = {}
        for number, saved in state_dict["state"].items():
            p = params[int(number)]
            for key, value in saved.items():
                if hasattr(value, "shape") and np.shape(value) != p.shape:
                    raise ShapeError(f"load_state_dict(): '{key}' of parameter {number} has shape {np.shape(value)}, "
                                     f"but the parameter has {p.shape}.")
            state[p] = {key: np.array(value) if hasattr(value, "shape") else value for key, value in saved.items()}
        for group, saved in zip(self.param_groups, groups, strict=True):
            group.update({key: value for key, value in saved.items() if key != "params"})
        self.state = state
        self._buckets.clear()

    def _params(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group["params"]

    def __repr__(self) -> str:
        lines = []
        for k, group in enumerate(self.param_groups):
            settings = ", ".join(f"{key}={value}" for key, value in group.items() if key != "params")
            lines.append(f"  group {k}: {len(group['params'])} parameters, {settings}")
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


class Bucket:
    """Many small parameters of one dtype, updated as one long array: one call of the rule instead of many."""

    def __init__(self, rule: Rule, params: list[Tensor], states: list[dict[str, Any]]) -> None:
        self.rule, self.params, self.states = rule, params, states
        self._ids = [id(p) for p in params]
        sizes = [p.numel() for p in params]
        self.possible = (
            len(params) > 1
            and sum(sizes) <= FEW
            and len({p.dtype for p in params}) == 1
            and len({state["step"] for state in states}) == 1
        )
        if not self.possible:
            return
        self.step = states[0]["step"]
        starts = np.cumsum([0, *sizes]).tolist()
        self.parts = [slice(a, b) for a, b in zip(starts[:-1], starts[1:], strict=True)]
        self.p, self.g = np.empty(sum(sizes), params[0].dtype), np.empty(sum(sizes), params[0].dtype)
        self.state = []
        for name in rule.state:
            flat = np.concatenate([state[name].reshape(-1) for state in states])
            self.state.append(flat)
            for state, part, p in zip(states, self.parts, params, strict=True):
                state[name] = flat[part].reshape(p.shape)

    def holds(self, rule: Rule, params: list[Tensor]) -> bool:
        """Is this still the bucket of these parameters?"""
        return rule is self.rule and [id(p) for p in params] == self._ids

    def next_step(self) -> int:
        self.step += 1
        for state in self.states:
            state["step"] = self.step
        return self.step  # type: ignore[no-any-return]

    def update(self, hyper: list[Any], maximize: bool) -> None:
        memories = [p._array() for p in self.params]
        np.concatenate([m.reshape(-1) for m in memories], out=self.p)
        np.concatenate([p._grad._data.reshape(-1) for p in self.params], out=self.g)  # type: ignore[union-attr]
        self.rule.update(self.p, -self.g if maximize else self.g, self.state, hyper)
        for memory, part in zip(memories, self.parts, strict=True):
            memory[...] = self.p[part].reshape(memory.shape)
