"""An optimizer's state as plain data, and back: PyTorch's layout, so that either can go on where the other stopped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..tensor import Tensor, wrap

if TYPE_CHECKING:
    from .optimizer import Optimizer


def saved(optimizer: Optimizer) -> dict[str, Any]:
    """{"state": {number of the parameter: its state}, "param_groups": [hyper-parameters and numbers]}; a copy."""
    optimizer.write_back()
    number = {p: k for k, p in enumerate(optimizer._params())}
    state = {
        number[p]: {
            # what a program's own optimizer keeps is given out as it is, as PyTorch does
            key: value if optimizer.rule is None and isinstance(value, Tensor) else _copied(value)
            for key, value in entries.items()
            if key not in optimizer.transient
        }
        for p, entries in optimizer._state.items()
        if p in number and entries
    }
    groups = [
        {key: value for key, value in group.items() if key != "params" and not callable(value)}
        | {"params": [number[p] for p in group["params"]]}
        for group in optimizer.param_groups
    ]
    return {"state": state, "param_groups": groups}


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return wrap(value.copy())
    return [_copied(v) for v in value] if isinstance(value, list) else value


def restore(optimizer: Optimizer, state_dict: Mapping[str, Any]) -> None:
    """Put what `saved` returned into an optimizer of the same parameters."""
    params = list(optimizer._params())
    groups = _checked(state_dict)
    sizes, ours = [len(g["params"]) for g in groups], [len(g["params"]) for g in optimizer.param_groups]
    if sizes != ours:
        raise ShapeError(
            f"load_state_dict(): the saved optimizer has groups of {sizes} parameters, this one of {ours}.",
            fix="Make the optimizer for the same model, with the same groups.",
        )
    numbers = [n for group in groups for n in group["params"]]
    param_of = dict(zip(map(int, numbers), params, strict=True))
    of_parameters = {name for group in optimizer.param_groups for name in optimizer.names_in_state(group)}
    state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
    for number, entries in state_dict["state"].items():
        p = param_of.get(int(number))
        if p is None:
            raise ArgumentError(f"load_state_dict(): there is state of parameter {number}, which is in no group.")
        for key, value in entries.items():
            if key in of_parameters and value is not None and np.shape(value) != p.shape:
                raise ShapeError(
                    f"load_state_dict(): '{key}' of parameter {number} has shape {np.shape(value)}, "
                    f"but the parameter has {p.shape}."
                )
        state[p] = {}
        for key, value in entries.items():
            if value is None:
                continue
            if optimizer.rule is None:
                state[p][key] = _kept(value, p)
            else:
                state[p][key] = wrap(_loaded(value, p, False)) if key in of_parameters else _loaded(value, p)
    for group, entries in zip(optimizer.param_groups, groups, strict=True):
        group.update({key: entries[key] for key in entries if key in ("initial_lr", *group) and key != "params"})
    optimizer._state = state


def _checked(state_dict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The groups of a state_dict."""
    groups = state_dict.get("param_groups") if isinstance(state_dict, Mapping) else None
    if (
        not isinstance(groups, (list, tuple))
        or not all(isinstance(group, Mapping) and "params" in group for group in groups)
        or not isinstance(state_dict.get("state"), Mapping)
    ):
        raise ArgumentError(
            "load_state_dict(): this is not the state of an optimizer.",
            "That is a dict with 'state' and 'param_groups'.",
            "Pass what optimizer.state_dict() returned.",
        )
    return list(groups)


def _kept(value: Any, p: Tensor) -> Any:
    """What an optimizer of a program's own finds in its state: tensors; floats have the dtype of the parameter."""
    if isinstance(value, Tensor):
        return value.detach().to(p.dtype, copy=True) if value.is_floating_point() else value.detach().clone()
    return value


def _loaded(value: Any, p: Tensor, maybe_number: bool = True) -> Any:
    """Arrays and tensors (also PyTorch's) as arrays of the parameter's dtype, single numbers as Python's."""
    if isinstance(value, list):
        return [_loaded(v, p) for v in value]
    if not hasattr(value, "shape"):
        return value
    array = np.array(value.detach().numpy() if hasattr(value, "detach") else value)
    return array.item() if maybe_number and array.ndim == 0 else array.astype(p.dtype)
