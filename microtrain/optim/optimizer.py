"""The class around a rule: parameter groups, state, `step`, `zero_grad`, `state_dict`."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from ..engine.backward import Handle
from ..engine.node import Writer
from ..engine.recording import MODE, grad_mode
from ..engine.sites import call_site
from ..errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from ..tensor import Tensor, wrap
from . import checkpoint, step_hooks
from .bucket import Bucket, Buckets
from .rule import Rule, no_number

Group = dict[str, Any]
Closure = Callable[[], Any]

OF_OTHERS = ("name", "param_names", "initial_lr")  # keys that a group may have although they are no hyper-parameters
HOW_PYTORCH_RUNS = ("foreach", "fused", "capturable")  # options of PyTorch that change nothing in the result


class Optimizer:
    """Base of the optimizers. A subclass has a `rule`, and says which variant of it a group's options ask for.

    Args:
        params: tensors, or (name, tensor) pairs, or groups: [{"params": [...], "lr": 0.1}, {"params": [...]}].
        defaults: the hyper-parameters of groups that do not set their own.

    A learning rate may also be a function of the number of the step (from 0), such as `0.1 * schedules.Cosine(100)`.
    """

    rule: ClassVar[Any] = None  # None for those that a program defines by their step alone
    scalars: ClassVar[Mapping[str, float]] = {"step": 0}  # the numbers in each parameter's state, as they begin
    transient: ClassVar[tuple[str, ...]] = ()  # state that each step makes anew, and that need not be saved
    reference: ClassVar[str] = ""  # who, and when
    idea: ClassVar[str] = ""  # in one line

    # A subclass that wraps another optimizer may do without __init__.
    _buckets: dict[int, Buckets] = MappingProxyType({})  # type: ignore[assignment]
    _seen = False
    steps = 0

    def __init__(self, params: Iterable[Any], defaults: Group, pytorchs: Mapping[str, Any] | None = None) -> None:
        _accept(type(self).__name__, pytorchs or {}, defaults)
        if isinstance(params, Tensor):
            raise DtypeError("An optimizer takes a list of parameters.", fix="Write [w] instead of w.")
        items = _in_order(params)
        if not items:
            raise ArgumentError("The optimizer got no parameters.", fix="model.parameters() can be used up only once.")
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self._state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._seen = False  # has the program got hold of the state?
        self.schedulers: list[Any] = []  # which set the learning rate together, in the order in which they were made
        self.scheduled: dict[int, tuple[float, float]] = {}  # group: (the rate they set last, what it started from)
        self.steps = 0  # calls of step() that did not fail
        self._buckets = {}  # by the number of the group
        for group in items if isinstance(items[0], dict) else [{"params": items}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """More parameters, with hyper-parameters of their own.

        Raises `ArgumentError` for what is no group, hyper-parameters that the optimizer does not have, parameters that
        it has already and tensors that are not leaves, `DtypeError` for what is no tensor.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise ArgumentError(
                f"A parameter group is a dict with 'params' in it, not {param_group!r:.80}.",
                fix='{"params": model.parameters(), "lr": 0.1}',
            )
        items = param_group["params"]
        items = [items] if isinstance(items, Tensor) else _in_order(items)
        names = [item[0] for item in items if isinstance(item, tuple)]
        params = [item[1] if isinstance(item, tuple) else item for item in items]
        known = {id(p) for p in self._params()}
        for p in params:
            if not isinstance(p, Tensor):
                raise DtypeError(f"An optimizer takes tensors, not {type(p).__name__}.")
            if not p.is_leaf:
                raise ArgumentError(
                    "An optimizer can only change leaves, not the results of operations.",
                    "A result is computed anew from its inputs each time.",
                    "Give the tensors it is computed from, or make a leaf of it: x.detach().requires_grad_().",
                )
            if id(p) in known:
                raise ArgumentError(
                    "A parameter appears in two places of the optimizer.",
                    "Each step would move it twice.",
                    "Give it once. model.parameters() has what is shared by several modules once.",
                )
            known.add(id(p))
        if self.rule is not None:  # else the program's own step() may look at any key
            _check_names(type(self).__name__, set(param_group) - {"params", *OF_OTHERS, *self.defaults}, self.defaults)
        named = {"param_names": names} if names else {}
        self.param_groups.append({**self.defaults, **param_group, **named, "params": params})
        if self.schedulers:
            try:
                self.schedulers[-1].welcome(len(self.param_groups) - 1)
            except ArgumentError:
                self.param_groups.pop()
                raise

    @property
    def state(self) -> defaultdict[Tensor, dict[str, Any]]:
        """{parameter: its state}, tensors and numbers by name. The program may change what is in it.

        Once asked for, it is updated after every step.
        """
        self._seen = True
        self.write_back()
        return self._state

    @state.setter
    def state(self, value: Mapping[Tensor, dict[str, Any]]) -> None:
        self._seen = True
        self._state = defaultdict(dict, value)

    def write_back(self) -> None:
        """Put the numbers of the steps taken into the state."""
        for buckets in self._buckets.values():
            for bucket in buckets.buckets:
                bucket.write_back()

    # ---- what a subclass says ----------------------------------------------------------------------------------------

    def rule_for(self, group: Group) -> Rule:
        """The variant of the rule that a group's options ask for."""
        return self.rule  # type: ignore[no-any-return]

    def hyper(self, group: Group) -> Mapping[str, Any]:
        """What the rule needs to know besides the group's hyper-parameters, or knows by another name."""
        return {}

    def initial(self, name: str, p: Tensor, group: Group) -> np.ndarray:
        """What a piece of a parameter's state is before the first step."""
        return np.zeros(p.shape, p.dtype)

    def names_in_state(self, group: Group) -> tuple[str, ...]:
        """The pieces of a parameter's state that have its shape."""
        rule = self.rule_for(group)
        return () if rule is None else rule.state

    # ---- a step ------------------------------------------------------------------------------------------------------

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients (or write zeros into them)."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    p._grad.zero_()

    def step(self, closure: Closure | None = None) -> Any:
        """Update every parameter that has a gradient. `closure`, if given, computes the loss first and is returned."""
        loss = None
        if closure is not None:
            with grad_mode(True):
                loss = need_closure(closure, type(self).__name__)()
        self.update(call_site(2))
        return loss

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(optimizer, args, kwargs)` before each step.

        `args` begins with the optimizer, as PyTorch's does. If the hook returns (args, kwargs), the step gets these.
        Copies of the optimizer have no hooks. Raises `DtypeError` for what is no function.
        """
        return step_hooks.register(self, "before", hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(optimizer, args, kwargs)` after each step. Raises `DtypeError` for what is no function."""
        return step_hooks.register(self, "after", hook)

    def update(self, where: tuple[Any, int]) -> None:
        """Apply the rule once to every parameter that has a gradient. `where` is the line that asked for it."""
        self.steps += 1
        try:
            self.prepare()
            writer: Writer = (type(self).__name__, where)
            listeners = MODE.get().listeners
            for index, group in enumerate(self.param_groups):
                rule = self.rule_for(group)
                known = self._buckets.get(index)
                found = None
                if known is not None and known.rule is rule and not (self._seen and known.new_state(self._state)):
                    found = known.gradients(writer)
                if found is None:
                    self.write_back()
                    known = self._buckets[index] = self._in_buckets(group, rule)
                    found = known.gradients(writer) or []
                negate = group.get("maximize", False)
                for bucket, gradients in found:
                    before = bucket.scalars.copy()
                    try:
                        numbers = self._numbers(group, rule, bucket)
                        if listeners:
                            for listener in listeners:
                                if hasattr(listener, "update"):
                                    listener.update(self, bucket, gradients, numbers, negate)
                        bucket.update(gradients, numbers, negate)
                    except BaseException:
                        bucket.scalars.update(before)
                        raise
        except BaseException:
            self.steps -= 1  # a step that failed does not count
            raise
        if self._seen:
            self.write_back()

    def prepare(self) -> None:
        """What a step needs besides gradients and numbers: random ones, say."""

    def _in_buckets(self, group: Group, rule: Rule) -> Buckets:
        params = [p for p in group["params"] if p._grad is not None]
        others = [p for p in group["params"] if p._grad is None]
        for p in params:
            if p._grad._data.shape != p._data.shape:  # it was given other data since backward()
                raise ShapeError(
                    f"A parameter has shape {p.shape}, and its gradient {p._grad.shape}.",
                    "It was given other data after backward().",
                    "Call zero_grad() and backward() again.",
                )
        states = [self.state_of(p, rule, group) for p in params]
        return Buckets(rule, params, states, tuple(self.scalars), others)

    def state_of(self, p: Tensor, rule: Rule, group: Group) -> dict[str, Any]:
        """The state that the rule needs, made where it is missing."""
        state = self._state[p]
        for scalar, value in self.scalars.items():
            state.setdefault(scalar, value)
        for name in rule.state:
            if name not in state:
                state[name] = wrap(self.initial(name, p, group))
            else:
                state[name] = _like(p, state[name], name)
        return state

    def rate(self, group: Group, step: int) -> float:
        """The learning rate after so many steps."""
        lr = group["lr"](step) if callable(group["lr"]) else group["lr"]
        try:
            return float(lr)
        except (TypeError, ValueError):  # the second: a text, or several numbers
            raise no_number(type(self).__name__, "lr", lr) from None

    def _numbers(self, group: Group, rule: Rule, bucket: Bucket) -> tuple[Any, ...]:
        """The values of the rule's hyper-parameters at the step that comes now."""
        bucket.scalars["step"] = step = bucket.scalars["step"] + 1
        if not rule.scalars and type(group["lr"]) is float:
            own = self.hyper(group)
            return rule.pick({**group, **own} if own else group)
        lr = self.rate(group, step - 1)
        known = {**group, **self.hyper(group), **bucket.scalars, "t": step, "lr": lr}
        values = rule.numbers(known)
        for name in bucket.scalars:
            bucket.scalars[name] = known[name]
        return values

    # ---- saving ------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Groups and state as plain data and tensors, parameters numbered in order; a copy."""
        return checkpoint.saved(self)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken (also by PyTorch). The parameters themselves are not part of it.

        Raises `ShapeError` if the parameters differ in number or shape.
        """
        checkpoint.restore(self, state_dict)
        self._buckets = {}

    def __getstate__(self) -> dict[str, Any]:
        self._seen = True  # a shallow copy shares the state
        self.write_back()
        own = {name: value for name, value in vars(self).items() if not isinstance(value, step_hooks.HookedStep)}
        return {**own, "_buckets": {}}  # they share memory with the parameters, which a copy would lose

    def _params(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group["params"]

    def __repr__(self) -> str:
        lines = []
        for k, group in enumerate(self.param_groups):
            settings = ", ".join(f"{key}={value}" for key, value in group.items() if key not in ("params", *OF_OTHERS))
            lines.append(f"  group {k}: {len(group['params'])} parameters, {settings}")
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def _in_order(params: Any) -> list[Any]:
    if isinstance(params, (set, frozenset)):
        raise DtypeError("An optimizer takes its parameters in order, and a set has none.", fix="Pass a list.")
    if not isinstance(params, Iterable):
        raise DtypeError(
            f"An optimizer takes parameters (tensors), not {type(params).__name__}.", fix="model.parameters()"
        )
    if isinstance(params, Mapping):
        groups = "params" in params
        fix = "A group of parameters stands in a list: [{'params': ...}]." if groups else "list(params.values())"
        raise DtypeError("An optimizer takes a list of parameters or of groups, not a dict.", fix=fix)
    return list(params)


def _accept(who: str, options: Mapping[str, Any], defaults: Group) -> None:
    """Let PyTorch's other options pass where leaving them out changes nothing."""
    for name, value in options.items():
        if name == "differentiable" and value:
            raise UnsupportedError(
                f"{who}: differentiable=True is not supported.",
                "Steps are written in place, so nothing can be differentiated through them.",
                "Write the step with tensors (w = w - lr * g) and mt.grad(..., create_graph=True).",
            )
        if name not in (*HOW_PYTORCH_RUNS, "differentiable"):
            raise ArgumentError(f"{who} has no option '{name}'.", fix=f"It has {', '.join(defaults)}.")


