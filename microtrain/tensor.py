"""The tensor, and the one door through which every operation goes.

A `Tensor` is a NumPy array that may remember how it was made. `apply` computes an operation's value and, where a
gradient is wanted, leaves a `Node` behind; nothing else adds to the graph.

Where the rest is: engine/values.py has what a tensor shares with arrays, engine/views.py writing in place,
engine/backward.py the gradients, and calling/operators.py gives the class its operators and the methods of the
operation table.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .calling.failures import explain_failure
from .engine import views
from .engine.node import Memory, Node, count_writes, memory_of
from .engine.quiet import quiet, restore
from .engine.recording import MODE
from .engine.sites import call_site
from .engine.values import Values
from .errors import DtypeError, GraphError, NotDifferentiableError, ShapeError
from .kernels import tier
from .ops.primitive import Primitive
from .show import short, tensor_repr

if TYPE_CHECKING:  # what calling/operators.py installs, for type checkers and completion
    from .table import Methods
else:
    Methods = object

_ndarray = np.ndarray
NUMBERS = frozenset([float, int, bool, np.float64, np.float32, np.int64, np.bool_])


class Tensor(Values, Methods):
    """An array with reverse-mode automatic differentiation.

    Make tensors with `microtrain.tensor`, `zeros`, `randn` and so on. `requires_grad=True` marks a leaf whose gradient
    is wanted; after `loss.backward()` it is in `.grad`.
    """

    # Slots are read and written several times as fast as attributes in a dictionary.
    __slots__ = ("_data", "_grad", "_hooks", "_memory", "_name", "_node", "_tracked", "_view", "_view_version")

    _node: Node | None  # the operation that made this tensor; None for leaves and constants
    _tracked: bool  # does a gradient flow to or through this tensor?
    _grad: Tensor | None
    _memory: Memory | None  # made when first kept, viewed or written
    _view: views.View | None
    _view_version: int  # of the memory, when the view's node was made
    _hooks: list[Callable[[Any], Any]] | None  # of leaves; those of other tensors are with their node
    _name: str

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        return wrap(None, cls)

    def __init__(self, data: Any = (), dtype: Any = None, requires_grad: bool = False, *more: int) -> None:
        if type(dtype) is int:  # PyTorch's Tensor(2, 3): a shape, to be filled
            sizes = (data, dtype, requires_grad, *more) if type(requires_grad) is int else (data, dtype)
            data, dtype, requires_grad = np.zeros(sizes), dtypes.get_default_dtype(), False
        if isinstance(data, Tensor):
            if data.requires_grad:
                raise NotDifferentiableError(
                    f"A new tensor can't be made of one that requires grad ({short(data._data)}).",
                    "It would have the values but not the history, and the gradient would be lost without a word.",
                    "Use x.clone() to stay differentiable, or x.detach() if the gradient is not wanted.",
                )
            data = data._data
        self._data = dtypes.to_array(data, dtype)
        if dtype is None and self._data.dtype.kind != "f" and isinstance(data, (list, tuple)):
            self._data = self._data.astype(dtypes.get_default_dtype())  # as PyTorch's; `tensor` keeps integers
        if requires_grad:
            self.requires_grad_()

    # ---- the door ----------------------------------------------------------------------------------------------------

    @staticmethod
    def apply(primitive: Primitive, *inputs: Any, **params: Any) -> Tensor:
        """Do one operation. Inputs may be tensors, arrays and Python numbers; at least one is a tensor."""
        mode = MODE.get()
        arrays = []
        mask, bit = 0, 1  # which inputs want a gradient
        origins = []  # and what made them
        for x in inputs:
            if isinstance(x, Tensor):
                if x._view is not None and x._view_version != x._memory.version:  # type: ignore[union-attr]
                    views.refresh(x)
                if x._tracked:
                    mask |= bit
                    origins.append(x._node or x)
                arrays.append(x._data)
            else:
                arrays.append(x if type(x) in NUMBERS else dtypes.operand(x))
            bit <<= 1
        if primitive.view:  # a view needs memory, and a NumPy scalar has none to share
            arrays[0] = inputs[0]._array()
        value = None
        token = quiet()
        try:
            # Only the first and the last input are asked for their size: small operations must not pay for a loop.
            if primitive.kernel is not None and (
                (arrays[0].__class__ is _ndarray and arrays[0].size >= tier.large)
                or (arrays[-1].__class__ is _ndarray and arrays[-1].size >= tier.large)
            ):
                value = primitive.kernel(arrays)
            if value is None:
                value = primitive.forward(*arrays, **params)
        except (ValueError, TypeError, IndexError, ArithmeticError) as error:
            raise explain_failure(primitive, arrays, params, error) from None
        finally:
            restore(token)

        output = wrap(value)
        if primitive.view:
            views.note_view(output, inputs[0], primitive, params)
        if mask and mode.grad and primitive.differentiable and value.dtype.kind == "f":
            plan = primitive.plans.get(mask) or primitive.plan(mask, len(inputs))
            if plan.wanted:
                output._node = node = Node(primitive, params, plan, origins, inputs, arrays, value)
                output._tracked = True
                if primitive.view:
                    node._memory = output._memory
        if mode.listeners:  # asking first takes half the time of an empty loop
            for listener in mode.listeners:
                listener.forward(primitive, inputs, params, output, output._node)
        return output

    overwrite = views.overwrite

    # ---- the graph ---------------------------------------------------------------------------------------------------

    def _current(self) -> Node | None:
        """The node of the operation that made this tensor; looked up again if it is a view and was written since."""
        if self._view is not None:
            views.refresh(self)
        return self._node

    @property
    def requires_grad(self) -> bool:
        """Does a gradient flow to this tensor (a leaf) or through it (a result)?"""
        self._current()
        return self._tracked

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Mark a leaf as one whose gradient is wanted (or no longer).

        Raises `DtypeError` for integers and booleans, `GraphError` for switching it off on a result.
        """
        node = self._current()
        if node is not None:
            if not requires_grad:
                raise GraphError(
                    f"requires_grad can't be switched off on a result of '{node.primitive.name}'.",
                    "Only leaves can be marked; a result requires grad because its inputs do.",
                    "Use x.detach().",
                )
            return self
        if requires_grad and self._data.dtype.kind != "f":
            raise DtypeError(
                f"A tensor of dtype {self.dtype} can't require grad.",
                "Integers and booleans have no derivatives.",
                "Make it floating point: mt.tensor([1., 2.]) or x.float().",
            )
        self._tracked = bool(requires_grad)
        if self._tracked:
            self._view = None  # a leaf has no history, so none is taken from what it is a view of
        return self

    @property
    def is_leaf(self) -> bool:
        """Is this where the graph begins: not the result of a recorded operation?"""
        return self._current() is None

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made this tensor."""
        return self._current()

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward() has accumulated here, or None. A tensor assigned to it is copied."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise DtypeError(f"grad must be a tensor or None, not {type(value).__name__}.")
            if value.shape != self.shape:
                raise ShapeError(f"A gradient of shape {value.shape} does not fit a tensor of shape {self.shape}.")
            if value.dtype != self.dtype:
                raise DtypeError(f"A gradient of dtype {value.dtype} does not fit a tensor of dtype {self.dtype}.")
            if value is not self._grad:
                value = value.clone()  # gradients are never shared: backward() writes to them
        for listener in MODE.get().listeners:
            if hasattr(listener, "assigned"):
                listener.assigned(self)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def retains_grad(self) -> bool:
        """Has `retain_grad()` been called on this result?"""
        node = self._current()
        return node is not None and node.grad_receiver is not None

    @property
    def _version(self) -> int:
        """How often its memory was written, as PyTorch calls it."""
        return self._memory.version if self._memory is not None else 0

    def detach(self) -> Tensor:
        """The same memory without the graph. Writes to it are seen by every tensor and node that shares it."""
        output = wrap(self._array())
        output._memory = memory_of(self)
        return output

    @property
    def data(self) -> Tensor:
        """`detach()`: the values without the graph. Unlike PyTorch's, writes through it are noticed by backward()."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        """Give the tensor other values, which are copied; tensors that shared its memory keep the old ones."""
        array = dtypes.to_array(value._data if isinstance(value, Tensor) else value)
        if self._tracked and array.dtype.kind != "f":
            raise DtypeError(f"Data of dtype {array.dtype} can't be put into a tensor that requires grad.")
        if self._current() is not None and (array.shape, array.dtype) != (self.shape, self.dtype):
            raise ShapeError(
                f"data of shape {array.shape} and dtype {array.dtype} can't replace {short(self._data)}.",
                "This tensor is the result of an operation, whose gradient has the old shape.",
                "Make a new tensor.",
            )
        memory = Memory()
        memory.version = self._version
        count_writes([memory], ("data =", call_site(2)))  # for the nodes that keep what was there before
        if array.shape != self._data.shape:
            memory.reshaped = memory.written
        elif self._memory is not None:
            memory.reshaped = self._memory.reshaped
        self._data, self._view, self._memory = array, None, memory
        if self._node is not None:
            self._node._memory = memory

    def named(self, name: str) -> Tensor:
        """Give the tensor a name that graphs and messages show; returns the tensor itself."""
        self._name = name
        node = self._current()
        if node is not None:
            node.name = name
        return self

    # ---- what Python asks of an object -------------------------------------------------------------------------------

    __hash__ = object.__hash__  # by identity, although `==` compares elements

    def __repr__(self) -> str:
        self._current()
        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        if self._data.ndim == 0 or (spec and self.numel() == 1):
            return format(self.item(), spec)
        try:
            return format(repr(self), spec)
        except ValueError:
            raise ShapeError(
                f"The format {spec!r} is for one number, and this tensor has {self.numel()} (shape {self.shape}).",
                fix="Reduce it first (x.mean()), or format its elements: [f'{v:.3f}' for v in x.tolist()].",
            ) from None

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        node = self._current()
        if node is not None:
            raise GraphError(
                f"Only leaves can be copied by the copy module; this tensor is a result of '{node.primitive.name}'.",
                "The copy would share the graph or lose it.",
                "Use x.detach().clone() or x.clone().",
            )
        twin = wrap(self._data.copy(), type(self))
        memo[id(self)] = twin
        twin._tracked, twin._name = self._tracked, self._name
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))  # what the user has hung on it
        if self._grad is not None:
            twin._grad = self._grad.detach().clone()
        return twin

    def __reduce__(self) -> Any:
        if self._current() is not None:
            raise GraphError(
                "A tensor that has a graph can't be pickled.", "The graph holds functions.", "Pickle x.detach()."
            )
        state = {"_data": self._data.copy(), "_tracked": self._tracked, "_name": self._name, **self.__dict__}
        return _unpickle, (type(self), state)


_new = object.__new__


def wrap(data: Any, kind: type[Any] = Tensor) -> Tensor:
    """A tensor around an array or NumPy scalar, without a copy."""
    output: Tensor = _new(kind)
    output._data = data
    output._node = output._grad = output._memory = output._view = output._hooks = None
    output._tracked = False
    output._view_version = 0
    output._name = ""
    return output


def _unpickle(kind: type[Tensor], state: dict[str, Any]) -> Tensor:
    output = wrap(None, kind)
    for name, value in state.items():
        setattr(output, name, value)
    return output
