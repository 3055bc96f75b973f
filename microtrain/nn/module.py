"""The base of everything that has parameters.

Nothing is registered behind the scenes: a module's parameters and submodules are simply the attributes that are
parameters and modules, in the order in which they were set.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from ..engine.backward import Handle
from ..engine.calls import mark_call
from ..engine.node import serial
from ..errors import DtypeError, MicrotrainError, UnsupportedError
from ..tensor import Tensor
from . import state
from .hooks import WithKwargs, call_with_hooks
from .parameter import Parameter
from .show import described, table

Self = TypeVar("Self", bound="Module")
Hook = Callable[..., Any]


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
    _hooked: bool = False  # has a hook ever been registered?
    _before: Sequence[Hook | WithKwargs] = ()  # hooks, see `register_forward_pre_hook`
    _after: Sequence[Hook | WithKwargs] = ()
    _before_backward: Sequence[Hook] = ()
    _after_backward: Sequence[Hook] = ()

    def __init__(self) -> None:
        self._saved_buffers: dict[str, bool] = {}  # name -> is it saved?

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it."""
        raise UnsupportedError(
            f"{type(self).__name__} does not define forward().",
            "It is what a call of a module runs.",
            "Define forward(self, x) in the class. Of a list of modules call each in turn, or use nn.Sequential.",
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        since = serial()
        try:
            output = call_with_hooks(self, args, kwargs) if self._hooked else self.forward(*args, **kwargs)
        except Exception as error:
            if args and args[0] is None and type(self).forward.__module__.startswith("microtrain."):
                raise DtypeError(
                    f"{type(self).__name__} was called with None.",
                    fix="Does the forward() of the module before it, or a function, forget its return?",
                ) from error
            raise
        mark_call(self, since, output)
        return output

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.__dict__.get(name)
        for kind in (Parameter, Module):
            if isinstance(before, kind) and value is not None and not isinstance(value, kind):
                raise DtypeError(
                    f"'{name}' of {type(self).__name__} is a {kind.__name__}, and a {type(value).__name__} would take "
                    "its place.",
                    "Nothing would train it any more.",
                    f"To change the values: with no_grad(): self.{name}.copy_(values)."
                    if kind is Parameter
                    else f"Give the other thing another name, or delete this one first: del self.{name}.",
                )
        if value is not None and name in self.__dict__.get("_saved_buffers", ()) and not isinstance(value, Tensor):
            raise DtypeError(
                f"'{name}' of {type(self).__name__} is a buffer, and a {type(value).__name__} would take its place.",
                "It would be saved with the module no more.",
                f"Write a tensor: self.{name} = mt.as_tensor(...), or delete the buffer first: del self.{name}.",
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        vars(self).get("_saved_buffers", {}).pop(name, None)

    # ---- what is inside --------------------------------------------------------------------------------------------

    def _parts(self) -> list[tuple[str, Module]]:
        """The attributes that are modules; a shared one under each of its names."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one, each once."""
        seen: set[int] = set()
        for name, child in self._parts():
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules that are attributes of this one, without their names."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "", *, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with dotted names; the module itself is ''.

        Without `remove_duplicate` shared ones come under each of their names.
        """
        if not remove_duplicate:
            yield from state.paths(self, prefix)
            return
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module
                stack.extend((state.joined(name, key), child) for key, child in reversed(module._parts()))

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once unless `remove_duplicate` is False."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names, in the order in which they were set.

        Shared ones come once; without `remove_duplicate` under each of their names.
        Warns about parameters in plain lists and dicts, which are not found.
        """
        seen: set[int] = set()
        hidden: list[tuple[str, Parameter]] = []
        modules = self.named_modules(prefix, remove_duplicate=remove_duplicate)
        for path, module in modules if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    if id(value) not in seen or not remove_duplicate:
                        seen.add(id(value))
                        yield state.joined(path, name), value
                elif type(value) in (list, tuple, dict):
                    hidden += [(state.joined(path, name), p) for p in _inside(value)]
        for name, parameter in hidden:
            if id(parameter) not in seen:
                warnings.warn(
                    f"The parameters in '{name}' of {type(self).__name__} are not found, because it is a plain "
                    "list or dict. Use nn.ModuleList, nn.ModuleDict, nn.ParameterList or nn.ParameterDict.",
                    stacklevel=3,
                )
                return

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, in the order in which they were set; shared ones once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names; shared ones once, or without `remove_duplicate` under each of their names."""
        seen: set[int] = set()
        modules = self.named_modules(prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name in vars(module).get("_saved_buffers", ()):
                value = getattr(module, name)
                if value is not None and not (remove_duplicate and id(value) in seen):
                    seen.add(id(value))
                    yield state.joined(path, name), value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that belongs to the module but is not trained; if `persistent` it is saved.

        Raises `DtypeError` for what is no tensor, `ArgumentError` for a name with a dot or of another attribute.
        """
        state.check_part(self, name, tensor, Tensor)
        setattr(self, name, tensor)
        self._saved_buffers[name] = persistent

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """The same as setting the attribute. Raises `DtypeError` for what is no parameter."""
        state.check_part(self, name, param, Parameter)
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as setting the attribute, for names that are made by the program.

        Raises `DtypeError` for what is no module, `ArgumentError` for a name with a dot or of another attribute.
        """
        state.check_part(self, name, module, Module)
        setattr(self, name, module)

    register_module = add_module

    def get_submodule(self, target: str) -> Module:
        """The module with this dotted name. Raises `ModuleAttributeError` if there is none."""
        return self._found(target, dict(self.named_modules()), "module")  # type: ignore[no-any-return]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with this dotted name. Raises `ModuleAttributeError` if there is none."""
        own = {name: value for name, value in state.named(self) if isinstance(value, Parameter)}
        return self._found(target, own, "parameter")  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with this dotted name. Raises `ModuleAttributeError` if there is none."""
        return self._found(target, dict(self.named_buffers()), "buffer")  # type: ignore[no-any-return]

    def _found(self, target: str, known: Mapping[str, Any], what: str) -> Any:
        if target not in known:
            raise ModuleAttributeError(
                f"{type(self).__name__} has no {what} '{target}'.",
                fix=f"It has {', '.join(filter(None, known)) or 'none'}.",
            )
        return known[target]

    # ---- state -------------------------------------------------------------------------------------------------------

    def state_dict(
        self, *, destination: dict[str, Tensor] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """{name: tensor} of all parameters and saved buffers, with PyTorch's names; shared ones under each of theirs.

        What a module's `get_extra_state()` returns is in it as "_extra_state"; `set_extra_state` gets it back.
        The tensors share their memory with the module; with `keep_vars` they are its parameters themselves. They are
        put into `destination`, if it is given. Raises `GraphError` if a lazy layer has not seen a batch yet.
        """
        found = state.collect(self, prefix, keep_vars)
        if destination is None:
            return found
        destination.update(found)
        return destination

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> state.Keys:
        """Copy values (tensors or arrays, PyTorch's too) into the parameters of the same names.

        Raises `ShapeError` before anything is changed if a shape differs, `ArgumentError` with `strict` if names are
        missing or left over. `assign` is accepted for PyTorch's sake; values are always copied.
        """
        return state.load(self, state_dict, strict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (or write zeros into them)."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Freeze all parameters (False), or train them again."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Switch to training behaviour (dropout drops), here and below. Raises `DtypeError` unless True or False."""
        if not isinstance(mode, (bool, np.bool_)):
            raise DtypeError(
                f"train() takes True or False, not {type(mode).__name__}.",
                "It switches a module to training behaviour; it does not train it.",
                "The loop is microtrain.train.fit(model, batches, optimizer, epochs).",
            )
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Switch to evaluation behaviour (dropout does nothing)."""
        return self.train(False)

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call a function on every module, the innermost first: `model.apply(initialise)`."""
        for module in state.innermost_first(self):
            fn(module)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Convert the floating-point parameters and buffers to a dtype; a device can only be 'cpu'."""
        for _, tensor in state.named(self, unsaved=True):
            converted = tensor.detach().to(*args, **kwargs)
            if tensor.is_floating_point() and converted.dtype != tensor.dtype:
                gradient, tensor.grad = tensor.grad, None
                tensor.data = converted
                if gradient is not None:
                    tensor.grad = gradient.detach().to(converted.dtype)
        return self

    def type(self: Self, dst_type: Any) -> Self:
        """Convert the floating-point parameters and buffers to a dtype."""
        return self.to(dst_type)

    def float(self: Self) -> Self:
        """In float32."""
        return self.to(np.float32)

    def double(self: Self) -> Self:
        """In float64."""
        return self.to(np.float64)

    def half(self: Self) -> Self:
        """In float16."""
        return self.to(np.float16)

    def cpu(self: Self) -> Self:
        """The module itself: it is on the CPU."""
        return self

    def cuda(self: Self, device: Any = None) -> Self:
        """Raises `UnsupportedError`: there is no GPU here."""
        return self.to("cuda")

    # ---- hooks -------------------------------------------------------------------------------------------------------

    def _hook(self, which: str, hook: Hook | WithKwargs, prepend: bool) -> Handle:
        function = hook.hook if isinstance(hook, WithKwargs) else hook
        if not callable(function):
            raise DtypeError(f"A hook is a function, not {type(function).__name__}.")
        self.__dict__["_hooked"] = True
        hooks = self.__dict__.setdefault(which, [])
        handle = Handle(hooks, hook)
        if prepend:
            hooks.insert(0, hooks.pop())
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args)` before forward; what it returns, if anything, replaces the arguments.

        `with_kwargs` calls `hook(module, args, kwargs)`, which may return new ones of both. `prepend` puts the hook
        before those that are there.
        """
        return self._hook("_before", WithKwargs(hook) if with_kwargs else hook, prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> Handle:
        """Call `hook(module, args, output)` after forward; what it returns, if anything, replaces the output.

        `with_kwargs` calls `hook(module, args, kwargs, output)`; `prepend` as for `register_forward_pre_hook`. Raises
        `UnsupportedError` for `always_call`.
        """
        if always_call:
            raise UnsupportedError(
                "register_forward_hook(): always_call=True is not supported.",
                "A hook sees the output, and after an error in forward() there is none.",
                "Write try ... finally in forward(), or around the call of the module.",
            )
        return self._hook("_after", WithKwargs(hook) if with_kwargs else hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[[Module, Any], Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when the gradients of the outputs have been computed.

        They come as a tuple, read-only; what the hook returns, if anything, replaces them.
        """
        return self._hook("_before_backward", hook, prepend)

    def register_full_backward_hook(self, hook: Callable[[Module, Any, Any], Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs have been computed.

        Both are tuples, read-only, with None where no gradient flows; what the hook returns, if anything, replaces
        `grad_input`.
        """
        return self._hook("_after_backward", hook, prepend)

    # ---- showing itself ----------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What to show between the brackets; for subclasses."""
        return ""

    def __repr__(self) -> str:
        return described(self)

    def summary(self) -> str:
        """A table of all parameters: name, shape, how many, and what they add up to."""
        return table(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in vars(self):  # a subclass asks its base class in a __getattr__ of its own
            return vars(self)[name]
        if name in ("_parameters", "_modules", "_buffers"):  # where PyTorch keeps them; here they are attributes
            return state.Own(self, name)
        known = [key for key in vars(self) if not key.startswith("_")]
        raise ModuleAttributeError(
            f"{type(self).__name__} has no attribute '{name}'.",
            "" if "_saved_buffers" in vars(self) else "super().__init__() was not called.",
            f"It has {', '.join(known)}." if known else "",
        )


class ModuleAttributeError(MicrotrainError, AttributeError):
    """A misspelt attribute of a module."""


def _inside(container: Any) -> Iterator[Parameter]:
    """The parameters in a plain list or dict of modules and parameters."""
    for item in islice(container.values() if isinstance(container, dict) else container, 100):
        if isinstance(item, Parameter):
            yield item
        elif isinstance(item, Module):
            yield from (p for _, p in state.named(item) if isinstance(p, Parameter))