def _check_names(who: str, unknown: set[str], defaults: Group) -> None:
    """A group may have keys of the program's own, or of another optimizer that shares it; but one may be misspelt."""
    for name in sorted(unknown):
        close = get_close_matches(name.lower(), defaults, 1, 0.7)
        meant = "lr" if "rate" in name else close[0] if close else None
        if meant is not None:
            raise ArgumentError(
                f"{who} has no hyper-parameter '{name}'; did you mean '{meant}'?", fix=f"It has {', '.join(defaults)}."
            )
        warnings.warn(
            f"{who} has no hyper-parameter '{name}': it is kept with its group, and changes nothing. "
            f"(There are {', '.join(defaults)}.)",
            UserWarning,
            stacklevel=5,
        )


def _like(p: Tensor, value: Any, name: str) -> Tensor:
    """A piece of state, as it is or as the program has put it there: of the parameter's shape and dtype, contiguous.

    Raises `ShapeError` for another shape.
    """
    array = value._array() if isinstance(value, Tensor) else np.asarray(value)
    if array.shape != p.shape:
        raise ShapeError(f"The '{name}' in an optimizer's state has shape {array.shape}, the parameter {p.shape}.")
    if isinstance(value, Tensor) and array.dtype == p.dtype and array.flags.c_contiguous:
        return value
    return wrap(np.array(array, p.dtype, order="C"))


def need_closure(closure: Closure | None, who: str, why: str = "") -> Closure:
    """The closure. Raises `ArgumentError` if there is none, `DtypeError` if it can't be called."""
    if closure is None:
        raise ArgumentError(f"{who}.step() needs a closure.", why, "optimizer.step(closure)")
    if not callable(closure):
        raise DtypeError(
            f"{who}.step() takes a function, not {type(closure).__name__}.",
            "A closure computes the loss and its gradient when it is called.",
            "Call loss.backward(), then optimizer.step(); or give the function that does it, without calling it.",
        )
    return closure


def check_range(who: str, **values: float) -> None:
    """Raise `ArgumentError` for a hyper-parameter that is negative or no number."""
    for name, value in values.items():
        if callable(value):
            continue
        try:
            negative = not value >= 0
        except (TypeError, ValueError):  # the second: several numbers
            raise no_number(who, name, value) from None
        if negative:
            wrong = "it can't be negative" if value < 0 else "it has to be a number"
            raise ArgumentError(f"{who}: {name} is {value}; {wrong}.")
