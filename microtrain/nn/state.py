"""What a module consists of, by name: walking through it, its state_dict, and loading one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, DtypeError, GraphError, ShapeError
from .parameter import Parameter, UninitializedParameter

if TYPE_CHECKING:
    from .module import Module


def joined(path: str, name: str) -> str:
    """A dotted name."""
    return f"{path}.{name}" if path else name


def check_part(module: Module, name: str, value: Any, kind: type[Any]) -> None:
    """Raise `DtypeError` or `ArgumentError` if this can't be a part of a module under this name."""
    if value is not None and not isinstance(value, kind):
        raise DtypeError(
            f"'{name}' of {type(module).__name__} is to be a {kind.__name__}, not a {type(value).__name__}.",
            fix="Wrap it: nn.Parameter(tensor)." if kind is Parameter else "",
        )
    if not isinstance(name, str):
        raise DtypeError(f"The parts of a module have texts as names, not {name!r:.80}.", fix=f"{str(name)!r:.80}")
    if not name or "." in name:
        raise ArgumentError(f"No part of a module can be called '{name}'.", "Dots join the names of parts.")
    before = getattr(module, name, None)
    if before is not None and not isinstance(before, kind):
        raise ArgumentError(
            f"No part of {type(module).__name__} can be called '{name}': it has an attribute of that name."
        )


def paths(module: Module, prefix: str = "") -> Iterator[tuple[str, Module]]:
    """(dotted name, module) of the module and all below it; a shared one under each of its names.

    Raises `GraphError` if a module contains itself.
    """
    stack: list[tuple[str, Module, frozenset[int]]] = [(prefix, module, frozenset())]
    while stack:
        path, module, above = stack.pop()
        if id(module) in above:
            raise GraphError(
                f"The module '{path}' contains itself.",
                "A module's attributes that are modules are its parts; a link back to its owner makes a circle.",
                "Give it what it needs of its owner as an argument instead.",
            )
        yield path, module
        above = above | {id(module)}
        stack.extend((joined(path, name), child, above) for name, child in reversed(module._parts()))


def innermost_first(module: Module) -> list[Module]:
    """The module and all below it, each once, and each after all that are inside it."""
    order: dict[int, Module] = {}
    stack = [(module, False)]
    while stack:
        item, ready = stack.pop()
        if id(item) in order:
            continue
        if ready:
            order[id(item)] = item
        else:
            stack.append((item, True))
            stack.extend((child, False) for child in reversed(list(item.children())))
    return list(order.values())


def named(module: Module, prefix: str = "", *, unsaved: bool = False) -> Iterator[tuple[str, Any]]:
    """(name, tensor) of what is saved: parameters, then buffers, module by module.

    With `unsaved` also of the buffers that are not saved.
    """
    for path, part in paths(module, prefix.rstrip(".")):
        attributes = vars(part)
        buffers = [name for name, saved in attributes.get("_saved_buffers", {}).items() if saved or unsaved]
        parameters = [name for name, value in attributes.items() if isinstance(value, Parameter)]
        for name in dict.fromkeys(parameters + buffers):
            if attributes.get(name) is not None:
                yield joined(path, name), attributes[name]


class Own(MutableMapping[str, Any]):
    """A module's own parameters, modules or buffers, by name: what PyTorch's programs know as `module._modules`.

    They are the module's attributes; what is put in or taken out here is set there.
    """

    def __init__(self, module: Module, kind: str) -> None:
        self._module, self._kind = module, kind

    def _now(self) -> dict[str, Any]:
        if self._kind == "_modules":
            return dict(self._module._parts())
        attributes = vars(self._module)
        if self._kind == "_parameters":
            return {name: value for name, value in attributes.items() if isinstance(value, Parameter)}
        return {name: attributes[name] for name in attributes.get("_saved_buffers", ())}

    def __getitem__(self, name: str) -> Any:
        return self._now()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if self._kind == "_modules":
            self._module.add_module(name, value)
        elif self._kind == "_parameters":
            self._module.register_parameter(name, value)
        else:
            self._module.register_buffer(name, value, self._module._saved_buffers.get(name, True))

    def __delitem__(self, name: str) -> None:
        self._now()[name]  # a KeyError, if there is none
        delattr(self._module, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __repr__(self) -> str:
        return repr(self._now())


def _with_extra_state(module: Module, prefix: str = "") -> dict[str, Module]:
    """{name in the state_dict: module} of those whose class has a state of its own, as in PyTorch."""
    found = {joined(path, "_extra_state"): part for path, part in paths(module, prefix.rstrip("."))}
    return {name: part for name, part in found.items() if hasattr(type(part), "get_extra_state")}


def collect(module: Module, prefix: str, keep: bool) -> dict[str, Any]:
    """`Module.state_dict`."""
    output = {}
    for name, value in named(module, prefix):
        if isinstance(value, UninitializedParameter):
            raise GraphError(
                f"'{name}' has no values yet: its shape is known when the lazy layer has seen a batch.",
                fix="Call the model once on some input before saving it.",
            )
        output[name] = value if keep else value.detach()
    for name, part in _with_extra_state(module, prefix).items():
        output[name] = part.get_extra_state()
    return output


class Keys(NamedTuple):
    """What `load_state_dict` found no values for, and what it did not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"Keys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def load(module: Module, state_dict: Mapping[str, Any], strict: bool) -> Keys:
    """`Module.load_state_dict`: first everything is checked, then everything is copied."""
    if not isinstance(state_dict, Mapping):
        raise DtypeError(
            f"load_state_dict() takes a dict {{name: tensor}}, not {type(state_dict).__name__}.",
            fix="model.load_state_dict(mt.load(path)); of a checkpoint, the part that model.state_dict() gave.",
        )
    own, extra = dict(named(module)), _with_extra_state(module)
    missing = [name for name in (*own, *extra) if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own and name not in extra]
    if strict and (missing or unexpected):
        raise ArgumentError(
            f"load_state_dict(): missing {missing or 'nothing'}, left over {unexpected or 'nothing'}.",
            f"The names of the saved model and of this {type(module).__name__} differ.",
            "Build the model with the same layers, or pass strict=False to load what fits.",
        )
    values = {name: _array(state_dict[name]) for name in own if name in state_dict}
    for name, value in values.items():
        if not isinstance(own[name], UninitializedParameter) and value.shape != own[name].shape:
            raise ShapeError(
                f"load_state_dict(): '{name}' has shape {own[name].shape} here and {value.shape} in the file.",
                fix="Build the model with the same sizes.",
            )
    for name, value in values.items():
        if isinstance(own[name], UninitializedParameter):
            own[name].materialize(value.shape)
        own[name].detach().copy_(value)
    for name, part in extra.items():
        if name in state_dict:
            part.set_extra_state(state_dict[name])
    return Keys(missing, unexpected)


def _array(value: Any) -> np.ndarray[Any, Any]:
    """The numbers of a tensor (ours or PyTorch's) or of an array."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value)
