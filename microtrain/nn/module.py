"""The base of everything that has parameters.

Nothing is registered behind the scenes: a module's parameters and submodules are simply the attributes that are
parameters and modules, in the order in which they were set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ..errors import ArgumentError, MicrotrainError, ShapeError
from ..tensor import Tensor
from .parameter import Parameter

Self = TypeVar("Self", bound="Module")


class Module:
    """A function with parameters. Subclasses set parameters and submodules as attributes and define `forward`.

    >>> import microtrain as mt
    >>> class Line(mt.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.slope = mt.nn.Parameter(mt.tensor(2.0))
    ...
    ...     def forward(self, x):
    ...         return self.slope * x
    >>> Line()(mt.tensor([1.0, 2.0]))
    tensor([2., 4.], grad_fn=<mul>)
    """

    training: bool = True
    _before: Sequence[Callable[..., Any]] = ()  # hooks, see `register_forward_pre_hook`
    _after: Sequence[Callable[..., Any]] = ()

    def __init__(self) -> None:
        self._buffers: dict[str, bool] = {}  # name -> is it saved?

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define forward().")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for hook in self._before:
            replaced = hook(self, args)
            if replaced is not None:
                args = replaced if isinstance(replaced, tuple) else (replaced,)
        output = self.forward(*args, **kwargs)
        for hook in self._after:
            replaced = hook(self, args, output)
            if replaced is not None:
                output = replaced
        return output

    # ---- what is inside --------------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with dotted names; the module itself is ''."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module
                below = [(f"{name}.{key}" if name else key, child) for key, child in module.named_children()]
                stack.extend(reversed(below))

    def modules(self) -> Iterator[Module]:
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names, in the order in which they were set; shared ones once."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that belongs to the state but is not trained."""
        self._buffers[name] = persistent
        setattr(self, name, tensor)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module) -> None:
        setattr(self, name, module)

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for path, module in self.named_modules(prefix):
            for name in module.__dict__.get("_buffers", ()):
                value = getattr(module, name)
                if value is not None:
                    yield (f"{path}.{name}" if path else name), value

    # ---- state -------------------------------------------------------------------------------------------------------

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """What is saved, with PyTorch's keys. A shared parameter appears under each of its names."""
        for path, module in self._paths():
            saved = module.__dict__.get("_buffers", {})
            for name, value in vars(module).items():
                if isinstance(value, Parameter) or (saved.get(name) and value is not None):
                    yield (f"{path}.{name}" if path else name), value

    def _paths(self) -> Iterator[tuple[str, Module]]:
        """Like `named_modules`, but a shared module appears under each of its names."""
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            path, module = stack.pop()
            yield path, module
            below = [(f"{path}.{key}" if path else key, child) for key, child in module.named_children()]
            stack.extend(reversed(below))

    def state_dict(self) -> dict[str, Tensor]:
        """{name: tensor} of all parameters and saved buffers; the tensors share their memory with the module."""
        return {name: value.detach() for name, value in self._state()}

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> Keys:
        """Copy values (tensors or arrays) into the parameters of the same names.

        Raises `ShapeError` before anything is changed if a shape differs, `ArgumentError` with `strict` if names are
        missing or left over.
        """
        own = dict(self._state())
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        if strict and (missing or unexpected):
            raise ArgumentError(
                f"load_state_dict(): missing {missing or 'nothing'}, left over {unexpected or 'nothing'}.",
                f"The names of the saved model and of this {type(self).__name__} differ.",
                "Build the model with the same layers, or pass strict=False to load what fits.",
            )
        values = {}
        for name, tensor in own.items():
            if name in state_dict:
                saved = state_dict[name]
                values[name] = np.asarray(saved.detach() if hasattr(saved, "detach") else saved)
                if values[name].shape != tensor.shape:
                    raise ShapeError(
                        f"load_state_dict(): '{name}' has shape {tensor.shape} here and {values[name].shape} in the file.",
                        fix="Build the model with the same sizes.",
                    )
        for name, value in values.items():
            own[name].detach().copy_(value)
        return Keys(missing, unexpected)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (or write zeros into them)."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Switch to training behaviour (dropout drops), here and below."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Switch to evaluation behaviour (dropout does nothing)."""
        return self.train(False)

    def apply(self: Self, function: Callable[[Module], Any]) -> Self:
        """Call a function on every module, the innermost first."""
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Convert the floating-point parameters and buffers to a dtype; a device can only be 'cpu'."""
        for _, tensor in self._state():
            converted = tensor.detach().to(*args, **kwargs)
            if tensor.is_floating_point() and converted.dtype != tensor.dtype:
                tensor.data = converted
        return self

    def float(self: Self) -> Self:
        return self.to(np.float32)

    def double(self: Self) -> Self:
        return self.to(np.float64)

    def cpu(self: Self) -> Self:
        return self

    # ---- hooks -------------------------------------------------------------------------------------------------------

    def register_forward_hook(self, hook: Callable[[Module, Any, Any], Any]) -> Removable:
        """Call `hook(module, args, output)` after forward; what it returns, if anything, replaces the output."""
        return Removable(self.__dict__.setdefault("_after", []), hook)

    def register_forward_pre_hook(self, hook: Callable[[Module, Any], Any]) -> Removable:
        """Call `hook(module, args)` before forward; what it returns, if anything, replaces the arguments."""
        return Removable(self.__dict__.setdefault("_before", []), hook)

    # ---- showing itself ----------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What to show between the brackets; for subclasses."""
        return ""

    def __repr__(self) -> str:
        children = list(self.named_children())
        if not children:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [f"{type(self).__name__}({self.extra_repr()}"]
        for name, child in children:
            lines.append(f"  ({name}): " + repr(child).replace("\n", "\n  "))
        return "\n".join([*lines, ")"])

    def summary(self) -> str:
        """A table of all parameters: name, shape, how many."""
        rows = [(name, str(p.shape), p.numel()) for name, p in self.named_parameters()]
        total = sum(count for _, _, count in rows)
        wide = max([len(name) for name, _, _ in rows] + [len("parameter")])
        tall = max([len(shape) for _, shape, _ in rows] + [len("shape")])
        lines = [f"{'parameter':{wide}}  {'shape':{tall}}  {'count':>9}"]
        lines += [f"{name:{wide}}  {shape:{tall}}  {count:9d}" for name, shape, count in rows]
        return "\n".join([*lines, f"{'total':{wide}}  {'':{tall}}  {total:9d}"])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        known = [key for key in vars(self) if not key.startswith("_")]
        raise ModuleAttributeError(
            f"{type(self).__name__} has no attribute '{name}'.",
            "" if "_buffers" in vars(self) else "super().__init__() was not called.",
            f"It has {', '.join(known)}." if known else "",
        )


class ModuleAttributeError(MicrotrainError, AttributeError):
    """A misspelt attribute of a module."""


class Keys(tuple):  # type: ignore[type-arg]
    """(missing_keys, unexpected_keys) of `load_state_dict`."""

    def __new__(cls, missing: list[str], unexpected: list[str]) -> Keys:
        return super().__new__(cls, (missing, unexpected))

    @property
    def missing_keys(self) -> list[str]:
        return self[0]  # type: ignore[no-any-return]

    @property
    def unexpected_keys(self) -> list[str]:
        return self[1]  # type: ignore[no-any-return]


class Removable:
    """What registering a hook returns; `remove()` takes the hook away."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook
        hooks.append(hook)

    def remove(self) -> None:
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)
